"""What all trainings share: they go on from the last whole checkpoint, keep their figures, and end in a model."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tertulia.evaluation.quiet import quiet
from tertulia.files import is_main, mark_folder, working_in

WHOLE = "whole"
"""Name of the file that is written last into a checkpoint, and into the model at the end."""


def train(out: Path, mine: Mapping[str, Any], make: Callable[[], Any], steps: int = 0) -> Path:
    """Trains to the end, from the last whole checkpoint where there is one.

    Args:
        out: Folder of the run.
        mine: What makes the run what it is (`tertulia.files.mark_folder`).
        make: Makes TRL's trainer.
        steps: The model that is there already is the run's if it was trained for so many.

    Returns:
        The folder with the transformers model.

    Raises:
        TertuliaError: As `make`; or the folder belongs to another run. One line.
    """
    from transformers.utils.logging import disable_progress_bar

    folder = out / "model"
    whole = folder / WHOLE
    with working_in(out), quiet():
        mark_folder(out, mine)
        if whole.exists() and int(whole.read_text() or 0) >= steps:
            return folder
        disable_progress_bar()  # type: ignore[no-untyped-call]
        trainer = make()
        trainer.train(resume_from_checkpoint=last_checkpoint(out, clear=is_main()))
        trainer.save_model(str(folder))
        if is_main():
            whole.write_text(str(steps))
    return folder


def arguments(dials: Any, out: Path, seed: int) -> dict[str, Any]:
    """Dials in TRL's words, as far as fine-tuning and reinforcement have them in common.

    Args:
        dials: With learning_rate, schedule, warm_up, max_grad_norm, precision and gradient_checkpointing.
        out: Checkpoints lie in ``out/checkpoints``.
        seed: Of the run.
    """
    import torch

    gpu = torch.cuda.is_available()
    half = dials.precision == "bf16" or (dials.precision == "auto" and gpu and torch.cuda.is_bf16_supported())
    # The plain "constant" of transformers takes no notice of a warm-up.
    warms_up = dials.schedule == "constant" and dials.warm_up
    return {
        "output_dir": str(out / "checkpoints"),
        "learning_rate": dials.learning_rate,
        "lr_scheduler_type": "constant_with_warmup" if warms_up else dials.schedule,
        "max_grad_norm": dials.max_grad_norm,
        "save_strategy": "steps",
        "save_total_limit": 2,
        "logging_steps": 1,
        "report_to": "none",
        "disable_tqdm": True,
        "bf16": half,
        "use_cpu": not gpu,
        "gradient_checkpointing": dials.gradient_checkpointing,
        "dataloader_pin_memory": gpu,
        "seed": seed,
    }


def told(trainer: Any, out: Path, *tellers: Any) -> Any:
    """The trainer with its logs in ``out/log`` and ``out/metrics.jsonl``, its whole checkpoints marked.

    Args:
        trainer: TRL's.
        out: Folder of the run.
        tellers: Callbacks that tell a user how it goes.
    """
    from torch.utils.tensorboard import SummaryWriter
    from transformers import PrinterCallback, TrainerCallback
    from transformers.integrations.integration_utils import TensorBoardCallback

    class Keeper(TrainerCallback):
        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **more: Any) -> None:
            if state.is_world_process_zero and "loss" in (logs or {}):
                with (out / "metrics.jsonl").open("a") as lines:
                    lines.write(json.dumps({"step": state.global_step, **logs}) + "\n")

        def on_save(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            if state.is_world_process_zero:
                (out / "checkpoints" / f"checkpoint-{state.global_step}" / WHOLE).touch()

    trainer.remove_callback(PrinterCallback)
    for callback in (TensorBoardCallback(SummaryWriter(str(out / "log"))), Keeper(), *tellers):  # type: ignore[no-untyped-call]
        trainer.add_callback(callback)
    return trainer


def each_update() -> Any:
    """Tells each update in a line, with its reward and what the circles did."""
    from transformers import TrainerCallback

    class Lines(TrainerCallback):
        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **more: Any) -> None:
            if not state.is_world_process_zero or "loss" not in (logs or {}):
                return
            shown = [name for name in logs if name == "reward" or name.startswith("circle/")]
            said = ", ".join(f"{name.removeprefix('circle/')} {logs[name]:.3g}" for name in shown)
            print(f"update {state.global_step} of {state.max_steps}: {said or 'the same circles again'}", flush=True)

    return Lines()


def bar() -> Any:
    """Shows a bar of the updates."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    from transformers import TrainerCallback

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())

    class Bar(TrainerCallback):
        def __init__(self) -> None:
            self.bar = Progress(*columns, refresh_per_second=2)
            self.task = self.bar.add_task("training")

        def on_train_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            if state.is_world_process_zero:
                self.bar.update(self.task, total=state.max_steps, completed=state.global_step)
                self.bar.start()

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **more: Any) -> None:
            if state.is_world_process_zero and "loss" in (logs or {}):
                said = f"loss {float(logs['loss']):.4f}"
                self.bar.update(self.task, completed=state.global_step, description=said)

        def on_train_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            self.bar.stop()

    return Bar()


def last_checkpoint(out: Path, *, clear: bool = True) -> str | None:
    """The newest checkpoint that was written to its end; torn ones are removed if told so."""
    found: dict[int, Path] = {}
    for folder in (out / "checkpoints").glob("checkpoint-*"):
        if (folder / WHOLE).exists():
            found[int(folder.name.rpartition("-")[2])] = folder
        elif clear:
            shutil.rmtree(folder)
    return str(found[max(found)]) if found else None
