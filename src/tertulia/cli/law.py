"""`tertulia law`: fits the parallel scaling law to a table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from tertulia.cli import options
from tertulia.cli.evaluation import needs
from tertulia.errors import TertuliaError

Table = Annotated[Path, typer.Argument(help="languages,value[,seed,order,arm]; or a study's.", metavar="TABLE.csv")]
ValueName = Annotated[
    str | None, typer.Option(help="Of a study's table: accuracy, mti or gen.", show_default="accuracy")
]
ArmName = Annotated[str | None, typer.Option(help="Of a study's table: grown, fixed, more ...")]
AllLanguages = Annotated[bool, typer.Option(help="Mean over all languages, not only the held-out ones.")]
PlotFile = Annotated[Path | None, typer.Option(help="Where the plot goes, as FILE.png and FILE.svg.", metavar="FILE")]
HeatFile = Annotated[
    Path | None, typer.Option(help="Of a study's table: where a map of languages and arms goes.", metavar="FILE")
]
SeedOf = Annotated[int, typer.Option(min=0, help="Of the bootstrap.")]


def law(
    table: Table,
    value: ValueName = None,
    arm: ArmName = None,
    all_languages: AllLanguages = False,
    seed: SeedOf = 1,
    plot: PlotFile = None,
    heat: HeatFile = None,
    json_: options.Json = False,
) -> None:
    """Fit f(X) = alpha X^beta on X >= 2, with the first-parallel leap, the monolingual gap, and rival forms."""
    needs("scipy", "fitting the law needs", "study")
    if plot is not None or heat is not None:
        needs("matplotlib", "the plot needs", "study")
    from tertulia.studies.law import law as fitted
    from tertulia.studies.law_table import read_table

    if value not in (None, "accuracy", "mti", "gen"):
        raise TertuliaError(f"unknown value {value!r}: use accuracy, mti or gen")
    if value == "mti" and all_languages:
        raise TertuliaError("an MTI is of the languages held out against those trained on: leave out --all-languages")
    taken: Literal["accuracy", "mti", "gen"] | None = value  # type: ignore[assignment]
    who: Literal["held out", "all"] = "all" if all_languages else "held out"
    if heat is not None:  # before the fit, which a table of few sizes is refused
        from tertulia.studies.law_plot import heat_map

        heat_map(table, heat)
    read = read_table(table, taken, arm, who)
    found = fitted(read.points, seed=seed, notes=read.notes)
    if plot is not None:
        from tertulia.studies.law_plot import LABELS, draw

        draw(found, plot, LABELS[taken or "accuracy", who] if read.of_study else "value", read.arm)
    if json_:
        print(json.dumps({name: what for name, what in found.items() if name != "band"}))
        return
    print(told(found))


def told(found: dict[str, Any]) -> str:
    """The result in lines."""
    lines = []
    for name in ("alpha", "beta", "leap", "gap"):
        interval = found["intervals"][name]
        reach = f" [{interval[0]:.4g}, {interval[1]:.4g}]" if interval else ""
        lines.append(f"{name:6} {'-' if found[name] is None else format(found[name], '.4g')}{reach}")
    lines.append(f"r2     {'-' if found['r2'] is None else format(found['r2'], '.4f')}")
    lines += ["", "| form | parameters | AICc | error at the largest X |", "| --- | --- | --- | --- |"]
    for model in found["models"]:
        parameters = model["parameters"] or {}
        values = ", ".join(f"{name} {number:.4g}" for name, number in parameters.items()) or "-"
        judged = "-" if model["aicc"] is None else f"{model['aicc']:.1f}"
        error = "-" if model["heldout_error"] is None else f"{model['heldout_error']:+.4g}"
        lines.append(f"| {model['formula']} | {values} | {judged} | {error} |")
    return "\n".join([*lines, "", found["verdict"]])
