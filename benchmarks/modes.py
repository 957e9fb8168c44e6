"""Right answers and time of the ways to meet: sync with all heard, board mode, and the router `answers`.

    python benchmarks/modes.py --questions 400

The same questions in batches; each batch is solved by every way in turn, in an order that rotates, so that a machine
that grows slower or faster treats all alike. Right answers are compared with sync, paired by question; time is the
ratio of a batch's seconds to those of sync, with an interval from a bootstrap over batches. All of it in one process on
one engine (long problems of the development split, eight paths, pebble's preset without doubt).
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from common import seed_of, table
from tertulia.api import solve_with
from tertulia.engines.embedded import EmbeddedEngine
from tertulia.evaluation.statistics import mean_over_questions, paired_difference, ratio_of_means
from tertulia.model import profile_for
from tertulia.settings import resolve
from tertulia.world.problems import problem

WAYS: dict[str, dict[str, Any]] = {
    "sync, all": {"mode": "sync", "router": "all"},
    "sync, answers": {"mode": "sync", "router": "answers"},
    "board, all": {"mode": "board", "router": "all"},
    "board, answers": {"mode": "board", "router": "answers"},
}


async def batch(engine: EmbeddedEngine, way: str, numbers: list[int], difficulty: str) -> dict[str, Any]:
    """Solves questions at once: share of right paths, whether the vote is right, tokens a path, and seconds in all."""
    profile = profile_for(None)
    posed = [problem(number, difficulty, "dev") for number in numbers]
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        results = await asyncio.gather(
            *(
                solve_with(
                    engine,
                    profile,
                    one.question(),
                    resolve(profile, {"doubt": 0.0, "seed": seed_of("modes", number), **WAYS[way]}),
                    name=f"{way}/q{number}",
                    gold=str(one.answer),
                    journal=Path(folder) / f"{number}.jsonl",
                )
                for number, one in zip(numbers, posed, strict=True)
            )
        )
        seconds = time.perf_counter() - began
    right = [
        float(np.mean([path.answer == str(one.answer) for path in result.paths]))
        for result, one in zip(results, posed, strict=True)
    ]
    tokens = [float(np.mean([path.tokens.generated for path in result.paths])) for result in results]
    return {"right": right, "vote": [float(bool(result.correct)) for result in results], "tokens": tokens, "s": seconds}


async def measure(arguments: argparse.Namespace) -> None:
    """Runs all batches and prints the table."""
    found: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
    ways, size = list(WAYS), arguments.at_once
    engine = EmbeddedEngine(None, slots=8 * size, context_per_slot=1024, threads=arguments.threads)
    async with engine:
        for turn, first in enumerate(range(0, arguments.questions, size)):
            numbers = list(range(first, min(first + size, arguments.questions)))
            for way in ways[turn % len(ways) :] + ways[: turn % len(ways)]:
                found[way].append(await batch(engine, way, numbers, arguments.difficulty))
    print(f"{arguments.questions} {arguments.difficulty} problems, {size} at once, {arguments.threads} thread(s)\n")
    print(table([row(way, found[way], found["sync, all"]) for way in ways]))


def row(way: str, mine: list[dict[str, Any]], sync: list[dict[str, Any]]) -> dict[str, str]:
    """A way beside sync."""

    def values(batches: list[dict[str, Any]], name: str) -> list[list[float]]:
        return [[value] for one in batches for value in one[name]]

    told = {"": way}
    for name, column in (("right", "Pass@1 %"), ("vote", "vote of 8 %")):
        told[column] = mean_over_questions(values(mine, name)).points()
        less = "" if mine is sync else paired_difference(values(mine, name), values(sync, name)).points(sign=True)
        told[f"{column}, less sync"] = less
    told["tokens a path"] = f"{np.mean(values(mine, 'tokens')):.0f}"
    ratio = ratio_of_means([[one["s"]] for one in mine], [[one["s"]] for one in sync])
    assert ratio is not None, "no batch takes no time"
    told["time over sync"] = "" if mine is sync else f"{ratio.mean:.2f} [{ratio.low:.2f}, {ratio.high:.2f}]"
    return told


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=80)
    parser.add_argument("--difficulty", default="long")
    parser.add_argument("--at-once", type=int, default=5, help="questions of a batch")
    parser.add_argument("--threads", type=int, default=1)
    asyncio.run(measure(parser.parse_args()))


if __name__ == "__main__":
    main()
