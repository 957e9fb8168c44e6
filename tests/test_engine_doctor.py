"""The doctor sees what an engine cannot do, and says what is done about it."""

from __future__ import annotations

import random
from collections import deque
from typing import Any

import pytest

from engine_fakes import Fake, Trouble
from tertulia.engines import doctor
from tertulia.engines.base import EngineInfo, Generation, OnTokens, Request
from tertulia.engines.client import HttpEngine
from tertulia.engines.doctor import Check, examine
from tertulia.engines.machine import room, speed
from tertulia.engines.scripted import Fault, ScriptedEngine


def counting(context: str, path: str, seed: int) -> str:
    """A model that counts on from anywhere, in its seed's rhythm."""
    return " ".join(str(number * (seed % 7 + 1)) for number in range(400))


async def rows(engine: Any) -> dict[str, Check]:
    async with engine:
        return {check.name: check for check in await examine(engine)}


async def test_an_engine_that_can_do_all() -> None:
    found = await rows(ScriptedEngine(counting, delay=0.001))
    assert {name: check.result for name, check in found.items()} == dict.fromkeys(found, "yes")
    assert list(found) == ["ids in", "ids out", "cached tokens", "seed", "stop", "streaming", "abort"]
    assert not any(check.note for check in found.values())


async def test_no_cache_no_seed_no_stop_no_abort(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "LONGEST_ABORT", 0.1)

    class Poor(ScriptedEngine):
        async def generate(self, request: Request, *, on_tokens: OnTokens | None = None) -> Generation:
            self.calls.append(request)
            asked = Request(request.path, request.ids, "", request.max_tokens)
            return await super().generate(asked, on_tokens=on_tokens)

        async def busy(self) -> int:
            return 1

    def sampled(context: str, path: str, seed: int) -> str:
        return " ".join(str(random.random()) for _ in range(400))

    found = await rows(Poor(sampled, delay=0.001, cached=False))
    results = {name: check.result for name, check in found.items()}
    assert (results["cached tokens"], results["seed"], results["abort"]) == ("unknown", "no", "no")
    assert all(found[name].note for name in ("cached tokens", "seed", "abort"))
    found = await rows(Poor(counting, delay=0.001))
    assert (found["stop"].result, found["seed"].result) == ("no", "partly")


async def test_text_mode_is_said() -> None:
    async with Fake("openai", delay=0.001, stories=3).serving() as fake, HttpEngine(fake.url) as engine:
        found = {check.name: check for check in await examine(engine)}
        assert found["ids in"].result == found["ids out"].result == "no"
        assert found["ids in"].note and found["ids out"].note
        assert (found["stop"].result, found["streaming"].result) == ("partly", "yes")
        assert found["abort"].result == "unknown"


async def test_one_failure_does_not_hide_the_rest() -> None:
    engine = ScriptedEngine(counting, faults={"doctor/cache": [Fault("error")]}, delay=0.001)
    found = await rows(engine)
    assert found["cached tokens"].result == "no"
    assert "scripted error" in found["cached tokens"].seen
    assert found["stop"].result == "yes"


async def test_each_row_is_told_as_soon_as_it_is_known() -> None:
    engine, told = ScriptedEngine(counting, delay=0.001), list[tuple[str, int]]()
    found = await examine(engine, lambda check: told.append((check.name, len(engine.calls))))
    assert [name for name, _ in told] == [check.name for check in found]
    assert len({calls for _, calls in told}) > 4, "not all at the end"
    assert not any(check.fatal for check in found)


async def test_an_engine_that_fails_is_no_yes_anywhere() -> None:
    async with Fake("vllm", troubles=deque([Trouble(400)] * 99)).serving() as fake, HttpEngine(fake.url) as engine:
        found = {check.name: check for check in await examine(engine)}
        assert {found[name].result for name in found if name != "ids in"} == {"no"}
        assert all(check.fatal for name, check in found.items() if name != "ids in")


async def test_a_model_that_says_nothing_shows_nothing() -> None:
    found = await rows(ScriptedEngine(lambda context, path, seed: "<|end|>"))
    assert {found[name].result for name in found if name != "ids in"} == {"unknown"}
    assert not any(check.fatal for check in found.values())


async def test_counts_that_are_unknown_or_odd_are_said() -> None:
    async with Fake("openai", counts=False, stories=3).serving() as fake, HttpEngine(fake.url) as engine:
        found = {check.name: check for check in await examine(engine)}
        assert "unknown" in found["ids out"].note
    async with Fake("vllm", overrun=900, stories=3).serving() as fake, HttpEngine(fake.url) as engine:
        found = {check.name: check for check in await examine(engine)}
        assert "more than the 24 tokens that were asked for" in found["answers"].seen


@pytest.mark.parametrize(
    ("slots", "context", "seen", "note"),
    [
        (4, 16384, "4 slots", "8 paths take turns: give more slots, or lower --paths; llama-server --parallel 8 "),
        (8, 512, "512 tokens of context a path", "a path ends before its budget of 16,384 tokens: give more context"),
        (4, 512, "4 slots of 512 tokens of context a path", "--parallel 8 --ctx-size 131072 has room for all"),
        (8, 16384, None, ""),
        (None, None, None, ""),
    ],
)
def test_a_server_with_too_little_room_for_a_circle_is_told_what_to_change(
    slots: int | None, context: int | None, seen: str | None, note: str
) -> None:
    check = room(EngineInfo("llama.cpp", "http://there", "m", context, "ids", slots=slots), 8, 16384)
    assert (check.seen if check else None) == seen
    assert check is None or note in check.note


async def test_no_thought_is_told_of_that_the_context_cannot_hold() -> None:
    async with ScriptedEngine(counting, context=1024) as engine:
        assert (await speed(engine)).note.startswith("8 thoughts of 1,024 tokens take about")


async def test_a_server_behind_http() -> None:
    async with Fake("vllm", delay=0.002, stories=3).serving() as fake, HttpEngine(fake.url) as engine:
        found = {check.name: check for check in await examine(engine)}
        assert found["ids out"].result == found["stop"].result == found["streaming"].result == "yes"
        assert found["abort"].result == "yes", found["abort"]
        fake.answers["/detokenize"] = b"gone"
        assert "sent a malformed answer: no JSON: 'gone'" in (await examine(engine))[0].seen
