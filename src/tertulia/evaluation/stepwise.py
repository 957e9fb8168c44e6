"""The vote over finished paths step by step, for models whose claims are steps.

A vote over answers throws away that two paths which differ in the end had most of their steps in common. This one goes
through the steps: the most frequent value of the first step wins; then, among the paths that had the winner there, the
most frequent value of the second, and so on to the answer. A path counts again wherever its step is the winner, by
whatever way it came there, for what follows from a result does not depend on how it was reached: that is the strongest
form that needs no calculator. (Most frequent values step by step among *all* paths end in the plain vote; calculating
on from a winner that nobody went on from is what paths that have finished cannot do.)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tertulia.errors import TertuliaError

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


def stepwise_vote(
    steps: Sequence[Sequence[str]],
    groups: Sequence[int | None],
    right: Sequence[bool],
    taken: Bools,
    draw: np.random.Generator,
) -> Floats:
    """For each draw whether the answer that is come to is right, 1 or 0; NaN where it comes to none.

    Args:
        steps: Values of each path's steps; "" is no value.
        groups: For each path the group of its answer; equivalent answers share one, None has no vote.
        right: Whether it is right.
        taken: Which paths vote; shape (draws, paths).
        draw: Breaks ties.

    Raises:
        TertuliaError: The parts differ in length.
    """
    if not len(steps) == len(groups) == len(right) == taken.shape[1]:
        raise TertuliaError(
            f"steps of {len(steps)} paths, {len(groups)} answers and {len(right)} marks for {taken.shape[1]} paths: "
            "give one of each a path"
        )
    ends = [None if group is None else ("answer", str(group)) for group in groups]
    ways = [
        [*(("step", value) if value else None for value in path), end] for path, end in zip(steps, ends, strict=True)
    ]
    good = {end for end, is_right in zip(ends, right, strict=True) if end is not None and is_right}
    came = np.full(len(taken), np.nan)
    alive = taken.copy()
    for place in range(max(map(len, ways), default=0)):
        here = [way[place] if place < len(way) else None for way in ways]
        names = list(dict.fromkeys(name for name in here if name is not None))
        if not names:
            continue
        codes = np.array([len(names) if name is None else names.index(name) for name in here])
        stated = codes[:, None] == np.arange(len(names))[None, :]  # (paths, names)
        counts = alive.astype(float) @ stated
        winner = (counts + 0.5 * draw.random(counts.shape)).argmax(axis=1)
        won = counts.max(axis=1) > 0
        ended = won & np.isnan(came) & np.array([name[0] == "answer" for name in names])[winner]
        came[ended] = np.array([float(name in good) for name in names])[winner][ended]
        alive = taken & (codes[None, :] == winner[:, None]) & (won & np.isnan(came))[:, None]
    return came
