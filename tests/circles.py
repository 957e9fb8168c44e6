"""What tests of circles share: a dialect for the scripted engine, and a run with everything in it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from tertulia.engines.base import Engine
from tertulia.engines.scripted import ScriptedEngine
from tertulia.events import Event
from tertulia.journal import Journal
from tertulia.methods import BY_NAME
from tertulia.outcome import Outcome
from tertulia.profile import Profile, profile_for
from tertulia.run import Run
from tertulia.settings import Settings, resolve
from tertulia.wording import Wording

PEBBLE = profile_for("pebble")
QUESTION = "Ana has 13 shells, gets 80, finds 8, buys 21, finds 34 and gets 5. How many?"
"""The scripted thinker adds up these numbers: 161."""


@dataclass
class PebbleDialect:
    """The small model's dialect, for the scripted engine."""

    engine: ScriptedEngine
    think_open: str = "<think>"
    think_close: str = "</think>"

    @property
    def open_ids(self) -> tuple[int, ...]:
        return (self.engine.control_id("<think>"),) if self.engine.info.mode == "ids" else ()

    @property
    def close_ids(self) -> tuple[int, ...]:
        return (self.engine.control_id("</think>"),) if self.engine.info.mode == "ids" else ()

    async def prompt_ids(self, system: str, user: str) -> tuple[tuple[int, ...], str]:
        ids = await self.engine.tokenize("<|user|>", special=True)
        ids += await self.engine.tokenize(user)
        ids += await self.engine.tokenize("<|assistant|><think>\n", special=True)
        return ids if self.engine.info.mode == "ids" else (), f"<|user|>{user}<|assistant|><think>\n"


@dataclass
class Told:
    """A finished run, and what was told on the way."""

    outcome: Outcome
    run: Run
    engine: ScriptedEngine
    events: list[Event] = field(default_factory=list)

    @property
    def records(self) -> list[dict[str, Any]]:
        return self.run.journal.records


async def tell(
    engine: ScriptedEngine | None = None,
    *,
    question: str = QUESTION,
    profile: Profile = PEBBLE,
    journal: FilePath | None = None,
    dialect: Any = None,
    words: str | None = None,
    on_event: Callable[[Event], None] | None = None,
    **settings: Any,
) -> Told:
    """Runs one circle on the scripted engine."""
    engine = engine or ScriptedEngine()
    resolved = resolve(profile, settings)
    events: list[Event] = []

    def observer(event: Event) -> None:
        events.append(event)
        if on_event is not None:
            on_event(event)

    async with Journal.open(journal, {"settings": resolved.model_dump(mode="json")}) as book:
        run = Run(
            engine=engine,
            dialect=dialect or PebbleDialect(engine),
            profile=profile,
            wording=Wording.load(words or profile.wording, resolved.language),
            settings=resolved,
            journal=book,
            observer=observer,
        )
        outcome = await BY_NAME[resolved.method](run, "q0/c0", "a story", question)
    return Told(outcome, run, engine, events)
