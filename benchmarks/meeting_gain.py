"""What meetings buy on pebble: leap against independent paths at equal tokens, and against the placebos.

    python benchmarks/meeting_gain.py --difficulty default --questions 200
    python benchmarks/meeting_gain.py --difficulty long --questions 200

Every arm answers the same unseen problems with the same sampling. The equal-token vote gives the independent arm, for
each question, as many paths as the generated tokens of the leap circle buy (drawn from a pool, 200 draws). Intervals
are bootstrapped over questions. Each circle has its journal in --out, so the same command goes on where it was.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from common import gather_bounded, points, table, vote_share
from tertulia.api import solve_with
from tertulia.engines.embedded import EmbeddedEngine
from tertulia.profile import profile_for
from tertulia.settings import resolve
from tertulia.world.problems import problem

PLACEBOS = {"echo": "echo of oneself", "false": "false markers", "recheck": "always recheck"}
PATHS = 8
PROFILE = profile_for(None)
DRAWS = 200


async def circle(
    engine: EmbeddedEngine, seed: int, arm: str, arguments: argparse.Namespace
) -> dict[str, Any]:
    """One question in one arm: answers, and tokens of each path and of the circle."""
    folder = arguments.out / f"{arguments.language}-{arguments.difficulty}-{arguments.split}-{arm}"
    done = folder / f"{seed}.json"
    if done.exists():
        return dict(json.loads(done.read_text()))
    folder.mkdir(parents=True, exist_ok=True)
    asked: dict[str, Any] = {"language": arguments.language, "seed": arguments.seed}
    if arm == "independent":
        asked |= {"method": "independent", "paths": arguments.pool}
    else:
        asked |= {"method": "leap", "paths": PATHS} | ({"placebo": arm} if arm in PLACEBOS else {})
        asked |= {key: json.loads(value) for key, value in (pair.split("=", 1) for pair in arguments.set)}
    drawn = problem(seed, arguments.difficulty, arguments.split)
    result = await solve_with(
        engine,
        PROFILE,
        drawn.question(arguments.language),
        resolve(PROFILE, asked),
        name=f"{arm}/{seed}",
        gold=str(drawn.answer),
        journal=folder / f"{seed}.journal.jsonl",
    )
    found = result.to_json()
    kept = {
        "answers": [path["answer"] for path in found["paths"]],
        "generated": [path["tokens"]["generated"] for path in found["paths"]],
        "injected": [path["tokens"]["injected"] for path in found["paths"]],
        "discarded": [path["tokens"]["discarded"] for path in found["paths"]],
        "right": str(drawn.answer),
    }
    done.write_text(json.dumps(kept))
    return kept


def pass_at_1(found: list[dict[str, Any]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Share of right paths, a question at a time."""
    return np.array([np.mean([answer == one["right"] for answer in one["answers"]]) for one in found])


def vote_of_all(
    found: list[dict[str, Any]], paths: int | None = None
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Chance that the vote is right, a question at a time."""
    return np.array([vote_share(one["answers"][:paths], one["right"]) for one in found])


def vote_at_tokens(pool: dict[str, Any], tokens: float, draws: np.random.Generator) -> tuple[float, float]:
    """Vote of as many pooled paths as `tokens` generated tokens buy, and how many those are (means of draws)."""
    right, count = 0.0, 0
    for _ in range(DRAWS):
        order = draws.permutation(len(pool["answers"]))
        spent = np.cumsum(np.array(pool["generated"])[order])
        bought = max(1, int(np.searchsorted(spent, tokens, side="right")))
        right += vote_share([pool["answers"][at] for at in order[:bought]], pool["right"])
        count += bought
    return right / DRAWS, count / DRAWS


def report(arms: dict[str, list[dict[str, Any]]]) -> str:
    """The table: every arm with its tokens, and its differences to independent paths."""
    pool = arms["independent"]
    base = pass_at_1(pool)
    rows = []
    for arm, found in arms.items():
        spent = np.array([sum(one["generated"][:PATHS]) for one in found])
        heard = np.array([sum(one["injected"][:PATHS]) for one in found])
        row = {
            "arm": PLACEBOS.get(arm, arm),
            "pass@1 %": points(pass_at_1(found)),
            "gain": "" if arm == "independent" else points(pass_at_1(found) - base, sign=True),
            "vote of 8 %": points(vote_of_all(found, PATHS)),
            "generated a path": f"{spent.mean() / PATHS:.0f}",
            "injected a path": f"{heard.mean() / PATHS:.0f}",
        }
        if arm != "independent":
            for name, budget in (("generated", spent), ("generated + injected", spent + heard)):
                draws = np.random.default_rng(0)
                equal = [vote_at_tokens(one, tokens, draws) for one, tokens in zip(pool, budget, strict=True)]
                difference = vote_of_all(found) - np.array([right for right, _ in equal])
                row[f"vote at equal {name}"] = (
                    f"{points(difference, sign=True)} ({np.mean([n for _, n in equal]):.1f} paths)"
                )
        rows.append(row)
    return table([{key: row.get(key, "") for key in rows[-1]} for row in rows])


async def measure(arguments: argparse.Namespace) -> None:
    """Runs every arm, prints the table."""
    engine = EmbeddedEngine(arguments.model, slots=64, context_per_slot=1024, threads=arguments.threads)
    arms: dict[str, list[dict[str, Any]]] = {}
    async with engine:
        for arm in ["independent", *arguments.arms]:
            began = time.monotonic()
            seeds = range(arguments.first, arguments.first + arguments.questions)
            at_once = arguments.at_once if arm != "independent" else max(1, arguments.at_once // 3)
            arms[arm] = await gather_bounded(
                lambda seed, arm=arm: circle(engine, seed, arm, arguments), seeds, at_once
            )
            right = 100 * pass_at_1(arms[arm]).mean()
            print(f"{arm}: pass@1 {right:.1f} %, {time.monotonic() - began:.0f} s", flush=True)
    print(
        f"\n{arguments.questions} questions, {arguments.difficulty}, {arguments.language}, seed {arguments.seed}\n"
    )
    print(report(arms))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--model", type=Path, default=None, help="GGUF file; the packaged pebble if not given"
    )
    parser.add_argument(
        "--arms", nargs="*", default=["leap", "echo"], help="leap and placebos: echo false recheck"
    )
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="seed of the first problem")
    parser.add_argument("--difficulty", default="default")
    parser.add_argument("--language", default="en")
    parser.add_argument("--split", default="test", help="dev to choose settings, test to report")
    parser.add_argument("--pool", type=int, default=24, help="independent paths a question to draw from")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--at-once", type=int, default=8, help="circles under way at once")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=JSON", help="settings of the leap arms"
    )
    parser.add_argument("--out", type=Path, default=Path("out/meeting_gain"))
    asyncio.run(measure(parser.parse_args()))


if __name__ == "__main__":
    main()
