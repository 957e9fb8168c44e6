"""Options of a choice and the place of the right one, in every form that well-known sets have them in."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from tertulia.answers.extract import extract_answer
from tertulia.tasks.fields import Row, brief

OPTIONS = ("options", "choices")
ANSWER = (
    "answer", "gold", "answer_key", "correct", "correct_option", "correct_answer", "label", "target", "answer_idx",
    "answer_index",
)  # fmt: skip
CORRECT, INCORRECT = "correct_answer", ("incorrect_answer_1", "incorrect_answer_2", "incorrect_answer_3")
LETTERS = "ABCDEFGHIJ"

_LETTER = re.compile(r"\(?([A-Ja-j])[).:]?")
_OWN_LETTER = re.compile(r"(?:\(([A-J])\)|([A-J])[).:])\s*(.*)", re.DOTALL)
_BY_PLACE = re.compile(r"\babove\b|\b[A-E]\s*(?:and|or|&|,)\s*[A-E]\b|\([A-E]\)")


def choice_of(row: Row) -> tuple[list[str], int]:
    """The options in the order of the row, and the place of the right one.

    Raises:
        TertuliaError: something is missing, or the answer is no option or can mean more than one.
    """
    if INCORRECT[0] in row.fields:
        for name in (CORRECT, *INCORRECT):
            if name not in row.fields:
                raise row.missing(f"the option {name.replace('_', ' ')!r}")
        return [row.plain(name) for name in (CORRECT, *INCORRECT)], 0
    shown, value = _listed(row)
    values, labels = _values(row, shown, value)
    options = [row.plain_value(option, f"option {place} of {shown!r}") for place, option in enumerate(values, 1)]
    options = _without_letters(options)
    given = row.find(ANSWER)
    if given is None:
        raise row.missing(f"the answer (one of {', '.join(ANSWER[:5])})")
    answer = row.plain(given)
    raw = row.fields[given][1]
    if "\\boxed" in answer:
        boxed = extract_answer(answer, "choice")
        if boxed is None:
            raise row.wrong(f"the field {row.shown(given)!r} has a \\boxed{{...}} without an answer in it")
        raw = answer = boxed
    texts = [isinstance(option, str) for option in values]
    return options, _place(row, raw, answer, options, labels, all(texts))


def options_field(row: Row) -> str | None:
    """Name in the file of a field with options, where a row has some."""
    found = [name for name in (*OPTIONS, INCORRECT[0], "option_a") if row.has(name)]
    if not found and all(row.has(letter) for letter in "abcd"):
        found = ["a"]
    return row.shown(found[0]) if found else None


def by_place(options: list[str]) -> bool:
    """Whether an option speaks of others by their letters or places ("all of the above"), so that none may move."""
    return any(_BY_PLACE.search(option) for option in options)


def _listed(row: Row) -> tuple[str, Any]:
    """The field that holds the options; columns of one option each are taken together."""
    listed = row.find(OPTIONS)
    if listed is not None:
        return row.fields[listed]
    for form in ("option_{}", "{}"):
        names = [form.format(letter.lower()) for letter in LETTERS]
        there = [name for name in names if row.has(name)]
        if len(there) > 1 and there == names[: len(there)]:
            return row.shown(there[0]), [row.fields[name][1] for name in there]
    raise row.missing(f"the options (one of {', '.join(OPTIONS)}, or Correct Answer and Incorrect Answer 1..3)")


def _values(row: Row, shown: str, value: Any) -> tuple[list[Any], list[str]]:
    """The options as they stand in the row, and their labels where they have some."""
    if isinstance(value, str) and value.strip().startswith(("[", "{")):  # a cell of a CSV file
        try:
            value = json.loads(value)
        except ValueError as error:
            raise row.wrong(f"the field {shown!r} is not JSON ({error})") from error
    labels: list[str] = []
    if isinstance(value, Mapping) and {"text", "label"} <= set(value):
        told, value = value["label"], value["text"]
        if not isinstance(value, list) or not isinstance(told, list) or len(told) != len(value):
            raise row.wrong(f"the field {shown!r} has not one label for each text")
        labels = [str(label).strip() for label in told]
    elif isinstance(value, Mapping):
        # parquet gives every row all the letters that any row has.
        lettered = {str(letter).strip().upper(): text for letter, text in value.items() if text is not None}
        if "".join(sorted(lettered)) != LETTERS[: len(lettered)]:
            raise row.wrong(f"the field {shown!r} has the letters {', '.join(lettered)}, expected A, B, C and so on")
        value = [lettered[letter] for letter in sorted(lettered)]
    if not isinstance(value, list):
        raise row.wrong(f"the field {shown!r} is {brief(value)}, expected a list of options or an object of letters")
    if not 2 <= len(value) <= len(LETTERS):
        raise row.wrong(f"the field {shown!r} has {len(value)} options, expected 2 to {len(LETTERS)}")
    return value, labels


def _without_letters(options: list[str]) -> list[str]:
    """Options without letters of their own ("A)21"), in the order of these; others as they are."""
    found = [_OWN_LETTER.fullmatch(option) for option in options]
    lettered = {one[1] or one[2]: one[3] for one in found if one is not None and one[3]}
    if "".join(sorted(lettered)) != LETTERS[: len(options)]:
        return options
    return [lettered[letter] for letter in sorted(lettered)]


def _place(row: Row, raw: Any, answer: str, options: list[str], labels: list[str], texts: bool) -> int:
    """The place of the right option, from 0."""
    if labels and answer in labels:
        return labels.index(answer)
    number = int(answer) if re.fullmatch(r"\d{1,3}", answer, re.ASCII) else None
    if isinstance(raw, int) and texts and number is not None:  # a number beside texts is an index
        places = {number}
    else:
        places = {place for place, option in enumerate(options) if option == answer}
        if letter := _LETTER.fullmatch(answer):
            places.add(LETTERS.index(letter[1].upper()))
        elif not places and (own := _OWN_LETTER.fullmatch(answer)):
            named = LETTERS.index(own[1] or own[2])
            places = {named} if options[named : named + 1] == [own[3]] else set()
        if number is not None:
            places.add(number)
    places &= set(range(len(options)))
    if not places:
        raise row.wrong(
            f"the answer {brief(answer)} is no option: expected a letter, an index from 0, or an option's text"
        )
    if len(places) > 1:
        raise row.wrong(f"the answer {brief(answer)} can mean more than one option: write its letter, such as (B)")
    return places.pop()
