"""What the benchmark scripts share: answers in bulk from the embedded engine, votes, and intervals."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from tertulia.answers.extract import extract_answer
from tertulia.engines.base import Engine, Request, Sampling
from tertulia.model import profile_for
from tertulia.settings import resolve

T = TypeVar("T")
R = TypeVar("R")
THOUGHT_END = "</think>"


@dataclass(frozen=True)
class Sample:
    """One independent path: its thought and answer tokens, and the answer it gave (None if it gave none)."""

    ids: tuple[int, ...]
    text: str
    answer: str | None

    @property
    def thought_tokens(self) -> int:
        """Tokens up to the close of the thought; characters stand in for tokens that are not known apart."""
        share = len(self.text.split(THOUGHT_END)[0]) / max(1, len(self.text))
        return max(1, round(share * len(self.ids)))


def seed_of(*parts: object) -> int:
    """A seed that follows from its parts alone."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:4], "big") >> 1


async def sample(
    engine: Engine, prompt: Sequence[int], name: str, seed: int, sampling: Sampling, budget: int = 600
) -> Sample:
    """One independent path from a prompt (or from a prompt and the beginning of a thought)."""
    request = Request(
        path=name,
        ids=tuple(prompt),
        text="",
        max_tokens=budget,
        sampling=sampling,
        seed=seed,
    )
    generation = await engine.generate(request)
    await engine.release(name)
    _, closed, answer = generation.text.partition(THOUGHT_END)
    return Sample(generation.ids, generation.text, extract_answer(answer) if closed else None)


def pebble_sampling() -> Sampling:
    """The sampling of pebble's profile, as every run of it has."""
    return resolve(profile_for(None), {}).sampling


async def gather_bounded(work: Callable[[T], Awaitable[R]], items: Iterable[T], at_once: int) -> list[R]:
    """Results in the order of the items, with so many under way at once."""
    gate = asyncio.Semaphore(at_once)

    async def one(item: T) -> R:
        async with gate:
            return await work(item)

    return list(await asyncio.gather(*(one(item) for item in items)))


def vote_share(answers: Sequence[str | None], right: str) -> float:
    """Chance that a majority vote is right, ties broken at random; paths without an answer do not vote."""
    counts = Counter(answer for answer in answers if answer is not None)
    if not counts:
        return 0.0
    top = max(counts.values())
    winners = [answer for answer, count in counts.items() if count == top]
    return (right in winners) / len(winners)


def interval(values: Sequence[float] | NDArray[np.float64], seed: int = 0) -> tuple[float, float, float]:
    """Mean over questions and its 95 % bootstrap interval, resampling questions (10,000 times)."""
    array = np.asarray(values, dtype=float)
    draws = np.random.default_rng(seed).integers(0, len(array), (10_000, len(array)))
    low, high = np.quantile(array[draws].mean(axis=1), (0.025, 0.975))
    return float(array.mean()), float(low), float(high)


def points(values: Sequence[float] | NDArray[np.float64], sign: bool = False) -> str:
    """A mean in per cent with its interval, such as ``51.3 [48.0, 54.6]``."""
    mean, low, high = (100 * value for value in interval(values))
    form = "+.1f" if sign else ".1f"
    return f"{mean:{form}} [{low:{form}}, {high:{form}}]"


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Rows as a Markdown table; the keys of the first row are the columns."""
    names = list(rows[0])
    lines = ["| " + " | ".join(names) + " |", "|" + " --- |" * len(names)]
    lines += ["| " + " | ".join(str(row.get(name, "")) for name in names) + " |" for row in rows]
    return "\n".join(lines)
