"""`tertulia eval` and `tertulia compare`: methods side by side on a benchmark, at equal tokens."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tertulia.cli import options
from tertulia.cli.groups import Place, Posed, Shared, grouped
from tertulia.cli.screen import console as new_console
from tertulia.cli.screen import fit, say, typed_text
from tertulia.errors import TertuliaError

if TYPE_CHECKING:
    from tertulia.evaluation.comparison import Comparison

FAILED = 1  # exit code: some circles failed
FOLDER = Path("evaluations")
EXAMPLE = (
    "independent, leap, leap-single, longer, moa, early-stop, echo, false, recheck, self, unrelated; "
    "or as leap:heard=2,every=512"
)

TASKS = "aime2024, aime2025, aimo2025, aqua, gpqa-diamond, gsm8k, gym, math500, mawps, mgsm, svamp, world"
Task = Annotated[str | None, typer.Argument(help=f"One of {TASKS}.")]
Quick = Annotated[
    bool, typer.Option("--quick", help="Whether meetings pay, in a sentence: the right few methods, 50 questions.")
]
Methods = Annotated[list[str] | None, typer.Option("--method", help=f"What to compare, once for each: {EXAMPLE}.")]
Limit = Annotated[int | None, typer.Option(help="The first so many questions.")]
Circles = Annotated[int, typer.Option(help="Circles a question.")]
First = Annotated[int | None, typer.Option(help="Of the world: number of the first problem.")]
AtOnce = Annotated[int, typer.Option(help="Circles under way at once.")]
Share = Annotated[
    bool,
    typer.Option("--share-beginnings/--no-share-beginnings", help="Arms branch from the same thoughts where they can."),
]
Weight = Annotated[float, typer.Option("--injected-weight", help="Price of an injected token after a cached context.")]
LogDir = Annotated[Path | None, typer.Option(help="Where logs and journals are kept; the same goes on from there.")]
Logs = Annotated[list[Path], typer.Argument(help="Logs of Inspect, or folders with logs.", metavar="LOG...")]
Plot = Annotated[Path | None, typer.Option(help="Where the plot goes, without suffix.", metavar="FILE")]


@grouped
def evaluate(
    task: Task = None,
    method: Methods = None,
    circles: Circles = 1,
    paths: options.Paths = None,
    limit: Limit = None,
    seed: Annotated[int, typer.Option(help="All random draws derive from it.")] = 1,
    *,
    posed: Posed,
    first: First = None,
    place: Place,
    shared: Shared,
    at_once: AtOnce = 8,
    share: Share = True,
    quick: Quick = False,
    injected_weight: Weight = 0.1,
    log_dir: LogDir = None,
    plot: Plot = None,
    json_: options.Json = False,
) -> None:
    """Compare methods on a benchmark: accuracy, tokens, and the difference at equal tokens.

    The same command goes on where it was stopped. Look at single circles with inspect view --log-dir DIR.
    """
    needs("inspect_ai", "evaluations need", "eval")
    from tertulia.evaluation.advice import LIMIT, QUICK, advice
    from tertulia.evaluation.evaluate import Evaluation, run

    methods = tuple(method or (QUICK if quick else ("leap", "independent")))
    settings = shared.given(paths=paths)
    if quick:
        _check_quick(methods, settings)
    task, options = _posed(task, quick, posed.given(first=first, limit=limit))
    asked = Evaluation(
        task=task,
        methods=methods,
        options=({"limit": LIMIT} if quick else {}) | options,
        circles=circles,
        seed=seed,
        where=place.where(at_once),
        settings=settings,
        weight=injected_weight,
        share=share,
    )
    folder = Path(typed_text(str(log_dir or FOLDER / f"{task}-{seed}"), "--log-dir"))
    display = "none" if json_ else "rich" if sys.stdout.isatty() else "plain"
    tell = (lambda line: say(line, to_stderr=True)) if json_ else say
    outcome = run(asked, folder, display=display, tell=tell)
    picture = _plot(outcome.comparison, plot or folder / "comparison")
    sentences = advice(outcome.comparison) if quick else []
    logs = {"logs": {label: str(log) for label, log in outcome.logs.items()}}
    _print(outcome.comparison, json_, logs | ({"advice": sentences} if quick else {}))
    if not json_:
        say(f"Logs: {folder}. Plot: {picture}. Circles one by one: inspect view --log-dir {folder}")
        for sentence in sentences:
            say(sentence)
    failed, error = outcome.failed
    if failed:
        say(f"{failed} circles failed; the same command tries them again. First error: {fit(error)}", to_stderr=True)
        raise typer.Exit(FAILED)


def compare(
    logs: Logs,
    injected_weight: Weight = 0.1,
    seed: Annotated[int, typer.Option(help="Of bootstrap and sub-sampling.")] = 1,
    plot: Plot = None,
    json_: options.Json = False,
) -> None:
    """Make the table of an evaluation from its logs, those of other evaluations beside it."""
    needs("inspect_ai", "logs need", "eval")
    from tertulia.evaluation.evaluate import from_logs

    comparison = from_logs(logs, weight=injected_weight, seed=seed)
    picture = _plot(comparison, plot) if plot else None
    _print(comparison, json_, {})
    if picture and not json_:
        say(f"Plot: {picture}")


def _posed(task: str | None, quick: bool, options: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The task and its options; a quick evaluation of no task is one of the world, which needs no file.

    Raises:
        TertuliaError: Nobody says what is asked. One line.
    """
    if task is not None:
        return task, options
    if not quick:
        raise TertuliaError(f"there is no task: name one of {TASKS}")
    if "data" in options:
        raise TertuliaError("--data has a file, but no task says how to read it: such as tertulia eval svamp --quick")
    return "world", options


def _check_quick(methods: Sequence[str], settings: Mapping[str, Any]) -> None:
    """Refuses what leaves a quick evaluation nothing to say.

    Raises:
        TertuliaError: Its arms settle all, or never meet, or are held against nothing. One line.
    """
    from tertulia.evaluation.arms import arms

    if {"settle", "consensus_stop"} & settings.keys():
        raise TertuliaError("--quick says what settling does: leave out settle and consensus_stop")
    found = arms(methods)
    if not (any(one.meets for one in found) and any(one.reference for one in found)):
        what = "--quick holds meetings against independent paths"
        raise TertuliaError(f"{what}: leave out --method, or name leap and independent too")
    if settings.get("paths") == 1:
        raise TertuliaError("--quick asks whether meetings pay, and 1 path meets nobody: give --paths 2 or more")


def needs(module: str, what: str, extra: str) -> None:
    """Refuses where an extra is not installed.

    Raises:
        TertuliaError: The module is not there. One line.
    """
    from importlib.util import find_spec

    if find_spec(module) is None:
        raise TertuliaError(f"{what} the extra {extra}: pip install 'tertulia[{extra}]'")


def _plot(comparison: Comparison, file: Path) -> str:
    """Draws the plot; returns its two names as one word."""
    from tertulia.evaluation.plot import draw

    return str(draw(comparison, file)[0].with_suffix("")) + ".{png,svg}"


def _print(comparison: Comparison, json_: bool, further: dict[str, Any]) -> None:
    from tertulia.evaluation import report

    if json_:
        print(json.dumps(comparison.to_json() | further, ensure_ascii=False))
        return
    show([(title, rows) for title, rows in report.tables(comparison)])
    for note in report.notes(comparison):
        say(note)
    say(f"\n{comparison.sentence}")


def show(tables: list[tuple[str, list[dict[str, str]]]]) -> None:
    """Prints tables: drawn on a terminal, as Markdown elsewhere."""
    from tertulia.evaluation.report import columns, markdown

    if not sys.stdout.isatty():
        for title, rows in tables:
            say(f"\n{title}\n\n{markdown(rows)}\n")
        return
    from rich.table import Table

    console = new_console()
    for title, rows in tables:
        table = Table(title=fit(title), title_justify="left", box=None, padding=(0, 2, 0, 0), header_style="dim")
        names = columns(rows)
        for name in names:
            table.add_column(name, overflow="fold")
        for row in rows:
            table.add_row(*(fit(row.get(name, "")) for name in names))
        console.print(table)
        console.print()
