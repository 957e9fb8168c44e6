"""Batches of traces for pre-training, drawn on the fly and the same again for the same place in the run."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from tertulia.training.tokenizer import encode
from tertulia.world.problems import problem
from tertulia.world.traces import TRAINED, trace

IGNORED = -100  # label of a token that is not trained on


@dataclass(frozen=True)
class Mix:
    """What the training traces are of.

    Attributes:
        languages: weight of each language.
        difficulties: weight of each difficulty at the end of the warm-up and after.
        meetings: share of traces with meetings.
        warm_up: share of the run during which the weights move over from easy problems only.
        told: share of traces told which language to think in, half by the prompt and half by the first line of the
            thought; the language is drawn from ``thinking``. One in ten of those told by the prompt thinks as if
            it had not been told.
        drift: share of the other traces that think in English, whatever language they are asked in.
        thinking: weight of each language that a trace is told to think in.
    """

    languages: dict[str, float]
    difficulties: dict[str, float]
    meetings: float = 0.5
    warm_up: float = 0.25
    told: float = 0.0
    drift: float = 0.0
    thinking: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Batch:
    """Token ids and labels, both (rows, length); labels hold IGNORED where nothing is learnt."""

    ids: NDArray[np.int64]
    labels: NDArray[np.int64]

    @property
    def tokens(self) -> int:
        """Tokens of the batch without padding."""
        return int((self.ids >= 0).sum())


def example(tokenizer: Tokenizer, mix: Mix, seed: int, index: int, progress: float) -> tuple[list[int], list[int]]:
    """Ids and labels of one training trace.

    Args:
        tokenizer: pebble's.
        mix: what the traces are of.
        seed: of the run.
        index: of the example in the run.
        progress: share of the run that is over, 0 to 1.
    """
    draw = random.Random(f"{seed} example {index}")
    language = draw.choices(list(mix.languages), list(mix.languages.values()))[0]
    level = min(1.0, progress / mix.warm_up) if mix.warm_up else 1.0
    weights = {name: weight * level for name, weight in mix.difficulties.items()}
    weights["easy"] += 1 - level
    difficulty = draw.choices(list(weights), list(weights.values()))[0]
    posed, meet = problem(draw.getrandbits(62), difficulty, "train"), draw.random() < mix.meetings
    thinking, told = _thinking(mix, language, draw)
    drawn = trace(posed, language, draw, meet=meet, thinking=thinking, told=told)
    ids: list[int] = []
    labels: list[int] = []
    for span, tokens in zip(drawn.spans, encode(tokenizer, drawn.spans), strict=True):
        ids += tokens
        labels += tokens if span.kind in TRAINED else [IGNORED] * len(tokens)
    return ids, labels


def _thinking(
    mix: Mix, language: str, draw: random.Random
) -> tuple[str, tuple[Literal["prompt", "thought"], str] | None]:
    """Which language a trace thinks in, and where it is told so."""
    free = "en" if mix.drift and draw.random() < mix.drift else language
    if not mix.told or draw.random() >= mix.told:
        return free, None
    which = draw.choices(list(mix.thinking), list(mix.thinking.values()))[0]
    if draw.random() < 0.5:
        return which, ("thought", which)
    return (which if draw.random() < 0.9 else free), ("prompt", which)


def batches(
    tokenizer: Tokenizer,
    mix: Mix,
    *,
    seed: int,
    chunk: int,
    tokens: int,
    context: int,
    progress: float,
    examples: int = 512,
) -> Iterator[Batch]:
    """The batches of one chunk of the run: examples of similar length together, batches in random order.

    Args:
        tokenizer: pebble's.
        mix: what the traces are of.
        seed: of the run.
        chunk: place in the run; the same chunk gives the same batches.
        tokens: a batch holds about so many, padding included.
        context: longer traces are left out.
        progress: share of the run that is over, 0 to 1.
        examples: traces in the chunk.
    """
    first = chunk * examples
    drawn = [example(tokenizer, mix, seed, index, progress) for index in range(first, first + examples)]
    drawn = sorted((pair for pair in drawn if len(pair[0]) <= context), key=lambda pair: len(pair[0]))
    groups: list[list[tuple[list[int], list[int]]]] = [[]]
    for pair in drawn:
        if groups[-1] and (len(groups[-1]) + 1) * _padded(len(pair[0])) > tokens:
            groups.append([])
        groups[-1].append(pair)
    random.Random(f"{seed} chunk {chunk}").shuffle(groups)
    for group in groups:
        yield _batch(group)


def _padded(length: int) -> int:
    """Lengths are rounded up, so that a compiled model meets few shapes."""
    return -(-length // 64) * 64


def _batch(group: list[tuple[list[int], list[int]]]) -> Batch:
    length = _padded(max(len(ids) for ids, _ in group))
    shape = (len(group), length)
    ids, labels = np.full(shape, -1, np.int64), np.full(shape, IGNORED, np.int64)
    for row, (tokens, wanted) in enumerate(group):
        ids[row, : len(tokens)] = tokens
        labels[row, : len(wanted)] = wanted
    return Batch(ids, labels)
