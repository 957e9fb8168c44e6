"""What a training in parallel languages is: its run file, and the questions that it asks.

`tertulia.training.parallel` runs it by GRPO, `tertulia.training.parallel_sft` by fine-tuning.
"""

from __future__ import annotations

import random
from typing import Annotated, Any, Literal

from pydantic import Field

from tertulia.answers.extract import extract_answer
from tertulia.errors import TertuliaError
from tertulia.model import Profile, profile_for
from tertulia.run_file import Positive, Table, Weight
from tertulia.tasks import load
from tertulia.tasks.question import Question
from tertulia.training.asking import Led
from tertulia.training.grpo import Dials
from tertulia.world.language import LANGUAGES

TRAINED_FROM = 10**9
"""Number of the first problem of the world that is trained on; the training split is far larger."""


class Model(Table):
    """What training starts from, and what samples.

    Attributes:
        start: A GGUF file that the export wrote, a transformers folder, or a name on the hub; None for pebble.
        profile: Model name or GGUF file whose profile holds; None for that of `start`.
        engine: URL of a vLLM server that TRL keeps in step with the weights; None to sample in this process.
    """

    start: str | None = None
    profile: str | None = None
    engine: str | None = None

    @property
    def known(self) -> Profile:
        """The profile of the model."""
        return profile_for(self.profile or self.start)


class Data(Table):
    """The questions.

    Attributes:
        languages: Those trained on; the first is the source.
        budget: "grown": each language adds its copy of the problems, and so as many steps. "fixed": the steps of one
            language are split over all.
        times: As many steps again for the source alone, on problems of its own; 1 for none. With `languages` of one
            and `times` X the model sees as many prompts as with X languages that grow.
        parallel: Whether all languages have the same problems, or each its own.
        task: "world", whose training split is drawn from; or a benchmark, for the form of the rows of `file`.
        file: A file of questions, with {language} in its name where each language has its own.
        difficulty: Of the world.
    """

    languages: Annotated[list[str], Field(min_length=1)]
    budget: Literal["grown", "fixed"] = "grown"
    times: Positive = 1
    parallel: bool = True
    task: str = "world"
    file: str | None = None
    difficulty: str = "default"


class Reward(Table):
    """Weights of the parts of the reward; the paper gives none, ours leave the confound out."""

    accuracy: Weight = 1.0
    format: Weight = 0.0
    consistency: Weight = 0.0


ROLLOUTS = ("group", "length", "temperature", "updates", "clip_low", "clip_high", "kl", "loss", "scale")
"""Dials that only GRPO has."""


class Training(Dials):
    """The dials of GRPO; fine-tuning has none of `ROLLOUTS`.

    Attributes:
        paradigm: "grpo", or "sft": fine-tuning on right solutions (`tertulia.training.parallel_sft`).
        group: Rollouts of a question.
        length: Tokens of a rollout at most.
        temperature: Rollouts are sampled at.
    """

    paradigm: Literal["grpo", "sft"] = "grpo"
    group: Annotated[int, Field(ge=2)] = 8
    length: Positive = 160
    temperature: Annotated[float, Field(gt=0)] = 1.0


class Run(Table):
    """A run file of `tertulia train parallel`.

    Attributes:
        training: Dials; `steps` is what one language gets.
        data: Languages and questions.
        seed: All draws derive from it.
        thinking: How a thought is led to the question's language: not at all, by the prompt, or by its first sentence.
    """

    example = "runs/train/parallel_smoke.toml"
    training: Training
    data: Data
    seed: Annotated[int, Field(ge=0)] = 1
    thinking: Led = "free"
    model: Model = Model()
    reward: Reward = Reward()

    def check(self) -> None:
        """Checks what no type can.

        Raises:
            TertuliaError: A language is unknown or there twice, every reward is 0, or a dial of GRPO is given for
                fine-tuning. One line.
        """
        languages = self.data.languages
        for code in languages:
            if code not in LANGUAGES:
                raise TertuliaError(f"unknown language {code!r} in data.languages: use some of {', '.join(LANGUAGES)}")
            if languages.count(code) > 1:
                raise TertuliaError(f"data.languages names {code} twice: once is enough")
        if self.data.times > 1 and len(languages) > 1:
            raise TertuliaError(
                f"data.times is {self.data.times}, which is for the source alone, and data.languages names "
                f"{len(languages)}: give one language, or leave times out"
            )
        refuse_rollouts(self)
        if self.training.paradigm == "grpo" and not any(self.reward.model_dump().values()):
            raise TertuliaError("every weight in reward is 0: give one of accuracy, format, consistency a weight")

    @property
    def steps(self) -> int:
        """Batches in all."""
        grown = len(self.data.languages) if self.data.budget == "grown" else 1
        return self.training.steps * grown * self.data.times


def refuse_rollouts(asked: Any, allowed: tuple[str, ...] = ()) -> None:
    """Refuses what is about rollouts where there are none.

    Args:
        asked: A run, or a study of runs: what has training, model and reward.
        allowed: Dials that are needed elsewhere.

    Raises:
        TertuliaError: The paradigm is fine-tuning, and something of GRPO is given. One line.
    """
    if asked.training.paradigm == "grpo":
        return
    given = [f"training.{name}" for name in ROLLOUTS if name in asked.training.model_fields_set - set(allowed)]
    given += ["model.engine"] * (asked.model.engine is not None) + ["reward"] * ("reward" in asked.model_fields_set)
    if given:
        raise TertuliaError(f"{given[0]} is for the rollouts of grpo, and training.paradigm is 'sft': leave it out")


def questions_of(run: Run) -> list[Question]:
    """The questions in the order in which they are trained on, one for each prompt of each batch.

    The same problem in different languages lies in random places of the run. A run of the source alone (`times`) is
    drawn problem by problem, so a longer one begins as a shorter one does.

    Raises:
        TertuliaError: A task, file or language is unknown, or a file has too few questions. One line.
    """
    data, wanted = run.data, run.steps * run.training.prompts
    if len(data.languages) == 1:
        return _problems(run, data.languages[0], range(wanted))
    each = -(-wanted // len(data.languages))
    found: list[Question] = []
    for place, code in enumerate(data.languages):
        first = 0 if data.parallel else place * each
        found += _problems(run, code, range(first, first + each))
    random.Random(f"{run.seed} parallel").shuffle(found)
    return found[:wanted]


def _problems(run: Run, language: str, numbers: range) -> list[Question]:
    """Problems by their numbers in the run, in one language."""
    data = run.data
    if data.task == "world" and data.file is None:
        # Seeds of a run do not overlap with another's.
        first = TRAINED_FROM + run.seed * 10**6
        chosen = [first + number for number in numbers]
        options: dict[str, Any] = {"difficulty": data.difficulty, "split": "train"}
        return [q for at in chosen for q in load("world", language=language, first=at, limit=1, **options)]
    if data.file is None:
        raise TertuliaError(
            f"data.task is {data.task!r}, which is for testing: give questions of your own as data.file"
        )
    facts = ("solution",) if run.training.paradigm == "sft" else ()
    rows = load(data.task, data=data.file.replace("{language}", language), language=language, facts=facts)
    mixed = list(range(len(rows)))
    random.Random(f"{run.seed} rows").shuffle(mixed)  # the same order in every language
    return [rows[mixed[number % len(rows)]] for number in numbers]


def judged(answer: str, question: Question) -> bool:
    """Whether what stands after the thought is the right answer."""
    return question.right(extract_answer(answer, question.kind))


def strays(thought: str, question: Question) -> bool:
    """Whether a thought is in another language than its question.

    On the world its words are known; elsewhere the language is identified (`tertulia.evaluation.tongues`).
    """
    from tertulia.world.spoken import off_target

    if "steps" in question.data:
        return bool(off_target(thought, question.language))
    from tertulia.evaluation.tongues import off_target as identified

    return bool(identified(thought, question.language).off_target)
