"""What an observer of a run is told while it goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

EventKind = Literal[
    "loading", "start", "tokens", "segment", "summary", "heard", "meeting", "answer", "stopped", "failed", "verdict"
]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, told to an observer while the run goes on.

    Attributes:
        kind: What happened; `data` holds:
            "loading": before the start, "text" and "done" (0 to 1; None for what is said once).
            "start": "question", "settings", "engine", "model", "mode".
            "tokens": "count", tokens that just came.
            "segment": "place", where the path stands, and "tokens" generated in it.
            "summary": "text" (None where nobody will hear it), "outcome" ("read" where nothing was written), "claims"
                (steps and answer).
            "heard": "text", "peers", "meeting", "finding".
            "meeting": "index", "heard" (a list of peers for each path).
            "answer": "answer", None where the path finished without one.
            "stopped": nothing. "failed": "error".
            "verdict": "answer", "votes", "spoke", "of", "tie".
        path: Index of the path; None where it concerns the whole circle.
        data: As listed under `kind`.
    """

    kind: EventKind
    path: int | None
    data: dict[str, Any]


Observer = Callable[[Event], None]
