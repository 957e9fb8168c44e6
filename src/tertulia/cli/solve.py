"""`tertulia solve`: a circle of paths solves one question while you watch."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import typer

from tertulia.cli import options
from tertulia.cli.interrupt import how_to_go_on, say_when_stopped
from tertulia.cli.screen import fit, read_text, typed_text
from tertulia.cli.starting import say_local_servers
from tertulia.cli.view import show, temporary_journal, write
from tertulia.cli.watching import View
from tertulia.errors import TertuliaError

if TYPE_CHECKING:
    from tertulia.api import Event, Result

NO_VERDICT = 1  # exit code
ONLY_ITS_WORLD = (
    "note: the packaged model solves problems of its own world only; for others give --model FILE.gguf or --engine URL"
)


@options.with_settings
def solve(
    context: typer.Context,
    question: options.Question = None,
    world_seed: options.WorldSeed = None,
    difficulty: options.Difficulty = None,
    language: options.LanguageCode = None,
    engine: options.EngineUrl = None,
    model: options.Model = None,
    threads: options.Threads = None,
    last_call: options.LastCall = None,
    last_calls: options.LastCalls = None,
    journal: options.JournalFile = None,
    open_: options.Open = False,
    json_: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Let a circle of paths solve one question.

    Without a question it takes a problem of the synthetic world and says whether the verdict is right.
    """
    given = {name: value for name, value in context.params.items() if value is not None}
    json_, quiet, open_ = (given.pop(name) for name in ("json_", "quiet", "open_"))
    call = _call(given)
    if open_:
        call.setdefault("journal", temporary_journal())
    resumed = journal is not None and journal.exists()
    view = _view(silent=json_ or quiet)
    if not (json_ or quiet) and not {"model", "engine"} & given.keys():
        without_a_model(asked="question" in given)

    def observe(event: Event) -> None:
        if event.kind == "start":
            say_when_stopped(how_to_go_on(journal, context.obj), view.close)
        view.observe(event)

    try:
        result = _solve(call, observe)
    finally:
        view.close()
    _report(result, call, json_=json_, quiet=quiet, resumed=resumed)
    if open_:
        show(write([call["journal"]], gold=_gold(call)), to_stderr=json_ or quiet)
    if result.answer is None:
        raise typer.Exit(NO_VERDICT)


def _call(given: dict[str, Any]) -> dict[str, Any]:
    """The arguments of `tertulia.solve_async` that the options stand for."""
    if given.get("question") == "-":
        given["question"] = read_text("the question").strip()
    elif "question" in given:
        given["question"] = typed_text(given["question"], "the question")
    if "question" not in given:
        given.setdefault("world_seed", options.WORLD_SEED)
    elif "difficulty" in given:
        raise TertuliaError("--difficulty is for a world problem, but there is a question: leave one out")
    if "threads" in given and "engine" in given:
        raise TertuliaError("--threads is for llama.cpp in this process, but there is --engine: leave one out")
    if "last_call" in given or "last_calls" in given:
        given["last_call"] = _last_calls(given.get("last_call"), given.pop("last_calls", None))
    if "meet_at" in given:
        given["meet_at"] = places(given["meet_at"])
    if str(given.get("every", "")).isdigit():
        given["every"] = int(given["every"])
    if "control" in given:
        import tertulia.evaluation.controls  # noqa: F401  (brings the controls along)
    if "wording" in given:
        given["wording"] = str(given["wording"])
    return given


def _last_calls(wanted: bool | None, most: int | None) -> int:
    if wanted is False and most:
        raise TertuliaError(f"--no-last-call and --last-calls {most} exclude each other: leave one out")
    return int(wanted or False) if most is None else most


def places(text: str) -> tuple[int, ...]:
    """The value of `--meet-at`."""
    try:
        return tuple(int(place) for place in text.split(","))
    except ValueError:
        raise TertuliaError(
            f"--meet-at is {text!r}: expected numbers of tokens with commas, such as 2048,4096"
        ) from None


def without_a_model(*, asked: bool) -> None:
    """What may be said to who names neither a model nor an engine."""
    if asked:
        print(ONLY_ITS_WORLD, file=sys.stderr)
    say_local_servers()


def _solve(call: dict[str, Any], observe: Callable[[Event], None]) -> Result:
    import asyncio  # takes a quarter of the time that `--help` may take

    from tertulia.api import solve_async

    return asyncio.run(solve_async(**call, observer=observe))


def _view(*, silent: bool) -> View:
    """How a run is shown: on a terminal live, else in plain lines, or not at all."""
    if silent:
        return View()
    if sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
        from tertulia.cli.live import LiveView

        return LiveView()
    from tertulia.cli.lines import LineView

    return LineView()


def _report(result: Result, call: dict[str, Any], *, json_: bool, quiet: bool, resumed: bool) -> None:
    from tertulia.cli import report

    value = result.to_json()
    if json_:
        print(json.dumps(value, ensure_ascii=False))
    elif quiet:
        print("" if result.answer is None else fit(result.answer))
    else:
        answer = _world_answer(call) if value["correct"] is False else None
        for text in report.lines(value, answer, resumed=resumed):
            print(text)


def _gold(call: dict[str, Any]) -> str | None:
    """The right answer, where it is known."""
    answer = _world_answer(call)
    return None if answer is None else str(answer)


def _world_answer(call: dict[str, Any]) -> int | None:
    """The right answer of a world problem."""
    if call.get("world_seed") is None:
        return None
    from tertulia.world.problems import problem

    return problem(call["world_seed"], call.get("difficulty", "default")).answer
