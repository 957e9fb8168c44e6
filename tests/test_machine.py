"""What else is on this machine: servers that are up, the speed, the processor."""

from __future__ import annotations

import json
import socket
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from engine_fakes import Fake, Trouble
from tertulia import solve
from tertulia.cli.starting import say_local_servers
from tertulia.engines import local
from tertulia.engines.base import EngineError
from tertulia.engines.client import HttpEngine
from tertulia.engines.local import local_server, local_servers
from tertulia.engines.machine import compared, speed
from tertulia.engines.progress import Progress, duration
from tertulia.engines.scripted import ScriptedEngine


@contextmanager
def server(answer: Any) -> Iterator[int]:
    """A server that answers any request with this; yields its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=listening.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield listening.server_address[1]
    finally:
        listening.shutdown()
        listening.server_close()


def models(*names: str) -> dict[str, Any]:
    return {"object": "list", "data": [{"id": name} for name in names]}


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setattr(local, "PORTS", {free.getsockname()[1]: "Ollama"})
    monkeypatch.delenv("TERTULIA_NO_PROBE")


def test_servers_that_are_up_are_found_with_their_models(monkeypatch: pytest.MonkeyPatch) -> None:
    with server(models("small", "large")) as one, server({"hello": 1}) as web, server(models("third")) as three:
        monkeypatch.setattr(local, "PORTS", {one: "Ollama", web: "llama-server", three: "vLLM"})
        found = local_servers()
        assert [(server.name, server.models) for server in found] == [
            ("Ollama", ("small", "large")),
            ("vLLM", ("third",)),
        ]
        told: list[Progress] = []
        assert local_server(told.append) == f"http://127.0.0.1:{one}"
        assert told[0].text == (
            f"using Ollama at http://127.0.0.1:{one} (small and 1 more); "
            f"there are also vLLM at http://127.0.0.1:{three} (third)"
        )


def test_a_server_that_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        monkeypatch.setattr(local, "PORTS", {mute.getsockname()[1]: "vLLM"})
        monkeypatch.setattr(local, "PATIENCE", 0.1)
        assert local_servers() == []


def test_a_server_is_told_of_and_not_used_unasked(
    nobody: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    say_local_servers()
    assert capsys.readouterr().err == ""
    with server(models("evil\x1b[2J")) as port:
        monkeypatch.setattr(local, "PORTS", {port: "LM Studio"})
        say_local_servers()
        told = capsys.readouterr().err
        assert told.startswith(f"note: on this machine there is LM Studio at http://127.0.0.1:{port} (evil\\x1b[2J);")
        assert told.endswith("--engine auto uses it\n")
        monkeypatch.setenv("TERTULIA_NO_PROBE", "1")
        say_local_servers()
        assert capsys.readouterr().err == ""


def test_auto_without_a_server_is_one_line(nobody: None) -> None:
    with pytest.raises(EngineError, match=r"no server is up on this machine .*: start one, or give --engine URL"):
        solve("What is 2 + 3?", engine="auto")


async def test_the_speed_is_measured_alone_and_together() -> None:
    async with ScriptedEngine(delay=0.001) as engine:
        check = await speed(engine)
    assert check.name == "speed" and "alone and" in check.seen and "with 8 paths" in check.seen
    assert "8 thoughts of 2,000 tokens take about" in check.note


async def test_the_speed_of_a_server_that_says_nothing_is_unknown() -> None:
    trouble = Trouble(mangle=lambda event, at: b'{"choices": [{"text": "", "finish_reason": "stop"}]}')
    async with (
        Fake("openai", stories=3, troubles=deque([trouble] * 99)).serving() as fake,
        HttpEngine(fake.url) as engine,
    ):
        check = await speed(engine)
    assert (check.result, check.seen) == ("unknown", "the model ended its text at once")


def test_what_the_processor_has_and_the_build_lacks_is_said() -> None:
    built = "CPU : SSE3 = 1 | AVX2 = 1 | FMA = 1 | AVX512 = 0 | "
    flags = "processor : 0\nflags\t\t: fpu sse avx avx2 avx512f avx512_vnni\n"
    partly = compared(built, flags)
    assert partly.result == "partly"
    assert partly.seen == "uses AVX2; not AVX512, AVX512_VNNI, which this processor has"
    whole = compared(built, "flags : fpu avx2\n")
    assert (whole.result, whole.seen, whole.note) == ("yes", "uses AVX2", "")
    arm = compared("CPU : NEON = 1 | DOTPROD = 1 | ", "Features\t: fp asimd asimddp i8mm\n")
    assert arm.seen == "uses NEON, DOTPROD; not MATMUL_INT8, which this processor has"
    assert compared(built, "nothing known").result == "unknown"


@pytest.mark.parametrize(("seconds", "told"), [(4.2, "4 s"), (150, "2 min"), (7500, "2 h 5 min")])
def test_durations_are_for_people(seconds: float, told: str) -> None:
    assert duration(seconds) == told
