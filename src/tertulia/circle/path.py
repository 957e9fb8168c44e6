"""A path: one chain of thought, token by token, as the engine saw and produced it.

A path is a list of spans, and only ever changes through `Path.apply`, which adds what one step brought.
The same steps, read back from a journal, rebuild the same path. Invariants kept here:

* Tokens are exact: the concatenation of a path's spans is, id for id, what the engine saw and produced.
* Nothing thought is lost: a step may discard tokens only off the end of what it generated itself.
* Own words only: `Path.own_text` is the thought and answer spans, never a prompt, a cue or something heard.
* Everything is counted: generated, injected, discarded and cached tokens are counted apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from pydantic import TypeAdapter

from tertulia.circle.events import told_tokens

SpanKind = Literal["prompt", "thought", "cue", "summary", "heard", "answer"]
SPAN_KINDS: tuple[str, ...] = get_args(SpanKind)
GENERATED_KINDS = frozenset({"thought", "summary", "answer"})  # written by the model; the others are put in

StepKind = Literal[
    "prompt",
    "thought",
    "summary",
    "aside",
    "asked",
    "judged",
    "heard",
    "kept",
    "closing",
    "answer",
    "failed",
    "stopped",
]
Place = Literal["thinking", "meeting", "last call", "closed", "unanswered", "finished", "stopped", "failed"]


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


@dataclass(slots=True)
class TokenCounts:
    """Tokens of one path, each kind counted apart.

    Attributes:
        generated: Everything the engine produced for the path: thought, summaries, answer, discarded, forked.
        injected: Cues, heard text and a forced beginning put into the path (the prompt is not counted here).
        discarded: Generated tokens that were cut off again; part of `generated`.
        forked: Generated tokens of side branches, which the path never contains; part of `generated`.
        cached: Prompt tokens the server took from its cache, summed over requests; None where it never says.
        prompt: Tokens of the question's prompt.
        sent: Prompt tokens of all requests, as the engine counted them, whether cached or not.
    """

    generated: int = 0
    injected: int = 0
    discarded: int = 0
    forked: int = 0
    cached: int | None = None
    prompt: int = 0
    sent: int = 0

    def to_json(self) -> dict[str, int | None]:
        """The counts by name."""
        return asdict(self)

    def __add__(self, other: TokenCounts) -> TokenCounts:
        known = [count for count in (self.cached, other.cached) if count is not None]
        return TokenCounts(
            self.generated + other.generated,
            self.injected + other.injected,
            self.discarded + other.discarded,
            self.forked + other.forked,
            sum(known) if known else None,
            self.prompt + other.prompt,
            self.sent + other.sent,
        )


@dataclass(frozen=True, slots=True)
class Step:
    """One journaled change of a path.

    Attributes:
        kind: What happened.
        spans: What joins the path, in order.
        held: Tokens generated in this step whose fate the next one decides: the close of a thought at a last call, or
            the end of a path whose answer cannot be read.
        fork: Tokens generated in a side branch: read, and thrown away.
        release: What becomes of the tokens that the step before held; they come before `spans`.
        place: Where the path stands after the step.
        prompt_tokens: Length of the context as the engine counted it; None without a generation.
        cached: How much of it came from the cache; None where the server does not say.
        data: What else the journal should hold: how the generation ended, at which meeting the path heard.
    """

    kind: StepKind
    spans: tuple[Span, ...] = ()
    held: Span | None = None
    fork: Span | None = None
    release: Literal["keep", "discard"] | None = None
    place: Place = "thinking"
    prompt_tokens: int | None = None
    cached: int | None = None
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def told(self) -> list[dict[str, Any]]:
        """What was generated in this step, as `told_tokens`; a beginning that the thought was given is not."""
        spans = () if self.kind == "prompt" else self.spans
        made = [(span.kind, span) for span in spans if span.kind in GENERATED_KINDS]
        side = [(of, span) for of, span in ((self.held and self.held.kind, self.held), ("fork", self.fork)) if span]
        return [told_tokens(str(of), span.count, span.text) for of, span in (*made, *side)]

    @property
    def generated(self) -> int:
        """Tokens generated in this step."""
        return sum(told["count"] for told in self.told)

    def to_json(self) -> dict[str, Any]:
        """The step as one journal value; what is empty is left out, `data` stands beside the rest."""
        made: dict[str, Any] = {"kind": self.kind, "place": self.place}
        if self.spans:
            made["spans"] = [span.to_json() for span in self.spans]
        made |= {name: span.to_json() for name in SIDE if (span := getattr(self, name)) is not None}
        made |= {name: value for name in PLAIN if (value := getattr(self, name)) is not None}
        return made | dict(self.data)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Step:
        """The step that `to_json` wrote; a KeyError, TypeError or ValueError where the value is none."""
        data = {name: item for name, item in value.items() if name not in OWN}
        needed = ("kind", "place", *NEEDED.get(str(value.get("kind")), ()))
        if missing := [name for name in needed if name not in value]:
            raise KeyError(missing[0])
        for name, wanted in DATA.items():
            if not isinstance(data.get(name), wanted):
                raise TypeError(f"{name} is {data[name]!r}")
        return _STEPS.validate_python({name: value[name] for name in OWN if name in value} | {"data": data})


SIDE = ("held", "fork")
PLAIN = ("release", "prompt_tokens", "cached")
OWN = ("kind", "place", "spans", *SIDE, *PLAIN)
SAID = ("text", "outcome")
NEEDED = {"summary": SAID, "aside": SAID, "asked": ("claim", "sure"), "failed": ("error",)}
"""What steps of some kinds hold beside their spans."""
DATA = {"text": str | None, "claim": str | None, "answer": str | None, "sure": float | None, "error": str | None}
"""What else is read from them must be of these types."""
_STEPS = TypeAdapter(Step)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a path answered when it was asked in a side branch.

    Attributes:
        answer: Its answer at that moment; None where it gave none.
        sure: Mean probability of the answer's tokens, from 0 to 1; None where the engine does not give it.
    """

    answer: str | None
    sure: float | None


class Path:
    """One chain of thought of a circle.

    Attributes:
        index: Place in the circle, from 0.
        name: Identity for the whole run, e.g. "q0/c0/p3".
        exact: Whether token ids are known; False in text mode, where counts are the server's.
        spans: The path's spans, in order.
        tokens: The path's token counts.
        place: Where the path stands.
        held: Generated tokens that wait for a decision (the close of the thought at a last call).
        steps: Number of steps applied; names the next journal record of the path.
        meetings: Meetings the path took part in.
        last_calls: Last calls at which it heard its peers and went on.
        thought_tokens: Thought tokens generated, discarded ones included.
        since_meeting: The same, since the last meeting.
        answering: Whether a difference was what it heard at its last meeting.
        summary: The summary it wrote last, None where that cannot travel (empty or truncated).
        opened: Whether it opened the present summary itself.
        open_summary: Whether a summary was begun and not closed.
        out_of_budget: Whether its thought was closed for it.
        asked: What it answered in a side branch since it last thought; None where it was not asked.
        loops: How often it was found to repeat itself.
        looping: Whether it was when it last thought, and has heard nothing since.
        answer: The answer read from its own words; None until finished, or where there is none.
        led: Whether it was led to its answer because none could be read from what it wrote.
        error: Why it failed, where it did.
        unavailable: Whether that was a server which may be back: the journal does not have it as failed.
    """

    def __init__(self, index: int, name: str, *, exact: bool = True):
        self.index = index
        self.name = name
        self.exact = exact
        self.spans: list[Span] = []
        self.tokens = TokenCounts()
        self.place: Place = "thinking"
        self.held: Span | None = None
        self.steps = 0
        self.meetings = 0
        self.last_calls = 0
        self.thought_tokens = 0
        self.since_meeting = 0
        self.answering = False
        self.summary: str | None = None
        self.open_summary = False
        self.opened = False
        self.out_of_budget = False
        self.asked: Asked | None = None
        self.loops = 0
        self.looping = False
        self.answer: str | None = None
        self.led = False
        self.error: str | None = None
        self.unavailable = False
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
        return "".join(span.text for span in self.spans if span.kind in ("thought", "answer"))

    @property
    def since_heard(self) -> str:
        """Those of its own words that came after all that it heard."""
        heard = max((at for at, span in enumerate(self.spans) if span.kind == "heard"), default=0)
        return "".join(span.text for span in self.spans[heard:] if span.kind in ("thought", "answer"))

    @property
    def active(self) -> bool:
        """Whether the path still has something to do."""
        return self.place not in ("finished", "stopped", "failed")

    @property
    def finished(self) -> bool:
        """Whether the path came to its end by itself or by its budget."""
        return self.place == "finished"

    @property
    def at_meeting(self) -> bool:
        """Whether the path waits for its peers."""
        return self.place in ("meeting", "last call")

    @property
    def length(self) -> int:
        """Tokens in the path's context; in text mode as far as they are known."""
        return sum(span.count for span in self.spans)

    def count(self, *kinds: SpanKind) -> int:
        """Tokens in the spans of these kinds."""
        return sum(span.count for span in self.spans if span.kind in kinds)

    @property
    def met_at(self) -> int:
        """Thought tokens generated when the path last met; 0 where it has not."""
        return self.thought_tokens - self.since_meeting

    def apply(self, step: Step) -> None:
        """Takes one step into the path: spans, counts, place. A step read from a journal does the same."""
        self.steps += 1
        self.place = step.place
        self._release(step.release)
        if step.prompt_tokens is not None and not self.exact and step.fork is None:
            self._recount(step.prompt_tokens)
        for span in step.spans:
            self._append(span)
        self._count(step)
        if step.held is not None or step.release is not None:
            self.held = step.held
        self._remember(step)

    def _release(self, release: Literal["keep", "discard"] | None) -> None:
        if self.held is not None and release == "keep":
            self._append(self.held)
        elif self.held is not None and release == "discard":
            self.tokens.discarded += self.held.count

    def _append(self, span: Span) -> None:
        if not span.ids and not span.text:
            return
        self._ids.extend(span.ids)
        self._text.append(span.text)
        last = self.spans[-1] if self.spans else None
        if last is not None and last.kind == span.kind and span.kind in GENERATED_KINDS:
            joined = Span(span.kind, last.ids + span.ids, last.text + span.text, last.count + span.count)
            self.spans[-1] = joined
        else:
            self.spans.append(span)

    def _count(self, step: Step) -> None:
        tokens = self.tokens
        tokens.generated += step.generated
        tokens.forked += step.fork.count if step.fork else 0
        tokens.prompt += sum(span.count for span in step.spans if span.kind == "prompt")
        put = ("cue", "heard", "thought") if step.kind == "prompt" else ("cue", "heard")
        tokens.injected += sum(span.count for span in step.spans if span.kind in put)
        tokens.sent += step.prompt_tokens or 0
        if step.cached is not None:
            tokens.cached = (tokens.cached or 0) + step.cached
        thought = [*(span for span in step.spans if span.kind == "thought"), step.held]
        written = sum(span.count for span in thought if span is not None)
        self.thought_tokens += written
        self.since_meeting += written

    def _recount(self, prompt_tokens: int) -> None:
        """In text mode: what was put in is what the server counts beyond what it generated."""
        if not self.tokens.generated:
            self.tokens.prompt = prompt_tokens
        kept = self.tokens.generated - self.tokens.discarded - self.tokens.forked
        self.tokens.injected = max(0, prompt_tokens - self.tokens.prompt - kept)

    def _remember(self, step: Step) -> None:
        data = step.data
        self.answer = data.get("answer", self.answer)
        match step.kind:
            case "thought":
                self.opened = bool(data.get("opened"))
                self.looping = bool(data.get("loop"))
                self.loops += self.looping
                self.asked = None
            case "summary" | "aside":
                self.opened = False
                self.summary = data["text"]
                self.open_summary = data["outcome"] == "truncated" and step.kind == "summary"
            case "asked":
                self.asked = Asked(data["claim"], data["sure"])
            case "heard" | "kept":
                self.meetings += 1
                self.since_meeting = 0
                self.looping = False
                self.answering = data.get("finding") == "differ"
                self.open_summary = False
                self.last_calls += bool(data.get("last_call")) and step.kind == "heard"
            case "closing":
                self.out_of_budget = True
            case "answer":
                self.led = self.led or bool(data.get("led"))
            case "failed":
                self.error = data["error"]
