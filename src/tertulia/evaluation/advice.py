"""What to do with a model on a task, in a sentence or two, from a comparison (`tertulia eval --quick`).

The rules stand in docs/evaluation.md. They go by intervals alone: what an evaluation cannot tell it says it cannot
tell, and how large a difference it could have shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tertulia.evaluation.arms import PLACEBOS, REFERENCE, Arm, arm
from tertulia.evaluation.comparison import Comparison
from tertulia.evaluation.statistics import Estimate, detectable

QUICK = ("leap", "leap:settle=0.375", "self", REFERENCE)
"""The arms that tell most about a new model."""
LIMIT = 50
"""Questions of a quick evaluation, where nobody says how many."""
FEWEST = 10
"""Questions from which on something is said: intervals from fewer hold too seldom."""
SAME_PASS, SAME_VOTE = 0.05, 0.08
"""Differences of Pass@1 and of votes that are none in practice; 50 votes that are all alike leave 7 points open."""
SAME_SHARE = 0.25
"""Nor may so much of the right votes be lost, where few are right."""
WORTH_SAVING = 0.1
"""Share of the tokens that must be saved to be spoken of."""
COPIED = 0.05
"""Share of copied summaries and answers above which a user is warned."""
Figures = Mapping[str, Any]


def advice(comparison: Comparison) -> list[str]:
    """Sentences to act on; none where there are no independent paths to compare with, or nothing to compare.

    Args:
        comparison: Of arms, one of which is `independent`.
    """
    arms = {label: arm(label.partition(" (")[0]) for label in comparison.arms}
    if REFERENCE not in arms:
        return []
    meets = _first(arms, lambda one: one.meets and not one.settings.get("settle"))
    settles = _first(arms, lambda one: one.meets and bool(one.settings.get("settle")))
    told = []
    if meets is not None:
        told.append(_meetings(comparison, meets, _first(arms, lambda one: one.name == "self")))
    if settles is not None:
        told.append(_settling(comparison, settles, arms[settles].settings["settle"], meets))
    copies = max(
        (figures["ends"]["copied"] or 0.0) for label, figures in comparison.arms.items() if _peers(arms[label])
    )
    if copies > COPIED:
        told.append(
            f"{100 * copies:.0f} % of what paths wrote is copied from our words or another question: trust no vote"
        )
    return told


def _meetings(comparison: Comparison, label: str, doubt: str | None) -> str:
    figures = comparison.arms[label]
    against = figures["against_independent"]
    single, vote = against["pass@1"], against["vote"]["cost"]["difference"]
    if single.questions < FEWEST:
        return f"cannot tell whether meetings pay from fewer than {FEWEST} questions: give more"
    if single.high < 0 or vote.high < 0:
        found = f"Pass@1 {_signed(single)}, the vote at equal tokens {_signed(vote)} points"
        return f"meetings do harm here ({found}): use --method {REFERENCE}"
    if _gain(figures):
        times = _tokens(figures) / _tokens(comparison.arms[REFERENCE])
        raised = f"meetings raise Pass@1 by {single.points()} points at {times:.1f} times the tokens"
        raised += _beside(figures["against_placebos"][doubt]["pass@1"]) if doubt else ""
        return f"{raised}; the vote at equal tokens: {_signed(vote)}{'' if vote.low > 0 else ', not told from nothing'}"
    if single.low >= -SAME_PASS and single.high <= SAME_PASS:
        return f"meetings bring nothing here (Pass@1 {_signed(single)} points): use --method {REFERENCE}"
    return f"cannot tell, n = {single.questions} could show {100 * min(1.0, detectable(single.se)):.0f} points"


def _beside(over: Estimate) -> str:
    """Whether a gain is one over the same doubt without peers."""
    if over.low > 0:
        return f", {over.points()} of them over doubt without peers"
    return f"; over doubt without peers it is {_signed(over)}, which is not told from nothing"


def _settling(comparison: Comparison, label: str, share: float, meets: str | None) -> str:
    """What settling does beside what is to be used without it: a circle where meetings gain, else independent paths."""
    figures = comparison.arms[label]
    beside, vote = REFERENCE, figures["against_independent"]["circle_vote"]
    if meets is not None and "against_first" in figures and _gain(comparison.arms[meets]):
        beside, vote = meets, figures["against_first"]["cons"]
    saved = 1 - _tokens(figures) / _tokens(comparison.arms[beside])
    if vote.questions < FEWEST:
        return f"cannot tell what settling does from fewer than {FEWEST} questions: give more"
    if vote.high < 0:
        return f"settling costs {-100 * vote.mean:.1f} points of the vote of {beside} ({_signed(vote)}): leave it out"
    if saved < WORTH_SAVING:
        return f"settling saves no tokens of {beside} to speak of ({100 * saved:.0f} %)"
    saves = f"settling saves {100 * saved:.0f} % of the tokens of {beside}"
    if vote.low >= -min(SAME_VOTE, SAME_SHARE * comparison.arms[beside]["cons"].mean):
        return f"{saves} at the same vote ({_signed(vote)} points): --settle {share}"
    could = 100 * min(1.0, detectable(vote.se))
    return (
        f"{saves}; what it does to the vote cannot be told ({_signed(vote)} points), "
        f"n = {vote.questions} could show {could:.0f} points"
    )


def _gain(figures: Figures) -> bool:
    """Whether meetings are worth their tokens here, as `_meetings` says it."""
    against = figures["against_independent"]
    return bool(against["pass@1"].low > 0 and not against["vote"]["cost"]["difference"].high < 0)


def _first(arms: Mapping[str, Arm], suits: Callable[[Arm], bool]) -> str | None:
    return next((label for label, one in arms.items() if suits(one)), None)


def _peers(one: Arm) -> bool:
    return one.name not in PLACEBOS


def _tokens(figures: Figures) -> float:
    """What a circle costs."""
    return float(figures["per_path"]["cost"] * figures["circles_paths"])


def _signed(found: Estimate) -> str:
    return found.points(sign=True)
