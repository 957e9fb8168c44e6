"""The two functions most users need: `solve` and `solve_async`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any, Literal

from tertulia.engines.base import Engine


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, told to an observer while the run goes on.

    Attributes:
        kind: What: "start" data: the settings and the question. "tokens": {"count"}: tokens that just came.
            "segment": {"place", "tokens"}. "summary": {"text", "claims", "routed"}. "heard": {"text",
            "peers", "meeting"}. "meeting": {"index", "heard"}. "answer": {"answer"}. "failed": {"error"}.
            "verdict": the verdict.
        path: Index of the path; None where it concerns the whole circle.
        data: As listed under `kind`.
    """

    kind: Literal["start", "tokens", "segment", "summary", "heard", "meeting", "answer", "failed", "verdict"]
    path: int | None
    data: dict[str, Any]


Observer = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class Result:
    """What a circle came to. `to_json` is the object that `tertulia solve --json` prints."""

    def to_json(self) -> dict[str, Any]:
        """Plain values: question, verdict, votes, correct, paths, meetings, tokens, seconds, seed, ..."""
        raise NotImplementedError


async def solve_async(
    question: str | None = None,
    *,
    world_seed: int | None = None,
    difficulty: str = "default",
    engine: Engine | str | None = None,
    model: str | FilePath | None = None,
    journal: str | FilePath | None = None,
    observer: Observer | None = None,
    **settings: Any,
) -> Result:
    """Lets a circle of reasoning paths solve one question.

    Args:
        question: The question; None with `world_seed` for a problem of the synthetic world.
        world_seed: Number of the world problem.
        difficulty: Difficulty of the world problem: "easy", "default" or "long".
        engine: An engine already entered, the URL of a server, "scripted", or None for the embedded one.
        model: Name of the server's model, or a GGUF file for the embedded engine.
        journal: File to keep every step in; the same call again goes on where it was.
        observer: Called with every `Event`.
        **settings: Fields of `Settings`.

    Raises:
        TertuliaError: A setting, the engine or the journal is not as it must be. One line.
    """
    raise NotImplementedError


def solve(question: str | None = None, **arguments: Any) -> Result:
    """`solve_async`, run to its end. Takes the same arguments."""
    raise NotImplementedError
