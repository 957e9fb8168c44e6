"""Rows to questions: which field is what, and what is wrong with a row.

Field names count in any case, and a space, a hyphen and an underscore are the same in them.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Any

from tertulia.answers.extract import Kind, extract_answer
from tertulia.errors import TertuliaError
from tertulia.seeds import draw
from tertulia.tasks.benchmark import Benchmark
from tertulia.tasks.question import Question

TEXT = ("problem", "question", "prompt")
ANSWER = ("answer", "gold")
OPTIONS = ("options", "choices")
CORRECT, INCORRECT = "correct_answer", ("incorrect_answer_1", "incorrect_answer_2", "incorrect_answer_3")
ID = ("id", "unique_id", "problem_idx", "record_id")
LETTERS = "ABCDEFGHIJ"

_LETTER = re.compile(r"\(?([A-Ja-j])[).:]?")
_LONGEST_ID = 80


@dataclass(frozen=True, slots=True)
class Row:
    """One row.

    Attributes:
        place: file and number, for what is said about it.
        fields: (name in the file, value) by the name in lower case with underscores; nulls are left out.
    """

    place: str
    fields: Mapping[str, tuple[str, Any]]

    def find(self, names: Iterable[str]) -> str | None:
        """The first of these names that the row has, one with something in it before an empty one."""
        there = [name for name in names if name in self.fields]
        return next((name for name in there if str(self.fields[name][1]).strip()), there[0] if there else None)

    def plain(self, name: str) -> str:
        """A field's text; a number without a fraction is written without one."""
        shown, value = self.fields[name]
        return self.plain_value(value, f"the field {shown!r}")

    def plain_value(self, value: Any, what: str) -> str:
        """A value as text; `what` says whose it is."""
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise self.wrong(f"{what} is {_brief(value)}, expected a text or a number")
        if isinstance(value, float):
            if not math.isfinite(value):
                raise self.wrong(f"{what} is {value}, expected a text or a number")
            return str(int(value)) if value.is_integer() else repr(value)
        text = str(value).strip()
        if not text:
            raise self.wrong(f"{what} is empty")
        return text

    def missing(self, what: str) -> TertuliaError:
        """That a field is not there, and which are."""
        names = [name for name, _ in self.fields.values()]
        there = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
        return self.wrong(f"{what} is missing; the fields there are {there or 'none'}")

    def wrong(self, what: str) -> TertuliaError:
        """An error that names the row."""
        return TertuliaError(f"{self.place}: {what}")


def questions(
    rows: Iterable[Mapping[str, Any]], benchmark: Benchmark, *, source: str, language: str = "en", seed: int = 1
) -> list[Question]:
    """The questions of a benchmark's rows, in their order.

    Rows of another language are left out where rows name theirs; a row that is there twice counts once.

    Args:
        rows: as read from a file or from the hub.
        benchmark: whose rows they are.
        source: name of the file or data set, for what is said about a row.
        language: code of the language that is wanted; rows that name none are taken to be in it.
        seed: shuffles the options of a choice.

    Raises:
        TertuliaError: a row is wrong, or there is none in the language. Rows are counted from 1.
    """
    found: dict[str, tuple[int, Question]] = {}
    ids: dict[str, str] = {}
    languages: set[str] = set()
    for number, raw in enumerate(rows, 1):
        row = _row(raw, f"{source}, row {number}")
        spoken = row.plain("language").lower() if row.find(["language"]) else language
        languages.add(spoken)
        if spoken != language:
            continue
        named = row.find(ID)
        identity = row.plain(named) if named else str(number)
        question = _question(row, _file_name(identity, ids), benchmark, language, seed)
        number_before, before = found.setdefault(identity, (number, question))
        if replace(before, data={}) != replace(question, data={}):
            raise row.wrong(f"the id {identity!r} is that of row {number_before} too, which is another question")
    if not found:
        raise TertuliaError(
            f"{source} has no row in the language {language!r}: its rows are in {', '.join(sorted(languages))}"
        )
    return [question for _, question in found.values()]


def _row(raw: Mapping[str, Any], place: str) -> Row:
    fields: dict[str, tuple[str, Any]] = {}
    row = Row(place, fields)
    for name, value in raw.items():
        if value is None:
            continue
        known, present = fields.setdefault(re.sub(r"[\s_-]+", "_", name.strip().lower()), (name, value))
        if known != name and present != value:
            raise row.wrong(f"the fields {known!r} and {name!r} say different things; remove one")
    return row


def _question(row: Row, identity: str, benchmark: Benchmark, language: str, seed: int) -> Question:
    name = row.find(TEXT)
    if name is None:
        raise row.missing(f"the question (one of {', '.join(TEXT)})")
    shown, value = row.fields[name]
    if not isinstance(value, str):
        raise row.wrong(f"the field {shown!r} is {_brief(value)}, expected a text")
    text = row.plain(name)
    values = {fact: row.fields[fact][1] for fact in benchmark.facts if fact in row.fields}
    data = {fact: value for fact, value in values.items() if _is_json(value)}
    if benchmark.kind == "math":
        return Question(identity, text, _answer(row, "math"), "math", language, data=data)
    options, right = _choice(row)
    order = list(range(len(options)))
    draw(seed, benchmark.name, identity).shuffle(order)
    shuffled = tuple(options[place] for place in order)
    lines = "\n".join(f"{letter}) {option}" for letter, option in zip(LETTERS, shuffled, strict=False))
    gold = LETTERS[order.index(right)]
    text = f"{text}\n\n{lines}\n\n{_letter_sentence()[language]}"
    return Question(identity, text, gold, "choice", language, shuffled, tuple(order), data)


def _answer(row: Row, kind: Kind) -> str:
    r"""The answer as the row has it; what is in the box, where there is a `\boxed{...}`.

    A solution is prose, so it is read only where no answer is given and it holds a box.
    """
    name = row.find(ANSWER)
    boxed_only = name is None
    if name is None:
        if "solution" not in row.fields:
            raise row.missing(f"the answer (one of {', '.join(ANSWER)})")
        name = "solution"
    text = row.plain(name)
    if "\\boxed" not in text:
        if boxed_only:
            raise row.missing(f"the answer (one of {', '.join(ANSWER)}, or a solution with \\boxed{{...}})")
        return text
    boxed = extract_answer(text, kind)
    if boxed is None:
        raise row.wrong(f"the field {row.fields[name][0]!r} has a \\boxed{{...}} without an answer in it")
    return boxed


def _choice(row: Row) -> tuple[list[str], int]:
    """The options in the order of the row, and the place of the right one."""
    if CORRECT in row.fields:
        for incorrect in INCORRECT:
            if incorrect not in row.fields:
                raise row.missing(f"the option {incorrect.replace('_', ' ')!r}")
        return [row.plain(name) for name in (CORRECT, *INCORRECT)], 0
    listed = row.find(OPTIONS)
    if listed is None:
        raise row.missing(f"the options (one of {', '.join(OPTIONS)}, or Correct Answer and Incorrect Answer 1..3)")
    options = _options(row, *row.fields[listed])
    answer = _answer(row, "choice")
    places = {place for place, option in enumerate(options) if option == answer}
    if letter := _LETTER.fullmatch(answer):
        places.add(LETTERS.index(letter[1].upper()))
    if answer.isascii() and answer.isdigit():
        places.add(int(answer))
    places &= set(range(len(options)))
    if not places:
        raise row.wrong(
            f"the answer {_brief(answer)} is no option: expected a letter, an index from 0, or an option's text"
        )
    if len(places) > 1:
        raise row.wrong(f"the answer {_brief(answer)} can mean more than one option: write its letter, such as (B)")
    return options, places.pop()


def _options(row: Row, shown: str, value: Any) -> list[str]:
    if isinstance(value, str) and value.strip().startswith(("[", "{")):  # a cell of a CSV file
        try:
            value = json.loads(value)
        except ValueError as error:
            raise row.wrong(f"the field {shown!r} is not JSON ({error})") from error
    if isinstance(value, Mapping):
        # parquet gives every row all the letters that any row has.
        lettered = {str(letter).strip().upper(): text for letter, text in value.items() if text is not None}
        if "".join(sorted(lettered)) != LETTERS[: len(lettered)]:
            raise row.wrong(f"the field {shown!r} has the letters {', '.join(lettered)}, expected A, B, C and so on")
        value = [lettered[letter] for letter in sorted(lettered)]
    if not isinstance(value, list):
        raise row.wrong(f"the field {shown!r} is {_brief(value)}, expected a list of options or an object of letters")
    if not 2 <= len(value) <= len(LETTERS):
        raise row.wrong(f"the field {shown!r} has {len(value)} options, expected 2 to {len(LETTERS)}")
    return [row.plain_value(option, f"option {place} of {shown!r}") for place, option in enumerate(value, 1)]


def _file_name(identity: str, taken: dict[str, str]) -> str:
    """An id that is safe in file names; a digest tells apart what would be the same there."""
    name = re.sub(r"[^\w.-]+", "-", identity).strip("-.")[:_LONGEST_ID]
    if not name or taken.setdefault(name, identity) != identity:
        name = f"{name}-{hashlib.blake2b(identity.encode(), digest_size=4).hexdigest()}".lstrip("-")
        taken[name] = identity
    return name


@cache
def _letter_sentence() -> dict[str, str]:
    return tomllib.loads(resources.files("tertulia.tasks").joinpath("letters.toml").read_text("utf-8"))


def _is_json(value: Any) -> bool:
    return isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."
