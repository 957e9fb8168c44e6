"""What independent paths reach for the tokens that a circle took: sampled once, sub-sampled often.

Independent paths of a question lie in a pool. A circle that cost T tokens is held against as many of them as T buys at
the pool's mean cost, drawn without replacement: T / mean paths, where the last, a fraction, is bought with this
fraction as its chance. So the expected cost is T. Whether a path is bought must not depend on its own length, which
nobody knows before it is sampled: a meter that buys while there is something left, and the last path with the chance
that its own cost leaves it, spends T too, but it prefers short paths, by (standard deviation / mean)² / 2 of a path,
and with them whatever short paths are: right more often, or less. A path that failed is one that the tokens buy: it is
wrong, and cost what it had generated, which may be nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tertulia.errors import TertuliaError
from tertulia.evaluation.stepwise import stepwise_vote


@dataclass(frozen=True, slots=True)
class Pool:
    """Independent paths of one question.

    Attributes:
        groups: For each path the group of its answer; equivalent answers share one, None has no vote.
        right: Whether it is right.
        cost: Tokens it took; 0 for one that failed before its first.
        steps: Values of its steps; None where not every path's are known.
    """

    groups: tuple[int | None, ...]
    right: tuple[bool, ...]
    cost: tuple[float, ...]
    steps: tuple[tuple[str, ...], ...] | None = None


@dataclass(frozen=True, slots=True)
class AtTokens:
    """What a budget buys, means over draws.

    Attributes:
        vote: Chance that the vote is right; ties are broken at random.
        pass_at_1: Share of right paths.
        paths: How many paths were bought.
        tokens: What they cost.
        enough: Whether the pool holds as much as the budget; else all of it was taken.
        stepwise: Chance that the vote step by step is right (`tertulia.evaluation.stepwise`), of the same draws; None
            where the pool has no steps.
    """

    vote: float
    pass_at_1: float
    paths: float
    tokens: float
    enough: bool
    stepwise: float | None = None


def vote_at(pool: Pool, tokens: float, *, draws: int = 200, seed: int = 0) -> AtTokens:
    """The vote of as many independent paths as a budget buys: at least one, which may cost more than the budget.

    Args:
        pool: Paths to draw from.
        tokens: The budget.
        draws: Random orders to average over.
        seed: Of these.

    Raises:
        TertuliaError: The pool is empty or its parts differ in length, a cost or the budget is no number from 0, or
            there is no draw.
    """
    _check(pool, tokens, draws)
    n = len(pool.groups)
    draw = np.random.default_rng(seed)
    order = draw.permuted(np.tile(np.arange(n), (draws, 1)), axis=1)  # (draws, paths)
    whole_pool = math.fsum(pool.cost)
    paths = min(float(n), max(1.0, tokens * n / whole_pool)) if whole_pool else float(n)
    # Just that share of the draws buys one more: with a coin for each draw chance would add to what is spent.
    whole, fraction = int(paths), paths - int(paths)
    count = np.full(draws, whole) + (draw.permutation(draws) + draw.random() < fraction * draws)
    taken = np.arange(n)[None, :] < count[:, None]
    right = np.asarray(pool.right)[order] & taken
    cost = np.asarray(pool.cost)[order] * taken
    votes = _votes(pool, order, taken)
    return AtTokens(
        vote=float(votes.mean()),
        pass_at_1=float((right.sum(axis=1) / count).mean()),
        paths=float(count.mean()),
        tokens=float(cost.sum(axis=1).mean()),
        enough=whole_pool >= tokens,
        stepwise=None if pool.steps is None else _stepwise(pool, pool.steps, order, taken, votes, draw),
    )


def _check(pool: Pool, tokens: float, draws: int) -> None:
    lengths = [len(part) for part in (pool.groups, pool.right, pool.cost)]
    if pool.steps is not None and len(pool.steps) != lengths[0]:
        raise TertuliaError(
            f"a pool of {lengths[0]} answers and steps of {len(pool.steps)} paths: give one each a path"
        )
    if len(set(lengths)) > 1:
        raise TertuliaError("a pool of {} answers, {} marks and {} costs: give one of each a path".format(*lengths))
    if not pool.cost:
        raise TertuliaError("there is no independent path to draw from: sample at least one")
    for name, value in (*(("a path that cost", cost) for cost in pool.cost), ("a budget of", tokens)):
        if not 0 <= value < math.inf:
            raise TertuliaError(f"{name} {value} tokens cannot be: expected a number from 0")
    if draws < 1:
        raise TertuliaError(f"{draws} draws have no mean: give at least 1")


def _stepwise(
    pool: Pool,
    steps: tuple[tuple[str, ...], ...],
    order: np.ndarray,
    taken: np.ndarray,
    votes: np.ndarray,
    draw: np.random.Generator,
) -> float:
    """Chance that the vote step by step is right; where it comes to no answer the plain vote stands."""
    voters = np.zeros_like(taken)
    np.put_along_axis(voters, order, taken, axis=1)
    came = stepwise_vote(steps, pool.groups, pool.right, voters, draw)
    return float(np.where(np.isnan(came), votes, came).mean())


def _votes(pool: Pool, order: np.ndarray, taken: np.ndarray) -> np.ndarray:
    """For each draw the chance that its vote is right; shapes (draws, paths)."""
    names = {group: at for at, group in enumerate(dict.fromkeys(g for g in pool.groups if g is not None))}
    if not names:
        return np.zeros(len(order))
    kinds = np.array([len(names) if group is None else names[group] for group in pool.groups])
    good = np.zeros(len(names), dtype=bool)
    for group, right in zip(pool.groups, pool.right, strict=True):
        if group is not None and right:
            good[names[group]] = True
    counts = np.stack([((kinds[order] == kind) & taken).sum(axis=1) for kind in range(len(names))], axis=1)
    best = counts.max(axis=1, keepdims=True)
    winners = (counts == best) & (best > 0)
    ties = winners.sum(axis=1)
    return np.where(ties > 0, (winners & good).sum(axis=1) / np.maximum(ties, 1), 0.0)
