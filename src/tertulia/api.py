"""A session holds an engine open and lets circles solve questions on it; `solve` is a session with one question.

>>> from tertulia import solve
>>> result = solve("A shelf has 3 rows of 14 jars, 5 are broken. How many are whole?", engine="scripted")
>>> print(result.answer, result.votes)
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict
from pathlib import Path as FilePath
from typing import Any, Self

from tertulia import settings as known
from tertulia.circle.events import Event, Observer
from tertulia.circle.frames import FRAMES
from tertulia.circle.path import Span
from tertulia.circle.routing import ROUTERS
from tertulia.circle.run import Run, voices
from tertulia.engines.base import Engine, EngineInfo
from tertulia.errors import TertuliaError
from tertulia.journal import Journal, reading
from tertulia.methods import METHODS
from tertulia.model import Dialect, Profile, SamplingProfile, profile_for, sampling_of
from tertulia.pace import Pace
from tertulia.result import Result
from tertulia.seeds import story_of
from tertulia.settings import Settings, answer_room, refuse_idle, resolve
from tertulia.start import engine_for, telling
from tertulia.templates import Turn, chat, whole
from tertulia.wording import Wording

__all__ = ["Event", "Observer", "Result", "Session", "solve", "solve_async"]


class Session:
    """An engine, its model and its slots, opened once and shared by all questions. Use as an async context manager.

    >>> async with Session(engine="http://127.0.0.1:8080", paths=4) as session:
    ...     results = await asyncio.gather(*(session.solve(question) for question in questions))

    Args:
        engine: URL of a server, "auto" for one on this machine, "scripted", None for the embedded engine, or an engine
            entered already.
        model: Name of the server's model; for the embedded engine a GGUF file, or such as "hf:org/repo:Q4_K_M"; None
            for the packaged one.
        threads: Threads of the embedded engine.
        at_once: Circles under way at once; further questions wait.
        profile: What is known about the model; None to look it up by its name.
        observer: Told what happens before the first question, and later how long the engine is waited for.
        **settings: Fields of `tertulia.settings.Settings` that all questions share; None stands for not given. A
            method, a router or a frame of your own may be given itself in place of a name.
    """

    def __init__(
        self,
        engine: Engine | str | None = None,
        model: str | FilePath | None = None,
        *,
        threads: int = 1,
        at_once: int = 8,
        profile: Profile | None = None,
        observer: Observer | None = None,
        **settings: Any,
    ) -> None:
        self._observer = observer
        self._asked = _named(settings)
        self._where = (engine, model, threads)
        self._profile = profile
        self._at_once = at_once
        self._gate = asyncio.Semaphore(at_once)
        self._stack = AsyncExitStack()
        self._dialects: dict[str, Dialect] = {}
        self._asked_before: dict[str, int] = {}
        self.pace = Pace()
        self.engine: Engine
        self.profile: Profile
        self.sampling: dict[str, tuple[float, str]] = {}

    async def __aenter__(self) -> Self:
        engine, model, threads = self._where
        if engine is not None and not isinstance(engine, str):
            self.engine = engine
        else:
            tell, on_wait = telling(self._observer)
            made = engine_for(engine, model, threads, self._asked, circles=self._at_once, tell=tell, on_wait=on_wait)
            self.engine = await self._stack.enter_async_context(made)
        embedded = engine is None
        name = model if embedded else model or self.engine.info.model
        self.profile = self._profile or profile_for(name)
        facts = getattr(self.engine, "facts", None)
        self.sampling = sampling_of(name, self.profile, facts.sampling if facts else {})
        suits = SamplingProfile.model_validate({setting: value for setting, (value, _) in self.sampling.items()})
        self.profile = self.profile.model_copy(update={"sampling": suits})
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    def settings(self, **asked: Any) -> Settings:
        """The settings of a question: what is asked for it, else what the session has.

        Raises:
            TertuliaError: As `tertulia.settings.resolve`.
        """
        given = {name: value for name, value in _named(asked).items() if value is not None}
        return resolve(self.profile, {**self._asked, **given})

    async def dialect(self, thinking: known.Thinking = "auto") -> Dialect:
        """How the model is asked; found out once."""
        if thinking not in self._dialects:
            self._dialects[thinking] = await Dialect.probe(self.engine, self.profile, thinking)
        return self._dialects[thinking]

    async def solve(
        self,
        question: str | None = None,
        *,
        history: Sequence[Mapping[str, Any]] = (),
        world_seed: int | None = None,
        difficulty: str | None = None,
        gold: str | None = None,
        name: str | None = None,
        journal: str | FilePath | Journal | None = None,
        observer: Observer | None = None,
        beginnings: Sequence[Span | None] = (),
        **settings: Any,
    ) -> Result:
        """Lets a circle of reasoning paths solve one question.

        Args:
            question: The question; None with `world_seed` for a problem of the synthetic world.
            history: The messages of a chat before the question: `role` ("system", "user", "assistant") and `content`.
                The thoughts of earlier answers are dropped.
            world_seed: Number of the world problem.
            difficulty: Difficulty of the world problem: "easy", "default" or "long".
            gold: The right answer, where it is known.
            name: Identity of the circle; None for one of its own. Circles that share an engine must differ in it.
            journal: A file to keep every step in (the same call again goes on where it was), or a journal that is open
                already and holds other circles too.
            observer: Called with every `Event`.
            beginnings: What the thought of each path is forced to begin with, None for a free one; of kind "thought".
            **settings: Fields of `tertulia.settings.Settings` for this question; None stands for not given.

        Raises:
            TertuliaError: A setting, the engine or the journal is not as it must be. One line.
        """
        language = settings.get("language") or self._asked.get("language") or "en"
        asked, right = _question(question, world_seed, difficulty, language)
        said = chat(history)
        resolved = self.settings(**settings)
        dialect = await self.dialect(resolved.thinking)
        async with self._gate:
            return await solve_with(
                self.engine,
                self.profile,
                asked,
                resolved,
                history=said,
                name=name or self._name(story_of(asked, said)),
                gold=gold if gold is not None else right,
                journal=journal,
                observer=observer,
                dialect=dialect,
                beginnings=beginnings,
                pace=self.pace,
            )

    def _name(self, story: str) -> str:
        """An identity that no other circle of the session has, and that is the same when the run is done again."""
        before = self._asked_before[story] = self._asked_before.get(story, -1) + 1
        return f"{story}/c{before}"


OWN: Any = {"method": (METHODS, known.METHODS), "router": (ROUTERS, known.ROUTERS), "frame": (FRAMES, known.FRAMES)}
PACKAGED = {setting: tuple(objects) for setting, (objects, _) in OWN.items()}  # names that nothing of a user's may take


def _named(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings in which a method, a router or a frame that was given itself stands by its name."""
    made = {name: value for name, value in settings.items() if value is not None}
    for setting, (objects, names) in OWN.items():
        if isinstance(value := made.get(setting, ""), str):
            continue
        name = str(getattr(value, "name", None) or getattr(value, "__name__", type(value).__name__))
        if not callable(value) or (name in PACKAGED[setting] and objects[name] is not value):
            raise TertuliaError(f"the {setting} {name!r} is no class or function with a name of its own: give one")
        objects[name], made[setting] = value, name
        names += [] if name in names else [name]
    return made


async def solve_async(
    question: str | None = None,
    *,
    engine: Engine | str | None = None,
    model: str | FilePath | None = None,
    threads: int = 1,
    profile: Profile | None = None,
    **asked: Any,
) -> Result:
    """A session with one question; for several questions open a `Session`, whose engine and slots they share.

    Args:
        question: The question; None with `world_seed` for a problem of the synthetic world.
        engine: As `Session` takes it.
        model: As `Session` takes it.
        threads: Threads of the embedded engine.
        profile: What is known about the model; None to look it up by its name.
        **asked: What `Session.solve` takes: journal, observer, world_seed, settings ...

    Raises:
        TertuliaError: A setting, the engine or the journal is not as it must be. One line.
    """
    own = ("history", "world_seed", "difficulty", "gold", "name", "journal", "observer", "beginnings")
    settings = {name: value for name, value in asked.items() if name not in own}
    call = {name: value for name, value in asked.items() if name in own}
    _question(question, call.get("world_seed"), call.get("difficulty"), settings.get("language") or "en")
    observer = asked.get("observer")
    session = Session(engine, model, threads=threads, at_once=1, profile=profile, observer=observer, **settings)
    if engine is None or isinstance(engine, str):
        call.setdefault("name", "q0/c0")
    async with session:
        refuse_idle(session.profile, session._asked)
        return await session.solve(question, **call)


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
    history: Sequence[Turn] = (),
    name: str = "q0/c0",
    gold: str | None = None,
    journal: str | FilePath | Journal | None = None,
    observer: Observer | None = None,
    dialect: Dialect | None = None,
    beginnings: Sequence[Span | None] = (),
    pace: Pace | None = None,
) -> Result:
    """What `Session.solve` does, for callers who have an engine, a profile and settings at hand, as evaluations do.

    Args:
        engine: Entered already.
        profile: Of the engine's model.
        question: As the model is to read it.
        settings: Resolved.
        history: What was said before the question.
        name: Identity of the circle; questions that share a journal or an engine must differ in it.
        gold: The right answer, where it is known.
        journal: A file, or a journal that is open already and holds other circles too.
        observer: Called with every `Event`.
        dialect: How the model is asked, where that has been found out already.
        beginnings: What the thought of each path is forced to begin with, None for a free one; of kind "thought".
        pace: How long thoughts have been so far.
    """
    pace = pace or Pace()
    wording = Wording.load(settings.words or profile.wording, settings.language, settings.wording)
    spoken = voices(profile, settings, wording)
    asked_for = header(engine.info, profile, question, settings, (wording, *spoken), history)
    asked_for |= {"beginnings": [begun and begun.to_json() for begun in beginnings]} if beginnings else {}
    found = dialect or await Dialect.probe(engine, profile, settings.thinking)
    async with _opened(journal, asked_for) as book:
        run = Run(
            engine=engine,
            dialect=found,
            profile=profile.model_copy(update={"answer_tokens": _kept(profile, settings, found)}),
            wording=wording,
            settings=settings,
            journal=book,
            name=name,
            story=story_of(question, history),
            question=question,
            history=history,
            voices=spoken,
            observer=observer,
            beginnings=beginnings,
        )
        run.tell("start", None, {**asked_for, "engine": engine.info.name, "notes": list(found.notes)})
        started = time.monotonic()
        run.every = await _every(run, pace)
        circle = await METHODS[settings.method](run)
        took = time.monotonic() - started
    pace.add(circle.paths)
    return await asyncio.to_thread(Result.of, circle, gold=gold, seconds=took)


def _kept(profile: Profile, settings: Settings, dialect: Dialect) -> int:
    """Tokens of a path's budget that are kept for its answer.

    None where all that it writes is its answer, unless it may be ended before its own end.
    """
    whole = settings.free and not dialect.think_close and not (settings.consensus_stop or settings.settle)
    return 0 if whole else answer_room(settings, profile)


async def _every(run: Run, pace: Pace) -> int:
    """Thought tokens between two meetings; what follows from earlier questions is journaled."""
    if run.settings.every != "auto":
        return run.settings.every

    async def plan() -> dict[str, Any]:
        return {"kind": "plan", "every": pace.every(run.settings)}

    key = f"{run.name}/plan"
    live = key not in run.journal
    record = await run.journal.once(key, plan)
    with reading(key):
        every = int(record["every"])
    run.tell("plan", None, record, live=live)
    return every


@asynccontextmanager
async def _opened(journal: str | FilePath | Journal | None, asked_for: dict[str, Any]) -> AsyncIterator[Journal]:
    """The journal, open; it is closed in the end unless the caller opened it."""
    if isinstance(journal, Journal):
        yield journal
        return
    async with Journal.open(journal, asked_for) as book:
        yield book


def header(
    info: EngineInfo,
    profile: Profile,
    question: str,
    settings: Settings,
    words: Sequence[Wording],
    history: Sequence[Turn] = (),
) -> dict[str, Any]:
    """What a journal is for: a run with anything else here must not go on in it."""
    told = repr((*map(asdict, words), profile))
    before = {"history": [turn._asdict() for turn in history]} if history else {}
    return before | {
        "question": question,
        "model": info.model,
        "mode": info.mode,
        "words": hashlib.blake2b(told.encode(), digest_size=8).hexdigest(),
        "settings": settings.model_dump(mode="json"),
    }


def _question(
    question: str | None, world_seed: int | None, difficulty: str | None, language: str
) -> tuple[str, str | None]:
    """The question, and the right answer where it is known."""
    if question is not None and world_seed is not None:
        raise TertuliaError("there is a question and a world seed: give one of them")
    if question is not None:
        if not question.strip():
            raise TertuliaError("the question is empty: give a text")
        return whole(question, "the question"), None
    if world_seed is None:
        raise TertuliaError("there is no question: give one, or a world seed for a problem of the world")
    from tertulia.world.problems import problem

    posed = problem(world_seed, difficulty or "default")
    return posed.question(language), str(posed.answer)
