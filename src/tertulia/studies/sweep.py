"""Sweeps: an evaluation or a trap for each cell of a grid of settings, each cell once, with a table and figures.

A sweep is a TOML file (docs/evaluation.md; runs/lab and runs/paper hold some). The same command goes on where it
was: finished cells are read, the cell under way goes on through its journals. Arms that a grid does not touch, such
as independent paths in a grid of meeting settings, are run once for all cells.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from tertulia import tasks
from tertulia.errors import TertuliaError
from tertulia.evaluation.arms import REFERENCE, Arm, arms
from tertulia.evaluation.comparison import compare
from tertulia.evaluation.evaluate import Evaluation, false_rate, keep_questions, run_arm, spends_of
from tertulia.evaluation.records import CircleRecord
from tertulia.evaluation.statistics import Estimate
from tertulia.evaluation.where import Where
from tertulia.files import working_in, write_json
from tertulia.run_file import Positive
from tertulia.settings import Settings, meeting_settings
from tertulia.studies.trap import Trap

Study = Literal["eval", "trap"]
OPTIONS = ("task", "data", "revision", "language", "difficulty", "split", "first", "limit")
TRAP_FIELDS = frozenset(one.name for one in fields(Trap)) - {"settings", "methods"}


class Sweep(Where):
    """A sweep, as its TOML file has it; where it runs stands among its keys.

    Attributes:
        study: "eval" or "trap".
        title: What it is about, for tables and figures.
        task: Name of the benchmark.
        methods: Arms of each cell.
        options: Of the task.
        settings: What all cells share.
        trap: For a trap, its fields.
        grid: Values of each setting or option that is varied.
        circles, seed: As for an evaluation.
    """

    example = "runs/lab/interval.toml"
    study: Study = "eval"
    title: str = ""
    task: str = "world"
    methods: tuple[str, ...] = ("independent", "leap")
    options: dict[str, Any] = Field(default={})
    settings: dict[str, Any] = Field(default={})
    trap: dict[str, Any] = Field(default={})
    grid: dict[str, Annotated[list[Any], Field(min_length=1)]] = Field(default={})
    circles: Positive = 1
    seed: Annotated[int, Field(ge=0)] = 1

    @property
    def base(self) -> dict[str, Any]:
        """What all cells share: settings, and for a trap its fields."""
        return {**self.settings, **self.trap}

    @property
    def cells(self) -> list[dict[str, Any]]:
        """Every combination of the grid's values, the last setting varying fastest."""
        return [dict(zip(self.grid, values, strict=True)) for values in itertools.product(*self.grid.values())]


def load(file: Path) -> Sweep:
    """Reads a sweep.

    Raises:
        TertuliaError: The file is missing, is no TOML, or a key is unknown or wrong. One line.
    """
    sweep = Sweep.load(file)
    known = {*Settings.model_fields, *OPTIONS} | (TRAP_FIELDS if sweep.study == "trap" else frozenset())
    for name in (*sweep.base, *sweep.grid, *sweep.options):
        if name not in known:
            raise TertuliaError(f"unknown setting {name!r} in {file}: use settings, options of the task or trap fields")
    arms(sweep.methods)
    return sweep if sweep.title else sweep.model_copy(update={"title": file.stem})


Row = dict[str, Any]
"""A cell and an arm: the cell's values, "method", and `Estimate`s and numbers by name."""


def run(sweep: Sweep, folder: Path, *, tell: Callable[[str], None] = print, display: str = "none") -> list[Row]:
    """Runs all cells that are not there yet; returns a row for each cell and arm.

    Args:
        sweep: What to run.
        folder: Where everything is kept.
        tell: Is given a line at the beginning of each cell.
        display: Inspect's display.

    Raises:
        TertuliaError: A setting is wrong, another command is at work in the folder, or a cell failed altogether.
    """
    if sweep.study == "eval":
        asyncio.run(_examine(sweep, arms(sweep.methods)))
    with working_in(folder):
        return _traps(sweep, folder, tell) if sweep.study == "trap" else _evaluations(sweep, folder, tell, display)


def _evaluations(sweep: Sweep, folder: Path, tell: Callable[[str], None], display: str) -> list[Row]:
    wanted = arms(sweep.methods)
    circles: dict[str, dict[str, list[CircleRecord]]] = {_name(cell): {} for cell in sweep.cells}
    done: dict[str, list[CircleRecord]] = {}
    # The reference comes after all other arms of all cells: it gets what their tokens buy.
    for one in wanted:
        for place, cell in enumerate(sweep.cells, 1):
            asked, questions = _asked(sweep, one, cell)
            informed = false_rate(one, wanted, circles[_name(cell)])
            key = _key(one, asked, informed)
            if key not in done:
                tell(f"cell {place} of {len(sweep.cells)} ({_name(cell) or 'no grid'}): {one.label}")
                spends = {}
                if one.reference:
                    spends = spends_of({f"{n} {a}": found for n, by in circles.items() for a, found in by.items()})
                keep_questions(folder / key, questions)
                _, done[key], errors = run_arm(asked, one, informed, questions, spends, folder / key, display)
                if not done[key]:
                    raise TertuliaError(f"every circle of {one.label} failed in cell {_name(cell)}: {errors[:1]}")
            circles[_name(cell)][one.label] = done[key]
    rows = [row for cell in sweep.cells for row in _eval_rows(sweep, cell, circles[_name(cell)])]
    write_json(folder / "rows.json", [_plain(row) for row in rows])
    return rows


async def _examine(sweep: Sweep, wanted: Sequence[Arm]) -> None:
    """Finds out before hours are spent whether the engine runs and every cell's settings can be."""
    from tertulia.evaluation.bench import Bench

    async with Bench(sweep.at(at_once=1).where) as bench:
        for one, cell in itertools.product(wanted, sweep.cells):
            asked, questions = _asked(sweep, one, cell)
            try:
                bench.settings(one, {"seed": sweep.seed, **asked.settings}, questions[0])
            except TertuliaError as error:
                raise TertuliaError(f"{one.label} in cell {_name(cell) or 'without grid'}: {error}") from None


def _asked(sweep: Sweep, one: Arm, cell: Mapping[str, Any]) -> tuple[Evaluation, list[Any]]:
    """The evaluation of an arm in a cell, without settings that mean nothing to it, and its questions."""
    values = {**sweep.base, **cell}
    options = {**sweep.options, **{name: value for name, value in values.items() if name in OPTIONS}}
    settings = {name: value for name, value in values.items() if name not in OPTIONS}
    if one.method == REFERENCE:
        settings = {name: value for name, value in settings.items() if name not in meeting_settings()}
    settings = {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}
    task = options.pop("task", sweep.task)
    asked = Evaluation(
        task=task,
        methods=(one.label,),
        options=options,
        circles=sweep.circles,
        seed=sweep.seed,
        where=sweep.where,
        settings=settings,
    )
    return asked, tasks.load(task, seed=sweep.seed, **options)


def _key(one: Arm, asked: Evaluation, informed: Mapping[str, Any]) -> str:
    """Folder of an arm with its settings: the same for two cells that do not differ for it."""
    value = json.dumps([asked.identity, dict(informed)], sort_keys=True, default=str)
    return f"{one.slug}-{hashlib.blake2b(value.encode(), digest_size=5).hexdigest()}"


def _eval_rows(sweep: Sweep, cell: Mapping[str, Any], circles: Mapping[str, Sequence[CircleRecord]]) -> Iterator[Row]:
    compared = compare(circles, seed=sweep.seed)
    for label, arm in compared.arms.items():
        row: Row = {**cell, "method": label, "pass@1": arm["pass@1"], "cons": arm["cons"]}
        row["tokens a path"] = round(arm["per_path"]["cost"], 1)
        row["questions"] = arm["questions"]
        if "against_independent" in arm:
            row["vote at equal tokens"] = arm["against_independent"]["vote"]["cost"]["difference"]
        yield row


def _traps(sweep: Sweep, folder: Path, tell: Callable[[str], None]) -> list[Row]:
    rows: list[Row] = []
    for place, cell in enumerate(sweep.cells, 1):
        tell(f"cell {place} of {len(sweep.cells)}: {_name(cell) or 'no grid'}")
        rows += [
            {**cell, "method": name, **{key: _estimate(value) for key, value in found.items()}}
            for name, found in _trap_cell(sweep, cell, folder).items()
        ]
    write_json(folder / "rows.json", [_plain(row) for row in rows])
    return rows


def _trap_cell(sweep: Sweep, cell: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The bars of a cell, from its file if it is done."""
    values = {**sweep.base, **cell}
    options = {**sweep.options, **{name: value for name, value in values.items() if name in OPTIONS}}
    task = options.pop("task", sweep.task)
    trapped = {name: value for name, value in values.items() if name in TRAP_FIELDS and name != "seed"}
    settings = {name: value for name, value in values.items() if name not in (*OPTIONS, *TRAP_FIELDS)}
    trap = Trap(**trapped, methods=sweep.methods, settings={"temperature": 1.0, **settings}, seed=sweep.seed)
    trap.check()
    identity = json.dumps([task, options, repr(trap), sweep.engine, sweep.model], sort_keys=True, default=str)
    home = folder / f"trap-{hashlib.blake2b(identity.encode(), digest_size=5).hexdigest()}"
    file = home / "bars.json"
    if file.exists():
        kept: dict[str, Any] = json.loads(file.read_text("utf-8"))
        return kept
    limit = {} if task != "world" or "limit" in options else {"limit": max(200, 20 * trap.questions)}
    posed = tasks.load(task, seed=sweep.seed, **{**limit, **options})
    same = json.dumps([task, options, settings, trap.answers, sweep.engine, sweep.model], sort_keys=True, default=str)
    answers = folder / f"answers-{hashlib.blake2b(same.encode(), digest_size=5).hexdigest()}"
    found = asyncio.run(_study(sweep, trap, posed, home, answers))
    made = {
        name: {"pass@1": estimate.to_json(), "cons": found.votes[name].to_json()}
        for name, estimate in found.bars.items()
    }
    write_json(file, made)
    return made


async def _study(sweep: Sweep, trap: Trap, posed: Sequence[Any], home: Path, answers: Path) -> Any:
    from tertulia.evaluation.bench import Bench
    from tertulia.studies.trap import study

    asked = {**trap.settings, "paths": max(trap.per, trap.answers)}
    async with Bench(sweep.where, asked=asked) as bench:
        return await study(trap, bench, posed, home / "journals", answers)


def _estimate(value: Any) -> Any:
    return Estimate.from_json(value) if isinstance(value, dict) else value


def _plain(row: Row) -> dict[str, Any]:
    return {key: value.to_json() if isinstance(value, Estimate) else value for key, value in row.items()}


def _name(cell: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in cell.items())
