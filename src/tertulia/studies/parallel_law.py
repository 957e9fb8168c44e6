"""The study behind the parallel scaling law: one base model, trained on X languages in several budgets, all evaluated.

A study is a TOML file (``runs/lab/law.toml``); ``tertulia study law RUN.toml --out DIR`` runs its cells, each once,
however often it is stopped, several at once where there is room. The result is one tidy table, ``DIR/table.csv``, with
a row for each arm, order, seed, number of languages and language of evaluation.

Budgets: ``grown``, the paper's: each language adds its copy of the problems and as many steps. ``fixed``: the steps of
one language, split over all. ``more``: as many steps as grown, on more problems in the source alone. The languages that
are held out are the same in every cell, so a trend over X is never one of a changing set.
"""

from __future__ import annotations

import csv
import json
import multiprocessing
import os
import random
import shutil
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from tertulia.errors import TertuliaError
from tertulia.training.parallel import Data, Model, Reward, Run, Training, judged, prompt_of, strays, train
from tertulia.training.run_file import Positive, Table
from tertulia.world.language import LANGUAGES

EXAMPLE = "runs/lab/law_smoke.toml"
COLUMNS = (
    "arm", "order", "seed", "languages", "language", "accuracy", "off_target", "n", "tokens", "steps", "trained",
    "held_out",
)  # fmt: skip
Budget = Literal["grown", "fixed", "more"]


class Evaluation(Table):
    """What every cell is asked, in all languages.

    Attributes:
        questions: Problems; the same in each language.
        first: Number of the first.
        split: Of the world.
        task, file, difficulty: As in training; `file` has {language} in its name.
        at_once: Prompts in one batch.
    """

    questions: Positive
    first: Annotated[int, Field(ge=0)] = 0
    split: Literal["dev", "test"] = "test"
    task: str = "world"
    file: str | None = None
    difficulty: str = "default"
    at_once: Positive = 256


class Arm(Table):
    """A further arm: grown, but for what it says.

    Attributes:
        name: What it is called in the table.
        sizes: Numbers of languages.
        source: Its first language.
        order: Languages in the order of their adding; that of the seed if not given.
        parallel: Whether all languages have the same problems.
        budget: "grown" or "fixed".
        reward: Weights.
    """

    name: str
    sizes: list[Positive]
    source: str | None = None
    order: list[str] | None = None
    parallel: bool = True
    budget: Literal["grown", "fixed"] = "grown"
    reward: Reward | None = None


class Study(Table):
    """A study file.

    Attributes:
        seeds: Each has its own draws and its own order of adding languages.
        sizes: Numbers of training languages.
        pool: Languages that may be added to the source.
        held_out: Languages never trained on.
        budgets: Which of them.
        arms: Further arms.
        thinking: As in `tertulia train parallel`.
    """

    seeds: Annotated[list[int], Field(min_length=1)]
    sizes: Annotated[list[Positive], Field(min_length=1)]
    pool: list[str]
    held_out: list[str]
    training: Training
    evaluation: Evaluation
    source: str = "en"
    budgets: tuple[Budget, ...] = ("grown", "fixed", "more")
    difficulty: str = "default"
    task: str = "world"
    file: str | None = None
    arms: tuple[Arm, ...] = ()
    model: Model = Model()
    reward: Reward = Reward()
    thinking: Literal["free", "prompt", "sentence"] = "free"

    @classmethod
    def load(cls, path: Path) -> Study:
        """Reads a study file.

        Raises:
            TertuliaError: As `Table.read`, or its languages do not go together. One line.
        """
        study = cls.read(path, EXAMPLE)
        study.check()
        return study

    def check(self) -> None:
        """Checks what no type can.

        Raises:
            TertuliaError: A language is unknown or in two roles, or there are fewer than a size needs. One line.
        """
        everyone = [self.source, *self.pool, *self.held_out]
        for code in everyone:
            if code not in LANGUAGES:
                raise TertuliaError(f"unknown language {code!r} in the study: use some of {', '.join(LANGUAGES)}")
            if everyone.count(code) > 1:
                raise TertuliaError(f"{code} is there twice in source, pool and held_out: give each language one role")
        for size in [*self.sizes, *(size for arm in self.arms for size in arm.sizes)]:
            if size > 1 + len(self.pool):
                raise TertuliaError(
                    f"a size is {size}, and source and pool have {1 + len(self.pool)} languages: lower it, or add some"
                )
        for arm in self.arms:
            bad = [code for code in [arm.source, *(arm.order or [])] if code in self.held_out]
            if bad:
                raise TertuliaError(f"the arm {arm.name} trains on {bad[0]}, which is held out: leave it out of one")

    def order(self, seed: int) -> list[str]:
        """The languages of the pool in the order in which a seed adds them."""
        order = list(self.pool)
        random.Random(f"order {seed}").shuffle(order)
        return order


@dataclass(frozen=True)
class Cell:
    """What is trained in one go and evaluated at one or more points.

    Attributes:
        arm: Its name in the table.
        seed: Of all draws.
        languages: Trained on, the source first.
        stops: Multiples of its steps after which it is evaluated: (times, size told in the table).
        spec: The further arm that it belongs to.
    """

    arm: str
    seed: int
    languages: tuple[str, ...]
    stops: tuple[tuple[int, int], ...]
    spec: Arm | None = None

    @property
    def name(self) -> str:
        """Name of its folder."""
        return f"{self.arm}-{len(self.languages)}-{self.seed}"


def cells(study: Study) -> list[Cell]:
    """All cells of a study, seed by seed; those that several budgets share are there once.

    With one language grown, fixed and more are the same run: its rows are told under each.
    """
    found: list[Cell] = []
    for seed in study.seeds:
        found.append(Cell("base", seed, (), ((0, 0),)))
        order = study.order(seed)
        sizes = sorted(set(study.sizes))
        times = tuple((size, size) for size in (sizes if "more" in study.budgets else sizes[:1] if 1 in sizes else []))
        if times:
            found.append(Cell("more", seed, (study.source,), times))
        for size in sizes:
            for budget in ("fixed", "grown"):
                if size > 1 and budget in study.budgets:
                    found.append(Cell(budget, seed, (study.source, *order[: size - 1]), ((1, size),)))
        for arm in study.arms:
            source = arm.source or study.source
            rest = arm.order or [code for code in [study.source, *order] if code != source]
            for size in arm.sizes:
                found.append(Cell(arm.name, seed, (source, *rest[: size - 1]), ((1, size),), arm))
    return found


def run_of(study: Study, cell: Cell, times: int) -> Run:
    """The training run of a cell."""
    spec = cell.spec
    budget: Any = spec.budget if spec else "fixed" if cell.arm == "fixed" else "grown"
    data = Data(
        languages=list(cell.languages),
        budget=budget,
        times=times,
        parallel=spec.parallel if spec else True,
        task=study.task,
        file=study.file,
        difficulty=study.difficulty,
    )
    reward = (spec.reward if spec else None) or study.reward
    return Run(
        training=study.training, data=data, seed=cell.seed, thinking=study.thinking, model=study.model, reward=reward
    )


def run_cell(study: Study, cell: Cell, out: Path, threads: int = 1) -> None:
    """Trains and evaluates a cell; what is done already is left as it is. Its rows are in ``cells/NAME/rows.json``.

    Raises:
        TertuliaError: As `tertulia.training.parallel.train`. One line.
    """
    from tertulia.training.sampling import use_threads

    use_threads(threads)
    folder = out / "cells" / cell.name
    folder.mkdir(parents=True, exist_ok=True)
    for times, size in cell.stops:
        file = folder / f"rows-{size}.json"
        if file.exists():
            continue
        steps, start = 0, study.model.start
        if cell.languages:
            run = run_of(study, cell, times)
            steps, start = run.steps, str(train(run, folder))
        rows = evaluate(study, start, cell.seed)
        for row in rows:
            told = {"arm": cell.arm, "order": cell.seed, "seed": cell.seed, "languages": size, "steps": steps}
            row |= told | {"trained": int(row["language"] in cell.languages)}
        _write(file, json.dumps(rows))
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)


def evaluate(study: Study, start: str | None, seed: int) -> list[dict[str, Any]]:
    """Accuracy and off-target rate in every language; `right` holds each question's outcome, in order."""
    from tertulia.tasks import load
    from tertulia.training.sampling import continuations
    from tertulia.training.transformers_engine import load_start

    asked, profile = study.evaluation, study.model.known
    model, tokenizer = load_start(start, seed)
    close = profile.think_close or "</think>"
    options: dict[str, Any] = {}
    if asked.task == "world" and asked.file is None:
        options = {"difficulty": asked.difficulty, "split": asked.split, "first": asked.first}
    rows: list[dict[str, Any]] = []
    for language in [study.source, *study.pool, *study.held_out]:
        file = asked.file.replace("{language}", language) if asked.file else None
        questions = load(asked.task, language=language, data=file, limit=asked.questions, **options)
        prompts = [prompt_of(question, profile, study.thinking, tokenizer).text for question in questions]
        dials = study.training
        came = continuations(
            model,
            tokenizer,
            prompts,
            length=dials.length,
            temperature=dials.temperature,
            seed=seed,
            at_once=asked.at_once,
        )
        parts = [text.partition(close) for text, _ in came]
        right = [judged(part[2], question) for part, question in zip(parts, questions, strict=True)]
        stray = [strays(part[0], question) for part, question in zip(parts, questions, strict=True)]
        rows.append(
            {
                "language": language,
                "accuracy": round(sum(right) / len(right), 6),
                "off_target": round(sum(stray) / len(stray), 6),
                "n": len(right),
                "tokens": sum(count for _, count in came),
                "held_out": int(language in study.held_out),
                "right": [int(one) for one in right],
            }
        )
    return rows


def run_study(study: Study, out: Path, at_once: int = 1, tell: Callable[[str, int, int], None] | None = None) -> Path:
    """Runs what is left of a study and writes its table.

    Args:
        study: what to run.
        out: where everything is kept; the same call goes on from there.
        at_once: cells under way at once, each in a process and a thread of its own.
        tell: called with a cell's name, the cells done and their number.

    Returns:
        The table.

    Raises:
        TertuliaError: The folder belongs to another study, or a cell failed. One line.
    """
    out.mkdir(parents=True, exist_ok=True)
    _own(study, out)
    planned = cells(study)
    left = [cell for cell in planned if not _done(cell, out)]
    done = len(planned) - len(left)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(at_once, max(1, len(left))), mp_context=context) as pool:
        waiting: dict[Future[None], Cell] = {pool.submit(run_cell, study, cell, out): cell for cell in left}
        while waiting:
            finished, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for one in finished:
                cell = waiting.pop(one)
                try:
                    one.result()
                except TertuliaError as error:
                    pool.shutdown(cancel_futures=True)
                    raise TertuliaError(f"cell {cell.name}: {error}") from error
                done += 1
                write_table(study, out)
                if tell:
                    tell(cell.name, done, len(planned))
    return write_table(study, out)


def write_table(study: Study, out: Path) -> Path:
    """Writes the rows of all cells that are done.

    With one language trained on, all budgets are the same run, and its rows stand under each.
    """
    file = out / "table.csv"
    lines: list[dict[str, Any]] = []
    for cell in cells(study):
        for _, size in cell.stops:
            kept = out / "cells" / cell.name / f"rows-{size}.json"
            rows = json.loads(kept.read_text()) if kept.exists() else []
            names = study.budgets if cell.arm == "more" and size == 1 else (cell.arm,)
            lines += [row | {"arm": name} for name in names for row in rows]
    fresh = file.with_suffix(".new")
    with fresh.open("w", newline="") as written:
        table = csv.DictWriter(written, COLUMNS, extrasaction="ignore", lineterminator="\n")
        table.writeheader()
        table.writerows(lines)
    os.replace(fresh, file)
    return file


def _done(cell: Cell, out: Path) -> bool:
    return all((out / "cells" / cell.name / f"rows-{size}.json").exists() for _, size in cell.stops)


def _own(study: Study, out: Path) -> None:
    """Marks the folder as this study's; seeds, sizes, budgets and arms may be added."""
    mine = study.model_dump(mode="json", exclude={"seeds", "sizes", "budgets", "arms"})
    mine["training"]["save_every"] = None
    file = out / "study.json"
    if file.exists() and json.loads(file.read_text()) != mine:
        raise TertuliaError(f"{out} belongs to another study: give another --out, or remove it to start again")
    _write(file, json.dumps(mine))


def _write(file: Path, text: str) -> None:
    fresh = file.with_suffix(f".{os.getpid()}")
    fresh.write_text(text)
    os.replace(fresh, file)
