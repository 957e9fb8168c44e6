"""`tertulia sweep`: a study for each cell of a grid, from a TOML file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tertulia.cli import options
from tertulia.cli.evaluation import Limit, needs, show
from tertulia.cli.groups import Place, grouped
from tertulia.cli.screen import say
from tertulia.errors import TertuliaError

if TYPE_CHECKING:
    from tertulia.studies.sweep import Row, Sweep

RunFile = Annotated[Path, typer.Argument(help="The sweep, such as runs/lab/interval.toml.", metavar="RUN.toml")]
Out = Annotated[Path | None, typer.Option(help="Where everything is kept; the same command goes on from there.")]


@grouped
def sweep(
    run: RunFile,
    out: Out = None,
    *,
    place: Place,
    limit: Limit = None,
    json_: options.Json = False,
) -> None:
    """Run a study for each cell of a grid of settings; each cell once, however often it is stopped."""
    needs("inspect_ai", "sweeps need", "eval")
    from tertulia.studies import sweep as studies

    wanted = studies.load(run).at(**asdict(place))
    if limit is not None:
        wanted = _limited(wanted, limit)
    folder = out or Path("evaluations") / run.stem
    tell = (lambda line: say(line, to_stderr=True)) if json_ else say
    rows = studies.run(wanted, folder, tell=tell)
    pictures = _draw(wanted, rows, folder)
    if json_:
        print((folder / "rows.json").read_text("utf-8").replace("\n", ""))
        return
    show([(wanted.title, [_told(row) for row in rows])])
    say("\n".join([f"Rows: {folder / 'rows.json'}", *(f"Figure: {picture}" for picture in pictures)]))


def _limited(wanted: Sweep, limit: int) -> Sweep:
    """The same sweep on fewer questions."""
    if limit < 1:
        raise TertuliaError(f"the limit is {limit}: expected 1 or more questions")
    if wanted.study == "trap":
        return wanted.model_copy(update={"trap": {**wanted.trap, "questions": limit}})
    return wanted.model_copy(update={"options": {**wanted.options, "limit": limit}})


def _told(row: Row) -> dict[str, str]:
    return {name: _text(name, value) for name, value in row.items()}


def _text(name: str, value: Any) -> str:
    if hasattr(value, "points"):
        return str(value.points(sign=name.startswith("vote at")))
    return value if isinstance(value, str) else json.dumps(value)


def _draw(wanted: Sweep, rows: Sequence[Row], folder: Path) -> list[Path]:
    """Accuracy and vote over the grid's last setting, a line for each method and each other value."""
    if not wanted.grid:
        return []
    from tertulia.studies.figures import curves

    *others, over = wanted.grid
    made = []
    for of in ("pass@1", "cons"):
        lines: dict[str, list[tuple[Any, Any]]] = {}
        for row in rows:
            name = ", ".join([row["method"], *(f"{other} {row[other]}" for other in others)])
            value = row[over]
            lines.setdefault(name, []).append((value if isinstance(value, int | float | str) else str(value), row[of]))
        png, _ = curves(lines, folder / of.replace("@", ""), over=over, of=of, title=wanted.title)
        made.append(png)
    return made
