"""`tertulia transfer`: what a training in some languages did to others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tertulia.cli import options
from tertulia.cli.evaluation import Limit, needs
from tertulia.cli.groups import Set, pairs
from tertulia.cli.screen import say
from tertulia.errors import TertuliaError

if TYPE_CHECKING:
    from tertulia.evaluation.where import Where

From = Annotated[tuple[Path, Path] | None, typer.Option("--from", help="Two tables: language,accuracy[,n,off_target].")]
Trained = Annotated[str, typer.Option(help="Languages of the training: en or en,de.")]
Base = Annotated[str | None, typer.Option(help="Model before: a GGUF file, pebble, or the URL of a server.")]
Post = Annotated[str | None, typer.Option(help="Model after.")]
Task = Annotated[str, typer.Option(help="Benchmark that both are asked.")]
Languages = Annotated[str, typer.Option(help="all, or codes with commas.")]
Data = Annotated[str | None, typer.Option(help="Questions from files, with {language} in their name.", metavar="FILE")]
Difficulty = Annotated[str | None, typer.Option(help="Of the world: easy, default or long.")]
Thinking = Annotated[str, typer.Option(help="free, or led to the question's language by prompt or sentence.")]
Circles = Annotated[int, typer.Option(help="Times each question is asked.")]
Paths = Annotated[int, typer.Option(help="Answers each time.")]
Floor = Annotated[float, typer.Option(help="Base accuracy below which a language leaves the ratios.")]
SeedOf = Annotated[int, typer.Option(min=0, help="All random draws derive from it.")]
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
    thinking: Thinking = "free",
    circles: Circles = 1,
    paths: Paths = 1,
    set_: Set = None,
    floor: Floor = 0.05,
    threads: options.Threads = None,
    seed: SeedOf = 1,
    log_dir: LogDir = Path("transfer"),
    json_: options.Json = False,
) -> None:
    """Accuracy a language before and after a training, gains, MTI, headroom-normalised gain, off-target rates.

    From two tables, or by asking two models; asked again, the same command goes on where it was.
    """
    needs("scipy", "intervals need", "eval")
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
        asked: dict[str, Any] = {"data": data, "options": chosen, "thinking": thinking}
        asked |= {"circles": circles, "paths": paths, "seed": seed, "settings": pairs(set_ or [])}
        wanted = _languages(languages)
        missing = [code for code in codes if code not in wanted]
        if missing or not set(wanted) - set(codes):
            what = f"{missing[0]} was trained on and is not asked in" if missing else "every language was trained on"
            raise TertuliaError(f"--languages is {languages}, --trained {trained}: {what}; ask in both sorts")
        studies.check_questions(task, wanted, data)

        asked |= {"tell": lambda line: say(line, to_stderr=True)}
        before, after = (
            studies.measure(_where(model, threads), task, wanted, log_dir / name, **asked)
            for name, model in (("base", base), ("post", post))
        )
    found = studies.transfer(before, after, codes, floor=floor, seed=seed)
    say(json.dumps(found) if json_ else told(found))


def _where(model: str, threads: int | None) -> Where:
    from tertulia.evaluation.where import Where

    return Where.of(model=None if model == "pebble" else model, threads=threads)


def _languages(text: str) -> list[str]:
    from tertulia.world.language import LANGUAGES

    wanted = list(LANGUAGES) if text == "all" else [code.strip() for code in text.split(",")]
    for code in wanted:
        if code not in LANGUAGES:
            raise TertuliaError(f"unknown language {code!r}: use all, or some of {', '.join(LANGUAGES)}")
    return wanted


def told(found: dict[str, Any]) -> str:
    """The result as tables and lines."""
    rates = {"off_target": "off-target %, base to post", "switched": "switched %, base to post"}
    known = {
        name: title
        for name, title in rates.items()
        if any(row[f"{side}_{name}"] is not None for row in found["languages"] for side in ("base", "post"))
    }
    titles = ["language", "trained", "base %", "post %", "gain", *known.values()]
    lines = ["| " + " | ".join(titles) + " |", "|" + " --- |" * len(titles)]
    for row in found["languages"]:
        cells = [
            row["language"],
            "yes" if row["trained"] else "",
            f"{100 * row['base']:.1f}",
            f"{100 * row['post']:.1f}",
        ]
        cells.append(f"{100 * row['gain']:+.1f}{_reach(row['interval'], 100, sign=True)}")
        cells += [_rate(row, name) for name in known]
        lines.append("| " + " | ".join(cells) + " |")
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


def _rate(row: dict[str, Any], name: str) -> str:
    """A rate before and after, and the interval of its change."""
    before, after = (
        "-" if rate is None else f"{100 * rate:.1f}" for rate in (row[f"base_{name}"], row[f"post_{name}"])
    )
    reach = _reach(row[f"{name}_interval"], 100, sign=True)
    return f"{before} to {after}" + (f", change{reach}" if reach else "")


def _reach(interval: list[float] | None, factor: float, *, sign: bool = False) -> str:
    form = ("+" if sign else "") + (".1f" if factor > 1 else ".3f")
    return f" [{factor * interval[0]:{form}}, {factor * interval[1]:{form}}]" if interval else ""
