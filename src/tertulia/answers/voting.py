"""Answers to a verdict."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from tertulia.answers.equivalence import group_answers
from tertulia.errors import TertuliaError

Rule = Literal["majority", "shortest-majority", "sure"]
RULES: tuple[Rule, ...] = ("majority", "shortest-majority", "sure")


@dataclass(frozen=True)
class Verdict:
    """What a circle answers.

    Attributes:
        answer: the chosen answer in the form in which most of its paths wrote it; None if nobody spoke.
        votes: paths for each distinct answer, most first; equivalent answers are counted together.
        spoke: paths that gave an answer.
        of: paths there were.
        tie: whether another answer had as many votes as the most voted one.
        note: how it came about, where more than votes were counted.
        quoted: the first of those that gave the chosen answer: its place among the answers, of a circle the path.
    """

    answer: str | None
    votes: dict[str, int]
    spoke: int
    of: int
    tie: bool
    note: str = ""
    quoted: int | None = field(default=None, compare=False)


def vote(
    answers: Sequence[str | None],
    *,
    lengths: Sequence[int] | None = None,
    rule: Rule = "majority",
    seed: int | str = 0,
    weights: Sequence[float] | None = None,
    language: str | None = None,
) -> Verdict:
    """The verdict of the paths' answers. May wait for math-verify: run it off the event loop.

    "majority" takes the answer with most votes. "shortest-majority" takes the one with the highest
    votes / ln(mean length of its paths), the Shortest Majority Vote of Zeng et al. (arXiv 2502.12215):
    between answers of equal votes the shortest thinking wins, and a large majority still beats a short
    minority. "sure" takes the one whose paths weigh most together. Ties go to the seed.

    Args:
        answers: one for each path; None or blank is a path that did not answer.
        lengths: generated tokens of each path; needed by "shortest-majority".
        rule: how to choose.
        seed: decides ties; the same seed decides them alike.
        weights: of each path; needed by "sure".
        language: of the question, for the ways in which numbers are written.

    Raises:
        TertuliaError: unknown rule, or lengths or weights missing or not one for each path.
    """
    _check(answers, lengths, rule, weights)
    groups: dict[int, list[int]] = {}
    for path, first in enumerate(group_answers(answers, language)):
        if first is not None:
            groups.setdefault(first, []).append(path)
    if not groups:
        return Verdict(None, {}, 0, len(answers), False)
    names = {first: _usual_form(answers, paths) for first, paths in groups.items()}
    order = sorted(names.values())
    random.Random(f"vote {seed}").shuffle(order)

    def rank(first: int) -> tuple[float, int]:
        paths = groups[first]
        score = float(len(paths))
        if rule == "shortest-majority" and lengths is not None:
            score /= math.log(max(sum(lengths[p] for p in paths) / len(paths), math.e))
        elif rule == "sure" and weights is not None:
            score = math.fsum(weights[p] for p in paths)
        return -score, order.index(names[first])

    best = min(groups, key=rank)
    counts = sorted((-len(paths), rank(first), names[first]) for first, paths in groups.items())
    spoke = sum(map(len, groups.values()))
    tie = len(counts) > 1 and counts[0][0] == counts[1][0]
    votes = {name: -count for count, _, name in counts}
    return Verdict(names[best], votes, spoke, len(answers), tie, quoted=groups[best][0])


def _usual_form(answers: Sequence[str | None], paths: Sequence[int]) -> str:
    """The form in which most of these paths wrote their answer, the first of them on a draw."""
    return Counter((answers[path] or "").strip() for path in paths).most_common(1)[0][0]


def _check(
    answers: Sequence[str | None], lengths: Sequence[int] | None, rule: str, weights: Sequence[float] | None
) -> None:
    if rule not in RULES:
        raise TertuliaError(f"unknown vote rule {rule!r}: use one of {', '.join(RULES)}")
    if rule == "shortest-majority" and lengths is None:
        raise TertuliaError("the vote rule 'shortest-majority' needs the length of every path: give lengths")
    if rule == "sure" and weights is None:
        raise TertuliaError("the vote rule 'sure' needs how sure every path is: give weights")
    for name, values in (("lengths", lengths), ("weights", weights)):
        if values is not None and len(values) != len(answers):
            raise TertuliaError(f"{len(values)} {name} for {len(answers)} answers: give one for each")
