"""Who hears whom.

A router chooses, for each path, the peers whose summaries it hears at a meeting. The policies `dispersed`,
`clustered`, `hybrid` and `random` are those of LeaP (arXiv 2505.07787, section 3.2); `all` and `answers`
are ours. No bad message travels: nobody hears itself, a peer twice, a blank summary or the same text twice.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cdist

from tertulia.answers.equivalence import group_answers
from tertulia.errors import TertuliaError

Policy = Literal["dispersed", "clustered", "hybrid", "random", "all", "answers"]
POLICIES: tuple[Policy, ...] = ("dispersed", "clustered", "hybrid", "random", "all", "answers")

Order = NDArray[np.intp]
"""Path indices, best first."""
Lanes = Iterator[Iterator[int]]

# Pairs of characters that are compared on the event loop; more of them take a thread.
_INLINE = 2_000_000


def route(
    policy: str,
    summaries: Sequence[str | None],
    k: int,
    *,
    seed: int | str,
    answers: Sequence[str | None] | None = None,
    hearers: Collection[int] | None = None,
    max_heard: int | None = None,
) -> list[list[int]]:
    """For each path the indices of the peers it hears, best first; [] for a path that does not hear.

    Never itself, never a peer twice, never a peer whose summary is None or blank, never two summaries
    of the same text. Where fewer than k can be heard, all of them are.

    Policies: `dispersed` the k least similar summaries; `clustered` the k most similar; `hybrid` the most
    and the least similar in turns, half of each; `random` k drawn at random; `all` everybody, whatever k,
    in order; `answers` one peer for each distinct claimed answer other than the path's own, the most
    supported answer first, of its holders the least similar to the path, then the least similar of the
    rest. Peers of equal similarity come in an order drawn from the seed.

    Args:
        policy: one of POLICIES.
        summaries: the latest summary of each path; None for a path that has none.
        k: how many peers a path hears at most.
        seed: decides what is random; the same arguments give the same routes.
        answers: claimed answer of each path, needed by `answers`; None for no claim.
        hearers: which paths hear; None for all.
        max_heard: how many paths may hear one peer at this meeting; None for any number. Paths then
            choose in rounds, in an order drawn from the seed, so that none is left with what others refuse.

    Raises:
        TertuliaError: unknown policy, negative k, `max_heard` below 1, answers missing or not one a path.
    """
    return _route(policy, summaries, k, seed, answers, hearers, max_heard, threading.Event())


async def route_async(
    policy: str,
    summaries: Sequence[str | None],
    k: int,
    *,
    seed: int | str,
    answers: Sequence[str | None] | None = None,
    hearers: Collection[int] | None = None,
    max_heard: int | None = None,
) -> list[list[int]]:
    """`route` that never blocks the event loop: big inputs are compared in a thread, block by block."""
    stop = threading.Event()
    arguments = (policy, summaries, k, seed, answers, hearers, max_heard, stop)
    length = sum(len(text) for text in summaries if text)
    if policy != "answers" and length * length < _INLINE and len(summaries) <= 64:
        return _route(*arguments)
    try:
        return await asyncio.to_thread(_route, *arguments)
    except asyncio.CancelledError:
        stop.set()  # a thread cannot be cancelled, but it can be asked
        raise


def similarity(
    texts: Sequence[str], rows: Sequence[int] | None = None, stop: threading.Event | None = None
) -> NDArray[np.float64]:
    """1 - Levenshtein(a, b) / max(|a|, |b|) of all pairs (LeaP, section 3.2): float64, (rows, texts).

    Args:
        texts: characters, not tokens; two empty texts have similarity 1.
        rows: which texts to compare to all; None for every one.
        stop: when set, the comparison ends early and the rest of the matrix is 0.
    """
    wanted = range(len(texts)) if rows is None else rows
    matrix = np.zeros((len(texts), len(texts)))
    left = list(range(len(texts)))
    for row in wanted:  # a row at a time: in between the thread gives way, and can be asked to stop
        if stop is not None and stop.is_set():
            break
        others = [texts[other] for other in left]
        alike = cdist([texts[row]], others, scorer=Levenshtein.normalized_similarity, dtype=np.float64)
        matrix[row, left] = matrix[left, row] = alike[0]
        left.remove(row)
    return matrix[list(wanted)]


def _route(
    policy: str,
    summaries: Sequence[str | None],
    k: int,
    seed: int | str,
    answers: Sequence[str | None] | None,
    hearers: Collection[int] | None,
    max_heard: int | None,
    stop: threading.Event,
) -> list[list[int]]:
    _check(policy, summaries, k, answers, hearers, max_heard)
    texts = [(text or "").strip() for text in summaries]
    ears = sorted(set(range(len(texts)) if hearers is None else hearers))
    limit = len(texts) if policy == "all" else k
    if not ears or not limit:
        return [[] for _ in texts]
    alike = None if policy in ("random", "all") else similarity(texts, ears, stop)
    groups = group_answers(answers) if policy == "answers" and answers is not None else None
    speaks = np.array([bool(text) for text in texts])
    lanes: dict[int, Lanes] = {}
    for row, ear in enumerate(ears):
        peers = speaks.copy()
        peers[ear] = False
        drawn = _drawn(f"route {seed} {ear}", len(texts))
        likeness = None if alike is None else alike[row]
        lanes[ear] = _lanes(policy, ear, np.flatnonzero(peers), drawn, limit, likeness, groups)
    turns = _drawn(f"turns {seed}", len(texts))
    ears.sort(key=lambda ear: int(turns[ear]))
    return _choose(ears, lanes, texts, limit, max_heard)


def _drawn(name: str, count: int) -> NDArray[np.uint64]:
    """Random sort keys from a hash, the same on every machine and with every version of Python and numpy."""
    return np.frombuffer(hashlib.shake_128(name.encode()).digest(8 * count), dtype="<u8").astype(np.uint64)


def _lanes(
    policy: str,
    ear: int,
    peers: Order,
    drawn: NDArray[np.uint64],
    k: int,
    alike: NDArray[np.float64] | None,
    groups: Sequence[int | None] | None,
) -> Lanes:
    """For each choice of one path, the peers in the order in which it would take them.

    A peer that is not free now will not be free later, so choices share one iterator and none looks twice.
    """
    if policy == "all":
        return iter([_each(peers)] * k)
    if alike is None:
        return iter([_each(peers[np.argsort(drawn[peers], kind="stable")])] * k)
    near = peers[np.lexsort((drawn[peers], -alike[peers]))]
    if policy == "clustered":
        return iter([_each(near)] * k)
    far = peers[np.lexsort((drawn[peers], alike[peers]))]
    if policy == "hybrid":
        ends = (_each(near), _each(far))
        return iter([ends[turn % 2] for turn in range(k)])
    answers = [] if groups is None else _by_answer(far, ear, groups)
    return iter([_each(holders) for holders in answers] + [_each(far)] * k)


def _each(order: Order) -> Iterator[int]:
    return map(int, order)


def _by_answer(far: Order, ear: int, groups: Sequence[int | None]) -> list[Order]:
    """The peers that hold each answer other than the path's own, the most supported answer first.

    Of answers with equal support, the one comes first whose holder is the least similar to the path.
    """
    support = Counter(groups)
    held = [groups[peer] for peer in far]
    others = [group for group in dict.fromkeys(held) if group is not None and group != groups[ear]]
    others.sort(key=lambda group: -support[group])
    return [far[[group == other for group in held]] for other in others]


def _choose(
    ears: Sequence[int],
    lanes: dict[int, Lanes],
    texts: Sequence[str],
    k: int,
    max_heard: int | None,
) -> list[list[int]]:
    """Lets the paths choose in rounds, one peer a round, until each has k or finds nobody."""
    routes: list[list[int]] = [[] for _ in texts]
    heard = [0] * len(texts)
    told: dict[int, set[str]] = {ear: set() for ear in ears}
    bound = len(texts) if max_heard is None else max_heard
    for _ in range(k):
        for ear in ears:
            free = (
                peer for lane in lanes[ear] for peer in lane if heard[peer] < bound and texts[peer] not in told[ear]
            )
            peer = next(free, None)
            if peer is not None:
                routes[ear].append(peer)
                told[ear].add(texts[peer])
                heard[peer] += 1
    return routes


def _check(
    policy: str,
    summaries: Sequence[str | None],
    k: int,
    answers: Sequence[str | None] | None,
    hearers: Collection[int] | None,
    max_heard: int | None,
) -> None:
    if policy not in POLICIES:
        raise TertuliaError(f"unknown router {policy!r}: use one of {', '.join(POLICIES)}")
    if k < 0:
        raise TertuliaError(f"a path cannot hear {k} peers: give 0 or more")
    if max_heard is not None and max_heard < 1:
        raise TertuliaError(f"max_heard {max_heard} lets nobody be heard: give 1 or more, or none for no bound")
    if policy == "answers" and answers is None:
        raise TertuliaError("the router 'answers' needs the claimed answer of each path: give answers")
    if answers is not None and len(answers) != len(summaries):
        raise TertuliaError(f"{len(answers)} answers for {len(summaries)} summaries: give one for each")
    outside = [h for h in hearers or () if not 0 <= h < len(summaries)]
    if outside:
        raise TertuliaError(f"hearer {outside[0]} is not a path: there are {len(summaries)}, from 0")
