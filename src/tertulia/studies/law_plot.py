"""The law in the paper's form, and a heat map of languages and arms."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from tertulia.evaluation.plot import save
from tertulia.studies.law import _power


def draw(found: dict[str, Any], file: Path, value: str) -> tuple[Path, Path]:
    """Points over X with their spread, the fit with its band, the leap and the gap.

    Args:
        found: What `tertulia.studies.law.law` gave.
        file: Where it goes, without suffix.
        value: Name of what is fitted.

    Raises:
        TertuliaError: A file cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.0, 4.2), layout="constrained")
    axes = figure.subplots()
    points = found["points"]
    x = [point["languages"] for point in points]
    y = [point["mean"] for point in points]
    spread = [0.0 if np.isnan(point["sd"]) else point["sd"] for point in points]
    axes.errorbar(x, y, yerr=spread, fmt="o", color="#222222", capsize=3, label="runs, mean and standard deviation")
    across = np.linspace(1, max(x), 100)
    label = f"{found['alpha']:.3g} X^{found['beta']:.3g}"
    axes.plot(across, _power(across, found["alpha"], found["beta"]), color="#0b6e4f", label=label)
    if found["band"]:
        band = found["band"]
        axes.fill_between(band["languages"], band["low"], band["high"], color="#0b6e4f", alpha=0.15, linewidth=0)
    if found["gap"] is not None:
        first = y[x.index(1)]
        axes.annotate("", (1, found["alpha"]), (1, first), arrowprops={"arrowstyle": "<->", "color": "#b23a48"})
        middle = (first + found["alpha"]) / 2
        axes.annotate(f"gap {found['gap']:.3g}", (1.08, middle), color="#b23a48", fontsize=8)
    if found["leap"] is not None:
        style = {"arrowstyle": "->", "color": "#3366aa", "linestyle": "--"}
        axes.annotate("", (2, y[x.index(2)]), (1, y[x.index(1)]), arrowprops=style)
        axes.annotate(
            f"leap {found['leap']:.3g}", (1.55, (y[x.index(1)] + y[x.index(2)]) / 2), color="#3366aa", fontsize=8
        )
    axes.set(xlabel="training languages X", ylabel=value)
    axes.legend(fontsize=8, loc="lower right")
    return save(figure, file)


def heat_map(table: Path, file: Path) -> tuple[Path, Path]:
    """Mean accuracy of each language (down) after each arm and size (across) of a study's table.

    Raises:
        TertuliaError: A file cannot be written.
    """
    from matplotlib.figure import Figure

    cells: dict[tuple[str, int], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with table.open(newline="", encoding="utf-8") as rows:
        for row in csv.DictReader(rows):
            cells[row["arm"], int(row["languages"])][row["language"]].append(float(row["accuracy"]))
    across = sorted(cells, key=lambda cell: (cell[0] != "base", cell))
    down = list(dict.fromkeys(code for cell in cells.values() for code in cell))
    values = np.array([[100 * np.mean(cells[cell].get(code) or [np.nan]) for cell in across] for code in down])
    figure = Figure(figsize=(1.5 + 0.5 * len(across), 1.5 + 0.35 * len(down)), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(values, aspect="auto", cmap="viridis")
    axes.set_xticks(range(len(across)), [f"{arm} {size}" if size else arm for arm, size in across], rotation=90)
    axes.set_yticks(range(len(down)), down)
    for (at, place), value in np.ndenumerate(values):
        axes.text(place, at, f"{value:.0f}", ha="center", va="center", fontsize=7, color="white")
    figure.colorbar(image, label="accuracy %")
    return save(figure, file)
