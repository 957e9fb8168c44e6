"""Two gates on what a marked step does to the claim there: right ones should be kept, wrong ones repaired.

A case is a path that heard of a difference at a step, or that it was to be rechecked, and claims that step again or
still, right or wrong, before it is told anything else (`Effect.marked_before`, `Effect.marked_after`). These are shares
of cases, not of the influenced: a path that keeps its claim counts. Cases of one question depend on each other, so the
question is the cluster; questions with more cases count for more.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tertulia.evaluation.meetings import Effect
from tertulia.evaluation.records import CircleRecord
from tertulia.evaluation.statistics import Estimate, bootstrap, ends, mean_over_questions

SOURCES = ("paths", "made up", "recheck")
"""What was heard: a difference between paths, one that was made up, or to look again without any difference."""


def gates(circles: Mapping[str, Sequence[CircleRecord]], questions: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The two gates, by what was heard; sources without a case are left out.

    Args:
        circles: Of an arm, by question.
        questions: Those that count.

    Returns:
        For each of `SOURCES`: "right_turned_wrong", the share of right claims that were wrong afterwards;
        "right_took_it", the share of right claims after which the path had the wrong value that its peers were told to
        have; "wrong_made_right"; each None without a case; and "untold", how many claims were known before, not after.
    """
    found = {}
    for source in SOURCES:
        heard = [
            [effect for circle in circles[question] for effect in circle.effects if _of(effect, source)]
            for question in questions
        ]
        if not any(heard):
            continue
        known = [[effect for effect in row if effect.marked_after is not None] for row in heard]
        found[source] = {
            "right_turned_wrong": share_of_cases(
                [[not e.marked_after for e in row if e.marked_before] for row in known]
            ),
            "right_took_it": share_of_cases(
                [[bool(e.took) for e in row if e.marked_before and e.step is not None] for row in known]
            ),
            "wrong_made_right": share_of_cases(
                [[bool(e.marked_after) for e in row if not e.marked_before] for row in known]
            ),
            "untold": sum(map(len, heard)) - sum(map(len, known)),
        }
    return found


def share_of_cases(values: Sequence[Sequence[bool]], *, seed: int = 0) -> Estimate | None:
    """The share of cases in which something happened, with an interval clustered by question; None without a case.

    Bootstrap over questions of the ratio, widened for few of them as in `tertulia.evaluation.statistics`. Where all
    cases are alike the interval is that of as many questions that are alike.

    Args:
        values: One list a question, one value a case; questions without a case say nothing.
        seed: Of the bootstrap.

    Returns:
        The share; what an estimate calls circles are cases here.
    """
    kept = [row for row in values if row]
    if not kept:
        return None
    cases = np.array([len(row) for row in kept], dtype=float)
    happened = np.array([sum(row) for row in kept], dtype=float)
    n, share = len(kept), float(happened.sum() / cases.sum())
    if n == 1 or share in (0.0, 1.0):
        return mean_over_questions(kept)
    shares = bootstrap(n, lambda drawn: happened[drawn].sum(axis=1) / cases[drawn].sum(axis=1), seed=seed)
    se = math.sqrt(n / (n - 1) * float(((happened - share * cases) ** 2).sum())) / float(cases.sum())
    return Estimate(share, *ends(shares, n), se, n, int(cases.sum()))


def _of(effect: Effect, source: str) -> bool:
    """Whether the effect is a case of this source, but for what came after."""
    heard = {"doubt": "recheck", "differ": "made up" if effect.lie else "paths"}.get(effect.finding)
    return heard == source and effect.marked_before is not None
