"""What a model reaches in each language: from a table, or by asking it.

Accuracies come with what each question came to, wherever the model was asked, so that a comparison can pair them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tertulia.errors import TertuliaError
from tertulia.evaluation.where import Where
from tertulia.files import working_in
from tertulia.studies.tables import rows_of

Thinking = Literal["free", "prompt", "sentence"]
THINKING: tuple[Thinking, ...] = ("free", "prompt", "sentence")
RATES = ("off_target", "switched")


@dataclass(frozen=True)
class Measured:
    """What a model reached in a language.

    Attributes:
        accuracy: From 0 to 1.
        n: Answers it is the mean of; None if not known.
        right: Share of right answers for each question, by the question's name across languages; None from a table.
        off_target: Share of answers whose thought is in another language than asked for; None if not known.
        switched: Share of a thought's sentences in another language, mean over answers; None if not known.
        off_targets, switches: The same for each question whose thoughts had words to judge; None from a table.
    """

    accuracy: float
    n: int | None = None
    right: Mapping[str, float] | None = None
    off_target: float | None = None
    switched: float | None = None
    off_targets: Mapping[str, float] | None = None
    switches: Mapping[str, float] | None = None


def read_accuracies(file: Path) -> dict[str, Measured]:
    """A table with the columns ``language, accuracy`` and perhaps ``n``, ``off_target`` and ``switched``.

    Raises:
        TertuliaError: The file cannot be read, lacks a column, or has a wrong value. One line.
    """
    rows = rows_of(file)
    if not rows or not {"language", "accuracy"} <= set(rows[0]):
        raise TertuliaError(
            f"{file} has no rows with the columns language and accuracy: n, off_target and switched may be there too"
        )
    found: dict[str, Measured] = {}
    for at, row in enumerate(rows, 2):
        code = str(row["language"]).strip()
        if code in found:
            raise TertuliaError(f"{file}, line {at}: {code} is there twice: give each language once")
        n = None
        if row.get("n"):
            count = _number(file, at, "n", row["n"])
            if count < 1 or count != int(count):
                raise TertuliaError(f"{file}, line {at}: n is {row['n']!r}, expected a whole number from 1 on")
            n = int(count)
        off, switched = (_share(file, at, name, row[name]) if row.get(name) else None for name in RATES)
        found[code] = Measured(_share(file, at, "accuracy", row["accuracy"]), n, off_target=off, switched=switched)
    return found


def _share(file: Path, at: int, column: str, text: Any) -> float:
    share = _number(file, at, column, text)
    if share > 1:
        raise TertuliaError(f"{file}, line {at}: {column} is {share:g}, expected 0 to 1: divide by 100")
    return share


def _number(file: Path, at: int, column: str, text: Any) -> float:
    try:
        number = float(text)
    except (TypeError, ValueError):
        number = math.nan
    if not number >= 0 or not math.isfinite(number):
        raise TertuliaError(f"{file}, line {at}: {column} is {text!r}, expected a number from 0 on: correct it")
    return number


def measure(
    where: Where,
    task: str,
    languages: Sequence[str],
    folder: Path,
    *,
    data: str | None = None,
    options: Mapping[str, Any] | None = None,
    thinking: Thinking = "free",
    circles: int = 1,
    paths: int = 1,
    seed: int = 1,
    settings: Mapping[str, Any] | None = None,
    tell: Callable[[str], None] = print,
) -> dict[str, Measured]:
    """What a model reaches in each language, by independent paths; resumable, as every evaluation is.

    Args:
        where: Where the model runs; the URL of a server may stand as its model.
        task: A benchmark.
        languages: Codes.
        folder: Where logs and journals are kept.
        data: A file of questions, with {language} in its name where each language has its own.
        options: Further options of the task.
        thinking: Whether thoughts are free, or led to the language of each question by a word in the "prompt" or by
            their first "sentence".
        circles, paths: How often each question is answered.
        seed: All draws derive from it.
        settings: Of the paths.
        tell: Is given a line at the beginning of each language.

    Raises:
        TertuliaError: As an evaluation; or another command is at work in the folder. One line.
    """
    from tertulia.evaluation.evaluate import Evaluation, read, run

    if thinking not in THINKING:
        raise TertuliaError(f"unknown thinking {thinking!r}: use one of {', '.join(THINKING)}")
    if where.model is not None and where.model.startswith(("http://", "https://")):
        where = where.model_copy(update={"engine": where.model, "model": None})
    found = {}
    lines = Lines(tell)
    with working_in(folder):
        for language in languages:
            lines.before = f"{language}: "
            asked = Evaluation(
                task=task,
                methods=("independent",),
                options=options_in(language, options or {}, data),
                circles=circles,
                seed=seed,
                where=where,
                settings={**(settings or {}), **_led(language, thinking), "paths": paths},
                identify=True,
            )
            came = run(asked, folder / language, tell=lines.tell)
            if came.failed[0]:
                lines.tell(f"{came.failed[0]} circles failed, and are left out: {came.failed[1]}")
            found[language] = _measured(read(came.logs["independent"]).circles, language)
    return found


def _led(language: str, thinking: Thinking) -> dict[str, str]:
    """Settings that lead a thought to a language."""
    return {} if thinking == "free" else {"thinking_language": language, "thinking_by": thinking}


def options_in(language: str, options: Mapping[str, Any], data: str | None) -> dict[str, Any]:
    """The options of a task for questions in a language, from files with {language} in their name if there are any."""
    given = {**options, "language": language}
    return given if data is None else {**given, "data": data.replace("{language}", language)}


class Lines:
    """Tells lines with the language before them; what concerns all languages is told once."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.before = ""
        self._tell = tell
        self._told = False

    def tell(self, line: str) -> None:
        """Tells a line."""
        from tertulia.evaluation.thinking import MISSING

        if line != MISSING:
            self._tell(self.before + line)
        elif not self._told:
            self._told = True
            self._tell(line)


def _measured(circles: Sequence[Any], language: str) -> Measured:
    """The circles of a language: each question is one value, the mean over its circles and their paths."""
    from tertulia.evaluation.thinking import off_target_share, switched_share

    right: dict[str, list[float]] = {}
    off: dict[str, list[float]] = {}
    switched: dict[str, list[float]] = {}
    answers = 0
    for circle in circles:
        name = circle.question.removeprefix(f"{language}-")
        answers += len(circle.paths)
        right.setdefault(name, []).append(circle.pass_at_1)
        off.setdefault(name, []).extend(off_target_share(circle))
        switched.setdefault(name, []).extend(switched_share(circle))
    rights, offs, switches = map(_means, (right, off, switched))
    return Measured(
        accuracy=float(np.mean(list(rights.values()))),
        n=answers,
        right=rights,
        off_target=float(np.mean(list(offs.values()))) if offs else None,
        switched=float(np.mean(list(switches.values()))) if switches else None,
        off_targets=offs or None,
        switches=switches or None,
    )


def _means(values: Mapping[str, Sequence[float]]) -> dict[str, float]:
    return {name: float(np.mean(found)) for name, found in values.items() if found}
