"""What tests of trainings share: one thread, a kill at a checkpoint, the batches that a model sees."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tertulia.training.trainer import WHOLE


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Small models gain nothing from a second thread; importing this switches it off for a module."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def batches_of(trainer: Any) -> list[tuple[Any, Any, Any]]:
    """Ids, labels and mask of every batch that reaches the model while it trains."""
    seen: list[tuple[Any, Any, Any]] = []

    def look(module: Any, positional: Any, named: dict[str, Any]) -> None:
        seen.append(tuple(named[name].clone() for name in ("input_ids", "labels", "attention_mask")))  # type: ignore[arg-type]

    hook = trainer.model.register_forward_pre_hook(look, with_kwargs=True)
    trainer.train()
    hook.remove()
    return seen


def scored(trainer: Any, prompt: str, times: int) -> dict[str, Any]:
    """A batch of rollouts with their advantages, as the loss gets it.

    TRL's name is private, and pinned by the tests that call this: it shows such a batch nowhere else.
    """
    found: dict[str, Any] = trainer._generate_and_score_completions([{"prompt": prompt} for _ in range(times)])
    return found


def kill_at(checkpoint: int, out: Path, *arguments: str) -> None:
    """Starts a training in a process of its own, and kills it once it has written a checkpoint whole."""
    command = [sys.executable, *arguments]
    child = subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL)
    while not (out / "checkpoints" / f"checkpoint-{checkpoint}" / WHOLE).exists():
        assert child.poll() is None
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert not (out / "model" / WHOLE).exists(), "it was over before it could be killed"


def tear(checkpoint: int, out: Path) -> None:
    """Leaves a checkpoint as a kill in the middle of writing leaves one."""
    torn = out / "checkpoints" / f"checkpoint-{checkpoint}"
    torn.mkdir(exist_ok=True)
    (torn / WHOLE).unlink(missing_ok=True)


def updates(out: Path) -> list[int]:
    """The updates that a training has told of."""
    return [json.loads(line)["step"] for line in (out / "metrics.jsonl").read_text().splitlines()]
