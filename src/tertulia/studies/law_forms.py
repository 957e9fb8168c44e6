"""Forms that a law over the number of training languages X may have, their least-squares fits, and AICc."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


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


def power(x: Array, alpha: float, beta: float) -> Array:
    """The law itself."""
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
    Form("power", "alpha X^beta", ("alpha", "beta"), power, _start_power),
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


def power_fits(x: Array, y: Array, weights: Array, start: tuple[float, float]) -> tuple[Array, Array]:
    """Many weighted least-squares fits of the power law at once, by Levenberg's and Marquardt's method.

    Args:
        x, y: Points, (points,).
        weights: How often each fit has each point, (fits, points).
        start: Factor and exponent to start from.

    Returns:
        Factors and exponents, (fits,); not a number where the points of a fit have fewer than two X.
    """
    many = len(weights)
    alpha, beta, damping = np.full(many, start[0]), np.full(many, start[1]), np.full(many, 1e-3)

    def lost(alpha: Array, beta: Array) -> Array:
        return np.asarray((weights * (y - alpha[:, None] * x ** beta[:, None]) ** 2).sum(1))

    rss = lost(alpha, beta)
    for _ in range(60):
        by_alpha = x ** beta[:, None]
        by_beta = alpha[:, None] * by_alpha * np.log(x)
        left = y - alpha[:, None] * by_alpha
        aa, bb = ((weights * by**2).sum(1) * (1 + damping) for by in (by_alpha, by_beta))
        ab = (weights * by_alpha * by_beta).sum(1)
        a, b = ((weights * by * left).sum(1) for by in (by_alpha, by_beta))
        both = np.maximum(aa * bb - ab**2, 1e-300)
        step = (bb * a - ab * b) / both, np.clip((aa * b - ab * a) / both, -1, 1)
        after = alpha + step[0], np.clip(beta + step[1], -20, 20)
        now = lost(*after)
        better = now <= rss
        alpha, beta = (np.where(better, new, old) for new, old in zip(after, (alpha, beta), strict=True))
        rss, damping = np.where(better, now, rss), np.where(better, damping / 10, damping * 10)
        if (np.abs(step[0]) < 1e-9 * np.abs(alpha)).all() and (np.abs(step[1]) < 1e-9).all():
            break
    known = (np.array([weights[:, x == size].sum(1) > 0 for size in np.unique(x)])).sum(0) >= 2
    return np.where(known, alpha, np.nan), np.where(known, beta, np.nan)


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
