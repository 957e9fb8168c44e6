"""LeaP by reinforcement: GRPO (in TRL) whose rollouts are whole circles; `tertulia train leap-rl RUN.toml --out DIR`.

The generations of a group are the paths of one circle, or of a few, that meet while they think. The reward of a path
is first of all its own answer; what was put into it is read and never learnt (`tertulia.training.rollouts`). After a
kill the same command goes on from the last whole checkpoint. The result, ``DIR/model``, is a transformers folder.
"""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from tertulia.engines.base import Engine
from tertulia.errors import TertuliaError
from tertulia.evaluation.quiet import quiet
from tertulia.files import is_main, mark_folder, working_in
from tertulia.model import Profile, profile_for
from tertulia.settings import Settings, resolve
from tertulia.tasks import load
from tertulia.tasks.question import Question
from tertulia.training.rl_log import WHOLE, last_checkpoint, teller
from tertulia.training.run_file import Positive, Table, Weight, scheduler

EXAMPLE = "runs/train/leap_rl_smoke.toml"
FREE = {"temperature": 1.0, "top_p": 1.0, "top_k": 0, "min_p": 0.0}
"""The whole distribution: the policy that is sampled from is the one that is trained."""


class Model(Table):
    """What training starts from, and what samples.

    Attributes:
        start: A GGUF file that the export wrote, a transformers folder, or a name on the hub; None for pebble.
        profile: Model name or GGUF file whose profile holds; None for that of `start`.
        engine: URL of a vLLM server that TRL keeps in step with the weights; None to sample in this process.
        served: Name of the model there; None for the only one.
    """

    start: str | None = None
    profile: str | None = None
    engine: str | None = None
    served: str | None = None


class Data(Table):
    """The questions.

    Attributes:
        task: "world", whose training split is drawn from; or a benchmark, for the form of the rows of `file`.
        file: A file of questions (JSON, JSON lines, CSV, parquet) with their answers.
        questions: How many; None for as many as the run asks.
        languages: Weight of each language.
        difficulties: Of the world: weight of each difficulty.
    """

    task: str = "world"
    file: str | None = None
    questions: Positive | None = None
    languages: dict[str, Weight] = Field(default={"en": 1.0})
    difficulties: dict[str, Weight] = Field(default={"default": 1.0})


class Reward(Table):
    """Weights of the parts of the reward (`tertulia.training.rollouts.rewards`); the last two are costs."""

    own: Weight = 1.0
    verdict: Weight = 0.0
    leaving_right: Weight = 0.0
    tokens: Weight = 0.0


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


class Training(Dials):
    """The dials, and how many circles a question has.

    Attributes:
        circles: Circles for each question; the paths of all of them are one group.
    """

    circles: Positive = 1


class Run(Table):
    """A run file; `circle` holds fields of `tertulia.settings.Settings`, of which seed and sampling are set here."""

    training: Training
    circle: dict[str, Any]
    seed: Annotated[int, Field(ge=0)] = 1
    model: Model = Model()
    data: Data = Data()
    reward: Reward = Reward()

    @classmethod
    def load(cls, path: Path) -> Run:
        """Reads a run file.

        Raises:
            TertuliaError: The file is missing, is no TOML, or has an unknown, missing or wrong key. One line.
        """
        return cls.read(path, EXAMPLE)

    @property
    def profile(self) -> Profile:
        """The profile of the model."""
        return profile_for(self.model.profile or self.model.start)

    def settings(self, question: Question | None = None) -> Settings:
        """The settings of a question's circle.

        Raises:
            TertuliaError: A setting is unknown or wrong, or makes no group that can be trained on. One line.
        """
        own = {"seed", "top_p", "top_k", "min_p", "language", "answer_kind"} & set(self.circle)
        if own:
            raise TertuliaError(f"circle.{min(own)} is set by the training itself: leave it out")
        asked = {**FREE, **self.circle}
        if question is not None:
            asked |= {"language": question.language, "answer_kind": question.kind}
        settings = resolve(self.profile, asked)
        if settings.method not in ("leap", "independent"):
            raise TertuliaError(
                f"circle.method is {settings.method!r}, whose paths are no group of equals: use leap or independent"
            )
        if settings.paths < 2:
            raise TertuliaError("circle.paths is 1, and a path is judged against its peers: take at least 2")
        if settings.consensus_stop or settings.temperature == 0:
            name = "consensus_stop" if settings.consensus_stop else "temperature"
            raise TertuliaError(f"circle.{name} is {getattr(settings, name)}, which does not go with training")
        return settings

    def questions(self) -> list[Question]:
        """The questions, in the order of their draw.

        Raises:
            TertuliaError: A task, language or difficulty is unknown, or a benchmark comes without a file. One line.
        """
        if self.data.task != "world" or self.data.file is not None:
            if self.data.file is None:
                raise TertuliaError(
                    f"data.task is {self.data.task!r}, which is for testing: give questions of your own as data.file"
                )
            found = [
                q for code in self.data.languages for q in load(self.data.task, data=self.data.file, language=code)
            ]
            random.Random(f"{self.seed} data").shuffle(found)
            return found[: self.data.questions]
        mixes, drawn = (self.data.languages, self.data.difficulties), list[Question]()
        if not all(any(mix.values()) for mix in mixes):
            raise TertuliaError("every weight in data.languages or data.difficulties is 0: give one a weight")
        for index in range(self.data.questions or self.training.steps * self.training.prompts):
            draw = random.Random(f"{self.seed} data {index}")
            language, difficulty = (draw.choices(list(mix), list(mix.values()))[0] for mix in mixes)
            first = draw.getrandbits(62)
            drawn += load("world", language=language, difficulty=difficulty, split="train", first=first, limit=1)
        return drawn


def make_trainer(run: Run, out: Path) -> Any:
    """TRL's trainer for a run; its checkpoints lie in ``out/checkpoints``, its logs in ``out/log``.

    Raises:
        TertuliaError: Something in the run file, the model or the data is not as it must be. One line.
    """
    from datasets import Dataset  # type: ignore[import-untyped]
    from torch.utils.tensorboard import SummaryWriter
    from transformers import PrinterCallback
    from transformers.integrations.integration_utils import TensorBoardCallback
    from trl.trainer.grpo_trainer import GRPOTrainer

    from tertulia.training.rollouts import REWARDS, Rollouts, reward_part
    from tertulia.training.start import load_start

    settings = run.settings()
    questions = {question.text: question for question in run.questions()}
    if len(questions) < run.training.prompts:
        raise TertuliaError(f"there are {len(questions)} questions for batches of {run.training.prompts}: give more")
    for question in questions.values():
        run.settings(question)
    model, tokenizer = load_start(run.model.start, run.seed)
    arguments = _arguments(run, out, settings)
    parts = [name for name in REWARDS if getattr(run.reward, name)]
    if not parts:
        raise TertuliaError(f"every weight in reward is 0: give one of {', '.join(REWARDS)} a weight")
    if run.reward.verdict and run.training.circles == 1:
        raise TertuliaError(
            "reward.verdict is the same for all paths of a circle, so within one it moves nothing: "
            "let training.circles be at least 2, or leave it out"
        )
    arguments.reward_weights = [getattr(run.reward, name) for name in parts]
    rollouts = Rollouts(
        lambda: _engine(run, trainer, tokenizer),
        run.profile,
        questions,
        run.settings,
        paths=settings.paths,
        seed=run.seed,
        end=tokenizer.eos_token_id,
    )
    trainer = GRPOTrainer(
        model=model,
        args=arguments,
        processing_class=tokenizer,
        train_dataset=Dataset.from_dict({"prompt": list(questions)}),
        reward_funcs=[reward_part(name, tell=name == parts[0]) for name in parts],
        rollout_func=rollouts,
        callbacks=[TensorBoardCallback(SummaryWriter(str(out / "log"))), teller(out)],  # type: ignore[no-untyped-call]
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _engine(run: Run, trainer: Any, tokenizer: Any) -> Engine:
    """An engine that samples from the weights as they are now."""
    if run.model.engine is not None:
        from tertulia.engines.client import HttpEngine

        return HttpEngine(run.model.engine, model=run.model.served)
    from tertulia.engines.transformers import TransformersEngine

    if trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled:
        raise TertuliaError("weights shared out over GPUs cannot sample in this process: give model.engine, a server")
    return TransformersEngine(trainer.accelerator.unwrap_model(trainer.model), tokenizer, name=run.profile.name)


def _arguments(run: Run, out: Path, settings: Settings) -> Any:
    """The run in TRL's words."""
    group, engine = settings.paths * run.training.circles, run.model.engine
    temperature = 1.0 if settings.temperature is None else settings.temperature
    return grpo_arguments(run.training, out, group, settings.budget, temperature, run.seed, engine)


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
    import torch
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
    knows = torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    half = dials.precision == "bf16" or (dials.precision == "auto" and knows)
    served: dict[str, Any] = {"use_vllm": True, "vllm_mode": "server", "vllm_server_base_url": engine}
    return GRPOConfig(
        output_dir=str(out / "checkpoints"),
        max_steps=dials.steps * dials.updates,
        per_device_train_batch_size=at_once,
        gradient_accumulation_steps=paths // at_once,
        steps_per_generation=paths // at_once,
        num_iterations=dials.updates,
        num_generations=group,
        max_completion_length=length,
        temperature=temperature,
        learning_rate=dials.learning_rate,
        lr_scheduler_type=scheduler(dials.schedule, dials.warm_up),
        warmup_steps=round(dials.warm_up * dials.steps * dials.updates),
        max_grad_norm=dials.max_grad_norm,
        beta=dials.kl,
        epsilon=dials.clip_low,
        epsilon_high=dials.clip_high,
        loss_type=dials.loss,
        scale_rewards=dials.scale,
        save_strategy="steps",
        save_steps=dials.save_every * dials.updates,
        save_total_limit=2,
        logging_steps=1,
        report_to="none",
        disable_tqdm=True,
        bf16=half,
        use_cpu=not torch.cuda.is_available(),
        gradient_checkpointing=dials.gradient_checkpointing,
        dataloader_pin_memory=torch.cuda.is_available(),
        seed=seed,
        **(served if engine else {}),
    )


def train(run: Run, out: Path) -> Path:
    """Trains to the end of the run, from its last whole checkpoint where there is one.

    Returns:
        The folder with the transformers model.

    Raises:
        TertuliaError: As `make_trainer`; or the folder belongs to another run. One line.
    """
    from transformers.utils.logging import disable_progress_bar

    folder = out / "model"
    with working_in(out), quiet():
        claim(run, out)
        if (folder / WHOLE).exists():
            return folder
        disable_progress_bar()  # type: ignore[no-untyped-call]
        trainer = make_trainer(run, out)
        trainer.train(resume_from_checkpoint=last_checkpoint(out, clear=is_main()))
        trainer.save_model(str(folder))
        if is_main():
            (folder / WHOLE).touch()
    return folder


def claim(run: Any, out: Path) -> None:
    """Marks the folder as this run's; only its number of steps may change.

    Raises:
        TertuliaError: It is another run's. One line.
    """
    mine = run.model_dump(mode="json")
    mine["training"]["steps"] = mine["training"]["save_every"] = None
    mine["data"].pop("times", None)  # of `tertulia.training.parallel`: a longer run begins as a shorter one
    mark_folder(out, mine)
