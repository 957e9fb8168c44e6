"""GRPO in TRL: the dials that a run file has, and the trainer that they make."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from tertulia.errors import TertuliaError
from tertulia.run_file import Positive, Table, Weight
from tertulia.training.trainer import arguments


class Dials(Table):
    """The dials of GRPO.

    Attributes:
        steps: Batches.
        prompts: Questions of a batch, over all processes.
        updates: Updates on each batch; from the second on the clipping acts, on log-probabilities of before.
        learning_rate: 2e-5 to 2e-4 for pebble, 1e-6 for 7B.
        schedule: Of the learning rate.
        warm_up: Share of the updates with a rising rate.
        clip_low, clip_high: The ratio of probabilities counts from 1 - clip_low to 1 + clip_high.
        kl: Weight of the divergence from the start; 0 for none.
        scale: What advantages are divided by: the spread in the group, in the batch, or nothing.
        paths_at_once: Paths in one forward and backward pass of a process; None for all.
        save_every: A checkpoint every so many batches.
        precision: "bf16", "fp32", or "auto": bf16 on a GPU that knows it.
        loss, max_grad_norm, gradient_checkpointing: As in TRL.
    """

    steps: Positive
    prompts: Positive
    learning_rate: Annotated[float, Field(gt=0)]
    updates: Positive = 1
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    warm_up: Annotated[float, Field(ge=0, le=1)] = 0.0
    clip_low: Annotated[float, Field(gt=0, lt=1)] = 0.2
    clip_high: Annotated[float, Field(gt=0)] = 0.28
    kl: Weight = 0.0
    loss: Literal["grpo", "dr_grpo", "dapo", "bnpo"] = "dapo"
    scale: Literal["group", "batch", "none"] = "group"
    paths_at_once: Positive | None = None
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0
    save_every: Positive = 10
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    gradient_checkpointing: bool = False


def grpo_arguments(
    dials: Dials, out: Path, group: int, length: int, temperature: float, seed: int, engine: str | None
) -> Any:
    """Dials in TRL's words. One batch of questions is one optimizer batch; `updates` passes are made over it.

    Args:
        dials: of GRPO.
        out: checkpoints lie in ``out/checkpoints``.
        group: rollouts of a question.
        length: tokens of a rollout at most.
        temperature: it samples at.
        seed: of the run.
        engine: URL of a vLLM server that samples; None for this process.

    Raises:
        TertuliaError: The batch cannot be shared out as asked. One line.
    """
    from trl.trainer.grpo_config import GRPOConfig

    processes = int(os.environ.get("WORLD_SIZE", "1"))
    if dials.prompts % processes:
        raise TertuliaError(f"training.prompts is {dials.prompts}, no multiple of {processes} processes: choose one")
    paths = dials.prompts // processes * group
    at_once = dials.paths_at_once or paths
    if paths % at_once:
        raise TertuliaError(
            f"training.paths_at_once is {at_once}, and the {paths} paths of a process are no multiple of it: choose one"
        )
    served: dict[str, Any] = {"use_vllm": True, "vllm_mode": "server", "vllm_server_base_url": engine}
    return GRPOConfig(
        max_steps=dials.steps * dials.updates,
        per_device_train_batch_size=at_once,
        gradient_accumulation_steps=paths // at_once,
        steps_per_generation=paths // at_once,
        num_iterations=dials.updates,
        num_generations=group,
        max_completion_length=length,
        temperature=temperature,
        warmup_steps=round(dials.warm_up * dials.steps * dials.updates),
        beta=dials.kl,
        epsilon=dials.clip_low,
        epsilon_high=dials.clip_high,
        loss_type=dials.loss,
        scale_rewards=dials.scale,
        save_steps=dials.save_every * dials.updates,
        **arguments(dials, out, seed),
        **(served if engine else {}),
    )


def grpo_trainer(
    model: Any, tokenizer: Any, prompts: Sequence[str], rewards: Sequence[Any], config: Any, **more: Any
) -> Any:
    """TRL's trainer on prompts, each a group of rollouts.

    Args:
        model: What is trained.
        tokenizer: Its tokenizer.
        prompts: In the order in which they are trained on.
        rewards: Parts of the reward.
        config: As `grpo_arguments` makes it.
        more: Further arguments of TRL's.
    """
    from datasets import Dataset  # type: ignore[import-untyped]
    from trl.trainer.grpo_trainer import GRPOTrainer

    return GRPOTrainer(
        model=model,
        args=config,
        processing_class=tokenizer,
        train_dataset=Dataset.from_dict({"prompt": list(prompts)}),
        reward_funcs=list(rewards),
        **more,
    )


def identity(run: Any) -> dict[str, Any]:
    """What makes a run the one that it is; only its number of steps and how often it saves may change."""
    mine: dict[str, Any] = run.model_dump(mode="json")
    mine["training"]["steps"] = mine["training"]["save_every"] = None
    mine["data"].pop("times", None)  # of `tertulia.training.parallel`: a longer run begins as a shorter one
    return mine
