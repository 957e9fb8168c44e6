"""`tertulia transfer`: what a training in some languages did to others."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from tertulia.cli import options
from tertulia.cli.evaluation import Limit, needs
from tertulia.errors import TertuliaError

From = Annotated[tuple[Path, Path] | None, typer.Option("--from", help="Two tables: language,accuracy[,n].")]
Trained = Annotated[str, typer.Option(help="Languages of the training: en or en,de.")]
Base = Annotated[str | None, typer.Option(help="Model before: a GGUF file, pebble, or the URL of a server.")]
Post = Annotated[str | None, typer.Option(help="Model after.")]
Task = Annotated[str, typer.Option(help="Benchmark that both are asked.")]
Languages = Annotated[str, typer.Option(help="all, or codes with commas.")]
Data = Annotated[str | None, typer.Option(help="Questions from files, with {language} in their name.", metavar="FILE")]
Difficulty = Annotated[str | None, typer.Option(help="Of the world: easy, default or long.")]
Circles = Annotated[int, typer.Option(help="Times each question is asked.")]
Paths = Annotated[int, typer.Option(help="Answers each time.")]
Floor = Annotated[float, typer.Option(help="Base accuracy below which a language leaves the ratios.")]
SeedOf = Annotated[int, typer.Option(help="All random draws derive from it.")]
LogDir = Annotated[Path, typer.Option(help="Where logs and journals are kept; the same goes on from there.")]


def transfer(
    trained: Trained,
    from_: From = None,
    base: Base = None,
    post: Post = None,
    task: Task = "world",
    languages: Languages = "all",
    data: Data = None,
    difficulty: Difficulty = None,
    limit: Limit = None,
    circles: Circles = 1,
    paths: Paths = 1,
    floor: Floor = 0.05,
    threads: options.Threads = None,
    seed: SeedOf = 1,
    log_dir: LogDir = Path("transfer"),
    json_: options.Json = False,
) -> None:
    """Accuracy a language before and after a training, relative gains, MTI and headroom-normalised gain.

    From two tables, or by asking two models; asked again, the same command goes on where it was.
    """
    from tertulia.studies import transfer as studies

    codes = [code.strip() for code in trained.split(",") if code.strip()]
    if not codes:
        raise TertuliaError(f"trained is {trained!r}: name the languages of the training, such as en or en,de")
    if from_ is not None:
        if base or post:
            raise TertuliaError("--from gives tables, and --base or --post a model: give the one or the other")
        before, after = map(studies.read_accuracies, from_)
    else:
        if base is None or post is None:
            raise TertuliaError("there is nothing to compare: give --base and --post, or two tables with --from")
        needs("inspect_ai", "evaluations need", "eval")
        given: dict[str, Any] = {"difficulty": difficulty, "limit": limit}
        chosen = {name: value for name, value in given.items() if value is not None}
        asked: dict[str, Any] = {"data": data, "options": chosen, "circles": circles, "paths": paths, "seed": seed}
        wanted = _languages(languages)
        asked |= {"threads": threads or 1, "tell": lambda line: print(line, file=sys.stderr)}
        before, after = (
            studies.measure(None if model == "pebble" else model, task, wanted, log_dir / name, **asked)
            for name, model in (("base", base), ("post", post))
        )
    found = studies.transfer(before, after, codes, floor=floor, seed=seed)
    print(json.dumps(found) if json_ else told(found))


def _languages(text: str) -> list[str]:
    from tertulia.world.language import LANGUAGES

    wanted = list(LANGUAGES) if text == "all" else [code.strip() for code in text.split(",")]
    for code in wanted:
        if code not in LANGUAGES:
            raise TertuliaError(f"unknown language {code!r}: use all, or some of {', '.join(LANGUAGES)}")
    return wanted


def told(found: dict[str, Any]) -> str:
    """The result as tables and lines."""
    lines = ["| language | trained | base % | post % | gain |", "| --- | --- | --- | --- | --- |"]
    for row in found["languages"]:
        reach = _reach(row["interval"], 100)
        mark = "yes" if row["trained"] else ""
        numbers = f"{100 * row['base']:.1f} | {100 * row['post']:.1f} | {100 * row['gain']:+.1f}{reach}"
        lines.append(f"| {row['language']} | {mark} | {numbers} |")
    lines.append("")
    names = {
        "gain_trained": "relative gain, trained",
        "gain_unseen": "relative gain, unseen",
        "mti": "MTI",
        "gen": "headroom gain, unseen",
        "gen_trained": "headroom gain, trained",
    }
    for name, words in names.items():
        value = found[name]
        lines.append(f"{words}: {'-' if value is None else f'{value:.3f}'}{_reach(found['intervals'][name], 1)}")
    return "\n".join([*lines, *filter(None, ["", found["note"]])])


def _reach(interval: list[float] | None, factor: float) -> str:
    digits = 1 if factor > 1 else 3
    return f" [{factor * interval[0]:.{digits}f}, {factor * interval[1]:.{digits}f}]" if interval else ""
