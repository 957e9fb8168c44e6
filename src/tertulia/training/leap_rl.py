"""LeaP by reinforcement: GRPO (in TRL) whose rollouts are whole circles; `tertulia train leap-rl RUN.toml --out DIR`.

The generations of a group are the paths of one circle, or of a few, that meet while they think. The reward of a path
is first of all its own answer; what was put into it is read and never learnt (`tertulia.training.rollouts`). After a
kill the same command goes on from the last whole checkpoint. The result, ``DIR/model``, is a transformers folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from tertulia.engines.base import Engine
from tertulia.errors import TertuliaError
from tertulia.model import Profile, profile_for
from tertulia.run_file import Positive, Table, Weight
from tertulia.settings import Settings, resolve
from tertulia.tasks.question import Question
from tertulia.training import trainer
from tertulia.training.grpo import Dials, grpo_arguments, grpo_trainer, identity
from tertulia.training.questions import Data

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


class Reward(Table):
    """Weights of the parts of the reward (`tertulia.training.rollouts.rewards`); the last two are costs."""

    own: Weight = 1.0
    verdict: Weight = 0.0
    leaving_right: Weight = 0.0
    tokens: Weight = 0.0


class Training(Dials):
    """The dials, and how many circles a question has.

    Attributes:
        circles: Circles for each question; the paths of all of them are one group.
    """

    circles: Positive = 1


class Run(Table):
    """A run file; `circle` holds fields of `tertulia.settings.Settings`, of which seed and sampling are set here."""

    example = "runs/train/leap_rl_smoke.toml"
    training: Training
    circle: dict[str, Any]
    seed: Annotated[int, Field(ge=0)] = 1
    model: Model = Model()
    data: Data = Data()
    reward: Reward = Reward()

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
        return self.data.posed(self.seed, self.training.steps * self.training.prompts)


def make_trainer(run: Run, out: Path) -> Any:
    """TRL's trainer for a run; its checkpoints lie in ``out/checkpoints``, its logs in ``out/log``.

    Raises:
        TertuliaError: Something in the run file, the model or the data is not as it must be. One line.
    """
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
        lambda: _engine(run, made, tokenizer),
        run.profile,
        questions,
        run.settings,
        paths=settings.paths,
        seed=run.seed,
        end=tokenizer.eos_token_id,
    )
    made = grpo_trainer(
        model,
        tokenizer,
        list(questions),
        [reward_part(name, tell=name == parts[0]) for name in parts],
        arguments,
        rollout_func=rollouts,
    )
    return trainer.told(made, out, trainer.each_update())


def _engine(run: Run, made: Any, tokenizer: Any) -> Engine:
    """An engine that samples from the weights as they are now."""
    if run.model.engine is not None:
        from tertulia.engines.client import HttpEngine

        return HttpEngine(run.model.engine, model=run.model.served)
    from tertulia.engines.transformers import TransformersEngine

    if made.is_fsdp_enabled or made.is_deepspeed_enabled:
        raise TertuliaError("weights shared out over GPUs cannot sample in this process: give model.engine, a server")
    return TransformersEngine(made.accelerator.unwrap_model(made.model), tokenizer, name=run.profile.name)


def _arguments(run: Run, out: Path, settings: Settings) -> Any:
    """The run in TRL's words."""
    group, engine = settings.paths * run.training.circles, run.model.engine
    temperature = 1.0 if settings.temperature is None else settings.temperature
    return grpo_arguments(run.training, out, group, settings.budget, temperature, run.seed, engine)


def train(run: Run, out: Path) -> Path:
    """Trains to the end of the run, from its last whole checkpoint where there is one.

    Returns:
        The folder with the transformers model.

    Raises:
        TertuliaError: As `make_trainer`; or the folder belongs to another run. One line.
    """
    return trainer.train(out, identity(run), lambda: make_trainer(run, out), run.training.steps)
