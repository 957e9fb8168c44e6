"""`tertulia train`: fine-tuning on meetings, reinforcement whose rollouts are circles, parallel languages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tertulia.cli.evaluation import needs
from tertulia.cli.groups import Place, grouped
from tertulia.errors import TertuliaError

if TYPE_CHECKING:
    from tertulia.evaluation.where import Where
    from tertulia.training.collect import Collected
    from tertulia.training.leap_t import Run


def _run_file(example: str) -> Any:
    return typer.Argument(help=f"A run file such as runs/train/{example}.", metavar="RUN.toml")


RunFile = Annotated[Path, _run_file("leap_t_smoke.toml")]
RewardedFile = Annotated[Path, _run_file("leap_rl_smoke.toml")]
ParallelFile = Annotated[Path, _run_file("parallel_smoke.toml")]
Traces = Annotated[Path, typer.Option(help="Folder of journals and traces; the same command goes on from there.")]
Data = Annotated[Path, typer.Option(help="Traces that `collect` wrote, or their folder.", metavar="TRACES")]
Out = Annotated[Path, typer.Option(help="Folder of checkpoints, logs and result; the same goes on from there.")]
Threads = Annotated[int | None, typer.Option(help="CPU threads of torch.")]

HELP = "Train models to be better at meetings, or on the same problems in several languages."
app = typer.Typer(rich_markup_mode=None, help=HELP, no_args_is_help=True)
leap_t = typer.Typer(rich_markup_mode=None, help="LeaP-T: fine-tune on a teacher's meetings.", no_args_is_help=True)
app.add_typer(leap_t, name="leap-t")
MODULES = ("torch", "transformers", "datasets", "trl", "gguf", "tensorboard")


@leap_t.command()
@grouped
def collect(
    run: RunFile,
    out: Traces,
    *,
    place: Place,
) -> None:
    """Let a teacher's circles think, and keep the right paths.

    They think about training problems, and paths are kept as token ids.

    The same command goes on where it was stopped. The result is OUT/traces.jsonl.
    """
    from tertulia.training.leap_t import Run

    asked = Run.load(run)
    if asked.teacher.ideal:
        if place.engine is not None:
            raise TertuliaError(
                f"teacher.ideal in {run} needs no engine, and --engine {place.engine} was given: drop one"
            )
        came = _ideal(asked, place.model, out)
    else:
        came = _taught(asked, place.where(asked.teacher.at_once), out)
    dropped = "".join(f"; {count:,} {reason}" for reason, count in came.dropped.items())
    print(f"{came.file}: {came.kept:,} of {came.paths:,} paths, {came.tokens:,} tokens")
    print(f"right {came.right:.1%}; kept {came.kept:,}{dropped}")


@leap_t.command()
def sft(run: RunFile, data: Data, out: Out, threads: Threads = None) -> None:
    """Fine-tune a model on collected traces.

    Prompts, cues and what was heard carry no loss.

    The same command goes on where it was stopped. The result is a transformers folder, OUT/model.
    """
    from tertulia.training import sft as training
    from tertulia.training.collect import FILE
    from tertulia.training.leap_t import Run

    asked = Run.load(run)
    _prepare("fine-tuning needs", threads)
    _tell(training.train(asked, data / FILE if data.is_dir() else data, out))


@app.command("leap-rl")
def leap_rl(run: RewardedFile, out: Out, threads: Threads = None) -> None:
    """Reward a model's paths for what they make of their meetings.

    By GRPO; each group of rollouts is the paths of one circle.

    The same command goes on where it was stopped. The result is a transformers folder, OUT/model.
    """
    _prepare("training by reinforcement needs", threads)
    from tertulia.training.leap_rl import Run, train

    _tell(train(Run.load(run), out))


@app.command()
def parallel(run: ParallelFile, out: Out, threads: Threads = None) -> None:
    """Train a model on the same problems in several languages.

    By GRPO or by fine-tuning.

    The same command goes on where it was stopped. The result is a transformers folder, OUT/model.
    """
    from tertulia.training.parallel import train
    from tertulia.training.parallel_run import Run

    asked = Run.load(run)
    _prepare("training in parallel needs", threads)
    _tell(train(asked, out))


def _prepare(what: str, threads: int | None) -> None:
    """Refuses where something is missing, and sets the threads of torch."""
    for module in MODULES:
        needs(module, what, "train")
    if threads is not None:
        if threads < 1:
            raise TertuliaError(f"threads is {threads}: give at least 1")
        from tertulia.training.sampling import use_threads

        use_threads(threads)


def _tell(folder: Path) -> None:
    print(f"{folder}; as GGUF: python -m tertulia.training.export {folder} FILE.gguf")


def _taught(asked: Run, where: Where, out: Path) -> Collected:
    """Traces of a model's circles."""
    import asyncio

    from tertulia.evaluation.bench import Bench
    from tertulia.training.collect import collect

    settings = {**asked.circle, "method": "leap"}

    async def go() -> Collected:
        async with Bench(where, asked=settings) as bench:
            circles = len(asked.questions()) * asked.teacher.circles
            with _bar("circles", circles) as tell:
                return await collect(asked, bench, out, tell)

    return asyncio.run(go())


def _ideal(asked: Run, model: Any, out: Path) -> Collected:
    """Traces that the world writes, in the tokens of a model."""
    for module in ("torch", "transformers", "gguf"):
        needs(module, "ideal traces need", "train")
    from tertulia.training.collect import ideal
    from tertulia.training.sft import load_base

    _, tokenizer = load_base(str(model) if model else asked.model.start)
    with _bar("traces", len(asked.drawn())) as tell:
        return ideal(asked, tokenizer.backend_tokenizer, out, tell)


def _bar(what: str, total: int) -> Any:
    """A progress bar on standard error; gives what moves it on by one."""
    from contextlib import contextmanager

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    @contextmanager
    def shown() -> Any:
        columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True), refresh_per_second=2) as bar:
            task = bar.add_task(what, total=total)
            yield lambda: bar.advance(task)

    return shown()
