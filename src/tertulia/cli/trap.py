"""`tertulia trap`: what a forced beginning of a wrong thought does, with and without meetings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tertulia.cli import options
from tertulia.cli.evaluation import AtOnce, LogDir, Plot, needs, show
from tertulia.cli.groups import Place, Posed, Shared, grouped

if TYPE_CHECKING:
    from tertulia.evaluation.where import Where
    from tertulia.studies.trap import Found, Trap

TEMPERATURE = 1.0  # the paper's

TaskName = Annotated[str, typer.Option("--task", help="Benchmark that questions are taken from.")]
Share = Annotated[float, typer.Option(help="Length of the beginning, as a share of the thought it is taken from.")]
Kind = Annotated[str, typer.Option(help="bad, good or mixed.")]
GoodShare = Annotated[float, typer.Option(help="Of the paths of a mixed circle that begin well.")]
FreeShare = Annotated[float, typer.Option(help="Of the paths without a forced beginning.")]
Which = Annotated[str, typer.Option(help="same for all trapped paths of a question, or different.")]
Questions = Annotated[int, typer.Option(help="Questions with right and wrong answers; the paper has 10.")]
Answers = Annotated[int, typer.Option(help="Independent answers that find them; the paper has 32.")]
Per = Annotated[int, typer.Option(help="Paths that go on from the beginning; the paper has 16.")]
Methods = Annotated[list[str] | None, typer.Option("--method", help="independent or leap; without it both.")]


@grouped
def trap(
    task: TaskName = "world",
    share: Share = 0.15,
    kind: Kind = "bad",
    good_share: GoodShare = 0.5,
    free_share: FreeShare = 0.0,
    beginnings: Which = "same",
    questions: Questions = 10,
    answers: Answers = 32,
    per: Per = 16,
    method: Methods = None,
    seed: Annotated[int, typer.Option(help="All random draws derive from it.")] = 1,
    *,
    posed: Posed,
    place: Place,
    shared: Shared,
    at_once: AtOnce = 8,
    log_dir: LogDir = None,
    plot: Plot = None,
    json_: options.Json = False,
) -> None:
    """Measure the Prefix Dominance Trap: begin with a piece of a wrong thought, and go on.

    The paper's protocol by default (10 questions, 32 answers, 16 paths, temperature 1), with the references and the
    control that it lacks; more --questions for narrower intervals. With --log-dir the same command goes on where it
    was.
    """
    for module in ("scipy", "matplotlib"):
        needs(module, "the trap needs", "eval")
    from tertulia import tasks
    from tertulia.studies.trap import Trap

    wanted = Trap(
        share=share,
        kind=kind,  # type: ignore[arg-type]
        good_share=good_share,
        free_share=free_share,
        beginnings=beginnings,  # type: ignore[arg-type]
        questions=questions,
        answers=answers,
        per=per,
        methods=tuple(method or ("independent", "leap")),
        settings={"temperature": TEMPERATURE} | shared.given(),
        seed=seed,
    )
    wanted.check()
    limit: dict[str, Any] = {"limit": max(200, 20 * questions)} if task == "world" else {}
    asked = tasks.load(task, seed=seed, **limit, **posed.given())
    found = _run(wanted, asked, place.where(at_once), log_dir)
    if plot:
        from tertulia.studies.figures import bars

        bars(found, plot, f"{task}, {share:.0%} of a thought as {kind} beginning")
    if json_:
        print(json.dumps(found.to_json() | {"seed": seed, "task": task}, ensure_ascii=False))
    else:
        _print(found, wanted)


def _run(wanted: Trap, asked: Any, where: Where, log_dir: Path | None) -> Found:
    import asyncio
    from contextlib import nullcontext
    from tempfile import TemporaryDirectory

    from tertulia.evaluation.bench import Bench
    from tertulia.evaluation.sharing import BEGINNINGS
    from tertulia.files import working_in
    from tertulia.studies.trap import study

    async def go(kept: Path) -> Found:
        longest = {**wanted.settings, "paths": max(wanted.per, wanted.answers)}
        async with Bench(where, asked=longest, shared=kept / BEGINNINGS) as bench:
            return await study(wanted, bench, asked, log_dir / "journals" if log_dir else None)

    with working_in(log_dir) if log_dir else nullcontext(), TemporaryDirectory() as other:
        return asyncio.run(go(log_dir or Path(other)))


def _print(found: Found, wanted: Trap) -> None:
    rows = [
        {"paths": name, "Pass@1 %": estimate.points(), f"vote of {wanted.per} %": found.votes[name].points()}
        for name, estimate in found.bars.items()
    ]
    gaps = [
        {"difference of Pass@1": name, "points": estimate.points(sign=True)} for name, estimate in found.gaps.items()
    ]
    used, asked = found.questions
    title = f"{used} questions with right and wrong answers, of {asked} asked; {wanted.per} paths each"
    show([(title, rows), ("Differences, paired by question", gaps)])
    lengths = ", ".join(f"{kind} {tokens:.1f}" for kind, tokens in found.tokens.items())
    print(f"Tokens of a beginning: {lengths} ({wanted.share:.0%} of a thought). 95 % intervals over questions.")
    if found.won_back is not None:
        print(
            f"Of the way from independent paths with that beginning to meetings without one, meetings with it go "
            f"{found.won_back.points()} %."
        )
    if used < wanted.questions:
        print(f"There were only {used} such questions, not {wanted.questions}: give more questions.")
