"""Gain over the length of a problem, from logs of `tertulia eval world`, beside a model on paper.

    python benchmarks/gain_over_length.py LOGS... --plot docs/gain_over_length

Questions are sorted by their number of steps. For each number: independent paths and circles that meet, Pass@1 and
the vote, with 95 % intervals clustered by question. The model on paper knows one thing about the small model: how
often a step goes wrong, taken from the independent paths of that length (accuracy = (1 - e)^steps). A wrong step goes
wrong in one of twelve ways; a path that meets takes over the most frequent state of the circle with a probability of
0.8; errors of paths are independent. It is simulated, 4,000 problems a length.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np

from tertulia.evaluation.evaluate import find_logs, read
from tertulia.evaluation.plot import save
from tertulia.evaluation.records import CircleRecord
from tertulia.evaluation.statistics import Estimate, mean_over_questions
from tertulia.world.problems import problem

WAYS, TAKEN_OVER, PATHS, PROBLEMS = 12, 0.8, 8, 4000


def paper(steps: int, error: float, every: int, draw: np.random.Generator) -> tuple[float, float]:
    """Pass@1 and vote of circles that meet every so many steps (0: never), by the model on paper."""
    state = np.zeros((PROBLEMS, PATHS), np.int64)  # 0 is right; any other number is a wrong state
    for step in range(steps):
        wrong = draw.random(state.shape) < error
        way = draw.integers(1, WAYS + 1, state.shape)
        state = np.where(wrong, state * (WAYS + 1) + way + (step + 1) * 10**6, state)
        if every and (step + 1) % every == 0:
            for row in state:
                common = Counter(row.tolist()).most_common(1)[0][0]
                row[draw.random(PATHS) < TAKEN_OVER] = common
    right = state == 0
    voted = []
    for row in state:
        counts = Counter(row.tolist()).most_common()
        best = [value for value, count in counts if count == counts[0][1]]
        voted.append((0 in best) / len(best))
    return float(right.mean()), float(np.mean(voted))


def steps_of(question: str) -> int:
    """Number of steps of a world question, by its id: language-difficulty[-split]-seed."""
    _language, difficulty, *split, seed = question.split("-")
    return len(problem(int(seed), difficulty, split[0] if split else "test").steps)


def measured(circles: list[CircleRecord]) -> dict[int, tuple[Estimate, Estimate]]:
    """Pass@1 and vote by number of steps; a circle of a larger pool votes with its first paths."""
    groups: dict[int, dict[str, list[CircleRecord]]] = defaultdict(lambda: defaultdict(list))
    for circle in circles:
        groups[steps_of(circle.question)][circle.question].append(circle)
    found = {}
    for steps, questions in sorted(groups.items()):
        most = min(len(own) for own in questions.values())
        single = [[float(np.mean([p.right for p in c.paths])) for c in own[:most]] for own in questions.values()]
        voted = [[float(c.correct) for c in own[:most]] for own in questions.values()]
        found[steps] = (mean_over_questions(single), mean_over_questions(voted))
    return found


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("logs", type=Path, nargs="+")
    parser.add_argument("--method", default="leap")
    parser.add_argument("--plot", type=Path, default=None, help="where the figure goes, without suffix")
    chosen = parser.parse_args()
    arms: dict[str, list[CircleRecord]] = defaultdict(list)
    for log in map(read, find_logs(chosen.logs)):
        arms[log.arm] += log.circles
    alone, met = measured(arms["independent"]), measured(arms[chosen.method])
    draw = np.random.default_rng(1)
    rows = []
    print("| steps | n | independent Pass@1 | vote | meetings: Pass@1 | vote | on paper, every step: Pass@1 | vote |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for steps in sorted(set(alone) & set(met)):
        error = 1 - alone[steps][0].mean ** (1 / steps)
        row = (*alone[steps], *met[steps], *paper(steps, error, 0, draw), *paper(steps, error, 1, draw))
        rows.append((steps, row))
        told = [f"{100 * e.mean:.1f} [{100 * e.low:.1f}, {100 * e.high:.1f}]" for e in row[:4]]
        print(
            f"| {steps} | {alone[steps][0].questions} | {' | '.join(told)} | {100 * row[6]:.1f} | {100 * row[7]:.1f} |"
        )
    if chosen.plot:
        figure_of(rows, chosen.plot)


def figure_of(rows: list[tuple[int, tuple]], file: Path) -> None:
    """Measured points with their intervals, the model on paper as lines."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 4.0), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    steps = [one for one, _ in rows]
    for panel, what, pairs in ((panels[0], "Pass@1", (0, 2, 4, 6)), (panels[1], "vote of eight", (1, 3, 5, 7))):
        for place, line, colour, name in (
            (pairs[0], pairs[2], "#777777", "independent"),
            (pairs[1], pairs[3], "#0b6e4f", "meetings"),
        ):
            points = [row[place] for _, row in rows]
            means = [100 * point.mean for point in points]
            reach = [[100 * (p.mean - p.low) for p in points], [100 * (p.high - p.mean) for p in points]]
            panel.errorbar(steps, means, yerr=reach, fmt="o", capsize=3, color=colour, label=f"{name}, measured")
            panel.plot(steps, [100 * row[line] for _, row in rows], "--", color=colour, label=f"{name}, on paper")
        panel.set(xlabel="steps of the problem", ylabel=f"{what}, %", ylim=(0, 101))
    panels[0].legend(fontsize=8)
    save(figure, file)


if __name__ == "__main__":
    main()
