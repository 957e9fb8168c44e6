"""Accuracy over tokens, a point for each method and a curve for independent paths: PNG and SVG."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tertulia.errors import TertuliaError
from tertulia.evaluation.arms import PLACEBOS, REFERENCE
from tertulia.evaluation.comparison import Comparison
from tertulia.evaluation.equal_tokens import Pool, vote_at

COLOURS = ("#0b6e99", "#c8553d", "#588157", "#7b4fa0", "#b08900", "#555555", "#d17ba3", "#2a9d8f")


def draw(comparison: Comparison, file: Path) -> tuple[Path, Path]:
    """Draws the plot of a comparison.

    Args:
        comparison: What to draw.
        file: Where it goes; its suffix is replaced.

    Returns:
        The PNG and the SVG file.

    Raises:
        TertuliaError: A file cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 4.2), layout="constrained")
    single, voted = figure.subplots(1, 2)
    for colour, (label, arm) in zip(_colours(), comparison.arms.items(), strict=False):
        marker = "o" if label == REFERENCE else "s" if label.partition(":")[0] in PLACEBOS else "D"
        style = {"color": colour, "marker": marker, "label": label, "capsize": 3, "linestyle": "none"}
        each, whole = _cost(arm), _cost(arm) * arm["circles_paths"]
        _point(single, each, arm["pass@1"], style)
        _point(voted, whole, arm["cons"], style)
    if comparison.pools is not None:
        costs, votes = curve(comparison.pools)
        voted.plot(costs, votes, color="#999999", linewidth=1, label="independent paths, sub-sampled", zorder=0)
    single.set(xlabel="tokens a path", ylabel="Pass@1 %", ylim=(0, 100))
    voted.set(xlabel="tokens a circle", ylabel="vote right %", ylim=(0, 100))
    voted.legend(fontsize=8, loc="lower right")
    figure.suptitle(
        f"{len(comparison.questions)} questions; 95 % intervals; injected tokens at their weight", fontsize=9
    )
    return save(figure, file)


def curve(pools: Mapping[str, Pool], points: int = 16) -> tuple[list[float], list[float]]:
    """The vote of independent paths over tokens a question, in per cent, up to what all pools hold."""
    pools = {question: pool for question, pool in pools.items() if sum(pool.cost)}  # else every path failed at once
    if not pools:
        return [], []
    most = min(sum(pool.cost) for pool in pools.values())
    least = float(np.mean([np.mean(pool.cost) for pool in pools.values()]))
    budgets = [float(budget) for budget in np.geomspace(least, max(most, least), points)]
    votes = [
        100 * float(np.mean([vote_at(pool, budget, draws=50, seed=0).vote for pool in pools.values()]))
        for budget in budgets
    ]
    return budgets, votes


def save(figure: Any, file: Path) -> tuple[Path, Path]:
    """Writes a figure as PNG and as SVG.

    Raises:
        TertuliaError: A file cannot be written.
    """
    png, svg = file.with_name(file.name + ".png"), file.with_name(file.name + ".svg")
    try:
        png.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(png, dpi=150)
        figure.savefig(svg, metadata={"Date": None})
    except OSError as error:
        raise TertuliaError(f"cannot write the plot {png}: {error.strerror}") from error
    return png, svg


def _cost(arm: Mapping[str, Any]) -> float:
    return float(arm["per_path"]["cost"])


def _point(axes: Any, cost: float, estimate: Any, style: Mapping[str, Any]) -> None:
    mean, low, high = (100 * value for value in (estimate.mean, estimate.low, estimate.high))
    known = np.isfinite([low, high]).all()
    errors = [[max(0.0, mean - low)], [max(0.0, high - mean)]] if known else None
    axes.errorbar([cost], [mean], yerr=errors, **style)


def _colours() -> list[str]:
    return list(COLOURS) * 4
