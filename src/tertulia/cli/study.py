"""`tertulia study`: studies that train and evaluate many arms."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from tertulia.cli import options
from tertulia.cli.evaluation import Limit, needs, show
from tertulia.cli.groups import Place, grouped
from tertulia.cli.screen import say
from tertulia.errors import TertuliaError

LawFile = Annotated[Path, typer.Argument(help="A study file such as runs/lab/law_smoke.toml.", metavar="RUN.toml")]
TonguesFile = Annotated[
    Path, typer.Argument(help="A study file such as runs/lab/tongues_smoke.toml.", metavar="RUN.toml")
]
Out = Annotated[Path, typer.Option(help="Where everything is kept; the same command goes on from there.")]
AtOnce = Annotated[int, typer.Option(help="Cells under way at once, each in a process of its own.")]

HELP = "Studies of many arms: languages in training, languages in a circle."
app = typer.Typer(rich_markup_mode=None, help=HELP, no_args_is_help=True)


@app.callback()
def study() -> None:
    """Studies of many arms: languages in training, languages in a circle."""


@app.command()
def law(run: LawFile, out: Out, at_once: AtOnce = 1) -> None:
    """Train on more and more languages, and evaluate in all.

    In several budgets and orders; writes OUT/table.csv for `tertulia law`.

    The same command goes on where it was stopped.
    """
    for module in ("torch", "transformers", "datasets", "trl"):
        needs(module, "the study needs", "train")
    from tertulia.studies.parallel_law import Study, run_study

    if at_once < 1:
        raise TertuliaError(f"at-once is {at_once}: give at least 1")
    print(run_study(Study.load(run), out, at_once, lambda name, done, of: print(f"{done} of {of}: {name}", flush=True)))


@app.command()
@grouped
def tongues(
    run: TonguesFile,
    out: Out,
    limit: Limit = None,
    *,
    place: Place,
    json_: options.Json = False,
) -> None:
    """Let the paths of a circle think in different languages.

    They hear each other, and are held against circles of one language.

    Writes OUT/table.csv. The same command goes on where it was stopped.
    """
    needs("inspect_ai", "the study needs", "eval")
    from tertulia.studies import polyglot, polyglot_rows

    study = polyglot.Study.load(run).at(**asdict(place))
    if limit is not None:
        study = study.model_copy(update={"options": {**study.options, "limit": limit}})
    outcome = polyglot.run_study(study, out, (lambda line: say(line, to_stderr=True)) if json_ else say)
    rows, notes = polyglot_rows.rows(outcome), polyglot_rows.notes(outcome)
    sentence = polyglot_rows.sentence(rows)
    polyglot_rows.write_csv(rows, out / "table.csv")
    if json_:
        print(json.dumps({"title": study.title, "rows": rows, "notes": notes, "verdict": sentence}, ensure_ascii=False))
        return
    show(polyglot_rows.tables(rows))
    say("\n".join([*notes, "", sentence, f"Table: {out / 'table.csv'}"]))
