"""`tertulia study`: studies that train and evaluate many arms."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tertulia.cli.evaluation import needs
from tertulia.errors import TertuliaError

RunFile = Annotated[Path, typer.Argument(help="A study file such as runs/lab/law_smoke.toml.", metavar="RUN.toml")]
Out = Annotated[Path, typer.Option(help="Where everything is kept; the same command goes on from there.")]
AtOnce = Annotated[int, typer.Option(help="Cells under way at once, each in a process of its own.")]

app = typer.Typer(rich_markup_mode=None, help="Studies that train and evaluate many arms.", no_args_is_help=True)


@app.callback()
def study() -> None:
    """Studies that train and evaluate many arms."""


@app.command()
def law(run: RunFile, out: Out, at_once: AtOnce = 1) -> None:
    """Train on X languages in several budgets and orders, evaluate in all; writes OUT/table.csv for `tertulia law`.

    The same command goes on where it was stopped.
    """
    for module in ("torch", "transformers", "datasets", "trl"):
        needs(module, "the study needs", "train")
    from tertulia.studies.parallel_law import Study, run_study

    if at_once < 1:
        raise TertuliaError(f"at-once is {at_once}: give at least 1")
    print(run_study(Study.load(run), out, at_once, lambda name, done, of: print(f"{done} of {of}: {name}", flush=True)))
