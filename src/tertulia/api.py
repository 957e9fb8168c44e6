"""The two functions most users need.

>>> from tertulia import solve
>>> result = solve("A shelf has 3 rows of 14 jars, 5 are broken. How many are whole?", engine="scripted")
>>> print(result.answer, result.votes)
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path as FilePath
from typing import Any

from tertulia.circle.board import Meeting
from tertulia.circle.events import Event, Observer
from tertulia.circle.journal import Journal
from tertulia.circle.path import Path, Span, TokenCounts
from tertulia.circle.run import Run, voices
from tertulia.circle.voting import Verdict
from tertulia.engines.base import Engine, EngineInfo
from tertulia.engines.hub import SPELLINGS
from tertulia.engines.progress import Tell, untold
from tertulia.errors import TertuliaError
from tertulia.model import Dialect, Profile, profile_for
from tertulia.settings import Settings, resolve
from tertulia.wording import Wording

__all__ = ["Event", "Observer", "Result", "solve", "solve_async"]


MOST_SLOTS = 64
"""Paths in flight at most where one embedded engine serves many circles; further ones take turns."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a circle came to. `to_json` is the object that `tertulia solve --json` prints.

    Attributes:
        question: The question.
        verdict: The circle's answer and its votes.
        correct: Whether it is right; None where nobody knows.
        paths: Every path, span by span.
        meetings: Who heard whom.
        saved: Tokens saved by stopping paths once enough agreed.
        seconds: From the first step to the verdict.
        settings: What the run did.
        engine: What ran it.
        voters: The paths whose answers the verdict is of.
    """

    question: str
    verdict: Verdict
    correct: bool | None
    paths: tuple[Path, ...]
    meetings: tuple[Meeting, ...]
    saved: int
    seconds: float
    settings: Settings
    engine: EngineInfo
    voters: tuple[int, ...]

    @property
    def answer(self) -> str | None:
        """The circle's answer; None where no path came to one."""
        return self.verdict.answer

    @property
    def votes(self) -> dict[str, int]:
        """Paths for each answer, most first."""
        return dict(self.verdict.votes)

    @property
    def tokens(self) -> TokenCounts:
        """The tokens of all paths."""
        return sum((path.tokens for path in self.paths), TokenCounts())

    def to_json(self) -> dict[str, Any]:
        """Plain values. `mode` is "ids" where tokens are exact, "text" where the server knows only text."""
        return {
            "question": self.question,
            "verdict": self.verdict.answer,
            "votes": self.votes,
            "spoke": self.verdict.spoke,
            "tie": self.verdict.tie,
            "correct": self.correct,
            "paths": [_path_json(path) for path in self.paths],
            "voters": list(self.voters),
            "meetings": [meeting.to_json() for meeting in self.meetings],
            "tokens": self.tokens.to_json() | {"saved": self.saved},
            "seconds": round(self.seconds, 3),
            "seed": self.settings.seed,
            "engine": self.engine.name if self.engine.name == "embedded" else self.engine.url or self.engine.name,
            "model": self.engine.model,
            "method": self.settings.method,
            "mode": self.engine.mode,
            "settings": self.settings.model_dump(mode="json"),
        }


def _path_json(path: Path) -> dict[str, Any]:
    return {
        "id": path.name,
        "answer": path.answer,
        "finished": path.finished,
        "place": path.place,
        "error": path.error,
        "spans": [{"kind": span.kind, "tokens": span.count, "text": span.text} for span in path.spans],
        "tokens": path.tokens.to_json(),
    }


async def solve_async(
    question: str | None = None,
    *,
    world_seed: int | None = None,
    difficulty: str | None = None,
    engine: Engine | str | None = None,
    model: str | FilePath | None = None,
    journal: str | FilePath | None = None,
    observer: Observer | None = None,
    threads: int = 1,
    **settings: Any,
) -> Result:
    """Lets a circle of reasoning paths solve one question.

    Args:
        question: The question; None with `world_seed` for a problem of the synthetic world.
        world_seed: Number of the world problem.
        difficulty: Difficulty of the world problem: "easy", "default" or "long".
        engine: An engine already entered (several calls may share it at once), the URL of a server, "auto" for
            one on this machine, "scripted", or None for the embedded one.
        model: Name of the server's model; for the embedded engine a GGUF file, or such as "hf:org/repo:Q4_K_M".
        journal: File to keep every step in; the same call again goes on where it was.
        observer: Called with every `Event`.
        threads: Threads of the embedded engine.
        **settings: Fields of `tertulia.settings.Settings`; None stands for not given.

    Raises:
        TertuliaError: A setting, the engine or the journal is not as it must be. One line.
    """
    asked, gold = _question(question, world_seed, difficulty, settings.get("language") or "en")
    async with _entered(engine, model, threads, settings, _teller(observer)) as (entered, profile):
        resolved = resolve(profile, settings)
        # An engine that the caller shares may be solving other questions: the paths of each need names of their own.
        shared = engine is not None and not isinstance(engine, str)
        name = f"{story_of(asked + resolved.model_dump_json())}/c0" if shared else "q0/c0"
        return await solve_with(
            entered, profile, asked, resolved, name=name, gold=gold, journal=journal, observer=observer
        )


def solve(question: str | None = None, **arguments: Any) -> Result:
    """`solve_async`, run to its end. Takes the same arguments.

    Raises:
        TertuliaError: As `solve_async`; or an event loop is running already.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        raise TertuliaError("solve cannot be called in a running event loop: use await solve_async(...) there")
    return asyncio.run(solve_async(question, **arguments))


async def solve_with(
    engine: Engine,
    profile: Profile,
    question: str,
    settings: Settings,
    *,
    name: str = "q0/c0",
    gold: str | None = None,
    journal: str | FilePath | Journal | None = None,
    observer: Observer | None = None,
    dialect: Dialect | None = None,
    beginnings: Sequence[Span | None] = (),
) -> Result:
    """`solve_async` for callers who have an engine, a profile and settings at hand, as evaluations do.

    Args:
        engine: Entered already.
        profile: Of the engine's model.
        question: The question as the model is to read it.
        settings: Resolved.
        name: Identity of the circle; questions that share a journal or an engine must differ in it.
        gold: The right answer, where it is known.
        journal: A file, or a journal that is open already and holds other circles too.
        observer: Called with every `Event`.
        dialect: How the model is asked, where that has been found out already.
        beginnings: What the thought of each path is forced to begin with, None for a free one; of kind "thought".
    """
    from tertulia.answers.extract import is_correct
    from tertulia.circle import methods

    async with _running(engine, profile, question, settings, journal, observer, dialect, beginnings) as run:
        info, dump = engine.info, settings.model_dump(mode="json")
        named = {"engine": info.name, "model": info.model, "mode": info.mode}
        run.tell("start", None, question=question, settings=dump, **named)
        started = time.monotonic()
        outcome = await methods.BY_NAME[settings.method](run, name, story_of(question), question)
        seconds = time.monotonic() - started
    answer = outcome.verdict.answer
    correct = None if gold is None else await asyncio.to_thread(is_correct, answer, gold)
    return Result(
        question=question,
        verdict=outcome.verdict,
        correct=correct,
        paths=tuple(outcome.paths),
        meetings=tuple(outcome.meetings),
        saved=outcome.saved if settings.consensus_stop else 0,
        seconds=seconds,
        settings=settings,
        engine=engine.info,
        voters=outcome.voters,
    )


@asynccontextmanager
async def _running(
    engine: Engine,
    profile: Profile,
    question: str,
    settings: Settings,
    journal: str | FilePath | Journal | None,
    observer: Observer | None,
    dialect: Dialect | None,
    beginnings: Sequence[Span | None],
) -> AsyncIterator[Run]:
    """A run with its journal open, which is closed in the end unless the caller opened it."""
    wording = Wording.load(profile.wording, settings.language, settings.wording)
    spoken = voices(profile, settings, wording)
    asked = dialect or await Dialect.probe(engine, profile)
    if isinstance(journal, Journal):
        yield Run(engine, asked, profile, wording, settings, journal, spoken, observer, beginnings)
        return
    asked_for = header(engine.info, profile, question, settings, (wording, *spoken))
    if beginnings:
        asked_for["beginnings"] = [beginning and beginning.to_json() for beginning in beginnings]
    async with Journal.open(journal, asked_for) as book:
        yield Run(engine, asked, profile, wording, settings, book, spoken, observer, beginnings)


def header(
    info: EngineInfo, profile: Profile, question: str, settings: Settings, words: Sequence[Wording]
) -> dict[str, Any]:
    """What a journal is for: a run with anything else here must not go on in it."""
    told = repr((*map(asdict, words), profile))
    return {
        "question": question,
        "model": info.model,
        "mode": info.mode,
        "words": hashlib.blake2b(told.encode(), digest_size=8).hexdigest(),
        "settings": settings.model_dump(mode="json"),
    }


def story_of(question: str) -> str:
    """Names a question for random draws: the same question is drawn the same way wherever it is asked."""
    return hashlib.blake2b(question.encode(), digest_size=8).hexdigest()


def _question(
    question: str | None, world_seed: int | None, difficulty: str | None, language: str
) -> tuple[str, str | None]:
    """The question, and the right answer where it is known."""
    if question is not None and world_seed is not None:
        raise TertuliaError("there is a question and a world seed: give one of them")
    if question is not None:
        if not question.strip():
            raise TertuliaError("the question is empty: give a text")
        return question, None
    if world_seed is None:
        raise TertuliaError("there is no question: give one, or a world seed for a problem of the world")
    from tertulia.world.problems import problem

    posed = problem(world_seed, difficulty or "default")
    return posed.question(language), str(posed.answer)


def _teller(observer: Observer | None) -> Tell:
    """Tells an observer what happens before the first step."""
    if observer is None:
        return untold
    return lambda progress: observer(Event("loading", None, {"text": progress.text, "done": progress.done}))


@asynccontextmanager
async def _entered(
    engine: Engine | str | None, model: str | FilePath | None, threads: int, asked: dict[str, Any], tell: Tell
) -> AsyncIterator[tuple[Engine, Profile]]:
    """The engine, running, with the profile of its model."""
    if engine is not None and not isinstance(engine, str):
        yield engine, profile_for(model or engine.info.model)
        return
    async with engine_for(engine, model, threads, asked, tell=tell) as started:
        yield started, profile_for(model if engine is None else model or started.info.model)


def engine_for(
    engine: str | None,
    model: str | FilePath | None,
    threads: int,
    asked: dict[str, Any],
    *,
    circles: int = 1,
    tell: Tell = untold,
) -> Engine:
    """The engine that `solve_async` would use, not yet entered; takes the same arguments.

    Args:
        engine: URL of a server, "auto" for one on this machine, "scripted", or None for the embedded engine.
        model: Name of the server's model, or a GGUF file or what `resolve_model` knows.
        threads: Threads of the embedded engine.
        asked: Settings that decide how many paths there are and how long their contexts.
        circles: Circles under way at once.
        tell: Told of what happens before the first step.
    """
    if model is not None and not str(model).strip():
        raise TertuliaError(f"the name of the model is empty: {SPELLINGS}")
    if engine == "auto":
        from tertulia.engines.local import local_server

        engine = local_server(tell)
    if engine == "scripted":
        from tertulia.engines.scripted import ScriptedEngine

        return ScriptedEngine()
    if engine is not None:
        from tertulia.engines.client import HttpEngine

        return HttpEngine(engine, model=str(model) if model else None)
    from tertulia.engines.embedded import MAX_SLOTS, EmbeddedEngine

    profile = profile_for(model)
    settings = resolve(profile, asked)
    return EmbeddedEngine(
        model,
        slots=min(settings.paths * circles, max(MOST_SLOTS, settings.paths), MAX_SLOTS),
        context_per_slot=context_for(settings, profile),
        threads=threads,
        tell=tell,
    )


def context_for(settings: Settings, profile: Profile) -> int:
    """Tokens of context that a path can need: its question, its budget, and what its meetings put in."""
    question = 1024
    spacing = settings.every or settings.budget
    meetings = settings.budget // spacing + len(settings.meet_at) + settings.last_call if settings.meets else 0
    compact = settings.frame == "digest" and profile.stepwise
    heard = 48 if compact else 160 + settings.heard * profile.summary_tokens
    return question + settings.budget + meetings * heard
