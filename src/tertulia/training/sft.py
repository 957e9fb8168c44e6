"""Fine-tunes a model on collected traces: TRL's SFTTrainer, with no loss on what was put into a path.

``tertulia train leap-t sft RUN.toml --data TRACES.jsonl --out DIR``; on many GPUs
``accelerate launch -m tertulia.training.sft RUN.toml --data TRACES.jsonl --out DIR``. After a kill the same command
goes on from the last whole checkpoint. The result, ``DIR/model``, is a transformers folder.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from pathlib import Path
from typing import Any

from tertulia.errors import TertuliaError
from tertulia.evaluation.quiet import quiet
from tertulia.files import is_main, mark_folder, working_in
from tertulia.training.leap_t import Run
from tertulia.training.masks import PROBE, Trace, fingerprint, labels, read_traces
from tertulia.training.rl_log import WHOLE, last_checkpoint
from tertulia.training.run_file import scheduler

MODULES = ("torch", "transformers", "datasets", "trl", "gguf", "tensorboard")


def load_base(start: str | None, seed: int = 0) -> tuple[Any, Any]:
    """Model and tokenizer of a GGUF file that the export wrote, a transformers folder or the hub; None for pebble.

    Raises:
        TertuliaError: There is no such model, or it cannot be read. One line.
    """
    from tertulia.training.start import load_start

    return load_start(start, seed)


def save_base(start: str | None, folder: Path) -> Path:
    """Writes a model as a transformers folder, such as the packaged pebble (None).

    Raises:
        TertuliaError: As `load_base`.
    """
    model, tokenizer = load_base(start)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def rows(traces: list[Trace], tokenizer: Any, longest: int, source: str) -> list[dict[str, list[int]]]:
    """Ids and labels of the traces that fit, each as long as the other; nothing is cut.

    Args:
        traces: What is learnt.
        tokenizer: Of the model that learns.
        longest: Longer traces are left out.
        source: Where the traces come from, for errors.

    Raises:
        TertuliaError: The traces are of another tokenizer, or none fits. One line.
    """
    mine = fingerprint(tokenizer(PROBE, add_special_tokens=False)["input_ids"])
    other = next((trace for trace in traces if trace.tokenizer != mine), None)
    if other is not None:
        raise TertuliaError(
            f"the traces of {source} are ids of another tokenizer ({other.tokenizer}) than the model's ({mine}): "
            "collect them with a teacher of the same family, or start from another model"
        )
    found = [{"input_ids": trace.ids, "labels": labels(trace)} for trace in traces if len(trace.ids) <= longest]
    if not found:
        shortest = min(len(trace.ids) for trace in traces)
        raise TertuliaError(
            f"every trace of {source} is longer than {longest} tokens (the shortest has {shortest}): "
            "raise training.length, or take a model with a longer context"
        )
    return found


def make_trainer(run: Run, data: Path, out: Path) -> Any:
    """TRL's trainer for a run; its checkpoints lie in ``out/checkpoints``, its logs in ``out/log``.

    Raises:
        TertuliaError: Something in the run file, the model or the traces is not as it must be. One line.
    """
    traces = read_traces(data)
    model, tokenizer = load_base(run.model.start, run.seed)
    context = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    longest = min(run.training.length, context or run.training.length)
    learnt = rows(traces, tokenizer, longest, str(data))
    if is_main():
        left = len(traces) - len(learnt)
        tokens = sum(len(row["input_ids"]) for row in learnt)
        own = sum(label >= 0 for row in learnt for label in row["labels"])
        told = f", {left} longer than {longest} tokens left out" if left else ""
        print(f"{len(learnt)} traces, {tokens:,} tokens, loss on {own:,} that the paths wrote{told}")
    return sft_trainer(model, tokenizer, learnt, _arguments(run, out), out)


def sft_trainer(model: Any, tokenizer: Any, learnt: list[dict[str, list[int]]], arguments: Any, out: Path) -> Any:
    """TRL's trainer on rows of ids and labels.

    The rows are whole, and TRL is told to leave them as they are: its collator pads labels with `IGNORED`, and its
    loss takes no other token into account.

    Args:
        model: What is trained.
        tokenizer: Its tokenizer.
        learnt: Rows with ``input_ids`` and ``labels`` of the same length.
        arguments: As `sft_arguments` makes them.
        out: Its logs go to ``out/log``.
    """
    from datasets import Dataset  # type: ignore[import-untyped]
    from torch.utils.tensorboard import SummaryWriter
    from transformers import PrinterCallback
    from transformers.integrations.integration_utils import TensorBoardCallback
    from trl.trainer.sft_trainer import SFTTrainer

    trainer = SFTTrainer(
        model=model,
        args=arguments,
        processing_class=tokenizer,
        train_dataset=Dataset.from_list(learnt),
        callbacks=[TensorBoardCallback(SummaryWriter(str(out / "log"))), teller(out)],  # type: ignore[no-untyped-call]
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _arguments(run: Run, out: Path) -> Any:
    """The run in TRL's words."""
    dials, processes = run.training, int(os.environ.get("WORLD_SIZE", "1"))
    at_once = dials.rows_at_once * processes
    if dials.batch % at_once:
        raise TertuliaError(
            f"training.batch is {dials.batch}, no multiple of {processes} processes with "
            f"training.rows_at_once {dials.rows_at_once}: choose one"
        )
    return sft_arguments(
        dials,
        out,
        run.seed,
        num_train_epochs=dials.epochs,
        per_device_train_batch_size=dials.rows_at_once,
        gradient_accumulation_steps=dials.batch // at_once,
        warmup_steps=dials.warm_up,  # below 1 it is a share
        weight_decay=dials.weight_decay,
    )


def sft_arguments(dials: Any, out: Path, seed: int, **more: Any) -> Any:
    """Dials of fine-tuning in TRL's words.

    Args:
        dials: With learning_rate, schedule, warm_up, max_grad_norm, save_every, precision and gradient_checkpointing.
        out: Checkpoints lie in ``out/checkpoints``.
        seed: Of the run.
        more: Further arguments of TRL's, such as those that shape the batches.
    """
    import torch
    from trl.trainer.sft_config import SFTConfig

    knows = torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    return SFTConfig(
        output_dir=str(out / "checkpoints"),
        learning_rate=dials.learning_rate,
        lr_scheduler_type=scheduler(dials.schedule, dials.warm_up),
        optim="adamw_torch",
        max_grad_norm=dials.max_grad_norm,
        dataset_kwargs={"skip_prepare_dataset": True},
        max_length=None,
        packing=False,
        save_strategy="steps",
        save_steps=dials.save_every,
        save_total_limit=2,
        logging_steps=1,
        report_to="none",
        disable_tqdm=True,
        bf16=dials.precision == "bf16" or (dials.precision == "auto" and knows),
        use_cpu=not torch.cuda.is_available(),
        gradient_checkpointing=dials.gradient_checkpointing,
        dataloader_pin_memory=torch.cuda.is_available(),
        seed=seed,
        **more,
    )


def teller(out: Path) -> Any:
    """Shows a bar, keeps each update in ``metrics.jsonl``, and marks whole checkpoints."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    from transformers import TrainerCallback

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())

    class Teller(TrainerCallback):
        def __init__(self) -> None:
            self.bar = Progress(*columns, refresh_per_second=2)
            self.task = self.bar.add_task("fine-tuning")

        def on_train_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            if state.is_world_process_zero:
                self.bar.update(self.task, total=state.max_steps, completed=state.global_step)
                self.bar.start()

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **more: Any) -> None:
            if not state.is_world_process_zero or "loss" not in (logs or {}):
                return
            with (out / "metrics.jsonl").open("a") as lines:
                lines.write(json.dumps({"step": state.global_step, **logs}) + "\n")
            self.bar.update(self.task, completed=state.global_step, description=f"loss {float(logs['loss']):.4f}")

        def on_save(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            if state.is_world_process_zero:
                (out / "checkpoints" / f"checkpoint-{state.global_step}" / WHOLE).touch()

        def on_train_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            self.bar.stop()

    return Teller()


def train(run: Run, data: Path, out: Path) -> Path:
    """Trains to the end of the run, from its last whole checkpoint where there is one.

    Returns:
        The folder with the transformers model.

    Raises:
        TertuliaError: As `make_trainer`; or the folder belongs to another run or other traces. One line.
    """
    from transformers.utils.logging import disable_progress_bar

    folder = out / "model"
    if not data.is_file():
        raise TertuliaError(f"there are no traces {data}: collect some first")
    with working_in(out), quiet():
        _claim(run, data, out)
        if (folder / WHOLE).exists():
            return folder
        disable_progress_bar()  # type: ignore[no-untyped-call]
        trainer = make_trainer(run, data, out)
        trainer.train(resume_from_checkpoint=last_checkpoint(out, clear=is_main()))
        trainer.save_model(str(folder))
        if is_main():
            (folder / WHOLE).touch()
    return folder


def _claim(run: Run, data: Path, out: Path) -> None:
    """Marks the folder as this run's, on these traces; only how often it saves may change."""
    mine = run.model_dump(mode="json", include={"seed", "model", "training"})
    mine["training"]["save_every"] = None
    with data.open("rb") as traces:
        mine["traces"] = hashlib.file_digest(traces, "blake2b").hexdigest()[:16]
    mark_folder(out, mine)


def main(arguments: list[str] | None = None) -> None:
    """The command line, for ``accelerate launch -m``."""
    parser = argparse.ArgumentParser(description="Fine-tunes a model on collected traces.")
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args(arguments)
    try:
        folder = train(Run.load(chosen.run), chosen.data, chosen.out)
    except TertuliaError as error:
        parser.exit(2, f"{error}\n")
    if is_main():
        print(folder)


if __name__ == "__main__":
    main()
