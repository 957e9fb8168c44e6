"""How a gain carries over to other languages: before and after a training, language by language.

After *Parallel Scaling Law* (arXiv 2510.02272): the relative gain of a set of languages S is the mean over S of
(post - base) / base, and the Multilingual Transferability Index is that of the unseen languages over that of the
trained ones. It explodes where the base is near 0, so languages below a floor leave it, by name; beside it stand the
plain accuracies and the headroom-normalised gain, the mean of (post - base) / (1 - base).
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tertulia.errors import TertuliaError

FLOOR = 0.05
DRAWS = 2000
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Measured:
    """What a model reached in a language.

    Attributes:
        accuracy: From 0 to 1.
        n: Answers it is the mean of; None if not known.
        right: Share of right answers for each question, by the question's name across languages; None from a table.
    """

    accuracy: float
    n: int | None = None
    right: Mapping[str, float] | None = None


def read_accuracies(file: Path) -> dict[str, Measured]:
    """A table with the columns ``language, accuracy`` and perhaps ``n``.

    Raises:
        TertuliaError: The file cannot be read, lacks a column, or has a wrong value. One line.
    """
    try:
        with file.open(newline="", encoding="utf-8") as table:
            rows = list(csv.DictReader(table))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TertuliaError(f"cannot read the table {file}: {getattr(error, 'strerror', None) or error}") from error
    if not rows or not {"language", "accuracy"} <= set(rows[0]):
        raise TertuliaError(f"{file} has no rows with the columns language and accuracy: a column n may be there too")
    found: dict[str, Measured] = {}
    for at, row in enumerate(rows, 2):
        code = str(row["language"]).strip()
        if code in found:
            raise TertuliaError(f"{file}, line {at}: {code} is there twice: give each language once")
        accuracy = _number(file, at, "accuracy", row["accuracy"])
        if accuracy > 1:
            raise TertuliaError(f"{file}, line {at}: accuracy is {accuracy:g}, expected 0 to 1: divide by 100")
        n = None
        if row.get("n"):
            count = _number(file, at, "n", row["n"])
            if count < 1 or count != int(count):
                raise TertuliaError(f"{file}, line {at}: n is {row['n']!r}, expected a whole number from 1 on")
            n = int(count)
        found[code] = Measured(accuracy, n)
    return found


def _number(file: Path, at: int, column: str, text: Any) -> float:
    try:
        number = float(text)
    except (TypeError, ValueError):
        number = math.nan
    if not number >= 0 or not math.isfinite(number):
        raise TertuliaError(f"{file}, line {at}: {column} is {text!r}, expected a number from 0 on: correct it")
    return number


def transfer(
    base: Mapping[str, Measured],
    post: Mapping[str, Measured],
    trained: Sequence[str],
    *,
    floor: float = FLOOR,
    seed: int = 1,
) -> dict[str, Any]:
    """Gains, MTI and Gen, with 95 % intervals where there is something to take them from.

    Args:
        base, post: By language; only languages that both have count.
        trained: Languages of the training.
        floor: Base accuracy below which a language leaves the ratios.
        seed: Of the bootstrap: over questions, paired and all languages of a question together, where outcomes are
            known; binomial where only n is.

    Returns:
        ``languages`` (a list of rows), ``gain_trained, gain_unseen, mti, gen, gen_trained``, each with its interval
        under ``intervals``, and ``left_out``, ``note``.

    Raises:
        TertuliaError: A trained language is not in both tables, or no unseen one is. One line.
    """
    both = [code for code in base if code in post]
    for code in trained:
        if code not in both:
            raise TertuliaError(f"{code} was trained on, and is not in both tables ({', '.join(both)}): add it")
    if len(both) == len(set(trained)):
        raise TertuliaError("every language of the tables was trained on: add some that were not")
    before = {code: base[code].accuracy for code in both}
    after = {code: post[code].accuracy for code in both}
    kept = {code for code in both if before[code] >= floor}
    figures = _figures(before, after, trained, kept)
    draws = _draws(base, post, both, seed)
    intervals: dict[str, list[float] | None] = dict.fromkeys(figures)
    rows = []
    samples = [draws() for _ in range(DRAWS)] if draws else []
    drawn = [_figures(*one, trained, kept) for one in samples]
    for name, figure in figures.items():
        intervals[name] = _interval([one[name] for one in drawn]) if figure is not None else None
    for code in both:
        gains = [one[1][code] - one[0][code] for one in samples]
        rows.append(
            {
                "language": code,
                "trained": code in trained,
                "base": before[code],
                "post": after[code],
                "gain": after[code] - before[code],
                "interval": _interval(gains),
            }
        )
    left_out = [code for code in both if code not in kept]
    return {
        "languages": rows,
        **figures,
        "intervals": intervals,
        "left_out": left_out,
        "note": _note(figures, left_out, floor, draws is not None),
    }


def _note(figures: Mapping[str, float | None], left_out: Sequence[str], floor: float, known: bool) -> str:
    lines = []
    if left_out:
        lines.append(f"Left out of the ratios, with a base accuracy below {floor:g}: {', '.join(left_out)}.")
    if figures["mti"] is None:
        lines.append("MTI is not defined: the trained languages gained nothing, or none of a side is above the floor.")
    if not known:
        lines.append("No intervals: the tables do not say how many answers (n) their accuracies are the mean of.")
    return " ".join(lines)


def _figures(
    before: Mapping[str, float], after: Mapping[str, float], trained: Sequence[str], kept: set[str]
) -> dict[str, float | None]:
    unseen = [code for code in before if code not in trained]

    def relative(codes: Sequence[str]) -> float | None:
        gains = [(after[code] - before[code]) / before[code] for code in codes if code in kept and before[code]]
        return float(np.mean(gains)) if gains else None

    def headroom(codes: Sequence[str]) -> float | None:
        gains = [(after[code] - before[code]) / (1 - before[code]) for code in codes if before[code] < 1]
        return float(np.mean(gains)) if gains else None

    own, other = relative(trained), relative(unseen)
    return {
        "gain_trained": own,
        "gain_unseen": other,
        "mti": other / own if own and other is not None else None,
        "gen": headroom(unseen),
        "gen_trained": headroom(trained),
    }


Draw = Callable[[], tuple[dict[str, float], dict[str, float]]]


def _draws(base: Mapping[str, Measured], post: Mapping[str, Measured], both: Sequence[str], seed: int) -> Draw | None:
    """A source of tables as they might have come out; None where nothing is known about their noise."""
    draw = np.random.default_rng(seed)
    sides = (base, post)
    if all(side[code].right for side in sides for code in both):
        names = sorted({name for code in both for name in base[code].right or {}})
        at = {name: place for place, name in enumerate(names)}
        outcomes: list[dict[str, Array]] = []
        for side in sides:
            columns = {}
            for code in both:
                column = np.full(len(names), np.nan)
                for name, value in (side[code].right or {}).items():
                    if name in at:
                        column[at[name]] = value
                columns[code] = column
            outcomes.append(columns)

        def resample() -> tuple[dict[str, float], dict[str, float]]:
            chosen = draw.integers(0, len(names), len(names))
            first, second = ({c: float(np.nanmean(col[chosen])) for c, col in side.items()} for side in outcomes)
            return first, second

        return resample
    if all(side[code].n for side in sides for code in both):

        def binomial() -> tuple[dict[str, float], dict[str, float]]:
            first, second = (
                {c: draw.binomial(side[c].n or 1, min(1.0, side[c].accuracy)) / (side[c].n or 1) for c in both}
                for side in sides
            )
            return first, second

        return binomial
    return None


def _interval(values: Sequence[float | None]) -> list[float] | None:
    kept = [value for value in values if value is not None]
    if len(kept) < DRAWS // 2:
        return None
    low, high = np.quantile(kept, (0.025, 0.975))
    return [float(low), float(high)]


def _prefixed(tell: Callable[[str], None], before: str, line: str) -> None:
    tell(before + line)


def measure(
    model: str | None,
    task: str,
    languages: Sequence[str],
    folder: Path,
    *,
    data: str | None = None,
    options: Mapping[str, Any] | None = None,
    circles: int = 1,
    paths: int = 1,
    seed: int = 1,
    engine: str | None = None,
    threads: int = 1,
    settings: Mapping[str, Any] | None = None,
    tell: Callable[[str], None] = print,
) -> dict[str, Measured]:
    """What a model reaches in each language, by independent paths; resumable, as every evaluation is.

    Args:
        model, engine, threads: As `tertulia.solve` takes them; a model may be the URL of a server.
        task: A benchmark.
        languages: Codes.
        folder: Where logs and journals are kept.
        data: A file of questions, with {language} in its name where each language has its own.
        options: Further options of the task.
        circles, paths: How often each question is answered.
        seed: All draws derive from it.
        settings: Of the paths, such as ``thinking_language``.
        tell: Is given a line at the beginning of each language.

    Raises:
        TertuliaError: As an evaluation. One line.
    """
    from tertulia.evaluation.evaluate import Evaluation, read, run

    if model is not None and model.startswith(("http://", "https://")):
        model, engine = None, model
    found = {}
    for language in languages:
        given = {**(options or {}), "language": language}
        if data is not None:
            given["data"] = data.replace("{language}", language)
        asked = Evaluation(
            task=task,
            methods=("independent",),
            options=given,
            circles=circles,
            seed=seed,
            engine=engine,
            model=model,
            threads=threads,
            settings={**(settings or {}), "paths": paths},
        )
        came = run(asked, folder / language, tell=partial(_prefixed, tell, f"{language}: "))
        by_question: dict[str, list[float]] = {}
        for circle in read(came.logs["independent"]).circles:
            name = circle.question.removeprefix(f"{language}-")
            by_question.setdefault(name, []).append(float(np.mean([path.right for path in circle.paths])))
        right = {name: float(np.mean(values)) for name, values in by_question.items()}
        found[language] = Measured(float(np.mean(list(right.values()))), len(right) * circles * paths, right)
    return found
