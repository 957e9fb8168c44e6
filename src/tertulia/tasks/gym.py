"""Problems of the library reasoning-gym: some hundred generators of puzzles, games, logic, code and arithmetic.

There are no rows: `rg:NAME?size=200&seed=1` stands in place of a file, and what else follows the question mark are
options of the generator. As a row a problem would be (invented):

    {"question": "How many legs do 2 cows and 3 hens have?", "answer": "14", "metadata": {"source_dataset": ...}}

An answer is right where the library's own `score_answer` gives it 1.0. It gives less to much that is wrong, such as a
text that holds the right answer somewhere, so a part of 1.0 counts as nothing. Where the multilingual fork of the
library (apple/ml-multilingual-reasoning-gym) is installed, it asks in the languages that it knows; the fork was read
for this and never installed here.
"""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import fields
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

from tertulia.errors import TertuliaError
from tertulia.tasks.benchmark import Benchmark
from tertulia.tasks.question import Question

PREFIX = "rg:"
SIZE, SEED = 200, 1
NO_ANSWER = "I do not know"
"""Right for no problem; a generator that takes it, such as game_of_life_halting of 0.1.25, measures nothing."""

_WRAPPED = re.compile(r"\\(?:text|texttt|mathrm)\s*\{([^{}]*)\}")


def generate(data: str | None = None, language: str = "en", limit: int | None = None) -> list[Question]:
    """The problems of a generator, in its order.

    Args:
        data: "rg:NAME?size=200&seed=1", with further options of the generator.
        language: code of one of the eleven languages.
        limit: how many; None for `size`.

    Raises:
        TertuliaError: the library is not installed, or knows no such generator, option or language. One line.
    """
    if data is None or not data.startswith(PREFIX):
        raise TertuliaError(
            f"the task gym reads generators of reasoning-gym, not {data or 'nothing'}: give --data "
            f"'{PREFIX}NAME?size={SIZE}&seed={SEED}', such as {PREFIX}leg_counting"
        )
    name, _, query = data.removeprefix(PREFIX).partition("?")
    options = {"size": SIZE, "seed": SEED, **_options(data, query)}
    for option, least in (("size", 1), ("seed", 0)):
        if type(options[option]) is not int or options[option] < least:
            raise TertuliaError(f"{data}: {option} is {options[option]!r}, expected a whole number, at least {least}")
    if "languages" in _known(data, name, options):
        options["languages"] = language
    elif language != "en":
        raise TertuliaError(
            f"the reasoning-gym that is installed asks {name} in English only: leave out --language {language}, or "
            "install its multilingual fork"
        )
    count = options["size"] if limit is None else min(limit, options["size"])
    found = [_question(data, name, options, index, language) for index in range(count)]
    if right(NO_ANSWER, found[0]):
        raise TertuliaError(f"{data}: reasoning-gym calls any answer to {name} right: choose another generator")
    return found


def right(answer: str, question: Question) -> bool:
    """Whether the library scores an answer 1.0; the scorer of this task's questions."""
    from tertulia.tasks.gym_judge import judged

    wrapped = _WRAPPED.fullmatch(answer.strip())
    facts = question.data
    return judged(facts["gym"], json.dumps(facts["options"]), facts["index"], wrapped[1] if wrapped else answer.strip())


@lru_cache(maxsize=64)
def dataset(name: str, options: str) -> Any:
    """A generator of the library.

    Args:
        name: of the generator.
        options: as JSON.
    """
    import reasoning_gym

    return reasoning_gym.create_dataset(name, **json.loads(options))


def _options(data: str, query: str) -> dict[str, Any]:
    """Options as they stand after the question mark; a value is JSON, or else a text."""
    found: dict[str, Any] = {}
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True) if query else []
    except ValueError as error:
        raise TertuliaError(f"{data}: expected options as NAME=VALUE with & between them ({error})") from error
    for option, text in pairs:
        if option in found:
            raise TertuliaError(f"{data}: the option {option} is there twice; remove one")
        try:
            found[option] = json.loads(text)
        except ValueError:
            found[option] = text
    return found


def _known(data: str, name: str, options: dict[str, Any]) -> set[str]:
    """The options that a generator has; all that are given are among them."""
    try:
        from reasoning_gym.factory import DATASETS
    except ImportError as error:
        raise TertuliaError(f"{data} needs the extra gym: pip install 'tertulia[gym]'") from error
    if name not in DATASETS:
        near = difflib.get_close_matches(name, DATASETS, n=3) or list(DATASETS)[:3]
        raise TertuliaError(
            f"reasoning-gym has no generator {name!r}: use one of its {len(DATASETS)}, such as {', '.join(near)}"
        )
    known = {field.name for field in fields(DATASETS[name][1])}
    for option in options:
        if option not in known:
            raise TertuliaError(f"{data}: {name} has no option {option}: use some of {', '.join(sorted(known))}")
    return known


def _question(data: str, name: str, options: dict[str, Any], index: int, language: str) -> Question:
    try:
        entry = dataset(name, json.dumps(options))[index]
    except Exception as error:  # generators assert, and stumble over their options in ways of their own
        said = " ".join(str(error).split()) or type(error).__name__
        raise TertuliaError(f"{data}: {name} makes no problem of these options ({said}); change them") from error
    told = entry.get("metadata", {}).get("language", language)
    if told != language:
        raise TertuliaError(f"{data}: {name} asks in {told}, not in {language}: choose another generator or language")
    parts = [name, *([] if language == "en" else [language]), str(options["seed"]), str(index)]
    return Question(
        id="-".join(parts),
        text=entry["question"].strip(),
        gold="" if entry["answer"] is None else str(entry["answer"]),  # some know only how to judge
        kind="math",
        language=language,
        data={"gym": name, "options": options, "index": index},
        scorer="tertulia.tasks.gym:right",
    )


GYM = Benchmark(
    name="gym",
    title="reasoning-gym, problems of some hundred generators",
    options=("data",),
    generate=generate,
)
