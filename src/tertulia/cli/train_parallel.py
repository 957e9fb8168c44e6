"""`tertulia train parallel`: the same problems in several languages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tertulia.cli.evaluation import needs
from tertulia.errors import TertuliaError

RunFile = Annotated[Path, typer.Argument(help="A run file such as runs/train/parallel_smoke.toml.", metavar="RUN.toml")]
Out = Annotated[Path, typer.Option(help="Folder of checkpoints, logs and result; the same goes on from there.")]
Threads = Annotated[int | None, typer.Option(help="CPU threads of torch.")]


def parallel(run: RunFile, out: Out, threads: Threads = None) -> None:
    """Train a model on the same problems in several languages.

    By GRPO or by fine-tuning.

    The same command goes on where it was stopped. The result is a transformers folder, OUT/model.
    """
    from tertulia.training import parallel as training

    asked = training.Run.load(run)
    for module in training.MODULES:
        needs(module, "training in parallel needs", "train")
    if threads is not None:
        if threads < 1:
            raise TertuliaError(f"threads is {threads}: give at least 1")
        import torch

        torch.set_num_threads(threads)
    folder = training.train(asked, out)
    print(f"{folder}; as GGUF: python -m tertulia.training.export {folder} FILE.gguf")
