"""Tables that the law is fitted to: plain ones of X and a value, or a study's, of accuracies language by language.

Of a study's table a value is taken for each run: the mean accuracy over the languages that are held out, their
relative gain over that of the trained ones (MTI), or their headroom-normalised gain, against the base. The languages
are the same at every X and in every run, or nothing is taken: a trend over X is never one of a changing set.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tertulia.errors import TertuliaError
from tertulia.studies.tables import rows_of

Value = Literal["accuracy", "mti", "gen"]
Who = Literal["held out", "all"]
FLOOR = 0.05
"""Base accuracy, in any run, below which a language leaves the ratios of all runs."""
LEAST_GAIN = 0.05
"""Relative gain of the trained languages below which a run has no MTI: its ratio is of noise."""
MOST_LANGUAGES = 10_000
"""More than there are: beyond it a number of languages is a slip."""
LARGEST = 100.0
"""Size of the values of a plain table: accuracies and gains are shares or per cent, and an MTI beyond it is noise."""


@dataclass(frozen=True)
class Point:
    """One run: a number of languages, what it reached, and the run's seed and order."""

    languages: float
    value: float
    cluster: tuple[str, str]


@dataclass(frozen=True)
class Table:
    """What a table has.

    Attributes:
        points: Its runs.
        notes: What was left out of them, in words.
        arm: Of a study; None for a plain table.
    """

    points: list[Point]
    notes: list[str]
    arm: str | None = None

    @property
    def of_study(self) -> bool:
        """Whether a study wrote it."""
        return self.arm is not None


@dataclass(frozen=True)
class Cell:
    """A language in a run: its accuracy, whether it was trained on, and whether it is held out in all runs."""

    accuracy: float
    trained: bool
    held_out: bool


Languages = dict[str, Cell]
Key = tuple[str, str, str, float]
"""Arm, seed, order and number of languages of a run."""


def read_table(file: Path, value: Value | None = None, arm: str | None = None, languages: Who = "held out") -> Table:
    """Points of a table: plain (``languages, value``, perhaps ``seed, order, arm``), or a study's.

    Args:
        file: A table with a header.
        value: What is taken from a study's table, by default the accuracy; gains are over the arm ``base`` with the
            same seed.
        arm: Which arm; needed where there are several.
        languages: Whose accuracy or gain: the held-out ones', or all; an MTI is of the held-out ones.

    Raises:
        TertuliaError: The file cannot be read, a column is missing, a value is wrong, a row is there twice, there is
            no base, the languages are not the same in all runs, or there is nothing in a plain table that an argument
            could choose. One line.
    """
    rows = read_rows(file)
    if {"arm", "language", "accuracy"} <= set(rows[0]):
        return _from_study(file, study_rows(file, rows), value or "accuracy", arm, languages)
    for name in ("languages", "value"):
        if name not in rows[0]:
            raise TertuliaError(
                f"{file} has no column {name}: it needs languages and value, and may have seed and order"
            )
    given = {"--value": value, "--arm": arm and "arm" not in rows[0], "--all-languages": languages == "all"}
    idle = [option for option, is_given in given.items() if is_given]
    if idle:
        raise TertuliaError(
            f"{file} is a plain table, and {' and '.join(idle)} would choose from a study's, with the columns arm, "
            f"language and accuracy: leave {'it' if len(idle) == 1 else 'them'} out, or give the study's table"
        )
    return Table(_plain(file, rows, arm), [])


def _plain(file: Path, rows: list[dict[str, Any]], arm: str | None) -> list[Point]:
    """A point for each row; of one arm, where a column names them."""
    found: dict[tuple[Any, ...], tuple[int, Point]] = {}
    for at, row in enumerate(rows, 2):
        size = _number(file, at, row, "languages", least=1, most=MOST_LANGUAGES)
        what = "an accuracy or a gain, a number"
        value = _number(file, at, row, "value", least=-LARGEST, most=LARGEST, what=what)
        name, seed, order, language = (str(row.get(column) or "") for column in ("arm", "seed", "order", "language"))
        point = Point(size, value, (seed, order))
        before, _ = found.setdefault((name, language, size, seed, order), (at, point))
        if before != at:
            told = [f"{column} {row[column]}" for column in ("arm", "order", "seed", "language") if row.get(column)]
            raise TertuliaError(
                f"{file}, line {at}: {', '.join([*told, f'X = {size:g}'])} is in line {before} already: remove one, or "
                "tell two runs apart by the column seed"
            )
    if "arm" in rows[0]:
        arm = _chosen(file, sorted({key[0] for key in found}), arm)
    return [point for key, (_, point) in found.items() if arm is None or key[0] == arm]


def read_rows(file: Path) -> list[dict[str, Any]]:
    """Rows of a table with a header.

    Raises:
        TertuliaError: It cannot be read, or has no rows. One line.
    """
    rows = rows_of(file)
    if not rows:
        raise TertuliaError(f"{file} has no rows: give a table with the columns languages and value")
    return rows


def study_rows(file: Path, rows: list[dict[str, Any]]) -> dict[Key, Languages]:
    """Accuracies of a study's table by run and language.

    Raises:
        TertuliaError: A column is missing, a number is wrong, or a run has a language twice. One line.
    """
    for name in ("arm", "languages", "language", "accuracy", "trained", "held_out"):
        if name not in rows[0]:
            raise TertuliaError(f"{file} has no column {name}, which a study's table has: give the study's own table")
    found: dict[Key, Languages] = {}
    for at, row in enumerate(rows, 2):
        size = _number(file, at, row, "languages", least=0, most=MOST_LANGUAGES)
        key = (row["arm"], str(row.get("seed") or ""), str(row.get("order") or ""), size)
        run = found.setdefault(key, {})
        if row["language"] in run:
            raise TertuliaError(f"{file}, line {at}: {_run(key)} of {key[0]} has {row['language']} twice: remove one")
        accuracy = _number(file, at, row, "accuracy", least=0, most=1)
        run[row["language"]] = Cell(accuracy, row["trained"] == "1", row["held_out"] == "1")
    return found


def _number(
    file: Path, at: int, row: dict[str, Any], column: str, least: float, most: float, what: str = "a number"
) -> float:
    try:
        number = float(row[column])
    except (TypeError, ValueError):
        number = math.nan
    if not least <= number <= most:
        wanted = f"{what} from {least:g} to {most:g}"
        raise TertuliaError(f"{file}, line {at}: {column} is {row[column]!r}, expected {wanted}: correct it")
    return number


def _run(key: Key) -> str:
    return f"seed {key[1]} at X = {key[3]:g}"


def _chosen(file: Path, arms: Sequence[str], arm: str | None) -> str:
    """The arm that is asked for, or the only one."""
    if arm is None and len(arms) > 1:
        raise TertuliaError(f"{file} has the arms {', '.join(arms)}: choose one with --arm")
    chosen = arm if arm is not None else arms[0] if arms else ""
    if chosen not in arms:
        raise TertuliaError(f"{file} has no arm {chosen!r}: it has {', '.join(arms) or 'none'}")
    return chosen


def _from_study(file: Path, found: dict[Key, Languages], value: Value, arm: str | None, who: Who) -> Table:
    chosen = _chosen(file, sorted({key[0] for key in found} - {"base"}), arm)
    runs = {key: run for key, run in found.items() if key[0] == chosen}
    unseen = _shared(file, runs, who)
    if value == "accuracy":
        points = [_point(key, np.mean([run[code].accuracy for code in unseen])) for key, run in runs.items()]
        return Table(points, [], chosen)
    bases = _bases(file, found, runs, value)
    if value == "gen":
        full = sorted(code for code in unseen if any(base[code].accuracy >= 1 for base in bases.values()))
        kept = [code for code in unseen if code not in full]
        if not kept:
            raise TertuliaError(f"the base is all right in {', '.join(full)}, which leaves nothing to gain")
        points = [_point(key, _headroom(run, bases[key[1]], kept)) for key, run in runs.items()]
        return Table(points, [f"Without {', '.join(full)}: the base is all right there."] if full else [], chosen)
    return Table(*_mti(runs, bases, unseen), chosen)


def _point(key: Key, value: Any) -> Point:
    return Point(key[3], float(value), (key[1], key[2]))


def _shared(file: Path, runs: dict[Key, Languages], who: Who) -> list[str]:
    """The languages that every run has, in the role that is asked for."""
    first: tuple[Key, list[str]] | None = None
    for key, run in runs.items():
        mine = [code for code, cell in run.items() if cell.held_out or who == "all"]
        if first is None:
            first = key, mine
        elif set(mine) != set(first[1]):
            told = ", ".join(sorted(set(mine) ^ set(first[1])))
            raise TertuliaError(
                f"{file}: {_run(key)} has other {who} languages than {_run(first[0])} ({told}), so a trend over X "
                "would be one of a changing set: give a table with the same ones throughout"
            )
    if first is None or not first[1]:
        raise TertuliaError(f"{file} has no language that is held out: give a study's table, or ask for all languages")
    return first[1]


def _bases(file: Path, found: dict[Key, Languages], runs: Iterable[Key], value: str) -> dict[str, Languages]:
    """The base of each seed, with all languages of its runs."""
    bases = {key[1]: run for key, run in found.items() if key[0] == "base"}
    for key in runs:
        missing = sorted(set(found[key]) - set(bases.get(key[1], {})))
        if missing:
            raise TertuliaError(
                f"{value} is a gain over the base, and {file} has no row of the arm base for seed {key[1]} in "
                f"{missing[0]}: add it"
            )
    return bases


def _headroom(run: Languages, base: Languages, codes: Sequence[str]) -> float:
    return float(np.mean([(run[c].accuracy - base[c].accuracy) / (1 - base[c].accuracy) for c in codes]))


def _relative(run: Languages, base: Languages, codes: Sequence[str]) -> float:
    return float(np.mean([(run[c].accuracy - base[c].accuracy) / base[c].accuracy for c in codes]))


def _mti(
    runs: dict[Key, Languages], bases: dict[str, Languages], unseen: Sequence[str]
) -> tuple[list[Point], list[str]]:
    """The MTI of each run that has one; what has none is named."""
    low = {code for base in bases.values() for code, cell in base.items() if cell.accuracy < FLOOR}
    kept = [code for code in unseen if code not in low]
    if not kept:
        raise TertuliaError(
            f"no held-out language has a base accuracy of at least {FLOOR:g} in every run, and an MTI is a ratio to "
            "it: use the value gen or accuracy"
        )
    points, without = [], defaultdict(list)
    for key, run in runs.items():
        trained = [code for code, cell in run.items() if cell.trained and code not in low]
        gain = _relative(run, bases[key[1]], trained) if trained else None
        if gain is None or gain < LEAST_GAIN:
            without[key[3]].append(_run(key) + (f" ({gain:+.1%})" if gain is not None else " (no base)"))
        else:
            points.append(_point(key, _relative(run, bases[key[1]], kept) / gain))
    notes = []
    if low & {code for run in runs.values() for code in run}:
        notes.append(f"Without {', '.join(sorted(low))} in the ratios: a base accuracy there is below {FLOOR:g}.")
    if without:
        names = [name for at in sorted(without) for name in without[at]]
        shown = ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
        notes.append(
            f"{len(names)} of {len(runs)} runs have no MTI, for the languages trained on gained less than "
            f"{LEAST_GAIN:.0%} over their base: {shown}. What is left are the runs that went well."
        )
    return points, notes
