"""The vote "judged": where two answers are close, the model says which of two workings is right, before the vote.

Where the best-held answer has no absolute majority, it and the next are set against each other, working beside working,
in both orders, for a model prefers what stands first, or last. Each judgement is a fresh question of at most 8 tokens,
greedy, after a thought that is closed at once; the answer with more judgements is the verdict, and where they are as
many the vote stands. Each is journaled with the path whose working is judged, which pays for it: counted as forked.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product, zip_longest
from typing import Any

from tertulia.answers.equivalence import group_answers
from tertulia.answers.voting import Verdict
from tertulia.circle.board import LONGEST_WORKING
from tertulia.circle.circle import Circle, together
from tertulia.circle.path import Path, Span, Step
from tertulia.circle.run import Run, about
from tertulia.circle.segments import parts, step_of
from tertulia.methods.asking import aside
from tertulia.seeds import draw
from tertulia.wording import fill
from tertulia.wording.harmless import last_words

JUDGEMENT_TOKENS = 8
"""Tokens in which a judge says 1 or 2."""
PAIRS = 2
"""Pairs of workings that are set against each other, each in both orders."""


@dataclass(frozen=True)
class Judgement:
    """Two workings beside each other.

    Attributes:
        payer: Whose budget pays, and in whose journal it stands.
        first, second: The paths whose workings are shown, in this order.
        swapped: Whether the first one holds the answer with fewer votes.
    """

    payer: Path
    first: Path
    second: Path
    swapped: bool


async def between(circle: Circle, voters: Sequence[Path], counted: Verdict) -> Verdict:
    """The verdict where the two best-held answers were judged; the one that was counted where they are not close.

    Args:
        circle: Whose paths have ended.
        voters: Those with a vote.
        counted: Their majority vote.
    """
    run = circle.run
    if not run.forks:
        return replace(counted, note="not judged: nobody can be asked in a side branch here")
    best, *others = counted.votes or ("",)
    if not others or 2 * counted.votes[best] > counted.spoke:
        return replace(counted, note="not judged: one answer has the absolute majority, or nobody differs")
    rival = others[0]
    for_best, for_rival = await asyncio.to_thread(_holders, run, voters, (best, rival))
    tasks = [
        Judgement(one if swapped else other, *((other, one) if swapped else (one, other)), swapped)
        for (one, other), swapped in product(_pairs(run, for_best, for_rival), (False, True))
    ]
    said: list[int | None] = []

    async def pay(payer: int) -> None:
        for task in tasks:
            if task.payer.index == payer:
                step = await circle.thinker.step(task.payer, partial(_judge, run, task))
                said.append(step.data["right"])

    await together(*map(pay, {task.payer.index for task in tasks}))
    wins = [said.count(0), said.count(1)]
    note = f"judged: {best} against {rival}, {wins[0]} to {wins[1]} of {len(said)} judgements"
    if wins[0] == wins[1]:
        return replace(counted, note=note)
    chosen, holders = (rival, for_rival) if wins[1] > wins[0] else (best, for_best)
    return replace(counted, answer=chosen, note=note, quoted=holders[0].index)


def _holders(run: Run, voters: Sequence[Path], answers: Sequence[str]) -> list[list[Path]]:
    """The paths that hold each of these answers."""
    groups = group_answers([*answers, *(path.answer for path in voters)], run.settings.language)
    own = groups[len(answers) :]
    return [[path for path, group in zip(voters, own, strict=True) if group == held] for held in groups[: len(answers)]]


def _pairs(run: Run, ones: list[Path], others: list[Path]) -> list[tuple[Path, Path]]:
    """Pairs of workings, drawn from the seed; a working is shown again only where its answer has no other."""
    chance = draw(run.settings.seed, run.story, "judged")
    ones, others = (chance.sample(paths, min(len(paths), PAIRS)) for paths in (ones, others))
    pairs = zip_longest(ones, others)
    return [(one or ones[0], other or others[0]) for one, other in pairs]


async def _judge(run: Run, task: Judgement) -> Step:
    """Asks which of two workings is right; `right` is 0 for the best-held answer, 1 for the other, None unread."""
    words = run.wording
    shown = {
        name: last_words(path.own_text, LONGEST_WORKING)
        for name, path in (("first", task.first), ("second", task.second))
    }
    opening = "\n" if run.dialect.think_close else ""  # a thought that is opened, and closed at once
    asked = fill(words.judge, question=run.question, **shown)
    begun = await run.dialect.beginning(asked, opening, run.history)
    branch = Path(task.payer.index, task.payer.name, exact=run.exact)
    spans = tuple(Span(kind, ids, text, len(ids) or about(text)) for kind, ids, text in begun)
    branch.apply(Step("prompt", spans))
    lead = await run.put("cue", words.judge_lead)
    came = await aside(run, task.payer, branch, [*run.close(), lead], JUDGEMENT_TOKENS)
    data: dict[str, Any] = {"shown": [task.first.index, task.second.index], "right": None}
    if came is None:
        return Step("judged", place=task.payer.place, data=data)
    (span,) = parts(came, ("answer", len(came.tokens)))
    chosen = read(span.text)
    data["right"] = None if chosen is None else int((chosen == 2) ^ task.swapped)
    return step_of("judged", came, (), task.payer.place, fork=span, data=data)


def read(text: str) -> int | None:
    """1 or 2 where a judgement begins with one of them, in whatever digits; else None."""
    found = re.search(r"\d+", text)
    number = int(found[0]) if found else 0
    return number if number in (1, 2) else None
