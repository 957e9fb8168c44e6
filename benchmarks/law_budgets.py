"""Budgets of a study of languages side by side, from the folder of `tertulia study law`.

    python benchmarks/law_budgets.py out/law

For each number X of training languages: the mean accuracy of the held-out languages in each arm, with the standard
deviation over seeds, and how many of their thoughts are in another language. Then differences between arms at the
same X and seed, over all X that both have, for the budgets from 2 on: the mean over seeds, and an interval from a
bootstrap over questions, each with all its languages, seeds and X (the same questions are asked in every cell).
Further arms are compared with `grown` at X = 1 too, where all budgets are one run; an arm `near` is compared with an
arm `far`. It speaks of new questions, for these very runs; what other seeds would bring shows in the spread over
seeds, which stands beside it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tertulia.evaluation.statistics import paired_difference

Cell = dict[str, NDArray[np.float64]]
"""Outcome of each question, by language."""


def load(folder: Path) -> dict[tuple[str, int, int], tuple[Cell, dict[str, bool], float]]:
    """Outcomes, whether each language is held out, and off-target rate; by arm, number of languages and seed."""
    found = {}
    for file in sorted((folder / "cells").glob("*/rows-*.json")):
        rows = json.loads(file.read_text("utf-8"))
        outcomes = {row["language"]: np.array(row["right"], float) for row in rows}
        held = {row["language"]: bool(row["held_out"]) for row in rows}
        stray = float(np.mean([row["off_target"] for row in rows if row["held_out"]]))
        first = rows[0]
        found[first["arm"], first["languages"], first["seed"]] = outcomes, held, stray
    return found


def held_out(cell: tuple[Cell, dict[str, bool], float]) -> NDArray[np.float64]:
    """Mean outcome of each question over the held-out languages."""
    outcomes, held, _ = cell
    return np.mean([outcomes[code] for code in outcomes if held[code]], axis=0)


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    cells = load(parser.parse_args().folder)
    arms = list(dict.fromkeys(arm for arm, _, _ in cells))
    sizes = sorted({size for _, size, _ in cells})
    seeds = sorted({seed for _, _, seed in cells})
    print("Held-out languages: accuracy %, mean (standard deviation over seeds; number of seeds) / off-target %\n")
    print("| X | " + " | ".join(arms) + " |\n| --- |" + " --- |" * len(arms))
    for size in sizes:
        told = [told_of([cells[arm, size, s] for s in seeds if (arm, size, s) in cells]) for arm in arms]
        print(f"| {size} | " + " | ".join(told) + " |")
    print("\n| difference, X from 2 on | points | seed by seed |\n| --- | --- | --- |")
    for one, other in (("grown", "more"), ("grown", "fixed"), ("fixed", "more at X = 1")):
        print(difference(cells, one, other, sizes, seeds))
    for arm in arms:
        if arm not in ("base", "grown", "fixed", "more"):
            print(difference(cells, arm, "grown", sizes, seeds))
    if {"near", "far"} <= set(arms):
        print(difference(cells, "near", "far", sizes, seeds))


def told_of(found: Iterable[tuple[Cell, dict[str, bool], float]]) -> str:
    """One cell of the table."""
    kept = list(found)
    if not kept:
        return ""
    values = [100 * float(held_out(cell).mean()) for cell in kept]
    spread = f" ({np.std(values, ddof=1):.1f}; {len(values)})" if len(values) > 1 else " (1)"
    return f"{np.mean(values):.1f}{spread} / {100 * np.mean([cell[2] for cell in kept]):.0f}"


def difference(
    cells: dict[tuple[str, int, int], tuple[Cell, dict[str, bool], float]],
    one: str,
    other: str,
    sizes: list[int],
    seeds: list[int],
) -> str:
    """A row: the paired difference between two arms at the same X and seed, held-out languages."""
    name, _, at = other.partition(" at X = ")
    pairs: dict[int, list[NDArray[np.float64]]] = {}
    for size in sizes:
        for seed in seeds:
            # With one language all budgets are the same run, which is kept as "more".
            first = (one, size, seed)
            second = (name, int(at) if at else size, seed)
            if size == 1 and name == "grown":
                second = ("more", 1, seed)
            if first in cells and second in cells and (size > 1 or one not in ("grown", "fixed", "more")):
                pairs.setdefault(seed, []).append(held_out(cells[first]) - held_out(cells[second]))
    if not pairs:
        return f"| {one} - {other} | | |"
    each = {seed: np.mean(found, axis=0) for seed, found in pairs.items()}
    questions = np.mean(list(each.values()), axis=0)
    told = paired_difference([[value] for value in questions], [[0.0]] * len(questions)).points(sign=True)
    return f"| {one} - {other} | {told} | {', '.join(f'{100 * value.mean():+.1f}' for value in each.values())} |"


if __name__ == "__main__":
    main()
