"""Runs circles for evaluations: one engine for many questions, a journal for each circle."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from tertulia.api import Result, Session, solve_with
from tertulia.circle.path import Span
from tertulia.circle.run import voices
from tertulia.engines.base import Engine, EngineError
from tertulia.evaluation.arms import Arm
from tertulia.evaluation.copying import Foreign, runs_of
from tertulia.evaluation.meetings import Listener, Truth, effects
from tertulia.evaluation.records import CircleRecord, circle_record, path_records, steps_of
from tertulia.evaluation.sharing import Shared
from tertulia.evaluation.thinking import Ear
from tertulia.evaluation.where import Where
from tertulia.model import Dialect, Profile
from tertulia.seeds import derive
from tertulia.settings import Settings, resolve
from tertulia.start import engine_for
from tertulia.tasks.question import Question
from tertulia.wording import Wording

MOST_FURTHER = 64
"""Circles of further independent paths that are sampled at most for one circle's comparison at equal tokens."""


class Bench:
    """An engine that is running, and how its model is asked. Use as an async context manager.

    Args:
        where: Where its circles run.
        asked: Settings that decide how long a context must be.
        made: An engine to use instead, not yet entered; for tests and studies.
        shared: File in which beginnings are kept that arms share; None where each makes its own.
    """

    def __init__(
        self,
        where: Where | None = None,
        *,
        asked: Mapping[str, Any] | None = None,
        made: Engine | None = None,
        shared: Path | None = None,
    ) -> None:
        self._where = where or Where()
        self._asked = dict(asked or {})
        self._made = made
        self._shared = shared
        self._gate = asyncio.Semaphore(self._where.at_once)
        self._stack = AsyncExitStack()
        self.engine: Engine
        self.session: Session
        self.profile: Profile
        self.dialect: Dialect

    async def __aenter__(self) -> Bench:
        where = self._where
        engine = self._made or engine_for(where.engine, where.model, where.threads, self._asked, circles=where.at_once)
        self.engine = await self._stack.enter_async_context(engine)
        if self._shared is not None:
            shared = Shared(self.engine, self._shared)
            await self._stack.enter_async_context(shared)
            self.engine = shared
        self.session = await self._stack.enter_async_context(Session(self.engine, where.model))
        self.profile = self.session.profile
        self.dialect = await self.session.dialect(self._asked.get("thinking", "auto"))
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    def settings(self, arm: Arm, shared: Mapping[str, Any], question: Question) -> Settings:
        """The settings of an arm on a question.

        Raises:
            TertuliaError: As `tertulia.settings.resolve`.
        """
        asked = {"language": question.language, "answer_kind": question.kind, **arm.asked(shared)}
        return resolve(self.profile, asked)

    async def circle(
        self,
        question: Question,
        settings: Settings,
        *,
        circle: int = 0,
        name: str = "",
        journals: Path | None = None,
        spend: float = 0.0,
        beginnings: Sequence[Span | None] = (),
        identify: bool = False,
        questions: Path | None = None,
    ) -> tuple[Result, CircleRecord]:
        """Solves a question once.

        Args:
            question: What is asked.
            settings: Of the run; circle 0 has its seed, later circles seeds that derive from it.
            circle: Number of the circle.
            name: Put before the circle's identity where several arms share an engine.
            journals: Folder for the circle's journal; None to keep none.
            spend: Further paths are sampled in the same way until the circle has generated so many tokens.
            beginnings: What the thought of each path is forced to begin with.
            identify: Whether free thoughts are held against the language of the question; those that are led to a
                language are held against that in any case.
            questions: File with the texts of all questions of the evaluation, to see what is copied from others.
        """
        ear = Ear(question, self.profile, settings, self.dialect.think_close, tuple(beginnings), free=identify)
        async with self._gate:
            result, listener = await self._solve(question, settings, circle, 0, name, journals, beginnings)
            close = self.dialect.think_close
            truth = Truth.of(question)
            happened = await asyncio.to_thread(effects, result, listener.heard, self.profile, close, truth)
            steps = steps_of(self.profile, close)
            foreign = await asyncio.to_thread(self._foreign, question, settings, questions)
            copied = partial(foreign.copied, asides=listener.asides)
            record = await asyncio.to_thread(circle_record, result, question, circle, happened, steps, copied)
            record = replace(record, shared=self._shared is not None and self.engine.info.mode == "ids")
            paths = await asyncio.to_thread(ear.heard, record.paths, result.paths)
            record, spent, further = replace(record, paths=paths), record.generated, 0
            while spent < spend and further < MOST_FURTHER:
                further += 1
                more, _ = await self._solve(question, settings, circle, further, name, journals, ())
                paths = await asyncio.to_thread(path_records, more.paths, more.voters, question, steps, foreign.copied)
                record = replace(record, further=record.further + paths)
                spent += sum(path.generated for path in paths)
            return result, record

    def _foreign(self, question: Question, settings: Settings, questions: Path | None) -> Foreign:
        """What the paths of a question would copy: our wording, and the other questions of the evaluation."""
        wording = Wording.load(settings.words or self.profile.wording, settings.language, settings.wording)
        others = runs_of(questions) if questions is not None else frozenset()
        return Foreign.of(question.text, (wording, *voices(self.profile, settings, wording)), others)

    async def _solve(
        self,
        question: Question,
        settings: Settings,
        circle: int,
        further: int,
        name: str,
        journals: Path | None,
        beginnings: Sequence[Span | None],
    ) -> tuple[Result, Listener]:
        """One circle with a seed and a journal of its own.

        Raises:
            EngineError: A path's server was away. A vote without it would stay in the log for good.
        """
        place = f"{file_name(question.id)}-c{circle}" + (f"-x{further}" if further else "")
        if circle or further:
            settings = settings.model_copy(update={"seed": derive(settings.seed, "circle", circle, further)})
        listener = Listener()
        journal = None
        if journals is not None:
            await asyncio.to_thread(journals.mkdir, parents=True, exist_ok=True)
            journal = journals / f"{place}.journal.jsonl"
        result = await solve_with(
            self.engine,
            self.profile,
            question.text,
            settings,
            name=f"{name}/{place}" if name else place,
            journal=journal,
            observer=listener.observe,
            dialect=self.dialect,
            beginnings=beginnings,
            pace=self.session.pace,
        )
        if away := [path.error for path in result.paths if path.unavailable]:
            raise EngineError(
                f"{len(away)} of {len(result.paths)} paths: {away[0]} The same command goes on with them."
            )
        return result, listener


class Benches:
    """The benches of this process: solvers with the same engine share one. Closed when a run of Inspect ends."""

    def __init__(self) -> None:
        self._open: dict[str, asyncio.Task[Bench]] = {}

    async def get(self, where: Where, asked: Mapping[str, Any], shared: Path | None = None) -> Bench:
        """The bench for this engine, started if nobody has yet."""
        key = json.dumps([where.model_dump(), str(shared), {k: asked.get(k) for k in sorted(asked)}], default=str)
        loop = asyncio.get_running_loop()
        task = self._open.get(key)
        if task is None or task.get_loop() is not loop:
            bench = Bench(where, asked=asked, shared=shared)
            task = self._open[key] = loop.create_task(bench.__aenter__())
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Stops all engines that run in this loop."""
        loop = asyncio.get_running_loop()
        tasks = [task for task in self._open.values() if task.get_loop() is loop]
        self._open.clear()
        for task in tasks:
            if task.done() and not task.cancelled() and task.exception() is None:
                await task.result().__aexit__(None, None, None)


BENCHES = Benches()


def file_name(text: str) -> str:
    """An id as part of a file's name; ids that would look alike get a mark of their own."""
    plain = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in text)[:80]
    return plain if plain == text else f"{plain}-{hashlib.blake2b(text.encode(), digest_size=4).hexdigest()}"
