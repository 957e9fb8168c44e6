"""The law in the paper's form, and a heat map of languages and arms."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from tertulia.errors import TertuliaError
from tertulia.evaluation.plot import save
from tertulia.studies.law_forms import power
from tertulia.studies.law_table import read_rows, study_rows

LABELS = {
    ("accuracy", "held out"): "accuracy in the languages held out",
    ("accuracy", "all"): "accuracy in all languages",
    ("mti", "held out"): "MTI: relative gain held out / trained on",
    ("gen", "held out"): "gain held out, as a share of the room",
    ("gen", "all"): "gain in all languages, as a share of the room",
}
FIT, GAP, LEAP = "#0b6e4f", "#b23a48", "#3366aa"


def draw(found: dict[str, Any], file: Path, label: str, arm: str | None = None) -> tuple[Path, Path]:
    """Points over X with their spread, the fit with its band, the leap and the gap.

    Args:
        found: What `tertulia.studies.law.law` gave.
        file: Where it goes; an ending .png or .svg is taken off, for both are written.
        label: What is fitted; stands at the axis.
        arm: Of a study; stands above.

    Raises:
        TertuliaError: A file cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.0, 4.2), layout="constrained")
    axes = figure.subplots()
    means = {point["languages"]: point["mean"] for point in found["points"]}
    spread = [point["sd"] or 0.0 for point in found["points"]]
    told = "mean and standard deviation of runs" if any(spread) else "mean of runs"
    axes.errorbar([*means], [*means.values()], yerr=spread, fmt="o", color="#222222", capsize=3, label=told, zorder=3)
    across = np.linspace(1, max(means), 100)
    middle = power(across, found["alpha"], found["beta"])
    # What the fit was not made on is dotted.
    axes.plot(across[across >= 2], middle[across >= 2], color=FIT, label=f"{found['alpha']:.3g} X^{found['beta']:.3g}")
    axes.plot(across[across <= 2.05], middle[across <= 2.05], color=FIT, linestyle=":")
    if found["band"]:
        band = found["band"]
        axes.fill_between(
            band["languages"], band["low"], band["high"], color=FIT, alpha=0.15, linewidth=0, label="95 % band"
        )
    _gap_and_leap(axes, found, means)
    at = np.array([*means.values()])
    heights = np.concatenate([middle, at + spread, at - spread])
    if found["band"]:  # a wide band is cut: what was measured stays to be seen
        room = np.ptp(heights)
        band = np.clip([*found["band"]["low"], *found["band"]["high"]], heights.min() - room, heights.max() + room)
        heights = np.concatenate([heights, band])
    margin = 0.06 * (np.ptp(heights) or 1.0)
    axes.set(
        xlabel="training languages X",
        ylabel=label,
        xlim=(0.0 if found["gap"] is not None else min(means) - 0.4, max(means) + 0.4),
    )
    axes.set_title(f"arm {arm}" if arm else "", fontsize=9)
    axes.set_ylim(heights.min() - margin, heights.max() + margin)
    axes.set_xticks([*means], [f"{size:g}" for size in means])
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, loc="best", frameon=False)
    return save(figure, _bare(file))


def _bare(file: Path) -> Path:
    """The name without the ending of one of the two pictures."""
    return file.with_suffix("") if file.suffix.lower() in (".png", ".svg") else file


def _gap_and_leap(axes: Any, found: dict[str, Any], means: dict[float, float]) -> None:
    """The two figures that come with the law, where the table has them."""
    if found["gap"] is not None:
        arrow = {"arrowstyle": "<->", "color": GAP, "shrinkA": 0, "shrinkB": 0}
        axes.annotate("", (0.88, found["alpha"]), (0.88, means[1]), arrowprops=arrow)
        middle = (means[1] + found["alpha"]) / 2
        axes.annotate(f"gap\n{found['gap']:.3g}", (0.8, middle), color=GAP, fontsize=8, ha="right", va="center")
    if found["leap"] is not None:
        axes.annotate(
            "", (2, means[2]), (1, means[1]), arrowprops={"arrowstyle": "->", "color": LEAP, "linestyle": "--"}
        )
        place = (1.55, (means[1] + means[2]) / 2)
        down = -9 if found["leap"] >= 0 else 9
        axes.annotate(
            f"leap {found['leap']:.3g}",
            place,
            (4, down),
            textcoords="offset points",
            color=LEAP,
            fontsize=8,
            va="center",
        )


def heat_map(table: Path, file: Path) -> tuple[Path, Path]:
    """Mean accuracy of each language (down) after each arm and size (across) of a study's table.

    Args:
        table: A study's.
        file: Where it goes; an ending .png or .svg is taken off, for both are written.

    Raises:
        TertuliaError: The table is no study's, or a file cannot be written. One line.
    """
    from matplotlib.figure import Figure

    rows = read_rows(table)
    if "arm" not in rows[0]:
        raise TertuliaError(f"{table} has no arms, which a heat map is of: give the table of a study")
    columns: dict[tuple[str, float], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    held: dict[str, bool] = {}
    for (arm, _, _, size), run in study_rows(table, rows).items():
        for code, cell in run.items():
            columns[arm, size][code].append(100 * cell.accuracy)
            held[code] = cell.held_out
    arms = list(dict.fromkeys(arm for arm, _ in columns))
    across = sorted(columns, key=lambda column: (column[0] != "base", arms.index(column[0]), column[1]))
    down = sorted(held, key=lambda code: held[code])  # the order of the table, those held out last
    values = np.array([[np.mean(columns[column].get(code) or [np.nan]) for column in across] for code in down])
    figure = Figure(figsize=(2.2 + 0.42 * len(across), 1.6 + 0.32 * len(down)), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(values, aspect="auto", cmap="viridis")
    axes.set_xticks(range(len(across)), [f"{size:g}" if size else "" for _, size in across])
    axes.set_yticks(range(len(down)), [f"{code} (held out)" if held[code] else code for code in down])
    axes.tick_params(length=0)
    _name_arms(axes, [arm for arm, _ in across])
    if any(held.values()) and not all(held.values()):
        axes.axhline(list(map(held.get, down)).index(True) - 0.5, color="white", linewidth=2)
    bright = 0.4 * np.nanmin(values) + 0.6 * np.nanmax(values)
    for (at, place), value in np.ndenumerate(values):
        if np.isfinite(value):
            shade = "black" if value > bright else "white"
            axes.text(place, at, f"{value:.0f}", ha="center", va="center", fontsize=7, color=shade)
    axes.set_xlabel("training languages X")
    figure.colorbar(image, label="accuracy %", pad=0.02)
    return save(figure, _bare(file))


def _name_arms(axes: Any, across: list[str]) -> None:
    """Each arm's name above its columns, and a line between arms."""
    for arm in dict.fromkeys(across):
        places = [at for at, name in enumerate(across) if name == arm]
        wide = len(places) > 2
        axes.annotate(
            arm,
            (np.mean(places), 1.0),
            (0, 4),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            ha="center" if wide else "left",
            rotation=0 if wide else 40,
            rotation_mode="anchor",
            fontsize=9,
        )
        if places[0]:
            axes.axvline(places[0] - 0.5, color="white", linewidth=2)
