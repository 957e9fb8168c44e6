"""Rows to questions."""

from __future__ import annotations

import hashlib
import math
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from importlib import resources
from typing import Any

from tertulia.errors import TertuliaError
from tertulia.seeds import draw
from tertulia.tasks.benchmark import Benchmark
from tertulia.tasks.choices import LETTERS, by_place, choice_of, options_field
from tertulia.tasks.fields import ID, Row, language_of, text_of
from tertulia.tasks.golds import gold_of, solution_of
from tertulia.tasks.question import Question

_LONGEST_ID = 80


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
        row = Row.of(raw, f"{source}, row {number}")
        spoken = language_of(row, language)
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
        there = ", ".join(sorted(languages))
        raise TertuliaError(f"{source} has no row in the language {language!r}: its rows are in {there}; ask in these")
    return [question for _, question in found.values()]


def _question(row: Row, identity: str, benchmark: Benchmark, language: str, seed: int) -> Question:
    text = text_of(row, benchmark.story, benchmark.name)
    values = {fact: row.fields[fact][1] for fact in benchmark.facts if fact in row.fields}
    data = {fact: value for fact, value in values.items() if _is_json(value)}
    if benchmark.kind == "math":
        if shown := options_field(row):
            raise row.wrong(
                f"the row has options (the field {shown!r}), which {benchmark.name} would not show: use aqua, or "
                "gpqa-diamond, which shuffles them"
            )
        gold = gold_of(row, benchmark.name, benchmark.numeric, language)
        if "solution" in benchmark.facts and "solution" not in data and (worked := solution_of(row)):
            data["solution"] = worked
        return Question(identity, text, gold, "math", language, data=data)
    options, right = choice_of(row)
    order = list(range(len(options)))
    if benchmark.shuffle and not by_place(options):
        draw(seed, benchmark.name, identity).shuffle(order)
    shown_options = tuple(options[place] for place in order)
    lines = "\n".join(f"{letter}) {option}" for letter, option in zip(LETTERS, shown_options, strict=False))
    gold = LETTERS[order.index(right)]
    text = f"{text}\n\n{lines}\n\n{_letter_sentence()[language]}"
    return Question(identity, text, gold, "choice", language, shown_options, tuple(order), data)


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
