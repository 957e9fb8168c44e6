"""A question that is cancelled in mid-stream leaves nothing behind: no request, no slot, no task, no open journal."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from circles import QUESTION
from engine_fakes import Fake
from tertulia import Event, Session, solve
from tertulia.engines.scripted import ScriptedEngine

PATHS = 3


async def cancelled(session: Session, *, after: int = 1, question: str = QUESTION, **more: Any) -> None:
    """Asks, and cancels when tokens have come so many times."""
    begun, left = asyncio.Event(), after

    def watch(event: Event) -> None:
        nonlocal left
        left -= event.kind == "tokens"
        if left <= 0:
            begun.set()

    task = asyncio.create_task(session.solve(question, observer=watch, **more))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def becomes(done: Callable[[], Awaitable[bool]]) -> None:
    """Waits until it is so."""
    async with asyncio.timeout(30):
        while not await done():  # noqa: ASYNC110  (a server tells nobody that it is free)
            await asyncio.sleep(0.01)


async def test_ten_questions_cancelled_in_mid_stream_leave_the_small_model_free() -> None:
    async with Session(paths=PATHS) as session:

        async def free() -> bool:
            return await session.engine.busy() == 0 and asyncio.all_tasks() == {asyncio.current_task()}  # type: ignore[attr-defined]

        for after in range(0, 90, 9):
            await cancelled(session, after=after)
        await becomes(free)
        result = await session.solve(QUESTION)
        await becomes(free)
    assert result.answer is not None and all(path.finished for path in result.paths)


@pytest.mark.parametrize("kind", ["llama.cpp", "vllm", "sglang", "openai"])
async def test_a_server_is_rid_of_a_cancelled_question_and_answers_the_next(kind: str) -> None:
    async def free() -> bool:
        ours = [task for task in asyncio.all_tasks() if "Fake." not in repr(task)]
        return not fake.running and not any(fake.busy.values()) and len(ours) == 1

    async with (
        Fake(kind, stories=20, delay=0.001, slots=PATHS).serving() as fake,
        Session(fake.url, paths=PATHS, budget=600) as session,
    ):
        for after in range(10):
            await cancelled(session, after=after)
            await becomes(free)
        result = await session.solve(QUESTION)
    assert fake.aborted >= 10 and fake.clashes == 0 and all(path.finished for path in result.paths)


async def test_who_waits_for_its_turn_and_is_cancelled_keeps_nobody_out() -> None:
    async with Session(ScriptedEngine(delay=0.001), "pebble", paths=2, at_once=1) as session:
        first = asyncio.create_task(session.solve(QUESTION))
        waiting = [asyncio.create_task(session.solve(QUESTION)) for _ in range(5)]
        await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert (await first).answer == (await session.solve(QUESTION)).answer


async def test_the_journal_of_a_cancelled_question_can_be_gone_on_with_at_once(tmp_path: Path) -> None:
    whole = await asyncio.to_thread(solve, QUESTION, engine="scripted", paths=PATHS)
    for after in range(1, 40, 4):
        async with Session("scripted", paths=PATHS) as session:
            await cancelled(session, after=after, journal=tmp_path / f"{after}.jsonl", name="q0/c0")
            result = await session.solve(QUESTION, journal=tmp_path / f"{after}.jsonl", name="q0/c0")
        assert result.verdict == whole.verdict
        assert [path.spans for path in result.paths] == [path.spans for path in whole.paths]
