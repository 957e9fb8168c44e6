"""A path: one chain of thought, token by token, as the engine saw and produced it.

A path is a list of spans, and only ever changes through `Path.apply`, which adds what one step brought.
The same steps, read back from a journal, rebuild the same path.

Invariants kept here:

* Tokens are exact: the concatenation of a path's spans is, id for id, what the engine saw and produced.
* Nothing thought is lost: a step may discard tokens only off the end of what it generated itself.
* Own words only: `Path.own_text` is the thought and answer spans, never a prompt, a cue or something heard.
* Everything is counted: generated, injected, discarded and cached tokens are counted apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

SpanKind = Literal["prompt", "thought", "cue", "summary", "heard", "answer"]
SPAN_KINDS: tuple[str, ...] = get_args(SpanKind)
GENERATED_KINDS = frozenset({"thought", "summary", "answer"})  # written by the model; the others are put in

Place = Literal["thinking", "meeting", "last call", "closed", "finished", "stopped", "failed"]


@dataclass(frozen=True, slots=True)
class Span:
    """Consecutive tokens of one kind.

    Attributes:
        kind: What the tokens are.
        ids: Token ids, exactly as sent or received; empty in text mode.
        text: The same as text.
        count: Number of tokens: `len(ids)` in id mode, what the server reported in text mode.
    """

    kind: SpanKind
    ids: tuple[int, ...]
    text: str
    count: int

    def to_json(self) -> dict[str, Any]:
        """The span as one journal value."""
        return {"kind": self.kind, "ids": list(self.ids), "text": self.text, "count": self.count}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Span:
        """The span that `to_json` wrote."""
        return cls(value["kind"], tuple(value["ids"]), value["text"], value["count"])


@dataclass(slots=True)
class TokenCounts:
    """Tokens of one path, each kind counted apart.

    Attributes:
        generated: Everything the engine produced for the path: thought, summaries, answer, discarded.
        injected: Cues and heard text put into the path (the prompt is not counted here).
        discarded: Generated tokens that were cut off again; part of `generated`.
        cached: Prompt tokens the server took from its cache, summed over requests, where it says so.
        prompt: Tokens of the question's prompt.
    """

    generated: int = 0
    injected: int = 0
    discarded: int = 0
    cached: int = 0
    prompt: int = 0

    def to_json(self) -> dict[str, int]:
        """The counts by name."""
        return {
            "generated": self.generated,
            "injected": self.injected,
            "discarded": self.discarded,
            "cached": self.cached,
            "prompt": self.prompt,
        }

    def __add__(self, other: TokenCounts) -> TokenCounts:
        return TokenCounts(
            self.generated + other.generated,
            self.injected + other.injected,
            self.discarded + other.discarded,
            self.cached + other.cached,
            self.prompt + other.prompt,
        )


@dataclass(frozen=True, slots=True)
class Step:
    """One journaled change of a path.

    Attributes:
        kind: What happened, e.g. "prompt", "thought", "summary", "heard", "answer".
        spans: What joins the path, in order.
        discarded: Generated tokens that do not join it.
        held: Generated tokens whose fate the next step decides: the close of a thought at the last call.
        place: Where the path stands after the step.
        cached: Prompt tokens served from cache by this step's request; None where the server does not say.
        data: What else the journal should hold: how the generation ended, whom the path heard.
    """

    kind: str
    spans: tuple[Span, ...] = ()
    discarded: Span | None = None
    held: Span | None = None
    place: Place = "thinking"
    cached: int | None = None
    data: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The step as one journal value."""
        return {
            "kind": self.kind,
            "spans": [span.to_json() for span in self.spans],
            "discarded": self.discarded.to_json() if self.discarded else None,
            "held": self.held.to_json() if self.held else None,
            "place": self.place,
            "cached": self.cached,
            "data": dict(self.data),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Step:
        """The step that `to_json` wrote; other keys of the record are ignored."""
        return cls(
            kind=value["kind"],
            spans=tuple(Span.from_json(span) for span in value["spans"]),
            discarded=Span.from_json(value["discarded"]) if value["discarded"] else None,
            held=Span.from_json(value["held"]) if value["held"] else None,
            place=value["place"],
            cached=value["cached"],
            data=value["data"],
        )


class Path:
    """One chain of thought of a circle.

    Attributes:
        index: Place in the circle, from 0.
        name: Identity for the whole run, e.g. "q0/c0/p3".
        spans: The path's spans, in order.
        tokens: The path's token counts.
        place: Where the path stands.
        held: Generated tokens that wait for a decision (the close of the thought at a last call).
        steps: Number of steps applied; the next journal key of the path.
        meetings: Meetings the path took part in.
        since_meeting: Thought tokens generated since the last meeting.
        answer: The answer read from the path's own words; None until finished, or where there is none.
        error: Why the path failed, where it did.
    """

    def __init__(self, index: int, name: str):
        self.index = index
        self.name = name
        self.spans: list[Span] = []
        self.tokens = TokenCounts()
        self.place: Place = "thinking"
        self.held: Span | None = None
        self.steps = 0
        self.meetings = 0
        self.since_meeting = 0
        self.last_called = False
        self.answer: str | None = None
        self.error: str | None = None
        self._ids: list[int] = []
        self._text: list[str] = []

    @property
    def ids(self) -> tuple[int, ...]:
        """Every token id of the path, in order: what the engine is asked to continue."""
        return tuple(self._ids)

    @property
    def text(self) -> str:
        """Every span's text, in order."""
        return "".join(self._text)

    @property
    def own_text(self) -> str:
        """The path's own words: its thought and answer spans, never a prompt, a cue or something heard."""
        return self.text_of("thought", "answer")

    @property
    def active(self) -> bool:
        """Whether the path still has something to do."""
        return self.place not in ("finished", "stopped", "failed")

    @property
    def finished(self) -> bool:
        """Whether the path came to its end by itself or by its budget."""
        return self.place == "finished"

    @property
    def length(self) -> int:
        """Tokens in the path's context."""
        return sum(span.count for span in self.spans)

    def text_of(self, *kinds: str) -> str:
        """The text of all spans of the given kinds, spans of other kinds left out."""
        return "".join(span.text for span in self.spans if span.kind in kinds)

    def count_of(self, *kinds: str) -> int:
        """Tokens in spans of the given kinds."""
        return sum(span.count for span in self.spans if span.kind in kinds)

    def apply(self, step: Step) -> None:
        """Takes one step into the path: spans, counts, place. Steps read from a journal do the same."""
        self.steps += 1
        self.place = step.place
        self._count_generated(step.spans, step.discarded, step.held)
        for span in step.spans:
            self._append(span)
        self.held = step.held
        self.tokens.cached += step.cached or 0
        if step.place == "failed":
            self.error = str(step.data.get("error", "failed"))

    def _append(self, span: Span) -> None:
        self._ids.extend(span.ids)
        self._text.append(span.text)
        if self.spans and self.spans[-1].kind == span.kind and span.kind in GENERATED_KINDS:
            last = self.spans[-1]
            span = Span(span.kind, last.ids + span.ids, last.text + span.text, last.count + span.count)
            self.spans[-1] = span
        else:
            self.spans.append(span)

    def _count_generated(self, spans: Iterable[Span], discarded: Span | None, held: Span | None) -> None:
        raise NotImplementedError
