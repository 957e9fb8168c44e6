"""How long all-pairs routing takes, and how long it keeps the event loop from doing anything else.

Run: python benchmarks/routing.py [--paths 1024] [--characters 1000] [--policy dispersed] [--seed 7]

The first figure grows with the square of both dials: a path's summary is compared to every other's. The
second is measured by a coroutine that does nothing but wake up every millisecond: its longest sleep, less
that millisecond, is the longest time for which the loop served nobody. The target is 20 ms. On a busy
machine the operating system adds waits of its own; the ticks before the routing show how long these are, and
the CPU time of this process within one tick is what the routing can have had to do with a late one.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time
from contextlib import suppress

from tertulia.circle.routing import POLICIES, route_async

TICK = 0.001


def summaries(paths: int, characters: int, seed: int) -> list[str]:
    """Made-up texts of exactly so many characters, with words in common as summaries have."""
    draw = random.Random(seed)
    letters = "etaoinshrdlcum"
    words = ["".join(draw.choices(letters, k=draw.randint(1, 9))) for _ in range(400)]
    return [" ".join(draw.choices(words, k=characters))[:characters] for _ in range(paths)]


class Ticker:
    """Wakes up every millisecond and remembers how late it was, in seconds, and what CPU time passed."""

    def __init__(self) -> None:
        self.late: list[float] = []
        self.worked: list[float] = []

    async def run(self) -> None:
        """Ticks until cancelled."""
        while True:
            before, work = time.perf_counter(), time.process_time()
            await asyncio.sleep(TICK)
            self.late.append(time.perf_counter() - before - TICK)
            self.worked.append(time.process_time() - work - TICK)


async def watched(options: argparse.Namespace) -> tuple[float, Ticker, Ticker]:
    """Seconds that one routing took, the ticks before it and those during it."""
    texts = summaries(options.paths, options.characters, options.seed)
    answers = [str(index % 7) for index in range(options.paths)]
    idle, busy = Ticker(), Ticker()
    with suppress(TimeoutError):
        await asyncio.wait_for(idle.run(), options.idle)
    ticking = asyncio.create_task(busy.run())
    await asyncio.sleep(0)
    start = time.perf_counter()
    await route_async(
        options.policy, texts, options.heard, seed=options.seed, answers=answers, max_heard=options.max_heard
    )
    seconds = time.perf_counter() - start
    await asyncio.sleep(2 * TICK)
    ticking.cancel()
    return seconds, idle, busy


def main() -> None:
    """Prints what was done, the time it took, and how late the event loop was."""
    parser = argparse.ArgumentParser(description="Time of all-pairs routing and the event loop's longest block")
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
    print(f"{options.policy}: {options.paths} summaries of {options.characters} characters, seed {options.seed}")
    print(f"time: {seconds:.2f} s, {seconds / max(pairs, 1) * 1e6:.0f} us a pair, one thread")
    print(
        f"longest block of the event loop: {max(busy.late) * 1000:.1f} ms in {len(busy.late)} ticks (target: "
        f"under 20), {max(busy.worked) * 1000:.1f} ms of it at most this process's own CPU time"
    )
    print(f"the same in {len(idle.late)} idle ticks, the noise of this machine: {max(idle.late) * 1000:.1f} ms")


if __name__ == "__main__":
    main()
