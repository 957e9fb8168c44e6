"""What a path holds at a moment, in a form that a program can compare: step results, or the answer so far.

Claims are read from the path's own words only: its summaries, its thought, its answer, and what it answered when it
was asked in a side branch. Nothing that was put into the path (prompt, cue, heard text) is ever looked at.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Any, Literal

from tertulia.answers.equivalence import group_answers
from tertulia.answers.extract import extract_answer
from tertulia.circle.path import Path, Span
from tertulia.engines.base import Token
from tertulia.model import ClaimPatterns

LONGEST_VALUE = 80
"""Characters of a claimed value that are told to peers."""

Finding = Literal["differ", "agree", "none"]


@dataclass(frozen=True, slots=True)
class Difference:
    """What a path holds beside what its peers hold.

    Attributes:
        finding: Whether peers differ, agree, or have nothing to compare.
        outvoted: Whether another value has more holders than one's own (of step results: by the margin).
        mine: One's own value; None without one.
        other: The value that most of those hold who hold another one.
        count: Peers that hold it.
        total: Peers that claim anything there.
        step: The step it is about; None where answers are compared.
        votes: Peers for each answer, most first; empty where steps are compared.
        holders: Peers that hold `other`.
        dissenters: Peers that claim another answer than one's own.
    """

    finding: Finding
    outvoted: bool = False
    mine: str | None = None
    other: str | None = None
    count: int = 0
    total: int = 0
    step: int | None = None
    votes: tuple[tuple[str, int], ...] = ()
    holders: frozenset[int] = frozenset()
    dissenters: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class AnswerClaims:
    """The answer a path holds.

    Attributes:
        answer: The answer; None where it has none, or is not sure enough of it.
        sure: How sure it is, from 0 to 1; None where it said so in its own words, or nobody knows.
    """

    answer: str | None = None
    sure: float | None = None

    def __bool__(self) -> bool:
        return self.answer is not None

    @property
    def steps(self) -> Mapping[int, str]:
        """There are none."""
        return {}

    @property
    def doubtful(self) -> tuple[int, ...]:
        """What can be rechecked: step numbers, or 0 for the answer."""
        return (0,)

    def said(self) -> str | None:
        """What a summary would say, so that routers have something to compare; None where nothing can."""
        return None

    def is_ahead(self, peers: Sequence[tuple[Claims | None, bool]]) -> bool:
        """Whether most peers have not come as far; answers do not tell."""
        return False

    def compare(self, peers: Mapping[int, Claims], margin: int, language: str | None = None) -> Difference:
        """This answer beside those of the peers. May wait for math-verify: run it off the event loop.

        Args:
            peers: Latest claims of the others, by path; equivalent answers are counted together.
            margin: Of no meaning to answers.
            language: The question's, for the ways in which numbers are written.
        """
        who = [peer for peer, claims in peers.items() if claims.answer is not None]
        answers = [self.answer, *(peers[peer].answer for peer in who)]
        groups = dict(zip(who, (grouped := group_answers(answers, language))[1:], strict=True))
        counts = Counter(group for group in groups.values() if group is not None)
        named = [(answers[group] or "", count) for group, count in counts.items()]
        votes = sorted(named, key=lambda vote: (-vote[1], vote[0]))
        own = counts.get(grouped[0], 0) if grouped[0] is not None else 0
        others = {group: count for group, count in counts.items() if group != grouped[0]}
        if not others:
            finding: Finding = "agree" if votes and self.answer is not None else "none"
            return Difference(finding, mine=self.answer, total=counts.total(), votes=tuple(votes))
        best = min(others, key=lambda group: (-others[group], answers[group] or ""))
        return Difference(
            finding="differ",
            outvoted=others[best] > own + (self.answer is not None),
            mine=self.answer,
            other=answers[best],
            count=others[best],
            total=counts.total(),
            votes=tuple(votes),
            holders=frozenset(peer for peer, group in groups.items() if group == best),
            dissenters=frozenset(peer for peer, group in groups.items() if group not in (None, grouped[0])),
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values, for the journal."""
        return {"answer": self.answer} | ({} if self.sure is None else {"sure": round(self.sure, 4)})


@dataclass(frozen=True, slots=True)
class StepClaims:
    """The results of the steps a path has stated, for models that state steps.

    Attributes:
        steps: The value of each step, by step number, in order.
        answer: The claimed answer; for a path that has not finished, its last step's value.
        fresh: Steps written since the path last heard its peers.
        again: Steps that it has written more than once.
    """

    steps: Mapping[int, str] = field(default_factory=dict)
    answer: str | None = None
    fresh: tuple[int, ...] = ()
    again: frozenset[int] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.steps) or self.answer is not None

    @property
    def doubtful(self) -> tuple[int, ...]:
        """Steps that can be rechecked: no step twice, for a path sent back to one line for ever never ends."""
        return tuple(step for step in self.fresh or tuple(self.steps) if step not in self.again)

    def said(self) -> str | None:
        """The steps in a line, so that routers have something to compare."""
        return " ".join(f"{step}={value}" for step, value in self.steps.items()) or None

    def is_ahead(self, peers: Sequence[tuple[Claims | None, bool]]) -> bool:
        """Whether most peers have neither claimed the last step of these nor come to their end.

        Args:
            peers: Claims of each peer, and whether it is at its end.
        """
        if not self.steps:
            return False
        last = max(self.steps)
        there = [end or (isinstance(claims, StepClaims) and last in claims.steps) for claims, end in peers]
        return 2 * sum(there) < len(peers)

    def compare(self, peers: Mapping[int, Claims], margin: int, language: str | None = None) -> Difference:
        """The first step of mine at which another value has more holders than mine, myself counted.

        Args:
            peers: Latest claims of the others; those without a claim for a step do not count there.
            margin: So many more holders; with 0, as many will do.
            language: Of no meaning to steps, whose values are compared as text.
        """
        stated = {peer: claims.steps for peer, claims in peers.items() if isinstance(claims, StepClaims)}
        for step, value in self.steps.items():
            held = Counter(steps[step] for steps in stated.values() if step in steps)
            others = {other: count for other, count in held.items() if other != value}
            if not others:
                continue
            # Among equally many holders the smaller text: the same on every machine.
            other = min(others, key=lambda name: (-others[name], name))
            if others[other] >= held[value] + 1 + margin:
                holders = frozenset(peer for peer, steps in stated.items() if steps.get(step) == other)
                return Difference("differ", True, value, other, others[other], held.total(), step, holders=holders)
        return Difference("agree")

    def to_json(self) -> dict[str, Any]:
        """Plain values, for the journal."""
        return {"answer": self.answer, "steps": {str(step): value for step, value in self.steps.items()}}


Claims = AnswerClaims | StepClaims
"""What a path holds, in either form."""


def claims_of(path: Path, patterns: ClaimPatterns, think_close: str, reading: AnswerReading) -> Claims:
    """What the path claims at present: as it answered when asked, for it said nothing before; else in its own words.

    Args:
        path: Whose claims.
        patterns: How steps are read; without patterns only answers are.
        think_close: The text that closes a thought.
        reading: The form of the answer, its language, and how sure an answer that was asked for must be.
    """
    held = path.place == "last call" and path.held is not None
    claims = read_claims(path.spans, patterns, think_close, reading=reading, held=held)
    if path.finished:
        return replace(claims, answer=short(path.answer) if path.answer else None)
    if isinstance(claims, StepClaims) or path.asked is None or path.asked.answer is None:
        return claims
    answer, sure = path.asked.answer, path.asked.sure
    return AnswerClaims(short(answer) if sure is None or sure >= reading.sure else None, sure)


@dataclass(frozen=True, slots=True)
class AnswerReading:
    """How answers of a run are read.

    Attributes:
        kind: Form of the answer.
        language: Of the question.
        sure: How sure an answer that was asked for must be to be posted, from 0 to 1.
    """

    kind: Literal["math", "choice"] = "math"
    language: str | None = None
    sure: float = 0.0


def read_claims(
    spans: Sequence[Span],
    patterns: ClaimPatterns,
    think_close: str | None = None,
    *,
    reading: AnswerReading = AnswerReading(),
    held: bool = False,
) -> Claims:
    """What these spans claim, in the path's own words.

    Args:
        spans: Of a path, from its beginning on.
        patterns: How steps are read; without patterns only answers are.
        think_close: The text that closes a thought.
        reading: The form of the answer, and its language.
        held: Whether the path is about to close its thought, so that its last line is whole.
    """
    if patterns.summary_step is not None:
        return read_steps(spans, patterns, think_close, held=held)
    stated = stated_answer(spans, reading)
    return AnswerClaims(short(stated) if stated else None)


def stated_answer(spans: Sequence[Span], reading: AnswerReading) -> str | None:
    """The last answer in the path's own words, its summaries too; None where none can be read."""
    own = [span.text for span in spans if span.kind in ("thought", "summary", "answer")]
    texts = (extract_answer(text, reading.kind, reading.language) for text in reversed(own))
    return next((answer for answer in texts if answer), None)


def read_steps(
    spans: Sequence[Span], patterns: ClaimPatterns, think_close: str | None = None, *, held: bool = False
) -> StepClaims:
    """The steps that a path has stated, from its own words.

    Later statements override earlier ones. A step written again in the thought, or given another value in a
    summary, drops the claims of the steps after it: they were reached from what is no longer held.

    Args:
        spans: Of the path.
        patterns: How steps are read.
        think_close: The text that closes a thought, which is no part of its last line.
        held: Whether the path is about to close its thought, so that its last line is whole.
    """
    steps: dict[int, str] = {}
    fresh: set[int] = set()
    written: Counter[int] = Counter()
    boxed: str | None = None
    for place, span in enumerate(spans):
        text = span.text
        if span.kind == "thought":
            text, closed = _open_part(text, think_close)
            last = place == len(spans) - 1
            # A line that is still being written says nothing yet: "3) 85*2=1" may become 170.
            whole = text if closed or (last and held) else text[: text.rfind("\n") + 1]
            for step, value in _steps(patterns.thought_step, whole):
                _drop_after(steps, step)
                steps[step] = value
                fresh.add(step)
                written[step] += 1
        elif span.kind == "summary":
            text = text.partition("</summarize>")[0]
            for step, value in _steps(patterns.summary_step, text):
                if steps.get(step) != value:
                    _drop_after(steps, step)
                    steps[step] = value
                    fresh.add(step)
        elif span.kind == "heard":
            fresh.clear()
        if span.kind in ("thought", "summary", "answer"):
            boxed = extract_answer(text) or boxed
    answer = boxed or (steps[max(steps)] if steps else None)
    ordered = {step: short(steps[step]) for step in sorted(steps)}
    again = frozenset(step for step, times in written.items() if times > 1)
    return StepClaims(ordered, short(answer) if answer else None, tuple(sorted(fresh & set(steps))), again)


def states_claim(path: Path, came: str, thought_step: str | None) -> bool:
    """Whether the path, with what just came, ends a line and has something to tell since it last met.

    That is a stated step. A path that was told of a difference states a step for the second time first, and may go back
    from a value that neither it nor its peers had: what it comes to holds once it has stated another step after it.

    Args:
        path: The path before what came joined it.
        came: New text of its thought.
        thought_step: How a step is read in a thought.
    """
    thought = (path.spans[-1].text if path.spans[-1].kind == "thought" else "") + came
    wanted = 2 if path.answering else 1
    return thought.endswith("\n") and len(_steps(thought_step, thought)) >= wanted


def how_sure(tokens: Sequence[Token], claim: str) -> float | None:
    """Geometric mean of the probabilities of the tokens that say the claim, 0 to 1; None where nobody gives them."""
    ends = accumulate(len(token.text) for token in tokens)
    said = [token.logprob for token, end in zip(tokens, ends, strict=True) if end - len(token.text) < len(claim)]
    known = [logprob for logprob in said if logprob is not None]
    return math.exp(sum(known) / len(known)) if known and len(known) == len(said) else None


def short(value: str) -> str:
    """A claimed value on one line, cut where no answer is that long."""
    value = " ".join(value.split())
    return value if len(value) <= LONGEST_VALUE else value[: LONGEST_VALUE - 1] + "…"


def _open_part(thought: str, think_close: str | None) -> tuple[str, bool]:
    if not think_close:
        return thought, False
    before, close, _ = thought.partition(think_close)
    return before, bool(close)


def _steps(pattern: str | None, text: str) -> list[tuple[int, str]]:
    return [(int(step), value.strip()) for step, value in re.findall(pattern, text)] if pattern else []


def _drop_after(steps: dict[int, str], step: int) -> None:
    for later in [other for other in steps if other > step]:
        del steps[later]
