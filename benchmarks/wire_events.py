"""Microseconds of this process that one event of a stream costs: sockets, HTTP, JSON, tokens and their texts.

    python benchmarks/wire_events.py --streams 16 --events 300 --pause 0.01

A server in another process writes the events of vLLM, each by itself, as a server does that has a token. What is told
is the client's own processor time: the smallest of the rounds, and all of them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import time
from multiprocessing.connection import Connection
from typing import Any

from tertulia.engines.base import Request
from tertulia.engines.client import HttpEngine

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def event(token: int, reason: str | None) -> bytes:
    """One event as vLLM writes it, in a chunk of its own."""
    choice = {"index": 0, "text": f" {token}", "logprobs": None, "finish_reason": reason, "token_ids": [token]}
    whole = {
        "id": "cmpl-0123456789abcdef",
        "object": "text_completion",
        "created": 1,
        "model": "m",
        "choices": [choice],
    }
    line = b"data: " + json.dumps(whole | {"usage": None}, separators=(",", ":")).encode() + b"\n\n"
    return b"%x\r\n%s\r\n" % (len(line), line)


async def serve(port: Connection, pause: float) -> None:
    """Answers whatever is asked; tells its port."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
            except asyncio.IncompleteReadError:
                return
            length = head.lower().partition("content-length: ")[2].partition("\r\n")[0]
            body: dict[str, Any] = json.loads(await reader.readexactly(int(length)) or b"{}")
            if "/v1/completions" in head:
                writer.write(HEAD)
                for at in range(body["max_tokens"]):
                    writer.write(event(at % 100, "length" if at == body["max_tokens"] - 1 else None))
                    await asyncio.sleep(pause)
                writer.write(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")
                continue
            answer: object = {"data": [{"id": "m", "owned_by": "vllm", "max_model_len": 10**6}]}
            if "/detokenize" in head:
                answer = {"prompt": "".join("\x1f" if token == 101 else f" {token}" for token in body["tokens"])}
            if "/tokenize" in head:
                answer = {"tokens": [101]}
            data = json.dumps(answer).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(data), data))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    port.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def serving(port: Connection, pause: float) -> None:
    """The server's process."""
    asyncio.run(serve(port, pause))


async def measure(port: int, streams: int, events: int) -> float:
    """Microseconds an event."""
    async with HttpEngine(f"http://127.0.0.1:{port}") as engine:
        await engine.generate(Request("first", (1,), "", 200))  # all texts are known from here on
        started = time.process_time()
        paths = [Request(f"p{at}", (1,), "", events) for at in range(streams)]
        done = await asyncio.gather(*(engine.generate(path, on_tokens=lambda tokens: None) for path in paths))
        spent = time.process_time() - started
        assert all(generation.count == events for generation in done)
        return 1e6 * spent / (streams * events)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("streams", 16), ("events", 300), ("rounds", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--pause", type=float, default=0.01, help="seconds between two events of a stream")
    asked = parser.parse_args()
    here, there = multiprocessing.Pipe()
    process = multiprocessing.Process(target=serving, args=(there, asked.pause), daemon=True)
    process.start()
    port = here.recv()
    rounds = [asyncio.run(measure(port, asked.streams, asked.events)) for _ in range(asked.rounds)]
    process.terminate()
    told = ", ".join(f"{value:.1f}" for value in rounds)
    print(f"{min(rounds):.1f} microseconds an event, {asked.streams} streams of {asked.events} events ({told})")


if __name__ == "__main__":
    main()
