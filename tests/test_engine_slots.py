"""No request goes to a slot at which the server is still at work."""

from __future__ import annotations

import asyncio
import random

from tertulia.engines.base import Generation
from test_engine_http import WHOLE, ask, serving

MODEST = {"retries": 0, "progress": 20.0, "first_byte": 20.0}


async def test_a_hundred_questions_share_eight_slots() -> None:
    async with serving("llama.cpp", slots=8, delay=0.0002, **MODEST) as (fake, engine):

        async def circle(question: int) -> None:
            paths = [f"q{question}/c0/p{at}" for at in range(8)]
            for limit in (5, 9):
                await asyncio.gather(*(ask(fake, engine, path, max_tokens=limit) for path in paths))
            for path in paths:
                await engine.release(path)

        await asyncio.gather(*(circle(question) for question in range(100)))
        assert (len(fake.bodies), fake.clashes) == (1600, 0)
        assert {body["id_slot"] for body in fake.bodies} == set(range(8))


async def test_a_stopped_path_gives_up_its_slot_when_the_server_has_let_go_of_it() -> None:
    chance = random.Random(3)
    async with serving("llama.cpp", slots=3, delay=0.005, notices=0.1, **MODEST) as (fake, engine):

        async def path(name: str) -> Generation | None:
            task = asyncio.create_task(ask(fake, engine, name, max_tokens=30))
            if chance.random() < 0.5:
                await asyncio.sleep(chance.random() * 0.1)
                task.cancel()
            done = (await asyncio.gather(task, return_exceptions=True))[0]
            return done if isinstance(done, Generation) else None

        done = await asyncio.gather(*(path(f"p{at}") for at in range(30)))
        assert fake.clashes == 0
        assert fake.aborted, "some were stopped in the middle"
        assert all(generation.count == 30 for generation in done if generation is not None)
        again = await asyncio.gather(*(ask(fake, engine, f"p{at}") for at in range(6)))
        assert {generation.text for generation in again} == {WHOLE}, "no slot is lost"
        assert fake.clashes == 0


async def test_a_server_that_looks_only_when_it_is_left_alone_notices_that_a_path_was_stopped() -> None:
    async with serving("llama.cpp", slots=1, delay=30.0, listens=1.0) as (fake, engine):
        task = asyncio.create_task(ask(fake, engine, "p0"))
        while not fake.bodies:  # noqa: ASYNC110  (a fake server sets no events)
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        fake.delay = 0.0
        assert (await ask(fake, engine, "p1")).text == WHOLE
        assert fake.clashes == 0


async def test_an_answer_that_takes_too_long_is_not_asked_for_again_while_it_is_made() -> None:
    async with serving("llama.cpp", slots=2, delay=0.01, notices=0.3, first_byte=0.5) as (fake, engine):
        assert (await ask(fake, engine)).text == WHOLE
        assert fake.aborted and not fake.clashes


async def test_an_engine_closes_while_slots_are_settling() -> None:
    async with asyncio.timeout(5):
        async with serving("llama.cpp", slots=2, delay=1.0, notices=30.0) as (fake, engine):
            task = asyncio.create_task(ask(fake, engine))
            while not fake.bodies:  # noqa: ASYNC110  (a fake server sets no events)
                await asyncio.sleep(0.01)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
