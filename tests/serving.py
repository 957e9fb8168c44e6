"""What tests of the endpoint share: a server in a thread of this process, and a client for it."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from tertulia.engines.adder import think
from tertulia.engines.scripted import ScriptedEngine

httpx = pytest.importorskip("httpx", reason="httpx, of the extra dev, is not installed")
serving = pytest.importorskip(
    "tertulia.server.serving", reason="the extra serve is not installed", exc_type=ImportError
)

QUESTION = "What is 13 + 80 + 8 + 21?"
"""The scripted thinker adds up these numbers."""


@dataclass
class Address:
    """Where a server listens."""

    url: str

    def post(self, path: str, body: Any = None, **more: Any) -> Any:
        return httpx.post(f"{self.url}{path}", json=body, timeout=60, **more)

    def get(self, path: str, **more: Any) -> Any:
        return httpx.get(f"{self.url}{path}", timeout=60, **more)

    def chat(self, question: str = QUESTION, headers: dict[str, str] | None = None, **more: Any) -> Any:
        return self.post("/v1/chat/completions", asked(question, **more), headers=headers)

    def meter(self, name: str) -> float:
        """A value of /metrics."""
        found = re.search(rf"^{re.escape(name)} (\S+)$", self.get("/metrics").text, re.MULTILINE)
        assert found, f"there is no {name}"
        return float(found[1])


def thinker(**more: Any) -> ScriptedEngine:
    """The scripted thinker, whose slips depend on the path only and not on the name of its circle."""
    return ScriptedEngine(lambda context, path, seed: think(context, path.rpartition("/")[2], seed), **more)


def asked(question: str = QUESTION, model: str = "leap/scripted", **more: Any) -> dict[str, Any]:
    """The body of a chat request."""
    return {"model": model, "messages": [{"role": "user", "content": question}], **more}


@contextmanager
def served(engine: Any = None, **asked: Any) -> Iterator[Address]:
    """A server that runs within."""
    told: list[str] = []
    servers: list[Any] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            wanted = serving.Served(engine=engine or thinker(), port=0, **asked)
            asyncio.run(serving.serve(wanted, say=told.append, started=servers.append))
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    until(lambda: servers or failed)
    if failed:
        thread.join()
        raise failed[0]
    try:
        found = re.search(r"http://\S+:\d+", told[0])
        assert found
        yield Address(found[0])
    finally:
        servers[0].should_exit = True
        thread.join(60)
        assert not thread.is_alive() and not failed, failed


def until(condition: Callable[[], Any], seconds: float = 60.0) -> None:
    """Waits for something that must come."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "this never came"
        time.sleep(0.01)


def events(text: str) -> list[Any]:
    """The values of server-sent events, `[DONE]` left out."""
    data = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    return [json.loads(line) for line in data if line != "[DONE]"]
