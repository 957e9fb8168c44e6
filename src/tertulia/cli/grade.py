"""`tertulia grade`: reads the answer of a transcript from its own words, and says whether it is right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from tertulia.cli.screen import read_text
from tertulia.errors import TertuliaError

Kind = Annotated[str, typer.Option(help="math: an answer in a box. choice: a letter.")]
Answer = Annotated[str, typer.Option(help="The right answer.")]
HeardFiles = Annotated[
    list[Path] | None, typer.Option(help="What the path heard, which is none of its words; may be given again.")
]


def grade(kind: Kind, answer: Answer, heard: HeardFiles = None) -> None:
    """Grade a transcript on standard input: prints one JSON object, extracted and correct.

    Only the path's own words count: what stands between the tags of summaries and peers is left out, and so is
    everything in --heard. A thought that was opened and never closed gives no answer.
    """
    from tertulia.answers.extract import KINDS, extract_answer, is_correct
    from tertulia.evaluation.transcripts import own_words

    if kind not in KINDS:
        raise TertuliaError(f"--kind is {kind!r}: use one of {', '.join(KINDS)}")
    if not answer.strip():
        raise TertuliaError("--answer is empty: give the right answer")
    transcript = read_text("the transcript")
    if kind == "choice" and not is_correct(answer, answer, "choice"):
        raise TertuliaError(f"--answer is {answer!r}: a choice is a letter, A to J")
    own = own_words(transcript, [_read(file) for file in heard or []])
    known: Literal["math", "choice"] = "math" if kind == "math" else "choice"
    extracted = None if own is None else extract_answer(own, known)
    found = {"extracted": extracted, "correct": is_correct(extracted, answer, known)}
    print(json.dumps(found, ensure_ascii=False))


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except OSError as error:
        raise TertuliaError(f"cannot read what was heard, {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise TertuliaError(f"{file} is not UTF-8: {error.reason} at byte {error.start}") from error
