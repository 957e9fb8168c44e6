"""How much of the time of a run with meetings is the engine's own: one circle, and 16 questions x 8 paths.

    python benchmarks/engine_share.py

For each load, in one run and in turn: the circles with meetings on the embedded engine, then the bare engine with the
same work (for each path one request that evaluates the same prompt and the same inserted tokens, and decodes the
same number of tokens in one stretch, all paths at once). The share is bare time over time with meetings; the median
of the repetitions is what to quote. Also: the part of prompt tokens that came from the cache after the first
meeting, requests, and the processor time of our own thread (HTTP, JSON, tokenizing, routing, journal).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common import table
from tertulia.api import solve_with
from tertulia.engines.base import Generation, OnTokens, Request
from tertulia.engines.embedded import EmbeddedEngine
from tertulia.model import profile_for
from tertulia.settings import resolve
from tertulia.world.problems import problem

PROFILE = profile_for(None)


@dataclass
class Counted:
    """What went through the engine: requests, and prompt tokens after each path's first."""

    requests: int = 0
    prompts: int = 0
    cached: int = 0
    seen: set[str] = field(default_factory=set)


class CountingEngine(EmbeddedEngine):
    """An embedded engine that counts what it is asked."""

    counted = Counted()

    async def generate(self, request: Request, *, on_tokens: OnTokens | None = None) -> Generation:
        """As the embedded engine does, and counts it."""
        came = await super().generate(request, on_tokens=on_tokens)
        count = self.counted
        count.requests += 1
        if request.path in count.seen:
            count.prompts += came.prompt_tokens
            count.cached += came.cached_tokens or 0
        count.seen.add(request.path)
        return came


async def with_meetings(engine: CountingEngine, questions: int, mode: str, first: int) -> dict[str, Any]:
    """Solves questions at the same time; their paths' work and what it took."""
    engine.counted = Counted()
    with tempfile.TemporaryDirectory() as folder:
        began, own = time.perf_counter(), time.thread_time()
        results = await asyncio.gather(
            *(
                solve_with(
                    engine,
                    PROFILE,
                    problem(seed, "long").question(),
                    resolve(PROFILE, {"mode": mode, "seed": seed}),
                    name=f"q{seed}/c0",
                    journal=Path(folder) / f"{seed}.jsonl",
                )
                for seed in range(first, first + questions)
            )
        )
        seconds, own = time.perf_counter() - began, time.thread_time() - own
    paths = [path for result in results for path in result.paths]
    work = []
    for path in paths:
        prompt = [token for span in path.spans if span.kind == "prompt" for token in span.ids]
        put_in = [token for span in path.spans if span.kind in ("cue", "heard") for token in span.ids]
        work.append((prompt + put_in, path.tokens.generated))
    return {"seconds": seconds, "own": own, "work": work, "counted": engine.counted}


def bare(engine: CountingEngine, work: list[tuple[list[int], int]]) -> float:
    """Seconds for the same work without meetings, all paths at once, without our client."""

    def one(item: tuple[list[int], int]) -> None:
        ids, tokens = item
        body = {
            "prompt": ids,
            "n_predict": tokens,
            "ignore_eos": True,
            "temperature": 0.8,
            "samplers": ["temperature"],
            "cache_prompt": False,
            "response_fields": ["tokens_predicted"],
        }
        request = urllib.request.Request(
            f"{engine.info.url}/completion",
            json.dumps(body).encode(),
            {"Content-Type": "application/json", "Authorization": f"Bearer {engine._key}"},
        )
        with urllib.request.urlopen(request) as reply:
            json.load(reply)

    with ThreadPoolExecutor(len(work)) as clients:
        began = time.perf_counter()
        list(clients.map(one, work))
        return time.perf_counter() - began


async def measure(arguments: argparse.Namespace) -> None:
    """Measures both loads in both modes."""
    rows = []
    for questions in arguments.questions:
        engine = CountingEngine(arguments.model, slots=8 * questions, context_per_slot=1024, threads=arguments.threads)
        async with engine:
            for mode in ("sync", "board"):
                found = []
                for turn in range(arguments.repeat):
                    met = await with_meetings(engine, questions, mode, first=turn * questions)
                    met["bare"] = await asyncio.to_thread(bare, engine, met["work"])
                    found.append(met)
                best = sorted(found, key=lambda met: met["bare"] / met["seconds"])[len(found) // 2]
                count = best["counted"]
                shares = [met["bare"] / met["seconds"] for met in found]
                rows.append(
                    {
                        "questions": questions,
                        "mode": mode,
                        "tokens generated": sum(tokens for _, tokens in best["work"]),
                        "with meetings, s": f"{best['seconds']:.2f}",
                        "bare, s": f"{best['bare']:.2f}",
                        "engine share": f"{statistics.median(shares):.2f} ({min(shares):.2f} to {max(shares):.2f})",
                        "own thread, s": f"{best['own']:.2f}",
                        "requests": count.requests,
                        "from cache": f"{count.cached / max(1, count.prompts):.3f}",
                    }
                )
                print(rows[-1], flush=True)
    print("\n" + table(rows))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=None, help="GGUF file; the packaged pebble if not given")
    parser.add_argument("--questions", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    asyncio.run(measure(parser.parse_args()))


if __name__ == "__main__":
    main()
