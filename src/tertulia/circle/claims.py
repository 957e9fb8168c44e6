"""What a path states in a form that a program can read: step results, and the answer so far.

Claims are read from the path's own words only: its summaries, its thought, its answer. Nothing that was put
into the path (prompt, cue, heard text) is ever looked at.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tertulia.answers.equivalence import group_answers
from tertulia.answers.extract import extract_answer
from tertulia.circle.path import Path
from tertulia.model import ClaimPatterns

LONGEST_VALUE = 80
"""Characters of a claimed value that are told to peers."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What one path claims at present.

    Attributes:
        steps: The value of each step, by step number, in order.
        answer: The claimed answer; for a path that claims steps and has not finished, its last step's value.
        fresh: Steps written since the path last heard its peers.
        again: Steps that it has written more than once.
    """

    steps: Mapping[int, str] = field(default_factory=dict)
    answer: str | None = None
    fresh: tuple[int, ...] = ()
    again: frozenset[int] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.steps) or self.answer is not None


@dataclass(frozen=True, slots=True)
class Marker:
    """The first step at which another value has more holders than one's own.

    Attributes:
        step: The step's number.
        mine: One's own value.
        other: The value that most hold.
        count: Peers that hold it.
        total: Peers that claim this step.
    """

    step: int
    mine: str
    other: str
    count: int
    total: int


@dataclass(frozen=True, slots=True)
class Tally:
    """Claimed answers of the peers beside one's own; equivalent answers are counted together.

    Attributes:
        mine: One's own claimed answer, None without one.
        votes: Peers for each answer, most first; one's own answer keeps the form in which one wrote it.
        dissenters: Peers that claim another answer than one's own.
    """

    mine: str | None
    votes: tuple[tuple[str, int], ...]
    dissenters: frozenset[int]

    @property
    def total(self) -> int:
        """Peers that claim an answer."""
        return sum(count for _, count in self.votes)

    @property
    def outvoted(self) -> bool:
        """Whether another answer has more holders than one's own, oneself counted."""
        own = sum(count for answer, count in self.votes if answer == self.mine) + (self.mine is not None)
        return any(count > own for answer, count in self.votes if answer != self.mine)


def read_claims(path: Path, patterns: ClaimPatterns, think_close: str | None = None) -> Claims:
    """What the path claims at present, from its own words.

    Later statements override earlier ones. A step written again in the thought, or given another value in a
    summary, drops the claims of the steps after it: they were reached from what is no longer held.

    Args:
        path: Whose claims.
        patterns: How steps are read; without patterns only answers are.
        think_close: The text that closes a thought, which is no part of its last line.
    """
    steps: dict[int, str] = {}
    fresh: set[int] = set()
    written: Counter[int] = Counter()
    boxed: str | None = None
    for place, span in enumerate(path.spans):
        text = span.text
        if span.kind == "thought":
            text, closed = _open_part(text, think_close)
            last = place == len(path.spans) - 1
            # A line that is still being written says nothing yet: "3) 85*2=1" may become 170.
            whole = text if closed or (last and path.held is not None) else text[: text.rfind("\n") + 1]
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
    answer = path.answer if path.finished else (boxed or (steps[max(steps)] if steps else None))
    ordered = {step: short(steps[step]) for step in sorted(steps)}
    again = frozenset(step for step, times in written.items() if times > 1)
    return Claims(ordered, short(answer) if answer else None, tuple(sorted(fresh & set(steps))), again)


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


def first_difference(mine: Claims, peers: Sequence[Claims], margin: int = 1) -> Marker | None:
    """The first step of mine at which another value has more holders than mine, myself counted.

    Args:
        mine: My claims.
        peers: Latest claims of the others; those without a claim for a step do not count there.
        margin: So many more holders; with 0, as many will do.
    """
    for step, value in mine.steps.items():
        held = Counter(peer.steps[step] for peer in peers if step in peer.steps)
        others = {other: count for other, count in held.items() if other != value}
        if not others:
            continue
        # Among equally many holders the smaller text: the same on every machine.
        other = min(others, key=lambda name: (-others[name], name))
        if others[other] >= held[value] + 1 + margin:
            return Marker(step, value, other, others[other], held.total())
    return None


def tally(mine: Claims, peers: Mapping[int, Claims]) -> Tally:
    """The peers' claimed answers beside mine. May wait for math-verify: run it off the event loop.

    Args:
        mine: My claims.
        peers: Latest claims of the others, by path.
    """
    who = [peer for peer, claims in peers.items() if claims.answer is not None]
    answers = [mine.answer, *(peers[peer].answer for peer in who)]
    groups = group_answers(answers)
    counts = Counter(group for group in groups[1:] if group is not None)
    votes = sorted(((answers[group] or "", count) for group, count in counts.items()), key=_most_first)
    dissent = frozenset(peer for peer, group in zip(who, groups[1:], strict=True) if group not in (None, groups[0]))
    return Tally(mine.answer, tuple(votes), dissent)


def short(value: str) -> str:
    """A claimed value on one line, cut where no answer is that long."""
    value = " ".join(value.split())
    return value if len(value) <= LONGEST_VALUE else value[: LONGEST_VALUE - 1] + "…"


def _most_first(vote: tuple[str, int]) -> tuple[int, str]:
    return -vote[1], vote[0]


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
