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
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cdist

from tertulia.answers.equivalence import group_answers
from tertulia.errors import TertuliaError

# Pairs of characters that are compared on the event loop; more of them take a thread.
_INLINE = 2_000_000


@dataclass(frozen=True, slots=True)
class Ear:
    """A path that is about to hear, and what its router may know.

    Attributes:
        path: Its index.
        k: How many peers it hears at most.
        peers: Indices of those that have something to say.
        texts: What each path says, by index; "" for nothing.
        answers: What each path claims, equal numbers for equivalent answers; empty for routers that do not ask.
        alike: Similarity of what each path says to what this one says, from 0 to 1; float64.
        drawn: For each path a number drawn from the seed.
    """

    path: int
    k: int
    peers: NDArray[np.intp]
    texts: Sequence[str]
    answers: Sequence[int | None]
    alike: NDArray[np.float64]
    drawn: NDArray[np.uint64]

    def order(self, sign: int) -> list[int]:
        """The peers: the least similar first (1), the most similar (-1), or drawn (0); equals are drawn too."""
        keys = self.drawn[self.peers], sign * self.alike[self.peers]
        return [int(peer) for peer in self.peers[np.lexsort(keys)]]


Router = Callable[[Ear], Iterable[Iterable[int]]]
"""For each choice of a path, the peers in the order in which it would take them: the first that is free is taken."""


def _by_answer(ear: Ear) -> Iterable[Iterable[int]]:
    """One holder of each other answer, the most supported first, of equals that with the least similar holder."""
    support, far = Counter(ear.answers), ear.order(1)
    held = dict.fromkeys(ear.answers[peer] for peer in far)
    others = [answer for answer in held if answer is not None and answer != ear.answers[ear.path]]
    others.sort(key=lambda answer: -support[answer])
    return [[peer for peer in far if ear.answers[peer] == answer] for answer in others] + [iter(far)] * ear.k


# A peer that is not free now will not be free later: choices share one iterator, and none looks twice.
ROUTERS: dict[str, Router] = {
    "dispersed": lambda ear: [iter(ear.order(1))] * ear.k,
    "clustered": lambda ear: [iter(ear.order(-1))] * ear.k,
    "hybrid": lambda ear: ([iter(ear.order(-1)), iter(ear.order(1))] * ear.k)[: ear.k],
    "random": lambda ear: [iter(ear.order(0))] * ear.k,
    "all": lambda ear: [map(int, ear.peers)] * ear.k,
    "answers": _by_answer,
}
"""Routers by name."""
WITHOUT_ANSWERS = ("dispersed", "clustered", "hybrid", "random", "all")
"""Routers that do not ask what is claimed."""


def route(
    policy: str,
    summaries: Sequence[str | None],
    k: int,
    *,
    seed: int | str,
    answers: Sequence[str | None] | None = None,
    hearers: Collection[int] | None = None,
    max_heard: int | None = None,
    stop: threading.Event | None = None,
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
        policy: one of ROUTERS.
        summaries: the latest summary of each path; None for a path that has none.
        k: how many peers a path hears at most.
        seed: decides what is random; the same arguments give the same routes.
        answers: claimed answer of each path, needed by `answers`; None for no claim.
        hearers: which paths hear; None for all.
        max_heard: how many paths may hear one peer at this meeting; None for any number. Paths then
            choose in rounds, in an order drawn from the seed, so that none is left with what others refuse.
        stop: when set, the comparison ends early, with routes that mean nothing.

    Raises:
        TertuliaError: unknown policy, negative k, `max_heard` below 1, answers missing or not one a path.
    """
    _check(policy, summaries, k, answers, hearers, max_heard)
    texts = [(text or "").strip() for text in summaries]
    ears = sorted(set(range(len(texts)) if hearers is None else hearers))
    limit = len(texts) if policy == "all" else k
    if not ears or not limit:
        return [[] for _ in texts]
    compared = policy not in ("random", "all")
    alike = similarity(texts, ears, stop) if compared else np.zeros((len(ears), len(texts)))
    groups = [] if answers is None or policy in WITHOUT_ANSWERS else group_answers(answers)
    speaks = np.array([bool(text) for text in texts])
    listening = []
    for row, path in enumerate(ears):
        peers = speaks.copy()
        peers[path] = False
        drawn = _drawn(f"route {seed} {path}", len(texts))
        listening.append(Ear(path, limit, np.flatnonzero(peers), texts, groups, alike[row], drawn))
    turns = _drawn(f"turns {seed}", len(texts))
    listening.sort(key=lambda ear: int(turns[ear.path]))
    return _choose(listening, ROUTERS[policy], max_heard)


async def route_async(policy: str, summaries: Sequence[str | None], k: int, **more: Any) -> list[list[int]]:
    """`route` that never blocks the event loop: big inputs are compared in a thread, block by block."""
    length = sum(len(text) for text in summaries if text)
    if policy in WITHOUT_ANSWERS and length * length < _INLINE and len(summaries) <= 64:
        return route(policy, summaries, k, **more)
    stop = threading.Event()
    try:
        return await asyncio.to_thread(route, policy, summaries, k, **more, stop=stop)
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


def _drawn(name: str, count: int) -> NDArray[np.uint64]:
    """Random sort keys from a hash, the same on every machine and with every version of Python and numpy."""
    return np.frombuffer(hashlib.shake_128(name.encode()).digest(8 * count), dtype="<u8").astype(np.uint64)


def _choose(ears: Sequence[Ear], router: Router, max_heard: int | None) -> list[list[int]]:
    """Lets the paths choose in rounds, one peer a round, until each has k or finds nobody."""
    texts = ears[0].texts
    lanes = [iter(router(ear)) for ear in ears]
    routes: list[list[int]] = [[] for _ in texts]
    heard = Counter[int]()
    told: list[set[str]] = [{""} for _ in ears]
    bound = len(texts) if max_heard is None else max_heard
    for _ in range(ears[0].k):
        for ear, lane, known in zip(ears, lanes, told, strict=True):
            wanted = (peer for choice in lane for peer in choice if peer != ear.path)
            peer = next((peer for peer in wanted if heard[peer] < bound and texts[peer] not in known), None)
            if peer is not None:
                routes[ear.path].append(peer)
                known.add(texts[peer])
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
    if policy not in ROUTERS:
        raise TertuliaError(f"unknown router {policy!r}: use one of {', '.join(ROUTERS)}")
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
