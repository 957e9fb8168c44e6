"""`tertulia grade`: reads the answer of a transcript from its own words, and says whether it is right."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from tertulia.cli.screen import read_text, say
from tertulia.errors import TertuliaError

Kind = Annotated[str | None, typer.Option(help="math: a value. choice: a letter. Default: math.")]
Answer = Annotated[str | None, typer.Option(help="The right answer.")]
HeardFiles = Annotated[
    list[Path] | None, typer.Option(help="What the path heard, which is none of its words; may be given again.")
]
Language = Annotated[str | None, typer.Option(help="Of the question, for the way its numbers are written.")]
Rows = Annotated[
    Path | None,
    typer.Option(help="JSON lines to grade instead: text (or response), gold (or answer); kind, language, heard, id."),
]

TEXT = ("text", "response")
GOLD = ("gold", "answer")


@dataclass(frozen=True)
class Row:
    """One transcript to grade, and what is right.

    Attributes:
        text: The transcript.
        gold: The right answer.
        kind: What form the answer has.
        language: Of the question; None where it is not known.
        heard: What the path heard.
        named: What its line of the result begins with.
    """

    text: str
    gold: str
    kind: Literal["math", "choice"]
    language: str | None
    heard: tuple[str, ...]
    named: dict[str, Any]


def grade(
    kind: Kind = None,
    answer: Answer = None,
    heard: HeardFiles = None,
    language: Language = None,
    file: Rows = None,
) -> None:
    """Grade a transcript on standard input: prints one JSON object, extracted and correct.

    Only the path's own words count: what stands between the tags of summaries and peers is left out, and so are
    everything in --heard and thoughts. A thought that was opened and never closed gives no answer.

    With --file each row gets a line, and a summary goes to standard error.
    """
    if file is None:
        if answer is None:
            raise TertuliaError("--answer is missing: give the right answer, or --file with many")
        fields = {
            "gold": answer,
            "heard": [_read(path, "what was heard, ") for path in heard or []],
            "language": language,
        }
        rows = [_row({"text": read_text("the transcript"), **fields}, kind or "math", language, {}, _OPTIONS)]
    else:
        if answer is not None or heard:
            raise TertuliaError(
                "--answer and --heard belong to one transcript: with --file they are fields of its rows"
            )
        rows = list(_rows(file, kind or "math", language))
    right = stated = 0
    for row in rows:
        extracted, correct = _graded(row)
        right, stated = right + correct, stated + (extracted is not None)
        print(json.dumps({**row.named, "extracted": extracted, "correct": correct}, ensure_ascii=False))
    if file is not None:
        share = f" ({100 * right / len(rows):.1f} %)"
        say(f"{len(rows)} graded: {right} correct{share}, {len(rows) - stated} without an answer", to_stderr=True)


def _graded(row: Row) -> tuple[str | None, bool]:
    from tertulia.answers.extract import extract_answer, is_correct
    from tertulia.evaluation.transcripts import own_words

    own = own_words(row.text, row.heard)
    extracted = None if own is None else extract_answer(own, row.kind)
    return extracted, is_correct(extracted, row.gold, row.kind, row.language)


def _rows(file: Path, kind: str, language: str | None) -> Iterator[Row]:
    """The rows of a file, all checked before the first is graded."""
    found = False
    for number, line in enumerate(_read(file).removeprefix("\ufeff").split("\n"), start=1):
        if not line.strip():
            continue
        found, where = True, f"{file}, row {number}"
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise TertuliaError(f"{where} is no JSON ({error}): write one object a line") from error
        if not isinstance(fields, dict):
            raise TertuliaError(f"{where} is {line.strip()[:40]!r}: write one object a line")
        named = {"row": number} | ({"id": fields["id"]} if "id" in fields else {})
        yield _row(fields, kind, language, named, {name: f"{where}: {name!r}" for name in _OPTIONS})
    if not found:
        raise TertuliaError(f"{file} has no rows: write one JSON object a line")


_OPTIONS = {
    "kind": "--kind",
    "gold": "--answer",
    "language": "--language",
    "text": "the transcript",
    "heard": "--heard",
}
"""What each field is called in an error."""


def _row(fields: dict[str, Any], kind: str, language: str | None, named: dict[str, Any], called: dict[str, str]) -> Row:
    """A row from its fields, checked."""
    from tertulia.answers.announcements import LANGUAGES
    from tertulia.answers.extract import KINDS, is_correct

    kind = fields.get("kind") or kind
    language = fields.get("language") or language
    # "answer" is the right answer, or beside "gold" the text to grade.
    text = next(
        (fields[name] for name in (*TEXT, *GOLD[1:]) if name in fields and (name in TEXT or "gold" in fields)), None
    )
    gold = next((fields[name] for name in GOLD if name in fields), None)
    heard = fields.get("heard") or []
    if kind not in KINDS:
        raise TertuliaError(f"{called['kind']} is {kind!r}: use one of {', '.join(KINDS)}")
    if language is not None and language not in LANGUAGES:
        raise TertuliaError(f"{called['language']} is {language!r}: use one of {', '.join(LANGUAGES)}")
    if not isinstance(text, str):
        raise TertuliaError(f"{called['text']} is {text!r}: give the text to grade as text or response")
    if isinstance(gold, bool) or not isinstance(gold, str | int | float):
        raise TertuliaError(
            f"{called['gold']} is {gold!r}: give the right answer as gold or answer, a text or a number"
        )
    if not str(gold).strip():
        raise TertuliaError(f"{called['gold']} is empty: give the right answer")
    if kind == "choice" and not is_correct(str(gold), str(gold), "choice"):
        raise TertuliaError(f"{called['gold']} is {gold!r}: a choice is a letter, A to J")
    heard = [heard] if isinstance(heard, str) else heard
    if not isinstance(heard, list) or not all(isinstance(one, str) for one in heard):
        raise TertuliaError(f"{called['heard']} is {heard!r}: give what the path heard as a text or a list of texts")
    known: Literal["math", "choice"] = "math" if kind == "math" else "choice"
    return Row(text, str(gold), known, language, tuple(heard), named)


def _read(file: Path, what: str = "") -> str:
    try:
        return file.read_text("utf-8")
    except OSError as error:
        raise TertuliaError(f"cannot read {what}{file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise TertuliaError(f"{file} is not UTF-8: {error.reason} at byte {error.start}") from error
