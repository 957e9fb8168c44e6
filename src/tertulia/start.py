"""The engine that a session runs on: which one, with how many slots, and how long a context."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path as FilePath
from typing import Any

from tertulia.circle.events import Event, Observer
from tertulia.engines.base import Engine
from tertulia.engines.hub import SPELLINGS
from tertulia.engines.progress import Tell, untold
from tertulia.errors import TertuliaError
from tertulia.model import Profile, profile_for
from tertulia.settings import TAGLESS, Settings, resolve

OnWait = Callable[[float, str], None]
FIRST_BYTE, PROGRESS = "TERTULIA_FIRST_BYTE", "TERTULIA_PROGRESS"
"""How long a server may be silent before the first token and between two, in seconds."""
MOST_SLOTS = 64
"""Paths in flight at most where one embedded engine serves many circles; further ones take turns."""


def engine_for(
    engine: str | None,
    model: str | FilePath | None,
    threads: int,
    asked: dict[str, Any],
    *,
    circles: int = 1,
    tell: Tell = untold,
    on_wait: OnWait | None = None,
) -> Engine:
    """The engine that `solve_async` would use, not yet entered; takes the same arguments.

    Args:
        engine: URL of a server, "auto" for one on this machine, "scripted", or None for the embedded engine.
        model: Name of the server's model, or a GGUF file or what `resolve_model` knows.
        threads: Threads of the embedded engine.
        asked: Settings that decide how many paths there are and how long their contexts.
        circles: Circles under way at once.
        tell: Told of what happens before the first step.
        on_wait: Told, now and then, how many seconds a server has been waited for, and for what.
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

        served = HttpEngine(engine, model=str(model) if model else None, **silences())
        served.on_wait = on_wait
        return served
    from tertulia.engines.embedded import EmbeddedEngine
    from tertulia.engines.loading import MAX_SLOTS

    profile = profile_for(model)
    settings = resolve(profile, asked)
    embedded = EmbeddedEngine(
        model,
        slots=min(settings.paths * circles, max(MOST_SLOTS, settings.paths), MAX_SLOTS),
        context_per_slot=context_for(settings, profile),
        threads=threads,
        tell=tell,
    )
    embedded.on_wait = on_wait
    return embedded


def silences() -> dict[str, Any]:
    """How long a server may be silent, as the environment says; patience for two such silences at least.

    Raises:
        TertuliaError: A variable holds no seconds.
    """
    given: dict[str, float] = {}
    for variable, name in ((FIRST_BYTE, "first_byte"), (PROGRESS, "progress")):
        text = os.environ.get(variable, "").strip()
        if text:
            try:
                given[name] = float(text)
            except ValueError:
                given[name] = 0.0
            if not 0 < given[name] < float("inf"):
                raise TertuliaError(f"{variable} is {text!r}: expected seconds, such as 600")
    return {**given, "patience": max(300.0, *(2 * seconds for seconds in given.values()))} if given else {}


def telling(observer: Observer | None) -> tuple[Tell, OnWait | None]:
    """What an observer is told of an engine: what happens before the first step, and how long it is waited for."""
    if observer is None:
        return untold, None
    return (
        lambda progress: observer(Event("loading", None, {"text": progress.text, "done": progress.done})),
        lambda seconds, what: observer(Event("waiting", None, {"seconds": seconds, "what": what})),
    )


def context_for(settings: Settings, profile: Profile) -> int:
    """Tokens of context that a path can need: its question, its budget, and what its meetings put in."""
    question = 1024
    spacing = settings.budget // 8 if settings.every == "auto" else settings.every or settings.budget
    meetings = settings.budget // spacing + len(settings.meet_at) + settings.last_call if settings.meets else 0
    compact = settings.frame == "digest" and profile.stepwise
    heard = 48 if compact else 320 if settings.frame in TAGLESS else 160 + settings.heard * profile.summary_tokens
    return question + settings.budget + meetings * heard
