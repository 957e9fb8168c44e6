"""The Prefix Dominance Trap on pebble: what a short beginning of a wrong, and of a right, thought does.

    python benchmarks/trap.py --questions 200

Of each question eight independent paths are sampled. Where some are right and some are wrong, the first 15 % of the
thought tokens of one wrong path and of one right path become beginnings, and each is continued eight times.
Figures are paired by question; the reference is the eight untouched paths of the same questions.
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

import numpy as np

from common import gather_bounded, pebble_sampling, points, sample, seed_of, table
from tertulia.engines.embedded import EmbeddedEngine
from tertulia.world.problems import problem
from tertulia.world.traces import prompt

PATHS = 8


async def measure(arguments: argparse.Namespace) -> None:
    """Samples, forces beginnings, prints."""
    sampling = pebble_sampling()
    engine = EmbeddedEngine(arguments.model, slots=32, context_per_slot=1024, threads=arguments.threads)

    async def one(seed: int) -> dict[str, float] | None:
        drawn = problem(seed, arguments.difficulty, arguments.split)
        gold = str(drawn.answer)
        ids = await engine.tokenize(prompt(drawn.question(arguments.language)), special=True)

        async def paths(start: tuple[int, ...], kind: str) -> list[tuple[bool, tuple[int, ...], int]]:
            got = []
            for path in range(PATHS):
                name = f"{seed}/{kind}/{path}"
                own = seed_of(arguments.seed, name)
                drawn_path = await sample(engine, ids + start, name, own, sampling)
                got.append((drawn_path.answer == gold, drawn_path.ids, drawn_path.thought_tokens))
            return got

        free = await paths((), "free")
        found = {"free": float(np.mean([right for right, _, _ in free]))}
        if found["free"] in (0.0, 1.0):
            return None
        for kind, wanted in (("bad", False), ("good", True)):
            tokens, length = next((tokens, length) for right, tokens, length in free if right is wanted)
            start = tokens[: max(1, round(arguments.share * length))]
            found[kind] = float(np.mean([right for right, _, _ in await paths(start, kind)]))
        return found

    async with engine:
        every = await gather_bounded(one, range(arguments.first, arguments.first + arguments.questions), 16)
    kept = [found for found in every if found is not None]
    print(f"{len(kept)} of {len(every)} questions have right and wrong paths; share {arguments.share}\n")
    free = np.array([found["free"] for found in kept])
    rows = [{"beginning": "none", "pass@1 %": points(free), "difference": ""}]
    for kind in ("bad", "good"):
        values = np.array([found[kind] for found in kept])
        rows.append(
            {"beginning": kind, "pass@1 %": points(values), "difference": points(values - free, sign=True)}
        )
    print(table(rows))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--model", type=Path, default=None, help="GGUF file; the packaged pebble if not given"
    )
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="seed of the first problem")
    parser.add_argument("--share", type=float, default=0.15)
    parser.add_argument("--difficulty", default="default")
    parser.add_argument("--language", default="en")
    parser.add_argument("--split", default="test", help="dev to choose settings, test to report")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    asyncio.run(measure(parser.parse_args()))


if __name__ == "__main__":
    main()
