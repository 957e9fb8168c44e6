"""Copying: whether what a path wrote is its own, or our wording, or the text of another question.

A small model may answer with what stands in its prompt or in what it heard, a worked example first of all; then paths
agree, and the vote is of nothing. So every evaluation says how many summaries and answers hold eight words in a row of
our wording or of another question of the evaluation. What the path's own question says too is not copied.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from functools import lru_cache
from pathlib import Path as FilePath
from types import MappingProxyType
from typing import Any

from tertulia.circle.path import Path
from tertulia.wording import PLACES, Wording

WORDS = 8
"""Words in a row that are no chance."""
LETTERS = 16
"""Letters in a row, in scripts that have no blanks between words."""
_UNSPACED = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff"
_UNSPACED_LETTER = re.compile(f"[{_UNSPACED}]")
_PIECE = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+")
_PLACE = re.compile(
    "|".join(rf"\{{{name}\}}" for name in sorted({name for places in PLACES.values() for name in places}))
)
Run = tuple[str, ...]


def runs(text: str) -> Iterator[Run]:
    """Every so many words in a row, whatever their case and what stands between them."""
    pieces = _PIECE.findall(text.lower())
    letters = sum(_UNSPACED_LETTER.match(piece) is not None for piece in pieces)
    length = LETTERS if letters * 2 > len(pieces) else WORDS
    for start in range(len(pieces) - length + 1):
        yield tuple(pieces[start : start + length])


@dataclass(frozen=True)
class Foreign:
    """What a path of a question would have to write itself.

    Attributes:
        texts: Runs of our wording and of the other questions.
        own: Runs of its own question.
    """

    texts: frozenset[Run]
    own: frozenset[Run]

    @classmethod
    def of(cls, question: str, words: Iterable[Wording], others: frozenset[Run] = frozenset()) -> Foreign:
        """What is foreign to the paths of a question.

        Args:
            question: Its text.
            words: The words that were put into the paths.
            others: Runs of all questions of the evaluation, this one too (`runs_of`).
        """
        return cls(others | frozenset().union(*map(wording_runs, words)), frozenset(runs(question)))

    def holds(self, text: str) -> bool:
        """Whether a text is copied, at least in part."""
        return any(run in self.texts and run not in self.own for run in runs(text))

    def copied(self, path: Path, asides: Mapping[int, Sequence[str]] = MappingProxyType({})) -> tuple[int, int]:
        """How many of a path's summaries and its answer are copied, and how many there are.

        Its answer is what it wrote itself from its beginning to its end, for many models answer in their thought.

        Args:
            path: Which has come to its end.
            asides: Summaries that paths wrote in side branches, by path.
        """
        texts = [
            *asides.get(path.index, ()),
            *(span.text for span in path.spans if span.kind == "summary"),
            path.own_text,
        ]
        said = [text for text in texts if text.strip()]
        return sum(map(self.holds, said)), len(said)


@lru_cache(maxsize=64)
def wording_runs(words: Wording) -> frozenset[Run]:
    """Runs of our own sentences, whatever is filled into them."""
    texts: list[str] = []
    for value in astuple(words)[1:]:
        texts += [value] if isinstance(value, str) else value
    return frozenset(run for text in texts for part in _PLACE.split(text) for run in runs(part))


@lru_cache(maxsize=4)
def runs_of(file: FilePath) -> frozenset[Run]:
    """Runs of all the questions in a file, which holds a list of them (`tertulia.tasks.question.Question`)."""
    questions: list[dict[str, Any]] = json.loads(file.read_text("utf-8"))
    return frozenset(run for question in questions for run in runs(question["text"]))
