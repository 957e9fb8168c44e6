"""Arms side by side: accuracy, tokens, what meetings did, and the difference to independent paths at equal tokens.

Everything is computed from `CircleRecord`s alone, as logs hold them. Questions that not every arm answered are left
out of every figure, and counted. Intervals: `tertulia.evaluation.statistics` (clustered by question, paired).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from tertulia.answers.equivalence import group_answers
from tertulia.errors import TertuliaError
from tertulia.evaluation.arms import PLACEBOS, REFERENCE
from tertulia.evaluation.equal_tokens import Pool, vote_at
from tertulia.evaluation.gates import gates
from tertulia.evaluation.meetings import CATEGORIES, Effect
from tertulia.evaluation.records import CACHED_WEIGHT, CircleRecord, PathRecord, injected_weight
from tertulia.evaluation.statistics import (
    Estimate,
    mean_of_these_questions,
    mean_over_questions,
    paired_difference,
    pass_at_k,
    verdict,
)
from tertulia.evaluation.thinking import rates
from tertulia.seeds import derive

Circles = Mapping[str, Sequence[CircleRecord]]
"""The circles of an arm, by question."""
BINS = (("very hard", 0.2), ("hard", 0.4), ("medium", 0.6), ("easy", 0.8), ("very easy", 1.0))
"""Difficulties, and up to what share of right independent paths a question is in them."""
PRICES = ("cost", "generated", "full")
"""How a circle's tokens are priced: injected ones at their weight, not at all, or as if they had been generated."""


@dataclass(frozen=True)
class Comparison:
    """What an evaluation came to; `to_json` is what `tertulia eval --json` prints.

    Attributes:
        arms: For each arm its figures, in the order in which they were given.
        questions: Ids of the questions that all arms answered.
        left_out: How many others there were.
        weight: Price of an injected token whose context came from the cache, in generated tokens.
        pools: Independent paths by question, for figures; None without the reference arm.
        bins: The arms by how hard the questions are (`difficulty_bins`); empty without the reference arm.
        sentence: The outcome in words.
        seconds: For each arm the mean wall-clock time of a circle, others running beside it; after a resume only
            what was left is timed, so this is the one figure that a second run does not repeat.
    """

    arms: Mapping[str, Mapping[str, Any]]
    questions: tuple[str, ...]
    left_out: int
    weight: float
    pools: Mapping[str, Pool] | None
    bins: Sequence[Mapping[str, Any]]
    sentence: str
    seconds: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "questions": len(self.questions),
            "left_out": self.left_out,
            "injected_weight": self.weight,
            "arms": {label: _plain(figures) for label, figures in self.arms.items()},
            "by_difficulty": _plain(self.bins),
            "verdict": self.sentence,
            "seconds_a_circle": dict(self.seconds),
        }


def compare(
    records: Mapping[str, Sequence[CircleRecord]], *, weight: float = CACHED_WEIGHT, seed: int = 0
) -> Comparison:
    """Compares arms. Compares answers: off the event loop.

    Args:
        records: The circles of each arm, by its label; the arm `independent` is the reference.
        weight: Price of an injected token whose context came from the cache, in generated tokens.
        seed: Of bootstrap and sub-sampling.

    Raises:
        TertuliaError: There is no arm, or no question that all arms answered.
    """
    if not records:
        raise TertuliaError("there is nothing to compare: give at least one log")
    by_arm = {label: _by_question(circles) for label, circles in records.items()}
    shared = set.intersection(*(set(circles) for circles in by_arm.values()))
    if not shared:
        raise TertuliaError("the logs have no question in common: compare logs of the same task")
    questions = tuple(sorted(shared, key=list(next(iter(by_arm.values()))).index))
    everything = set.union(*(set(circles) for circles in by_arm.values()))
    pools = None
    if REFERENCE in by_arm:
        pools = {question: pool_of(by_arm[REFERENCE][question]) for question in questions}
    figures: dict[str, dict[str, Any]] = {}
    weights = {label: injected_weight(circles, weight) for label, circles in records.items()}
    for label, circles in by_arm.items():
        figures[label] = _figures(circles, questions, weights[label])
    for label, circles in by_arm.items():
        if pools is not None and label != REFERENCE:
            figures[label]["against_independent"] = _against(circles, by_arm[REFERENCE], pools, questions, weight, seed)
        figures[label]["against_placebos"] = {
            other: _difference(circles, by_arm[other], questions)
            for other in by_arm
            if _name(other) in PLACEBOS and _name(label) not in (*PLACEBOS, REFERENCE)
        }
    mains = [label for label in figures if _name(label) not in (*PLACEBOS, REFERENCE)]
    for label in mains[1:]:
        figures[label]["against_first"] = _difference(by_arm[label], by_arm[mains[0]], questions)
    sentence = _sentence(figures, mains)
    seconds = {label: _mean([circle.seconds for circle in circles]) for label, circles in records.items()}
    bins = difficulty_bins(by_arm, pools) if pools is not None else []
    return Comparison(figures, questions, len(everything - shared), weight, pools, bins, sentence, seconds)


def pool_of(circles: Sequence[CircleRecord]) -> Pool:
    """All independent paths of a question, those beyond the circles included, with their tokens as costs."""
    paths = [path for circle in circles for path in (*circle.voters, *circle.further) if path.votes]
    groups = group_answers([path.answer for path in paths])
    right, cost = tuple(path.right for path in paths), tuple(float(path.generated) for path in paths)
    steps = tuple(path.steps for path in paths if path.steps is not None)
    return Pool(tuple(groups), right, cost, steps if len(steps) == len(paths) else None)


def difficulty_bins(by_arm: Mapping[str, Circles], pools: Mapping[str, Pool]) -> list[dict[str, Any]]:
    """Every arm's Pass@1 and vote by how hard the questions are for independent paths (LeaP, section 5).

    Every other path of a pool tells how hard its question is, and the others are the figure of independent paths:
    the same paths for both would make hard questions look too hard, and easy ones too easy.

    Args:
        by_arm: The circles of each arm, by question.
        pools: Independent paths by question.
    """
    sorted_in: dict[str, list[str]] = {name: [] for name, _ in BINS}
    for question, pool in pools.items():
        share = _mean(pool.right[::2])
        sorted_in[next(name for name, top in BINS if share <= top)].append(question)
    found = []
    for name, questions in sorted_in.items():
        if not questions:
            continue
        row: dict[str, Any] = {"bin": name, "questions": len(questions)}
        for label, circles in by_arm.items():
            right = _each(circles, questions, lambda circle: circle.pass_at_1)
            if label == REFERENCE:
                right = [[_mean(pools[question].right[1::2])] for question in questions]
            votes = _each(circles, questions, lambda circle: float(circle.correct))
            row[label] = {"pass@1": mean_over_questions(right), "cons": mean_over_questions(votes)}
        found.append(row)
    return found


def price(circle: CircleRecord, how: str, weight: float) -> float:
    """A circle's tokens in generated tokens.

    Args:
        circle: Whose.
        how: One of `PRICES`.
        weight: Of an injected token of the arm, under the price "cost".
    """
    if how == "generated":
        return float(circle.generated)
    return circle.cost(weight) if how == "cost" else float(circle.generated + circle.injected)


def _by_question(circles: Sequence[CircleRecord]) -> dict[str, list[CircleRecord]]:
    found: dict[str, list[CircleRecord]] = {}
    for circle in circles:
        found.setdefault(circle.question, []).append(circle)
    return found


def _figures(circles: Circles, questions: Sequence[str], weight: float) -> dict[str, Any]:
    """An arm by itself."""
    chosen = [circle for question in questions for circle in circles[question]]
    paths = [path for circle in chosen for path in circle.paths]
    most = max(len(circle.paths) for circle in chosen)
    right = _each(circles, questions, lambda circle: circle.pass_at_1)
    votes = _each(circles, questions, lambda circle: float(circle.correct))
    ks = [k for k in (1, 2, 4, 8, 16, 32, 64) if k <= min(len(circle.voters) for circle in chosen)]
    known = [path.cached_share for path in paths if path.cached_share is not None]
    return {
        "questions": len(questions),
        "circles": len(chosen),
        "paths": most,
        "circles_paths": len(paths) / len(chosen),
        "pass@1": mean_over_questions(right),
        "pass@1_these_questions": mean_of_these_questions(right),
        "cons": mean_over_questions(votes),
        "cons_these_questions": mean_of_these_questions(votes),
        "pass@k": {k: _mean([pass_at_k(len(c.voters), sum(p.right for p in c.voters), k) for c in chosen]) for k in ks},
        "per_path": {
            name: _mean([getattr(path, name) for path in paths])
            for name in ("generated", "injected", "discarded", "forked")
        }
        | {"cost": _mean([path.cost(weight) for path in paths])},
        "cached_share": median(known) if known else None,
        "injected_weight": weight,
        "failed_paths": sum(path.error is not None for c in chosen for path in (*c.paths, *c.further)),
        "ends": _ends(paths),
        "meetings": _meetings(chosen),
        "gates": gates(circles, questions),
        "thinking": rates({question: circles[question] for question in questions}),
    }


def _ends(paths: Sequence[PathRecord]) -> dict[str, Any]:
    """How paths ended: shares of them, and of what they wrote for others or as their answer the share copied."""
    said = sum(path.said for path in paths)
    return {
        "readable": _mean([path.answer is not None and not path.led for path in paths]),
        "led": _mean([path.answer is not None and path.led for path in paths]),
        "none": _mean([path.answer is None for path in paths]),
        "loops": _mean([path.loops > 0 for path in paths]),
        "copied": sum(path.copied for path in paths) / said if said else None,
        "said": said,
    }


def _meetings(circles: Sequence[CircleRecord]) -> dict[str, Any] | None:
    """What meetings did: shares of (path, meeting) pairs, in all and a meeting at a time; None without meetings."""
    happened = [effect for circle in circles for effect in circle.effects]
    if not happened:
        return None
    last = max(effect.meeting for effect in happened)
    each = [[effect for effect in happened if effect.meeting == meeting] for meeting in range(last + 1)]
    return (
        _shares(happened)
        | {"differ": _mean([effect.finding == "differ" for effect in happened])}
        | {"each": [_shares(found) for found in each]}
    )


def _shares(happened: Sequence[Effect]) -> dict[str, Any]:
    shares: dict[str, Any] = {"pairs": len(happened)}
    for category in CATEGORIES:
        shares[category] = _mean([effect.category == category for effect in happened])
    influenced = [effect for effect in happened if effect.category == "influenced"]
    shares["helped"] = _mean([effect.before is False and effect.after is True for effect in influenced])
    shares["harmed"] = _mean([effect.before is True and effect.after is False for effect in influenced])
    return shares


def _share(circles: Circles, others: Circles, questions: Sequence[str]) -> bool:
    """Whether all these paths go on from beginnings that arms have in common."""
    return all(circle.shared for each in (circles, others) for question in questions for circle in each[question])


def _as_many(circles: Circles, others: Circles, questions: Sequence[str]) -> list[list[float]]:
    """Pass@1 of the others, of no more paths than a circle began: which begin goes by what the first ones say."""
    if not _share(circles, others, questions):
        return _each(others, questions, lambda circle: circle.pass_at_1)
    return [
        [
            replace(other, paths=other.paths[: len(mine.paths)]).pass_at_1
            for mine, other in zip(circles[question], others[question], strict=False)
        ]
        for question in questions
    ]


def _against(
    circles: Circles,
    reference: Circles,
    pools: Mapping[str, Pool],
    questions: Sequence[str],
    weight: float,
    seed: int,
) -> dict[str, Any]:
    """The differences to independent paths: Pass@1, and the vote at equal tokens by each price.

    Pass@1 is held against that of the paths that have their beginnings in common with the circle's, where there are
    such: then it differs by what meetings changed alone. Else all independent paths are its reference: they are more.
    Where all independent paths' steps are known, the vote is also held against their vote step by step.
    """
    share = _share(circles, reference, questions)
    alone = [[sum(pools[question].right) / max(1, len(pools[question].right))] for question in questions]
    if share:
        alone = _as_many(circles, reference, questions)
    found: dict[str, Any] = {
        "pass@1": paired_difference(
            _each(circles, questions, lambda circle: circle.pass_at_1),
            alone,
            seed=seed,
        ),
        "shared_beginnings": share,
        "circle_vote": paired_difference(
            _each(circles, questions, lambda circle: float(circle.correct)),
            _each(reference, questions, lambda circle: float(circle.correct)),
            seed=seed,
        ),
        "vote": {},
        "stepwise": {},
    }
    votes = _each(circles, questions, lambda circle: float(circle.correct))
    for how in PRICES:
        bought = [
            [
                vote_at(pools[question], price(circle, how, weight), seed=derive(seed, how, question, circle.circle))
                for circle in circles[question]
            ]
            for question in questions
        ]
        equal = [[at.vote for at in row] for row in bought]
        every = [at for row in bought for at in row]
        found["vote"][how] = {
            "difference": paired_difference(votes, equal, seed=seed),
            "independent": mean_over_questions(equal),
            "paths": _mean([at.paths for at in every]),
            "pool_too_small": sum(not at.enough for at in every),
        }
        steps = [[at.stepwise for at in row if at.stepwise is not None] for row in bought]
        if sum(map(len, steps)) == len(every):
            found["stepwise"][how] = {
                "difference": paired_difference(votes, steps, seed=seed),
                "independent": mean_over_questions(steps),
            }
    return found


def _difference(circles: Circles, others: Circles, questions: Sequence[str]) -> dict[str, Estimate]:
    """The differences to another arm, each at its own tokens."""
    return {
        "pass@1": paired_difference(
            _each(circles, questions, lambda circle: circle.pass_at_1),
            _as_many(circles, others, questions),
        ),
        "cons": paired_difference(
            _each(circles, questions, lambda circle: float(circle.correct)),
            _each(others, questions, lambda circle: float(circle.correct)),
        ),
    }


def _sentence(figures: Mapping[str, Mapping[str, Any]], mains: Sequence[str]) -> str:
    """The outcome of the first arm that is neither a placebo nor the reference, in words."""
    if not mains:
        return "Nothing is compared: give the method independent and another one."
    against = figures[mains[0]].get("against_independent")
    if against is None:
        return f"{mains[0]} is compared to nothing: add the method {REFERENCE}."
    difference = against["vote"]["cost"]["difference"]
    return f"The vote of {mains[0]} against independent paths: {verdict(difference, at='equal tokens')}."


def _each(circles: Circles, questions: Sequence[str], value: Callable[[CircleRecord], float]) -> list[list[float]]:
    return [[value(circle) for circle in circles[question]] for question in questions]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _name(label: str) -> str:
    return label.partition(":")[0]


def _plain(value: Any) -> Any:
    """Estimates and keys as JSON has them."""
    if isinstance(value, Estimate):
        return value.to_json()
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value


__all__ = ["PRICES", "Circles", "Comparison", "PathRecord", "compare", "pool_of", "price"]
