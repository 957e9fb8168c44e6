"""Traces that are trained on, kept as token ids with their kinds, and what of them carries loss.

A file of traces has one JSON object a line (ids shortened):

    {"question": "en-long-train-7", "circle": 0, "path": 3, "method": "leap", "answer": "41", "right": true,
     "meetings": 2, "tokenizer": "6f0a51c2", "spans": [{"kind": "prompt", "ids": [0, 77]}, {"kind": "thought", ...}]}

The ids are those that the engine saw and produced. The concatenation of the spans is what the model reads; it learns
only what a path wrote itself (thought, summary, answer), never a prompt, a cue or something heard.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tertulia.circle.path import GENERATED_KINDS, SPAN_KINDS
from tertulia.errors import TertuliaError
from tertulia.files import write_whole

IGNORED = -100
"""Label of a token without loss, in torch and transformers."""
PROBE = (
    "<think>\n1) 13+80=93, so 7*8 = 56.\n\nHowever, the peers' answer \\boxed{41} differs: été, größer, число, 数学。"
    "</think><|im_start|><|im_end|><|endoftext|><|end|><|user|><|assistant|><|User|>"
)
"""A text whose ids tell tokenizers apart, control tokens of several model families included."""


@dataclass(frozen=True)
class Part:
    """Consecutive tokens of one kind."""

    kind: str
    ids: list[int]


@dataclass(frozen=True)
class Trace:
    """One path that was kept.

    Attributes:
        question: Id of the question.
        circle, path: Which of its circles and paths.
        method: Of the teacher: "leap", "independent", or "ideal" for traces that the world wrote.
        answer: The path's answer.
        right: Whether it is right.
        meetings: Meetings it took part in.
        tokenizer: `fingerprint` of the ids.
        spans: Its tokens.
    """

    question: str
    circle: int
    path: int
    method: str
    answer: str | None
    right: bool
    meetings: int
    tokenizer: str
    spans: list[Part]

    @property
    def ids(self) -> list[int]:
        """All token ids, in order: what the model reads."""
        return [token for span in self.spans for token in span.ids]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Trace:
        """What `to_json` wrote."""
        spans = [Part(span["kind"], span["ids"]) for span in value["spans"]]
        if unknown := {span.kind for span in spans} - set(SPAN_KINDS):
            raise ValueError(f"unknown kind of span {min(unknown)!r}")
        return cls(**{**value, "spans": spans})


def labels(trace: Trace) -> list[int]:
    """One label a token: its id where the path wrote it, `IGNORED` where it was put in."""
    return [token if span.kind in GENERATED_KINDS else IGNORED for span in trace.spans for token in span.ids]


def fingerprint(ids: Sequence[int]) -> str:
    """Names a tokenizer by the ids it has for `PROBE`."""
    return hashlib.blake2b(json.dumps(list(ids)).encode(), digest_size=4).hexdigest()


def write_traces(lines: Iterable[str], file: Path) -> None:
    """Writes lines of JSON; a kill in the middle leaves the former file, or none."""
    write_whole(file, "".join(f"{line}\n" for line in lines))


def read_traces(file: Path) -> list[Trace]:
    """The traces of a file.

    Raises:
        TertuliaError: The file is missing, holds none, or a line is no trace. One line.
    """
    found = []
    try:
        with file.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    found.append(Trace.from_json(json.loads(line)))
                except (ValueError, KeyError, TypeError) as error:
                    raise TertuliaError(f"line {number} of {file} is no trace: {error}; collect them again") from error
    except OSError as error:
        raise TertuliaError(f"cannot read the traces {file}: {error.strerror}; collect some first") from error
    if not found:
        raise TertuliaError(f"{file} holds no trace: collect some first")
    return found
