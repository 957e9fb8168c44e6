"""Fine-tunes a model on collected traces: TRL's SFTTrainer, with no loss on what was put into a path.

``tertulia train leap-t sft RUN.toml --data TRACES.jsonl --out DIR``; on many GPUs
``accelerate launch -m tertulia.training.sft RUN.toml --data TRACES.jsonl --out DIR``. After a kill the same command
goes on from the last whole checkpoint. The result, ``DIR/model``, is a transformers folder.
"""

from __future__ import annotations

import argparse
import hashlib
import os
from pathlib import Path
from typing import Any

from tertulia.errors import TertuliaError
from tertulia.files import is_main
from tertulia.training import trainer
from tertulia.training.leap_t import Run
from tertulia.training.masks import PROBE, Trace, fingerprint, labels, read_traces


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
    from trl.trainer.sft_trainer import SFTTrainer

    made = SFTTrainer(model=model, args=arguments, processing_class=tokenizer, train_dataset=Dataset.from_list(learnt))
    return trainer.told(made, out, trainer.bar())


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
        dials: As `tertulia.training.trainer.arguments` takes them, and save_every.
        out: Checkpoints lie in ``out/checkpoints``.
        seed: Of the run.
        more: Further arguments of TRL's, such as those that shape the batches.
    """
    from trl.trainer.sft_config import SFTConfig

    return SFTConfig(
        **trainer.arguments(dials, out, seed),
        optim="adamw_torch",
        dataset_kwargs={"skip_prepare_dataset": True},
        max_length=None,
        packing=False,
        save_steps=dials.save_every,
        **more,
    )


def train(run: Run, data: Path, out: Path) -> Path:
    """Trains to the end of the run, from its last whole checkpoint where there is one.

    Returns:
        The folder with the transformers model.

    Raises:
        TertuliaError: As `make_trainer`; or the folder belongs to another run or other traces. One line.
    """
    if not data.is_file():
        raise TertuliaError(f"there are no traces {data}: collect some first")
    return trainer.train(out, identity(run, data), lambda: make_trainer(run, data, out))


def identity(run: Run, data: Path) -> dict[str, Any]:
    """What makes a run the one that it is, its traces too; only how often it saves may change."""
    mine = run.model_dump(mode="json", include={"seed", "model", "training"})
    mine["training"]["save_every"] = None
    with data.open("rb") as traces:
        mine["traces"] = hashlib.file_digest(traces, "blake2b").hexdigest()[:16]
    return mine


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
