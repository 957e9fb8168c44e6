"""The Prefix Dominance Trap: what a forced beginning of a wrong thought does (LeaP, sections 2 and 5).

The paper's protocol: answer each question 32 times; of ten questions with right and wrong answers take one wrong
answer each; keep the first 15 % of its tokens; let 16 paths go on from there. Its three bars are Pass@1 without a
beginning, with a bad one, and with a bad one and meetings. It holds the third against the first, which mixes the
recovery with what meetings bring anyway. So beside them stand both references (meetings without a beginning too) and
a control (a good beginning of the same length). References are fresh paths: the answers that chose the questions
would be too even.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any, Literal

from tertulia.api import Result
from tertulia.circle.path import Path, Span
from tertulia.errors import TertuliaError
from tertulia.evaluation.arms import arm
from tertulia.evaluation.bench import Bench
from tertulia.evaluation.records import CircleRecord
from tertulia.evaluation.statistics import Estimate, mean_over_questions, paired_difference, ratio_of_means
from tertulia.seeds import derive, draw
from tertulia.tasks.question import Question

Kind = Literal["bad", "good", "mixed"]
KINDS: tuple[Kind, ...] = ("bad", "good", "mixed")
Which = Literal["same", "different"]


@dataclass(frozen=True)
class Trap:
    """What is to be studied.

    Attributes:
        share: Length of the beginning, as a share of the thought that it is taken from.
        kind: "bad", "good", or "mixed": some paths begin well.
        good_share: Of the paths of a mixed circle that begin well.
        free_share: Of the paths that have no forced beginning.
        beginnings: Whether all trapped paths of a question have the "same" beginning, or "different" ones.
        questions: How many with right and wrong answers.
        answers: Independent answers that find and feed them.
        per: Paths that go on from the beginning.
        methods: Which are let go on: "independent", "leap", or both.
        settings: What all share, fields of `tertulia.settings.Settings`.
        seed: All draws derive from it.
    """

    share: float = 0.15
    kind: Kind = "bad"
    good_share: float = 0.5
    free_share: float = 0.0
    beginnings: Which = "same"
    questions: int = 10
    answers: int = 32
    per: int = 16
    methods: tuple[str, ...] = ("independent", "leap")
    settings: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 1

    def check(self) -> None:
        """Refuses what cannot be.

        Raises:
            TertuliaError: One line.
        """
        if self.kind not in KINDS:
            raise TertuliaError(f"unknown kind of beginning {self.kind!r}: use one of {', '.join(KINDS)}")
        if not 0 < self.share < 1:
            raise TertuliaError(f"the share of the thought is {self.share:g}: expected more than 0 and less than 1")
        for name in ("good_share", "free_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise TertuliaError(f"{name.replace('_', '-')} is {getattr(self, name):g}: expected 0 to 1")
        for name, least in (("questions", 1), ("answers", 2), ("per", 2)):
            if getattr(self, name) < least:
                raise TertuliaError(f"{name} is {getattr(self, name)}: expected at least {least}")
        if self.beginnings not in ("same", "different"):
            raise TertuliaError(f"unknown beginnings {self.beginnings!r}: use same or different")
        if self.settings.get("settle") or self.settings.get("consensus_stop"):
            raise TertuliaError(
                "settle and consensus_stop end circles early, but in the trap all paths go on: leave it out"
            )
        for method in self.methods:
            if arm(method).method not in ("independent", "leap"):
                raise TertuliaError(f"the method {method} takes no forced beginnings: use independent or leap")


@dataclass(frozen=True)
class Torn:
    """A question with right and wrong answers, and the thoughts that beginnings are taken from."""

    question: Question
    wrong: tuple[Path, ...]
    right: tuple[Path, ...]


@dataclass(frozen=True)
class Found:
    """What a study came to.

    Attributes:
        bars: Pass@1 of each arm with its interval, over questions.
        votes: The same for the vote.
        gaps: Differences between arms, paired by question.
        questions: How many were used, of how many that were asked.
        tokens: Mean length of the bad and of the good beginnings.
        values: Pass@1 of each question in each arm, for figures.
        won_back: What share of the way from independent paths with that beginning to meetings without one is gone by
            meetings with it; None with one method, or where there is no such way.
    """

    bars: Mapping[str, Estimate]
    votes: Mapping[str, Estimate]
    gaps: Mapping[str, Estimate]
    questions: tuple[int, int]
    tokens: Mapping[str, float]
    values: Mapping[str, Sequence[float]]
    won_back: Estimate | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "bars": {name: estimate.to_json() for name, estimate in self.bars.items()},
            "votes": {name: estimate.to_json() for name, estimate in self.votes.items()},
            "gaps": {name: estimate.to_json() for name, estimate in self.gaps.items()},
            "questions": self.questions[0],
            "asked": self.questions[1],
            "beginning_tokens": dict(self.tokens),
            "won_back": self.won_back and self.won_back.to_json(),
        }


async def study(
    trap: Trap,
    bench: Bench,
    questions: Sequence[Question],
    journals: FilePath | None = None,
    answers: FilePath | None = None,
) -> Found:
    """Runs the study; with journals the same call goes on where it was.

    Args:
        trap: What to study.
        bench: Entered already.
        questions: To look for some with right and wrong answers among, in this order.
        journals: Folder for journals, one a circle.
        answers: Folder for the journals of the first answers, where several studies share them.

    Raises:
        TertuliaError: An argument is wrong, or no question has both right and wrong answers.
    """
    trap.check()
    first = answers or (journals / "answers" if journals else None)
    found, asked = await _choose(trap, bench, questions, first)
    if not found:
        raise TertuliaError(
            f"none of {asked} questions has both right and wrong answers among {trap.answers}: "
            "take other questions, more of them, or more answers"
        )
    names = [f"{method}, {beginning}" for beginning in _beginnings(trap) for method in trap.methods]
    kept = await asyncio.gather(*(_question(trap, bench, one, journals) for one in found))
    values = {name: [circles[name].pass_at_1 for circles, _ in kept] for name in names}
    votes = {name: [float(circles[name].correct) for circles, _ in kept] for name in names}
    lengths = [length for _, length in kept]
    return Found(
        bars={name: mean_over_questions([[value] for value in values[name]]) for name in names},
        votes={name: mean_over_questions([[value] for value in votes[name]]) for name in names},
        gaps=_gaps(trap, values),
        questions=(len(found), asked),
        tokens={kind: sum(length[kind] for length in lengths) / len(lengths) for kind in ("bad", "good")},
        values=values,
        won_back=_won_back(trap, values),
    )


def _beginnings(trap: Trap) -> tuple[str, ...]:
    """None, the one that is studied, and where that is a bad one the control of the same length."""
    studied = f"{trap.kind} beginning"
    return ("no beginning", studied, "good beginning") if trap.kind == "bad" else ("no beginning", studied)


async def _choose(
    trap: Trap, bench: Bench, questions: Sequence[Question], folder: FilePath | None
) -> tuple[list[Torn], int]:
    """The first questions with right and wrong answers, a batch at a time; and how many were asked."""
    chosen: list[Torn] = []
    asked = 0
    independent = arm("independent")
    shared = {**trap.settings, "seed": trap.seed, "paths": trap.answers}

    async def answer(question: Question) -> Torn | None:
        settings = bench.settings(independent, shared, question)
        result, record = await bench.circle(question, settings, name="answers", journals=folder)
        return _sorted(question, result, record)

    while len(chosen) < trap.questions and asked < len(questions):
        batch = questions[asked : asked + max(8, trap.questions - len(chosen))]
        asked += len(batch)
        chosen += [one for one in await asyncio.gather(*map(answer, batch)) if one is not None]
    return chosen[: trap.questions], asked


def _sorted(question: Question, result: Result, record: CircleRecord) -> Torn | None:
    """The question with its wrong and its right thoughts; None where one sort is missing."""
    pairs = [(path, kept) for path, kept in zip(result.paths, record.paths, strict=True) if kept.answer is not None]
    wrong = tuple(path for path, kept in pairs if not kept.right)
    right = tuple(path for path, kept in pairs if kept.right)
    return Torn(question, wrong, right) if wrong and right else None


async def _question(
    trap: Trap, bench: Bench, one: Torn, journals: FilePath | None
) -> tuple[dict[str, CircleRecord], dict[str, float]]:
    """All arms on one question, and the mean lengths of its beginnings."""
    bad, good = await _cuts(trap, bench, one)
    forced: dict[str, list[Span | None]] = {"no beginning": [], "bad beginning": [*bad], "good beginning": [*good]}
    free, well = (round(share * trap.per) for share in (trap.free_share, trap.good_share))
    forced["mixed beginning"] = [*good[:well], *bad[well:]]
    studied = forced[f"{trap.kind} beginning"]
    forced[f"{trap.kind} beginning"] = [*studied[: trap.per - free], *[None] * free]
    arms = [(method, beginning) for beginning in _beginnings(trap) for method in trap.methods]

    async def run(method: str, beginning: str) -> CircleRecord:
        taken = arm(method)
        shared = {**trap.settings, "seed": derive(trap.seed, "trap"), "paths": trap.per}
        settings = bench.settings(taken, shared, one.question)
        name = f"{taken.slug}-{beginning.replace(' ', '-')}"
        folder = journals / name if journals else None
        _, record = await bench.circle(one.question, settings, name=name, journals=folder, beginnings=forced[beginning])
        return record

    async def in_turn(beginning: str) -> list[CircleRecord]:
        """One method after the other: what they share is always generated for the first."""
        return [await run(method, beginning) for method in trap.methods]

    circles = [circle for each in await asyncio.gather(*map(in_turn, _beginnings(trap))) for circle in each]
    lengths = {"bad": bad, "good": good}
    return (
        {f"{method}, {beginning}": circle for (method, beginning), circle in zip(arms, circles, strict=True)},
        {kind: sum(span.count for span in spans) / len(spans) for kind, spans in lengths.items()},
    )


async def _cuts(trap: Trap, bench: Bench, one: Torn) -> tuple[list[Span], list[Span]]:
    """A bad and a good beginning for each path; as a control of bad ones the good are as long as these."""
    chance = draw(trap.seed, one.question.id, "beginnings")
    wrong, right = chance.randrange(len(one.wrong)), chance.randrange(len(one.right))
    bad, good = [], []
    for path in range(trap.per if trap.beginnings == "different" else 1):
        from_wrong = one.wrong[(wrong + path) % len(one.wrong)]
        from_right = one.right[(right + path) % len(one.right)]
        bad.append(await _cut(bench, from_wrong, trap.share))
        good.append(await _cut(bench, from_right, trap.share, bad[-1].count if trap.kind == "bad" else None))
    if trap.beginnings == "same":
        bad, good = bad * trap.per, good * trap.per
    return bad, good


async def _cut(bench: Bench, path: Path, share: float, count: int | None = None) -> Span:
    """The beginning of a path's thought: this share of it, or so many tokens; characters in text mode."""
    thought = next((span for span in path.spans if span.kind == "thought"), Span("thought", (), "", 0))
    text = thought.text.partition(bench.dialect.think_close)[0] if bench.dialect.think_close else thought.text
    if not thought.ids:
        kept = text[: max(1, round(share * len(text)))]
        return Span("thought", (), kept, max(1, round(thought.count * len(kept) / max(1, len(thought.text)))))
    close = bench.dialect.close_ids
    whole = len(thought.ids) - (len(close) if close and thought.ids[-len(close) :] == close else 0)
    ids = thought.ids[: max(1, min(whole, count or round(share * whole)))]
    return Span("thought", ids, await bench.engine.detokenize(ids), len(ids))


def _gaps(trap: Trap, values: Mapping[str, Sequence[float]]) -> dict[str, Estimate]:
    """What a forced beginning costs each method by its own reference, and what meetings bring from there."""
    studied = f"{trap.kind} beginning"
    wanted = {}
    for method in trap.methods:
        for beginning in _beginnings(trap)[1:]:
            wanted[f"{method}: {beginning} against none"] = (f"{method}, {beginning}", f"{method}, no beginning")
    if set(trap.methods) >= {"independent", "leap"}:
        wanted["leap against independent, no beginning"] = ("leap, no beginning", "independent, no beginning")
        wanted[f"leap against independent, {studied}"] = (f"leap, {studied}", f"independent, {studied}")
        paper = f"leap, {studied}, against independent without one (the paper's gap)"
        wanted[paper] = (f"leap, {studied}", "independent, no beginning")
    return {
        name: paired_difference([[value] for value in values[one]], [[value] for value in values[other]])
        for name, (one, other) in wanted.items()
    }


def _won_back(trap: Trap, values: Mapping[str, Sequence[float]]) -> Estimate | None:
    """How much of the way from independent paths with a beginning to meetings without one is gone, paired."""
    if not set(trap.methods) >= {"independent", "leap"}:
        return None
    low, at, high = (
        values[name]
        for name in (f"independent, {trap.kind} beginning", f"leap, {trap.kind} beginning", "leap, no beginning")
    )
    gone = [[there - start] for start, there in zip(low, at, strict=True)]
    return ratio_of_means(gone, [[end - start] for start, end in zip(low, high, strict=True)])
