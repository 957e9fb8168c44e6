"""Pebble's card: accuracy a language, and the vote of eight in English, on unseen world problems.

    python benchmarks/accuracy.py --questions 1000

A question is answered once in each language (sampled, independent paths); in English eight times for the vote.
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

import numpy as np

from common import gather_bounded, pebble_sampling, points, sample, seed_of, table, vote_share
from tertulia.engines.embedded import EmbeddedEngine
from tertulia.world.language import LANGUAGES
from tertulia.world.problems import problem
from tertulia.world.traces import prompt


async def measure(arguments: argparse.Namespace) -> None:
    """Samples, counts, prints."""
    sampling = pebble_sampling()
    engine = EmbeddedEngine(arguments.model, slots=32, context_per_slot=1024, threads=arguments.threads)
    async with engine:
        rows = []
        for language in arguments.languages:
            paths = 8 if language == "en" else 1

            async def answers(seed: int, language: str = language, paths: int = paths) -> tuple[list[str | None], str]:
                drawn = problem(seed, arguments.difficulty, arguments.split)
                ids = await engine.tokenize(prompt(drawn.question(language)), special=True)
                names = [f"{language}/{arguments.difficulty}/{seed}/{path}" for path in range(paths)]
                seeds = [seed_of(arguments.seed, name) for name in names]
                got = [
                    (await sample(engine, ids, name, own, sampling)).answer
                    for name, own in zip(names, seeds, strict=True)
                ]
                return got, str(drawn.answer)

            first = arguments.first
            found = await gather_bounded(answers, range(first, first + arguments.questions), 32)
            right = np.array([np.mean([answer == gold for answer in got]) for got, gold in found])
            row = {"language": language, "n": len(found), "paths": paths, "pass@1 %": points(right)}
            row["vote of 8 %"] = points([vote_share(got, gold) for got, gold in found]) if paths == 8 else ""
            row["no answer %"] = f"{100 * np.mean([np.mean([a is None for a in got]) for got, _ in found]):.1f}"
            rows.append(row)
            print(table(rows[-1:]).splitlines()[-1], flush=True)
    how = f"temperature {sampling.temperature}, min_p {sampling.min_p}, seed {arguments.seed}"
    print(f"\ndifficulty {arguments.difficulty}, {how}\n")
    print(table(rows))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=None, help="GGUF file; the packaged pebble if not given")
    parser.add_argument("--questions", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="seed of the first problem")
    parser.add_argument("--difficulty", default="default")
    parser.add_argument("--languages", nargs="+", default=list(LANGUAGES))
    parser.add_argument("--split", default="test", help="dev to choose settings, test to report")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    asyncio.run(measure(parser.parse_args()))


if __name__ == "__main__":
    main()
