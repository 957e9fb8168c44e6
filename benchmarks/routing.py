"""How long all-pairs routing takes, and how long it keeps the event loop from doing anything else.

Run: python benchmarks/routing.py [--paths 1024] [--characters 1000] [--policy dispersed] [--seed 7]

The first figure grows with the square of both dials: a path's summary is compared to every other's. The
second is measured by a coroutine that does nothing but wake up every millisecond: its longest sleep, less
that millisecond, is the longest time for which the loop served nobody. The target is 20 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time

from tertulia.routing import POLICIES, route_async

TICK = 0.001


def summaries(paths: int, characters: int, seed: int) -> list[str]:
    """Made-up texts of exactly so many characters, with words in common as summaries have."""
    draw = random.Random(seed)
    letters = "etaoinshrdlcum"
    words = ["".join(draw.choices(letters, k=draw.randint(1, 9))) for _ in range(400)]
    return [" ".join(draw.choices(words, k=characters))[:characters] for _ in range(paths)]


class Ticker:
    """Wakes up every millisecond and remembers how late it was."""

    def __init__(self) -> None:
        self.late: list[float] = []

    async def run(self) -> None:
        """Ticks until cancelled."""
        while True:
            before = time.perf_counter()
            await asyncio.sleep(TICK)
            self.late.append(time.perf_counter() - before - TICK)


async def watched(options: argparse.Namespace) -> tuple[float, list[float], list[float]]:
    """Seconds that one routing took, and how late each tick came before it and during it, in seconds."""
    texts = summaries(options.paths, options.characters, options.seed)
    answers = [str(index % 7) for index in range(options.paths)]
    ticker = Ticker()
    ticking = asyncio.create_task(ticker.run())
    await asyncio.sleep(options.idle)
    idle, ticker.late = ticker.late, []
    start = time.perf_counter()
    await route_async(
        options.policy, texts, options.heard, seed=options.seed, answers=answers, max_heard=options.max_heard
    )
    seconds = time.perf_counter() - start
    await asyncio.sleep(0)
    ticking.cancel()
    return seconds, idle, ticker.late


def main() -> None:
    """Prints three lines: what was done, the time it took, how late the event loop was."""
    parser = argparse.ArgumentParser(
        description="Time of all-pairs routing and the event loop's longest block"
    )
    parser.add_argument("--paths", type=int, default=1024)
    parser.add_argument("--characters", type=int, default=1000)
    parser.add_argument("--heard", type=int, default=4)
    parser.add_argument("--max-heard", type=int, default=8)
    parser.add_argument("--policy", choices=POLICIES, default="dispersed")
    parser.add_argument("--idle", type=float, default=10.0, help="seconds of ticking before the routing")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    seconds, idle, busy = asyncio.run(watched(options))
    pairs = options.paths * (options.paths - 1) // 2
    print(
        f"{options.policy}: {options.paths} summaries of {options.characters} characters, seed {options.seed}"
    )
    print(f"time: {seconds:.2f} s, {seconds / max(pairs, 1) * 1e6:.0f} us a pair, one thread")
    print(
        f"longest block of the event loop: {max(busy) * 1000:.1f} ms in {len(busy)} ticks (target: under 20; "
        f"{max(idle) * 1000:.1f} ms in {len(idle)} idle ticks before it, the noise of this machine)"
    )


if __name__ == "__main__":
    main()
