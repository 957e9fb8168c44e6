"""`tertulia train leap-rl`: reinforcement learning whose rollouts are circles that meet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tertulia.cli.evaluation import needs
from tertulia.errors import TertuliaError

RunFile = Annotated[Path, typer.Argument(help="A run file such as runs/train/leap_rl_smoke.toml.", metavar="RUN.toml")]
Out = Annotated[Path, typer.Option(help="Folder of checkpoints, logs and result; the same goes on from there.")]
Threads = Annotated[int | None, typer.Option(help="CPU threads of torch.")]


def leap_rl(run: RunFile, out: Out, threads: Threads = None) -> None:
    """Reward a model's paths for what they make of their meetings.

    By GRPO; each group of rollouts is the paths of one circle.

    The same command goes on where it was stopped. The result is a transformers folder, OUT/model.
    """
    for module in ("torch", "transformers", "datasets", "trl"):
        needs(module, "training by reinforcement needs", "train")
    from tertulia.training.leap_rl import Run, train

    asked = Run.load(run)
    if threads is not None:
        if threads < 1:
            raise TertuliaError(f"threads is {threads}: give at least 1")
        import torch

        torch.set_num_threads(threads)
    folder = train(asked, out)
    print(f"{folder}; as GGUF: python -m tertulia.training.export {folder} FILE.gguf")
