"""What an observer of a run is told: the records of its journal, and tokens while they arrive."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a run.

    Attributes:
        kind: "start" (`data` is the journal's header), "tokens" (`data["count"]` tokens have just come, `data["text"]`,
            which are `data["of"]`: "thought", with its close, "summary", "answer", or "fork" for a side branch; never
            journaled), or the kind of a journal record, whose value `data` is (docs/journal.md lists them): "prompt",
            "thought", "summary", "aside", "asked", "judged", "heard", "kept", "closing", "answer", "stopped" and
            "failed" of a path; "plan", "meeting", "survivor" and "verdict" of the circle.
        path: Index of the path; None where it concerns the whole circle.
        data: What `kind` says.
        live: Whether it has just happened; False where it was read from the journal.
    """

    kind: str
    path: int | None
    data: Mapping[str, Any]
    live: bool = True


Observer = Callable[[Event], None]


def told_tokens(of: str, count: int, text: str) -> dict[str, Any]:
    """The data of "tokens": how many came, their text, and the kind of span that they are, or "fork"."""
    return {"count": count, "text": text, "of": of}
