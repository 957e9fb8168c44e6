"""The parallel scaling law: fits f(X) = alpha X^beta to a table over the number of training languages X.

After *Parallel Scaling Law* (arXiv 2510.02272), whose fit is on X >= 2. Two figures come with it: the first-parallel
leap, observed f(2) - f(1), and the monolingual generalization gap, f(1) as the fit extrapolates it minus what is
observed there. Three other forms are fitted beside it, and what the data cannot tell apart is said.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tertulia.errors import TertuliaError
from tertulia.evaluation.statistics import t_quantile

Value = Literal["accuracy", "mti", "gen"]
Array = NDArray[np.float64]
FLOOR = 0.05
"""Base accuracy below which a language leaves a ratio."""
DRAWS = 400
"""Samples of the bootstrap."""
APART = 2.0
"""Forms whose AICc is less than this above the best cannot be told apart from it."""


@dataclass(frozen=True)
class Point:
    """One run: a number of languages, what it reached, and the run's seed and order."""

    languages: float
    value: float
    cluster: tuple[str, str]


@dataclass(frozen=True)
class Form:
    """A functional form.

    Attributes:
        name: What it is called.
        formula: As text.
        parameters: Their names.
        at: Its value, of X and the parameters.
        starts: Parameters to start a fit from, of X and values.
    """

    name: str
    formula: str
    parameters: tuple[str, ...]
    at: Callable[..., Array]
    starts: Callable[[Array, Array], list[tuple[float, ...]]]


def _power(x: Array, alpha: float, beta: float) -> Array:
    return np.asarray(alpha * x**beta)


def _shifted(x: Array, alpha: float, beta: float, c: float) -> Array:
    return np.asarray(alpha * x**beta + c)


def _log(x: Array, a: float, b: float) -> Array:
    return np.asarray(a + b * np.log(x))


def _saturating(x: Array, ceiling: float, b: float, tau: float) -> Array:
    return np.asarray(ceiling - b * np.exp(-x / np.maximum(tau, 1e-6)))


def _start_power(x: Array, y: Array) -> list[tuple[float, ...]]:
    if (y > 0).all():
        beta, level = np.polyfit(np.log(x), np.log(y), 1)
        return [(float(np.exp(level)), float(beta))]
    return [(float(y.mean()) or 1.0, 0.1)]


def _start_shifted(x: Array, y: Array) -> list[tuple[float, ...]]:
    span, low = float(np.ptp(y)) or 1.0, float(y.min())
    return [(*_start_power(x, y)[0], 0.0), (span, 0.5, low - span), (-span, -1.0, float(y.max()) + 0.1 * span)]


def _start_log(x: Array, y: Array) -> list[tuple[float, ...]]:
    b, a = np.polyfit(np.log(x), y, 1)
    return [(float(a), float(b))]


def _start_saturating(x: Array, y: Array) -> list[tuple[float, ...]]:
    span = float(np.ptp(y)) or 1.0
    return [(float(y.max()) + 0.05 * span, 2 * span, tau) for tau in (1.0, 3.0, 8.0)]


FORMS = (
    Form("power", "alpha X^beta", ("alpha", "beta"), _power, _start_power),
    Form("shifted power", "alpha X^beta + c", ("alpha", "beta", "c"), _shifted, _start_shifted),
    Form("logarithmic", "a + b ln X", ("a", "b"), _log, _start_log),
    Form("saturating", "ceiling - b exp(-X / tau)", ("ceiling", "b", "tau"), _saturating, _start_saturating),
)


def fit(form: Form, x: Array, y: Array) -> tuple[tuple[float, ...], float] | None:
    """Least squares in the value itself, from several starts.

    Returns:
        Parameters and the sum of squared residuals; None where no start converges or parameters outnumber the X.
    """
    from scipy.optimize import least_squares  # type: ignore[import-untyped]

    if len(np.unique(x)) < len(form.parameters):
        return None
    best: tuple[tuple[float, ...], float] | None = None
    for start in form.starts(x, y):
        try:
            got = least_squares(
                lambda p: form.at(x, *p) - y, start, x_scale="jac", xtol=1e-14, ftol=1e-14, gtol=1e-14, max_nfev=4000
            )
        except ValueError:  # a start outside of what floats hold
            continue
        rss = float(2 * got.cost)
        if np.isfinite(got.x).all() and (best is None or rss < best[1]):
            best = (tuple(map(float, got.x)), rss)
    return best


def aicc(rss: float, n: int, parameters: int, scale: float) -> float | None:
    """Akaike's criterion with its correction for small samples; None where there are too few points.

    Args:
        rss: Sum of squared residuals.
        n: Points.
        parameters: Of the form; the variance of the residuals is one more.
        scale: Size of the values; residuals below 1e-9 of it count as rounding.
    """
    k = parameters + 1
    if n - k - 1 <= 0:
        return None
    floor = n * (1e-9 * scale) ** 2 or 1e-300
    return n * math.log(max(rss, floor) / n) + 2 * k + 2 * k * (k + 1) / (n - k - 1)


def law(points: Sequence[Point], *, seed: int = 1) -> dict[str, Any]:
    """The fit, the leap, the gap, their intervals, and the other forms.

    Args:
        points: One for each run.
        seed: Of the bootstrap.

    Returns:
        ``alpha, beta, r2, leap, gap, intervals, models, verdict, points, runs``; what the table cannot give is None.
        Intervals (95 %) resample runs by seed and order; with one run there are none.

    Raises:
        TertuliaError: There are fewer than three numbers of languages from 2 on. One line.
    """
    sizes = sorted({point.languages for point in points if point.languages >= 2})
    if len(sizes) < 3:
        raise TertuliaError(
            f"a power law has two parameters, and the table has {len(sizes)} numbers of languages from 2 on "
            f"({', '.join(f'{size:g}' for size in sizes) or 'none'}): give at least 3"
        )
    clusters = sorted({point.cluster for point in points})
    whole = _figures(points)
    spread: dict[str, list[float]] = {name: [] for name in ("alpha", "beta", "leap", "gap")}
    curve: list[Array] = []
    across = np.linspace(1, sizes[-1], 60)
    if len(clusters) > 1:
        draw = np.random.default_rng(seed)
        by_cluster = {cluster: [point for point in points if point.cluster == cluster] for cluster in clusters}
        for _ in range(DRAWS):
            chosen = draw.integers(0, len(clusters), len(clusters))
            drawn = [point for at in chosen for point in by_cluster[clusters[at]]]
            if len({point.languages for point in drawn if point.languages >= 2}) < 2:
                continue
            found = _figures(drawn)
            for name, values in spread.items():
                if found[name] is not None:
                    values.append(found[name])
            curve.append(_power(across, found["alpha"], found["beta"]))
    reach = _reach(len(clusters))
    intervals = {
        name: None
        if len(values) < DRAWS // 2 or whole[name] is None
        else [whole[name] - reach * float(np.std(values)), whole[name] + reach * float(np.std(values))]
        for name, values in spread.items()
    }
    band = None
    if curve:
        middle = _power(across, whole["alpha"], whole["beta"])
        half = reach * np.std(curve, axis=0)
        band = {"languages": across.tolist(), "low": (middle - half).tolist(), "high": (middle + half).tolist()}
    models = compare_forms(points)
    return {
        **whole,
        "intervals": intervals,
        "models": models,
        "verdict": verdict(models, whole, intervals, len(clusters)),
        "points": means(points),
        "runs": len(clusters),
        "band": band,
    }


def _reach(clusters: int) -> float:
    """Half an interval in bootstrap standard errors: Student's t, and the bootstrap's own shortfall with few runs."""
    if clusters < 2:
        return math.nan
    return t_quantile(0.975, clusters - 1) * math.sqrt(clusters / (clusters - 1))


def means(points: Sequence[Point]) -> list[dict[str, float]]:
    """Mean, standard deviation and number of runs at each X."""
    found = []
    for size in sorted({point.languages for point in points}):
        values = [point.value for point in points if point.languages == size]
        spread = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
        found.append({"languages": size, "mean": float(np.mean(values)), "sd": spread, "runs": len(values)})
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


def read_table(
    file: Path, value: Value = "accuracy", arm: str | None = None, languages: Literal["held out", "all"] = "held out"
) -> list[Point]:
    """Points of a table: plain (``languages, value``, perhaps ``seed, order``), or a study's.

    A study's table has a row for each language; its value is the mean over the languages that are held out
    (accuracy), their relative gain over the trained ones' (mti), or their headroom-normalised gain (gen), against the
    rows of the arm ``base`` with the same seed.

    Args:
        file: CSV with a header.
        value: What is taken from a study's table.
        arm: Which arm of it; needed where there are several.
        languages: Whose accuracy: the held-out ones', or all.

    Raises:
        TertuliaError: The file cannot be read, a column is missing, or a value is wrong. One line.
    """
    try:
        with file.open(newline="", encoding="utf-8") as table:
            rows = list(csv.DictReader(table))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TertuliaError(f"cannot read the table {file}: {getattr(error, 'strerror', None) or error}") from error
    if not rows:
        raise TertuliaError(f"{file} has no rows: give a table with the columns languages and value")
    columns = set(rows[0])
    if {"arm", "language", "accuracy"} <= columns:
        return _from_study(file, rows, value, arm, languages)
    for name in ("languages", "value"):
        if name not in columns:
            raise TertuliaError(
                f"{file} has no column {name}: it needs languages and value, and may have seed and order"
            )
    return [
        Point(
            _number(file, at, row, "languages", least=1),
            _number(file, at, row, "value"),
            (str(row.get("seed") or ""), str(row.get("order") or "")),
        )
        for at, row in enumerate(rows, 2)
    ]


def _number(file: Path, at: int, row: dict[str, Any], column: str, least: float | None = None) -> float:
    try:
        number = float(row[column])
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number) or (least is not None and number < least):
        wanted = "a number" if least is None else f"a number from {least:g} on"
        raise TertuliaError(f"{file}, line {at}: {column} is {row[column]!r}, expected {wanted}: correct it")
    return number


def _from_study(file: Path, rows: list[dict[str, Any]], value: Value, arm: str | None, who: str) -> list[Point]:
    arms = sorted({row["arm"] for row in rows} - {"base"})
    if arm is None and len(arms) > 1:
        raise TertuliaError(f"{file} has the arms {', '.join(arms)}: choose one with --arm")
    chosen = arm or (arms[0] if arms else "")
    if chosen not in arms:
        raise TertuliaError(f"{file} has no arm {chosen!r}: it has {', '.join(arms) or 'none'}")
    accuracy: dict[tuple[str, str, str, str], dict[str, tuple[float, bool, bool]]] = {}
    for at, row in enumerate(rows, 2):
        if row["arm"] not in (chosen, "base"):
            continue
        key = (row["arm"], str(row.get("seed") or ""), str(row.get("order") or ""), row["languages"])
        flags = (row.get("trained") == "1", row.get("held_out", "1") == "1")
        accuracy.setdefault(key, {})[row["language"]] = (_number(file, at, row, "accuracy"), *flags)
    points = []
    for (name, seed, order, size), found in accuracy.items():
        if name == "base":
            continue
        base = next((rows for key, rows in accuracy.items() if key[0] == "base" and key[1] == seed), None)
        got = _value_of(value, found, base, who)
        if got is not None:
            points.append(Point(float(size), got, (seed, order)))
    return points


def _value_of(
    value: Value,
    found: dict[str, tuple[float, bool, bool]],
    base: dict[str, tuple[float, bool, bool]] | None,
    who: str,
) -> float | None:
    unseen = [code for code, (_, trained, held) in found.items() if (held if who == "held out" else True)]
    if value == "accuracy":
        return float(np.mean([found[code][0] for code in unseen])) if unseen else None
    if base is None:
        raise TertuliaError(f"{value} is a gain over the base, and the table has no rows of the arm base: add them")
    if value == "gen":
        gains = [(found[c][0] - base[c][0]) / (1 - base[c][0]) for c in unseen if base[c][0] < 1]
        return float(np.mean(gains)) if gains else None

    def relative(codes: list[str]) -> float | None:
        gains = [(found[c][0] - base[c][0]) / base[c][0] for c in codes if base[c][0] >= FLOOR]
        return float(np.mean(gains)) if gains else None

    over, under = relative(unseen), relative([code for code, (_, trained, _) in found.items() if trained])
    return None if over is None or not under else over / under
