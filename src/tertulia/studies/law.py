"""The parallel scaling law: fits f(X) = alpha X^beta to a table over the number of training languages X.

After *Parallel Scaling Law* (arXiv 2510.02272), whose fit is on X >= 2. Two figures come with it: the first-parallel
leap, observed f(2) - f(1), and the monolingual generalization gap, f(1) as the fit extrapolates it minus what is
observed there. Three other forms are fitted beside it, and what the data cannot tell apart is said.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from tertulia.errors import TertuliaError
from tertulia.evaluation.statistics import Drawn, bootstrap, reach
from tertulia.studies.law_forms import FORMS, Array, aicc, fit, power, power_fits
from tertulia.studies.law_table import Point, read_table

__all__ = ["Point", "estimate", "law", "read_table"]

DRAWS = 400
"""Samples of the bootstrap."""
APART = 2.0
"""Forms whose AICc is less than this above the best cannot be told apart from it."""


def law(points: Sequence[Point], *, seed: int = 1, notes: Sequence[str] = ()) -> dict[str, Any]:
    """The fit, the leap, the gap, their intervals, and the other forms.

    Args:
        points: One for each run.
        seed: Of the bootstrap.
        notes: What was left out of the points, in words.

    Returns:
        ``alpha, beta, r2, leap, gap, intervals, models, verdict, points, runs, notes, band``; what the table cannot
        give is None. Intervals (95 %) resample runs by seed and order; with one run there are none.

    Raises:
        TertuliaError: There are fewer than three numbers of languages from 2 on. One line.
    """
    sizes = sorted({point.languages for point in points if point.languages >= 2})
    if len(sizes) < 3:
        raise TertuliaError(
            f"a power law has two parameters, and the table has {len(sizes)} numbers of languages from 2 on "
            f"({', '.join(f'{size:g}' for size in sizes) or 'none'}): {' '.join([*notes, 'give at least 3'])}"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of steps at the edge of what floats hold: fits are judged by where they end
        found, models = estimate(points, seed), compare_forms(points)
    runs = len({point.cluster for point in points})
    told = [*notes, *_doubts(points, found["alpha"])]
    return {
        **found,
        "models": models,
        "verdict": " ".join([verdict(models, found, found["intervals"], runs), *told]),
        "notes": told,
        "points": means(points),
        "runs": runs,
    }


def estimate(points: Sequence[Point], seed: int = 1) -> dict[str, Any]:
    """The part of `law` that is the law itself: ``alpha, beta, r2, leap, gap, intervals, band``."""
    clusters = sorted({point.cluster for point in points})
    whole = _figures(points)
    spread = _spread(points, clusters, whole, seed)
    width = reach(len(clusters)) if len(clusters) > 1 else math.nan
    needed = {"leap": (1, 2), "gap": (1,)}

    def alone(sizes: tuple[int, ...]) -> bool:
        """Whether a number of languages that a figure is made of was reached by one run only."""
        return any(len({point.cluster for point in points if point.languages == size}) < 2 for size in sizes)

    intervals = {
        name: None
        if np.isfinite(values).sum() < DRAWS // 2 or whole[name] is None or (name in needed and alone(needed[name]))
        else [whole[name] - width * float(np.nanstd(values)), whole[name] + width * float(np.nanstd(values))]
        for name, values in spread.items()
    }
    band = None
    if np.isfinite(spread["alpha"]).any():
        across = np.linspace(1, max(point.languages for point in points), 60)
        middle = power(across, whole["alpha"], whole["beta"])
        curves = spread["alpha"][:, None] * across ** spread["beta"][:, None]
        half = width * np.nanstd(curves, axis=0)
        band = {"languages": across.tolist(), "low": (middle - half).tolist(), "high": (middle + half).tolist()}
    return {**whole, "intervals": intervals, "band": band}


def _spread(
    points: Sequence[Point], clusters: Sequence[tuple[str, str]], whole: dict[str, Any], seed: int
) -> dict[str, Array]:
    """Figures of samples of the runs, drawn by seed and order, (draws,); not a number where a sample has none."""
    names = ("alpha", "beta", "leap", "gap")
    if len(clusters) < 2:
        return {name: np.full(DRAWS, np.nan) for name in names}
    x, y = np.array([point.languages for point in points]), np.array([point.value for point in points])
    later = x >= 2

    def figures(drawn: Drawn) -> Array:
        often = (drawn[:, :, None] == np.arange(len(clusters))).sum(1)  # (draws, clusters)
        weights = often[:, [clusters.index(point.cluster) for point in points]].astype(float)  # (draws, points)
        alpha, beta = power_fits(x[later], y[later], weights[:, later], (whole["alpha"], whole["beta"]))

        def mean(size: int) -> Array:
            there = weights[:, x == size]
            total = there.sum(1)
            return np.asarray((there * y[x == size]).sum(1) / np.where(total, total, np.nan))

        first = mean(1)
        return np.stack((alpha, beta, mean(2) - first, alpha - first), axis=1)

    found = bootstrap(len(clusters), figures, seed=seed, resamples=DRAWS)
    return dict(zip(names, found.T, strict=True))


def _doubts(points: Sequence[Point], alpha: float) -> list[str]:
    """What makes a power law meaningless or shaky, in words."""
    found = []
    low = [f"{one['languages']:g}" for one in means(points) if one["languages"] >= 2 and one["mean"] <= 0]
    if low or alpha <= 0:
        where = f"the mean is not above 0 at X = {', '.join(low)}" if low else "its factor is not above 0"
        found.append(
            f"A power law with a positive factor is above 0 everywhere, and {where}: its exponent says nothing."
        )
    sparse = _sparse(points)
    if sparse:
        told = "; ".join(sparse[:6]) + (f"; and {len(sparse) - 6} more runs" if len(sparse) > 6 else "")
        found.append(f"Not every run has every X, so that means over X are of different runs: {told}.")
    return found


def _sparse(points: Sequence[Point]) -> list[str]:
    """The runs that lack an X which others have, by name."""
    reached: dict[tuple[str, str], set[float]] = {}
    for point in points:
        reached.setdefault(point.cluster, set()).add(point.languages)
    seeds = [seed for seed, _ in reached]
    told = []
    for (seed, order), sizes in sorted(reached.items()):
        missing = sorted(set[float]().union(*reached.values()) - sizes)
        name = f"seed {seed or '-'}" + (f", order {order or '-'}" if seeds.count(seed) > 1 else "")
        if missing:
            told.append(f"{name} lacks X = {', '.join(f'{size:g}' for size in missing)}")
    return told


def means(points: Sequence[Point]) -> list[dict[str, Any]]:
    """Mean, standard deviation (None of one run) and number of runs at each X."""
    found = []
    for size in sorted({point.languages for point in points}):
        values = [point.value for point in points if point.languages == size]
        spread = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
        told = None if math.isnan(spread) else spread
        found.append({"languages": size, "mean": float(np.mean(values)), "sd": told, "runs": len(values)})
    return found


def _figures(points: Sequence[Point]) -> dict[str, Any]:
    later = [point for point in points if point.languages >= 2]
    x, y = np.array([p.languages for p in later]), np.array([p.value for p in later])
    got = fit(FORMS[0], x, y)
    if got is None:
        raise TertuliaError("no power law can be fitted to the table: are its values numbers of one kind?")
    (alpha, beta), rss = got
    total = float(((y - y.mean()) ** 2).sum())
    observed = {size: [p.value for p in points if p.languages == size] for size in (1, 2)}
    first = float(np.mean(observed[1])) if observed[1] else None
    second = float(np.mean(observed[2])) if observed[2] else None
    return {
        "alpha": alpha,
        "beta": beta,
        "r2": 1 - rss / total if total else None,
        "leap": second - first if first is not None and second is not None else None,
        "gap": alpha - first if first is not None else None,
    }


def compare_forms(points: Sequence[Point]) -> list[dict[str, Any]]:
    """All forms on X >= 2, with AICc, and the error of a prediction of the largest X from the others."""
    later = [point for point in points if point.languages >= 2]
    x, y = np.array([p.languages for p in later]), np.array([p.value for p in later])
    last = x.max()
    kept = x < last
    models = []
    for form in FORMS:
        got = fit(form, x, y)
        before = fit(form, x[kept], y[kept])
        error = None
        if before is not None:
            error = float(form.at(np.array([last]), *before[0])[0] - y[~kept].mean())
        models.append(
            {
                "name": form.name,
                "formula": form.formula,
                "parameters": dict(zip(form.parameters, got[0], strict=True)) if got else None,
                "aicc": aicc(got[1], len(x), len(form.parameters), float(np.abs(y).mean())) if got else None,
                "heldout_error": error,
            }
        )
    return models


def verdict(models: Sequence[dict[str, Any]], whole: dict[str, Any], intervals: dict[str, Any], runs: int) -> str:
    """What can be said, in words."""
    judged = [model for model in models if model["aicc"] is not None]
    lines = []
    if judged:
        best = min(judged, key=lambda model: model["aicc"])
        near = [m["name"] for m in judged if m is not best and m["aicc"] - best["aicc"] < APART]
        if near:
            lines.append(f"The data cannot tell {', '.join([best['name'], *near])} apart (AICc within {APART:g}).")
        else:
            lines.append(f"By AICc the form is {best['name']}.")
    predicted = [model for model in models if model["heldout_error"] is not None]
    if predicted:
        nearest = min(predicted, key=lambda model: abs(model["heldout_error"]))
        lines.append(
            f"From the smaller X the largest is predicted best by {nearest['name']} "
            f"(error {nearest['heldout_error']:+.3g})."
        )
    left = [model["name"] for model in models if model["aicc"] is None]
    if left:
        lines.append(f"Too few points to judge {', '.join(left)}.")
    if runs == 1:
        lines.append("One run only: there are no intervals.")
    for name, what in (("leap", "The first-parallel leap"), ("gap", "The monolingual generalization gap")):
        if intervals[name] is not None:
            low, high = intervals[name]
            clear = "is clear of 0" if low > 0 or high < 0 else "is not clear of 0"
            lines.append(f"{what} {clear}: {whole[name]:.3g} [{low:.3g}, {high:.3g}].")
    return " ".join(lines)
