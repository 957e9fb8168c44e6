"""One session for many questions: one engine, one set of slots, no path in another's way."""

from __future__ import annotations

import asyncio

from circles import QUESTION
from engine_fakes import Fake
from tertulia import Session
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
