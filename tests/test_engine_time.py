"""How long a silent server is waited for, and who is told of it."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

import pytest

from engine_fakes import Fake, Trouble
from tertulia.api import Event, Session
from tertulia.engines import wire
from tertulia.engines.base import EngineError, Request
from tertulia.engines.client import HttpEngine
from tertulia.errors import TertuliaError
from tertulia.start import engine_for
from test_engine_http import STREAMS, WHOLE, ask, serving


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Takes a connection and never answers."""
    await reader.read()
    writer.close()


@pytest.mark.parametrize("kind", ["vllm", "openai", "sglang", "llama.cpp"])
async def test_a_first_token_that_never_comes_is_given_up(kind: str) -> None:
    patient = {"first_byte": 0.15, "progress": 5.0, "retries": 9, "patience": 0.41}
    async with (
        asyncio.timeout(20),
        serving(kind, troubles=deque([Trouble(stall_after=0)] * 50), **patient) as (
            fake,
            engine,
        ),
    ):
        with pytest.raises(EngineError, match=r"for 0.15 s \(gave up after [23] attempts\)"):
            await ask(fake, engine)
        assert 2 <= len(fake.bodies) <= 3


async def test_a_server_that_accepts_and_says_nothing_is_given_up_before_it_is_known() -> None:
    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with asyncio.timeout(20), server:
        with pytest.raises(EngineError, match=r"no answer for 0\.2 s"):
            await HttpEngine(url, progress=0.2, patience=0.3).__aenter__()


@pytest.mark.parametrize("kind", STREAMS)
async def test_bytes_without_tokens_are_no_progress(kind: str) -> None:
    def pings(event: dict[str, Any], at: int) -> bytes:
        return b"\n: ping\n"

    async with (
        asyncio.timeout(20),
        serving(kind, troubles=deque([Trouble(mangle=pings)] * 9), delay=0.02, first_byte=0.3, retries=0) as (
            fake,
            engine,
        ),
    ):
        with pytest.raises(EngineError, match=r"no token for 0.3 s|ended without a token"):
            await ask(fake, engine)


@pytest.mark.parametrize("kind", STREAMS)
async def test_a_path_that_stalls_again_and_again_is_given_up_with_the_tokens_it_has(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("random.uniform", lambda low, high: low)
    troubles = deque([Trouble(stall_after=3)] * 50)
    async with asyncio.timeout(60), serving(kind, troubles=troubles, progress=0.5, patience=1.2) as (fake, engine):
        generation = await ask(fake, engine)
        assert generation.finish == "cut"
        assert WHOLE.startswith(generation.text)
        with pytest.raises(EngineError, match=r"nothing new for 0\.5 s"):
            await ask(fake, engine)
        assert len(fake.bodies) == 4, "each costs 0.5 s of one patience of 1.2 s: three, and one that finds it gone"
        fake.troubles.clear()
        assert (await ask(fake, engine, "another path")).text == WHOLE


async def test_a_path_that_recovers_is_patient_again() -> None:
    troubles = deque([*[Trouble(cut_after=3)] * 2, *[Trouble()], Trouble(cut_after=3)])
    async with serving("vllm", troubles=troubles, retries=1) as (fake, engine):
        assert (await ask(fake, engine)).finish == "cut"
        assert (await ask(fake, engine)).finish == "end"
        assert (await ask(fake, engine)).finish == "end"


async def test_the_seconds_of_silence_can_be_set_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERTULIA_FIRST_BYTE", "0.2")
    fakes = Fake("vllm", troubles=deque([Trouble(stall_after=0)])).serving()
    async with asyncio.timeout(60), fakes as fake, engine_for(fake.url, None, 1, {}) as engine:
        assert (await engine.generate(Request("p", (fake.think,), "", 400))).text == WHOLE
    assert len(fake.bodies) == 2, "the silent answer was given up after the 0.2 s"
    for name in ("TERTULIA_FIRST_BYTE", "TERTULIA_PROGRESS"):
        for wrong in ("soon", "0", "-3", "nan", "inf"):
            monkeypatch.setenv(name, wrong)
            with pytest.raises(TertuliaError, match=f"{name} is '{wrong}': expected seconds"):
                engine_for("http://127.0.0.1:9", None, 1, {})
        monkeypatch.delenv(name)


async def test_an_observer_is_told_how_long_the_engine_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "TELL_SECONDS", 0.1)
    monkeypatch.setenv("TERTULIA_PROGRESS", "0.3")
    told: list[Event] = []
    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with asyncio.timeout(60), server:
        with pytest.raises(EngineError, match=r"no answer for 0\.3 s"):
            await Session(url, observer=told.append).__aenter__()
    assert {(event.kind, event.path, event.data["what"]) for event in told} == {("waiting", None, "the server")}
    assert all(0.1 <= event.data["seconds"] <= 0.3 for event in told)


async def test_who_waits_is_told_for_what(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "TELL_SECONDS", 0.1)
    told: list[tuple[float, str]] = []
    async with serving("vllm", troubles=deque([Trouble(stall_after=0)]), first_byte=0.5) as (fake, engine):
        engine.on_wait = lambda seconds, what: told.append((seconds, what))
        assert (await ask(fake, engine)).text == WHOLE
        assert [what for _, what in told] == ["the server"] * len(told)
        assert 1 <= len(told) <= 5
        assert sorted(told) == told
    async with serving("vllm", troubles=deque([Trouble(503, retry_after="1")])) as (fake, engine):
        told.clear()
        engine.on_wait = lambda seconds, what: told.append((seconds, what))
        await ask(fake, engine)
        assert told[0][1] == "another attempt: HTTP 503: too much to do"
