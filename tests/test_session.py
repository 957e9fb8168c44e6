"""One session for many questions: one engine, one set of slots, no path in another's way."""

from __future__ import annotations

import asyncio
from collections import defaultdict

import pytest

from circles import QUESTION
from engine_fakes import Fake
from tertulia import Event, Session
from tertulia.engines.base import Request, Token
from tertulia.engines.client import HttpEngine
from tertulia.engines.scripted import ScriptedEngine


async def test_a_hundred_questions_of_one_session_never_go_to_a_busy_slot() -> None:
    async with (
        Fake("llama.cpp", slots=8, stories=1).serving() as fake,
        Session(fake.url, paths=8, budget=600, at_once=6) as session,
    ):
        asked = [session.solve(f"What is {number} + 1?") for number in range(100)]
        results = await asyncio.gather(*asked)
    assert fake.clashes == 0 and len(fake.bodies) >= 800
    assert {body["id_slot"] for body in fake.bodies} == set(range(8))
    assert all(path.finished for result in results for path in result.paths)


async def test_a_question_asked_twice_is_two_circles() -> None:
    async with Session(ScriptedEngine(), "pebble", paths=2) as session:
        first, again = await asyncio.gather(session.solve(QUESTION), session.solve(QUESTION))
    names = [path.name for result in (first, again) for path in result.paths]
    assert len(set(names)) == 4 and first.answer is not None


async def test_settings_of_a_question_come_before_those_of_its_session() -> None:
    async with Session(ScriptedEngine(), "pebble", paths=3, seed=5) as session:
        assert (session.settings(paths=2).paths, session.settings(paths=2).seed) == (2, 5)
        result = await session.solve(QUESTION, paths=2)
    assert len(result.paths) == 2 and result.settings.seed == 5


@pytest.mark.parametrize("chunk", [1, 3])
@pytest.mark.parametrize("kind", ["llama.cpp", "vllm", "sglang", "openai"])
async def test_the_text_that_is_told_as_it_comes_is_whole_in_every_script(kind: str, chunk: int) -> None:
    came: dict[int | None, str] = defaultdict(str)

    def watch(event: Event) -> None:
        if event.kind == "tokens":
            came[event.path] += event.data["text"]

    async with (
        Fake(kind, slots=2, stories=1, chunk=chunk, incremental=chunk > 1).serving() as fake,
        Session(fake.url, paths=2, method="independent", budget=300) as session,
    ):
        result = await session.solve("1 + 1?", observer=watch)
    for path in result.paths:
        assert came[path.index] == path.own_text and "বাংলা" in path.own_text


@pytest.mark.parametrize("kind", ["vllm", "sglang"])
async def test_a_path_that_is_interrupted_keeps_the_text_of_what_had_come(kind: str) -> None:
    came: list[Token] = []
    async with Fake(kind, stories=1, delay=0.002).serving() as fake, HttpEngine(fake.url) as engine:
        ids = await engine.tokenize("<think>", special=True)
        task = asyncio.create_task(engine.generate(Request("p", ids, "", 200), on_tokens=came.extend))
        while len(came) < 60:  # noqa: ASYNC110  (a fake server sets no events)
            await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        whole = await engine.detokenize([token.id for token in came])
    assert "".join(token.text for token in came) == whole.rstrip("\ufffd") and "বাং" in whole
