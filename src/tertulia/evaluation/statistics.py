"""Intervals for circles: clustered by question and circle, paired, and honest with few questions.

A benchmark is a sample of questions; a question is answered by several circles; the paths of a circle depend on each
other. Values come as `values[q][c]`, one number a circle: its share of right paths, or 1 and 0 for its vote. Circles
of a question share the question, so the question is the cluster: what varies independently are the means of the
questions. (Derivations and measured coverage: docs/statistics.md.)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tertulia.errors import TertuliaError

Array = NDArray[np.float64]
Drawn = NDArray[np.int64]
"""Resamples of clusters by their numbers; shape (resamples, clusters)."""
Values = Sequence[Sequence[float]]
LEVEL = 0.95
RESAMPLES = 4000
ALIKE = 1e-12
"""Means this close are the same: 0.1 added in another order is not a difference."""
NEARLY = 0.005
"""Questions whose means are all this close are alike: what a fraction of a vote leaves over is no variation."""
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its 95 % interval.

    Attributes:
        mean: Over questions, each question's circles averaged first.
        low, high: The interval; both NaN where there can be none (one question).
        se: Standard error of the mean; NaN likewise.
        questions: How many.
        circles: How many in all.
    """

    mean: float
    low: float
    high: float
    se: float
    questions: int
    circles: int

    def to_json(self) -> dict[str, Any]:
        """Plain values; what is not a number is null."""
        return {name: None if value != value else value for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Estimate:
        """What `to_json` wrote."""
        known: dict[str, Any] = {name: math.nan if number is None else number for name, number in value.items()}
        return cls(**known)

    def points(self, sign: bool = False) -> str:
        """In per cent with the interval, such as "44.8 [42.3, 47.4]"."""
        form = "+.1f" if sign else ".1f"
        told = f"{100 * self.mean:{form}}"
        if math.isnan(self.low):
            return f"{told} (no interval from one question)"
        return f"{told} [{100 * self.low:{form}}, {100 * self.high:{form}}]"


def pass_at_k(n: int, right: int, k: int) -> float:
    """Chance that one of k paths is right, from n of which some are: unbiased (Chen et al., arXiv 2107.03374).

    Raises:
        TertuliaError: k is not from 1 to n, or right not from 0 to n.
    """
    if not 1 <= k <= n or not 0 <= right <= n:
        raise TertuliaError(f"pass@{k} of {n} paths with {right} right cannot be: expected k from 1 to {n}")
    return 1.0 - math.comb(n - right, k) / math.comb(n, k)


def mean_over_questions(values: Values, *, seed: int = 0) -> Estimate:
    """The mean that new questions of the same kind would have: clustered by question, circles nested within.

    Bootstrap over questions (percentile interval, widened for few questions). Where all questions are alike the
    bootstrap sees no variation: then the interval leaves open what Wilson's does for as many questions.

    Args:
        values: One list a question, one number a circle; questions without a circle are left out.
        seed: Of the bootstrap.

    Raises:
        TertuliaError: There is no circle, or a value is no number.
    """
    means, circles = _question_means(values)
    return _bootstrapped(means, circles, seed, share=True)


def mean_of_these_questions(values: Values) -> Estimate | None:
    """The mean that new circles on the very same questions would have: only circles vary.

    Student's t on the variance within questions; None unless every question has at least two circles. Where the circles
    of every question agree there is no variance to see: then the interval leaves open what Wilson's does for as many
    circles that never disagreed.

    Args:
        values: As for `mean_over_questions`.

    Raises:
        TertuliaError: A value is no number.
    """
    kept = [np.asarray(row, dtype=float) for row in values if len(row)]
    if not kept or any(len(row) < 2 for row in kept):
        return None
    means, circles = _question_means(values)
    if max(float(np.ptp(row)) for row in kept) < NEARLY:
        return _alike(float(means.mean()), len(kept), circles, units=circles, share=True)
    variance = sum(row.var(ddof=1) / len(row) for row in kept) / len(kept) ** 2
    freedom = sum(len(row) - 1 for row in kept)
    se = math.sqrt(variance)
    half = t_quantile(0.5 + LEVEL / 2, freedom) * se
    mean = float(means.mean())
    return Estimate(mean, mean - half, mean + half, se, len(kept), circles)


def paired_difference(a: Values, b: Values, *, seed: int = 0) -> Estimate:
    """The mean difference a - b, paired by question: bootstrap over the differences of the questions' means.

    Where all questions of one side are alike, such as votes that are all right, the bootstrap sees only how the other
    side varies: then the interval is at least as wide as Wilson's for as many questions.

    Args:
        a, b: As for `mean_over_questions`, the same questions in the same order; the numbers of circles may differ.
        seed: Of the bootstrap.

    Raises:
        TertuliaError: The questions are not as many, one lacks circles on one side, or a value is no number.
    """
    if len(a) != len(b):
        raise TertuliaError(f"{len(a)} questions against {len(b)}: a paired difference needs the same questions")
    if any(bool(len(one)) != bool(len(other)) for one, other in zip(a, b, strict=True)):
        raise TertuliaError("a question has circles on one side only: leave it out of a paired difference")
    first, circles = _question_means(a)
    second, _ = _question_means(b)
    found = _bootstrapped(first - second, circles, seed, share=False)
    if len(first) == 1 or min(np.ptp(first), np.ptp(second)) >= NEARLY:
        return found
    unseen = _alike(found.mean, len(first), circles, units=len(first), share=False)
    low, high, se = min(found.low, unseen.low), max(found.high, unseen.high), max(found.se, unseen.se)
    return replace(found, low=low, high=high, se=se)


def ratio_of_means(a: Values, b: Values, *, seed: int = 0) -> Estimate | None:
    """The mean of a over the mean of b, both of the same questions: bootstrap over questions, as for a mean.

    Args:
        a, b: As for `paired_difference`.
        seed: Of the bootstrap.

    Returns:
        The ratio; None where the mean of b is not above 0. NaN ends where more than 1 resample in 40 has no ratio.

    Raises:
        TertuliaError: As `paired_difference`.
    """
    paired_difference(a, b)
    (first, circles), (second, _) = _question_means(a), _question_means(b)
    if second.mean() <= ALIKE:
        return None
    n, mean = len(first), float(first.mean() / second.mean())

    def ratio(drawn: Drawn) -> Array:
        under = second[drawn].mean(axis=1)
        return np.asarray(first[drawn].mean(axis=1) / np.where(under > ALIKE, under, math.nan))

    ratios = bootstrap(n, ratio, seed=seed)
    if n == 1 or np.isnan(ratios).sum() > RESAMPLES / 40:
        return Estimate(mean, math.nan, math.nan, math.nan, n, circles)
    return Estimate(mean, *ends(ratios, n), float(np.nanstd(ratios)), n, circles)


def paths_as_independent(right: int, paths: int) -> tuple[float, float]:
    """The interval that takes paths for independent, which they are not: for comparison only (normal, 95 %).

    Raises:
        TertuliaError: There is no path, or more are right than there are.
    """
    if paths < 1 or not 0 <= right <= paths:
        raise TertuliaError(f"{right} right paths of {paths} cannot be: expected at least one path, and 0 to all right")
    share = right / paths
    half = _NORMAL.inv_cdf(0.5 + LEVEL / 2) * math.sqrt(share * (1 - share) / paths)
    return share - half, share + half


def detectable(se: float, power: float = 0.8) -> float:
    """The true difference that would have been told from 0 with this power at the 5 % level."""
    return (_NORMAL.inv_cdf(0.5 + LEVEL / 2) + _NORMAL.inv_cdf(power)) * se


def verdict(difference: Estimate, *, at: str = "equal tokens") -> str:
    """A difference in words: better, worse, or not to be told, and then what could have been."""
    points = 100 * difference.mean
    if math.isnan(difference.low):
        return f"nothing can be said from one question ({points:+.1f} points)"
    low, high = 100 * difference.low, 100 * difference.high
    if low > 0 or high < 0:
        word = "better" if low > 0 else "worse"
        low, high = sorted((abs(low), abs(high)))
        return f"{word} by {abs(points):.1f} points, 95 % interval {low:.1f} to {high:.1f}, at {at}"
    return (
        f"no difference seen ({points:+.1f} points, 95 % interval {low:.1f} to {high:.1f}, at {at}); "
        f"n = {difference.questions} could show {100 * min(1.0, detectable(difference.se)):.0f} points"
    )


def bootstrap(
    clusters: int, statistic: Callable[[Drawn], Array], *, seed: int = 0, resamples: int = RESAMPLES
) -> Array:
    """A statistic of resamples of the clusters, each drawn with replacement.

    Args:
        clusters: How many there are.
        statistic: Of `Drawn`: one value a resample, shape (resamples,), or a row of several, (resamples, figures). NaN
            where a resample has none.
        seed: Of the draws.
        resamples: How many.
    """
    return statistic(np.random.default_rng(seed).integers(0, clusters, (resamples, clusters)))


def ends(values: Array, clusters: int | None) -> tuple[float, float]:
    """The 95 % interval of what a bootstrap gave, NaN left aside: percentiles, widened for few clusters.

    The percentile interval is too narrow by the factor sqrt(n / (n - 1)) and uses normal tails where Student's t
    belongs; both are mended by taking wider percentiles (Hesterberg, 2015, "expanded percentile").

    Args:
        values: Of the statistic, one a resample.
        clusters: That were resampled, at least 2; None where values were drawn from a known distribution.
    """
    tail = (1 - LEVEL) / 2 if clusters is None else _NORMAL.cdf(-reach(clusters))
    low, high = np.nanquantile(values, (tail, 1 - tail))
    return float(low), float(high)


@cache
def reach(clusters: int) -> float:
    """Half a 95 % interval in bootstrap standard errors: Student's t, and the bootstrap's own shortfall with few."""
    return math.sqrt(clusters / (clusters - 1)) * t_quantile(0.5 + LEVEL / 2, clusters - 1)


@cache
def t_quantile(probability: float, freedom: int) -> float:
    """Quantile of Student's t.

    Args:
        probability: Between 0 and 1.
        freedom: Degrees of freedom, at least 1.
    """
    from scipy.stats import t  # type: ignore[import-untyped]

    return float(t.ppf(probability, freedom))


def _bootstrapped(means: Array, circles: int, seed: int, *, share: bool) -> Estimate:
    n, mean = len(means), float(means.mean())
    if n == 1:
        return Estimate(mean, math.nan, math.nan, math.nan, 1, circles)
    se = float(means.std(ddof=1) / math.sqrt(n))
    if np.ptp(means) < NEARLY:
        return _alike(mean, n, circles, units=n, share=share)
    return Estimate(mean, *ends(bootstrap(n, lambda drawn: means[drawn].mean(axis=1), seed=seed), n), se, n, circles)


def _alike(mean: float, n: int, circles: int, *, units: int, share: bool) -> Estimate:
    """Where no unit differed some share of new ones may: what Wilson's interval leaves open for 0 of `units`."""
    from scipy.stats import binomtest

    unseen = float(binomtest(0, units).proportion_ci(LEVEL, method="wilson").high)
    low, high = (max(0.0 if share else -1.0, mean - unseen), min(1.0, mean + unseen))
    return Estimate(mean, low, high, unseen / _NORMAL.inv_cdf(0.5 + LEVEL / 2), n, circles)


def _question_means(values: Values) -> tuple[Array, int]:
    kept = [row for row in values if len(row)]
    if not kept:
        raise TertuliaError("there is no circle to take a mean of: give at least one question with one circle")
    means = np.array([float(np.mean(row)) for row in kept])
    if not np.isfinite(means).all():
        raise TertuliaError("a value is not a number: every circle needs one")
    return means, sum(len(row) for row in kept)
