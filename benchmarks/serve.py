"""The endpoint under load, left by its clients, over time, and fuzzed; on pebble unless it says otherwise.

    python benchmarks/serve.py load --requests 200          # answers or a clean 429; none lost or mixed up
    python benchmarks/serve.py hang --clients 50            # what is left of clients that hang up in mid-stream
    python benchmarks/serve.py steady --minutes 10          # memory
    python benchmarks/serve.py first --requests 20          # from the request to its first reasoning, one at a time
    python benchmarks/serve.py fuzz --requests 20000        # against our own OpenAPI document; on the scripted engine

Each starts `tertulia serve` as a child process. It prints one JSON object, and exits 1 where something is not as it
must be.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from serve_requests import Fuzz
from tertulia.world.problems import problem

PATIENCE = httpx.Timeout(600)


@dataclass
class Child:
    """A server in a process of its own."""

    url: str
    pid: int
    model: str

    @property
    def memory(self) -> float:
        """Its resident memory, in MB."""
        status = Path(f"/proc/{self.pid}/status").read_text("utf-8")
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found
        return int(found[1]) / 1024

    @property
    def connections(self) -> int:
        """Connections of clients, in whatever state."""
        port = int(self.url.rpartition(":")[2])
        held = psutil.Process(self.pid).net_connections("tcp")
        return sum(one.laddr.port == port and one.status != psutil.CONN_LISTEN for one in held)

    async def get(self, path: str) -> httpx.Response:
        """What it says there, on a connection of its own."""
        async with httpx.AsyncClient(timeout=PATIENCE, verify=False) as client:
            return await client.get(f"{self.url}{path}")

    async def under_way(self) -> int:
        """Circles that run or wait."""
        text = (await self.get("/metrics")).text
        return sum(
            int(float(found)) for found in re.findall(r"^tertulia_circles_(?:running|waiting) (\S+)$", text, re.M)
        )

    async def idle(self) -> None:
        """Waits until no circle is under way, thirty seconds at most."""
        for _ in range(3000):
            if not await self.under_way():
                return
            await asyncio.sleep(0.01)

    def body(self, seed: int, difficulty: str = "default", **more: Any) -> dict[str, Any]:
        """A request for a world problem."""
        asked = [{"role": "user", "content": problem(seed, difficulty).question("en")}]
        return {"model": f"leap/{self.model}", "messages": asked, "tertulia": {"answer_kind": "math"}, **more}


@contextmanager
def served(*arguments: str) -> Iterator[Child]:
    """A server that runs within."""
    command = [sys.executable, "-m", "tertulia", "serve", "--port", "0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"(http://\S+:\d+)/v1 \(leap/(\S+),", process.stdout.readline())
            assert found, "it does not start"
            yield Child(found[1], process.pid, found[2])
        finally:
            process.terminate()


async def load(child: Child, requests: int) -> dict[str, Any]:
    """So many distinct questions at once: each ends in its own answer or in 429."""
    began, seconds = time.monotonic(), []

    async def ask(client: httpx.AsyncClient, seed: int) -> tuple[int, bool, bool]:
        start = time.monotonic()
        answer = await client.post(f"{child.url}/v1/chat/completions", json=child.body(seed))
        seconds.append(time.monotonic() - start)
        if answer.status_code != 200:
            clean = answer.status_code == 429 and int(answer.headers["Retry-After"]) >= 1
            return answer.status_code, clean, False
        choice = answer.json()["choices"][0]
        journal = (await client.get(f"{child.url}/circles/{choice['tertulia']['circle']}")).text.splitlines()
        header, *records = map(json.loads, journal)
        own = header["header"]["question"] == problem(seed).question("en")
        own &= records[-1]["answer"] == choice["tertulia"]["answer"]
        return 200, own, choice["tertulia"]["answer"] == str(problem(seed).answer)

    limits = httpx.Limits(max_connections=requests)
    async with httpx.AsyncClient(timeout=PATIENCE, limits=limits) as client:
        told = await asyncio.gather(*(ask(client, seed) for seed in range(1, requests + 1)))
    statuses = Counter(status for status, _, _ in told)
    return {
        "requests": requests,
        "statuses": dict(statuses),
        "seconds": round(time.monotonic() - began, 1),
        "median_seconds": round(sorted(seconds)[len(seconds) // 2], 2),
        "right": sum(right for _, _, right in told),
        "left": (under_way := await child.under_way()),
        "ok": all(own for _, own, _ in told) and set(statuses) <= {200, 429} and not under_way,
    }


async def hang(child: Child, clients: int) -> dict[str, Any]:
    """Clients that leave after some reasoning."""

    async def leave(seed: int) -> bool:
        body = child.body(seed, "long", stream=True)
        async with (
            httpx.AsyncClient(timeout=PATIENCE, verify=False) as client,
            client.stream("POST", f"{child.url}/v1/chat/completions", json=body) as answer,
        ):
            async for line in answer.aiter_lines():
                if '"reasoning"' in line:
                    return True
        return False

    left = await asyncio.gather(*(leave(seed) for seed in range(1, clients + 1)))
    gone = time.monotonic()
    await child.idle()
    freed = time.monotonic() - gone
    for _ in range(100):
        if not (connections := child.connections):  # one was our own, and is closing
            break
        await asyncio.sleep(0.01)
    states = Counter(circle["state"] for circle in (await child.get("/circles")).json())
    async with httpx.AsyncClient(timeout=PATIENCE) as client:
        again = (await client.post(f"{child.url}/v1/chat/completions", json=child.body(1))).status_code
    return {
        "clients": clients,
        "left_in_mid_stream": sum(left),
        "states": dict(states),
        "seconds_until_free": round(freed, 2),
        "connections": connections,
        "under_way": await child.under_way(),
        "answered_afterwards": again,
        "ok": freed < 1 and not await child.under_way() and not connections and again == 200,
    }


async def steady(child: Child, minutes: float) -> dict[str, Any]:
    """Four clients that ask and ask: memory at the start, after the first half and at the end."""
    end, asked, readings = time.monotonic() + 60 * minutes, 0, []

    async def client(first: int) -> None:
        nonlocal asked
        async with httpx.AsyncClient(timeout=PATIENCE) as opened:
            for seed in range(first, 10**9, 4):
                if time.monotonic() > end:
                    return
                answer = await opened.post(
                    f"{child.url}/v1/chat/completions", json=child.body(seed, stream=seed % 2 == 0)
                )
                assert answer.status_code == 200
                asked += 1

    async def watch() -> None:
        while time.monotonic() < end:
            readings.append(round(child.memory, 1))
            await asyncio.sleep(60 * minutes / 20)

    await asyncio.gather(watch(), *(client(first) for first in range(1, 5)))
    half = readings[len(readings) // 2 :]
    grown = half[-1] - half[0]
    return {
        "minutes": minutes,
        "requests": asked,
        "memory_mb": readings,
        "grown_in_second_half": round(grown, 1),
        "ok": grown < 20,
    }


async def first(child: Child, requests: int) -> dict[str, Any]:
    """Seconds from a request to its first bytes and to its first reasoning."""
    waits: list[tuple[float, float]] = []
    async with httpx.AsyncClient(timeout=PATIENCE) as client:
        for seed in range(1, requests + 1):
            began, bytes_came = time.monotonic(), 0.0
            async with client.stream(
                "POST", f"{child.url}/v1/chat/completions", json=child.body(seed, stream=True)
            ) as answer:
                async for line in answer.aiter_lines():
                    bytes_came = bytes_came or time.monotonic() - began
                    if '"reasoning"' in line:
                        waits.append((bytes_came, time.monotonic() - began))
                        break
            await child.idle()
    early, told = (sorted(wait[at] for wait in waits) for at in (0, 1))
    named = {"first_bytes": early, "first_reasoning": told}
    seconds = {name: {"median": round(of[len(of) // 2], 4), "most": round(of[-1], 4)} for name, of in named.items()}
    return {"requests": requests, "seconds": seconds, "ok": len(waits) == requests}


async def fuzz(child: Child, requests: int, seed: int = 1) -> dict[str, Any]:
    """So many requests, eight at a time: no 500, and every error in the shape that clients read."""
    made = Fuzz((await child.get("/openapi.json")).json(), seed, child.model)
    statuses: Counter[int] = Counter()
    wrong: list[str] = []
    left = requests

    async def ask() -> None:
        nonlocal left
        async with httpx.AsyncClient(timeout=PATIENCE) as client:
            while left > 0:
                left -= 1
                method, path, body, headers = made.request()
                answer = await client.request(method.upper(), f"{child.url}{path}", content=body, headers=headers)
                statuses[answer.status_code] += 1
                if answer.status_code >= 400 and method != "head":
                    shaped = set(answer.json().get("error", ())) == {"message", "type", "param", "code"}
                else:
                    shaped = True
                failed = answer.status_code >= 500 or '"server_error"' in answer.text
                if failed or not shaped:
                    wrong.append(f"{answer.status_code} {method} {path} {headers} {body!r} {answer.text[:300]}")

    began = time.monotonic()
    await asyncio.gather(*(ask() for _ in range(8)))
    return {
        "requests": requests,
        "seed": seed,
        "statuses": {str(status): count for status, count in sorted(statuses.items())},
        "seconds": round(time.monotonic() - began, 1),
        "left": (under_way := await child.under_way()),
        "wrong": wrong[:20],
        "ok": not wrong and not under_way,
    }


def main() -> int:
    """Runs one of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["load", "hang", "steady", "first", "fuzz"])
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--queue", type=int, default=64)
    asked, more = parser.parse_known_args()
    more += ["--engine", "scripted", "--budget", "300"] if asked.what == "fuzz" else []
    with served("--queue", str(asked.queue), *more) as child:
        match asked.what:
            case "load":
                work = load(child, asked.requests)
            case "hang":
                work = hang(child, asked.clients)
            case "steady":
                work = steady(child, asked.minutes)
            case "first":
                work = first(child, asked.requests)
            case _:
                work = fuzz(child, asked.requests, asked.seed)
        told = asyncio.run(work)
        print(json.dumps({"what": asked.what, **told, "memory_mb_now": round(child.memory, 1)}, ensure_ascii=False))
    return 0 if told["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
