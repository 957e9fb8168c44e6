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
import io
import json
import multiprocessing
import os
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path
from typing import Any

from tertulia.errors import TertuliaError
from tertulia.evaluation.quiet import quiet_tracker
from tertulia.files import check_folder, mark_folder, working_in, write_whole
from tertulia.model import halves
from tertulia.studies.parallel_plan import Arm, Cell, Evaluation, Study, cells, run_of
from tertulia.training.asking import dialect_of, prompts_of
from tertulia.training.grpo import identity
from tertulia.training.parallel import train
from tertulia.training.parallel_run import judged, strays

__all__ = ["COLUMNS", "Arm", "Cell", "Evaluation", "Study", "cells", "evaluate", "run_cell", "run_of", "run_study",
           "write_table"]  # fmt: skip
COLUMNS = (
    "arm", "order", "seed", "languages", "language", "accuracy", "off_target", "n", "tokens", "steps", "trained",
    "held_out",
)  # fmt: skip


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
            order = cell.arm if cell.spec and cell.spec.order else cell.seed
            told = {"arm": cell.arm, "order": order, "seed": cell.seed, "languages": size, "steps": steps}
            row |= told | {"trained": int(row["language"] in cell.languages)}
        write_whole(file, json.dumps(rows))
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)


def evaluate(study: Study, start: str | None, seed: int) -> list[dict[str, Any]]:
    """Accuracy and off-target rate in every language; `right` holds each question's outcome, in order."""
    from tertulia.tasks import load
    from tertulia.training.sampling import continuations
    from tertulia.training.start import load_start

    asked, profile = study.evaluation, study.model.known
    model, tokenizer = load_start(start, seed)
    dialect = dialect_of(tokenizer, profile)
    options: dict[str, Any] = {}
    if asked.task == "world" and asked.file is None:
        options = {"difficulty": asked.difficulty, "split": asked.split, "first": asked.first}
    rows: list[dict[str, Any]] = []
    for language in [study.source, *study.pool, *study.held_out]:
        file = asked.file.replace("{language}", language) if asked.file else None
        questions = load(asked.task, language=language, data=file, limit=asked.questions, **options)
        prompts = [prompt.ids for prompt in prompts_of(questions, profile, study.thinking, dialect)]
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
        parts = [halves(text, dialect.think_close) for text, _ in came]
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
    with working_in(out):
        _own(study, out)
        return _run(study, out, at_once, tell)


def _run(study: Study, out: Path, at_once: int, tell: Callable[[str, int, int], None] | None) -> Path:
    planned = cells(study)
    for cell in planned:
        _same(study, cell, out)
    left = [cell for cell in planned if not _done(cell, out)]
    done = len(planned) - len(left)
    context = multiprocessing.get_context("spawn")
    quiet_tracker()
    workers = min(at_once, max(1, len(left)))
    with ProcessPoolExecutor(workers, context, initializer=end_with, initargs=(os.getpid(),)) as pool:
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


def end_with(parent: int) -> None:
    """Ends this process once its parent is gone: a cell that went on alone would meet the one that a restart begins.

    Args:
        parent: Process id of the parent.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


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
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\n")
    table.writeheader()
    table.writerows(lines)
    return write_whole(file, text.getvalue())


def _done(cell: Cell, out: Path) -> bool:
    return all((out / "cells" / cell.name / f"rows-{size}.json").exists() for _, size in cell.stops)


def _own(study: Study, out: Path) -> None:
    """Marks the folder as this study's; seeds, sizes, budgets and arms may be added."""
    mine = study.model_dump(mode="json", exclude={"seeds", "sizes", "budgets", "arms"})
    mine["training"]["save_every"] = None
    mark_folder(out, mine, "study.json", "study")


def _same(study: Study, cell: Cell, out: Path) -> None:
    """Refuses a cell that was begun as another run, such as one of an arm that was changed since."""
    folder = out / "cells" / cell.name
    if not cell.languages:
        return  # nothing is trained there
    try:
        check_folder(folder, identity(run_of(study, cell, cell.stops[-1][0])))
    except TertuliaError as error:
        raise TertuliaError(
            f"the cell {cell.name} was begun as another run: call the arm otherwise, or remove {folder}"
        ) from error
