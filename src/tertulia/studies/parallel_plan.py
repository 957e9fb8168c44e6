"""What a study of parallel languages consists of: its file, its cells, and the training run of each.

Every cell trains one model on some languages in some order. `tertulia.studies.parallel_law` runs them.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from tertulia.errors import TertuliaError
from tertulia.run_file import Positive, Table
from tertulia.training.parallel_run import ROLLOUTS, Data, Model, Reward, Run, Training, refuse_rollouts
from tertulia.world.language import LANGUAGES
from tertulia.world.problems import settings

Budget = Literal["grown", "fixed", "more"]


class Evaluation(Table):
    """What every cell is asked, in all languages.

    Attributes:
        questions: Problems; the same in each language.
        first: Number of the first.
        split: Of the world.
        task, file, difficulty: As in training; `file` has {language} in its name.
        at_once: Prompts in one batch.
    """

    questions: Positive
    first: Annotated[int, Field(ge=0)] = 0
    split: Literal["dev", "test"] = "test"
    task: str = "world"
    file: str | None = None
    difficulty: str = "default"
    at_once: Positive = 256


class Arm(Table):
    """A further arm: grown, but for what it says.

    Attributes:
        name: What it is called in the table.
        sizes: Numbers of languages.
        source: Its first language; the study's source is then the first that is added.
        order: Languages in the order of their adding, such as near ones first; that of the seed if not given.
        parallel: Whether all languages have the same problems.
        budget: "grown" or "fixed".
        reward: Weights.
        paradigm: "grpo" or "sft"; the study's if not given.
        learning_rate: The study's if not given; a good one for GRPO need not be one for fine-tuning.
    """

    name: str
    sizes: list[Positive]
    source: str | None = None
    order: list[str] | None = None
    parallel: bool = True
    budget: Literal["grown", "fixed"] = "grown"
    reward: Reward | None = None
    paradigm: Literal["grpo", "sft"] | None = None
    learning_rate: Annotated[float, Field(gt=0)] | None = None


class Study(Table):
    """A study file.

    Attributes:
        seeds: Each has its own draws and its own order of adding languages.
        sizes: Numbers of training languages.
        pool: Languages that may be added to the source.
        held_out: Languages never trained on.
        budgets: Which of them.
        arms: Further arms.
        thinking: As in `tertulia train parallel`.
    """

    example = "runs/lab/law_smoke.toml"
    seeds: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
    sizes: Annotated[list[Positive], Field(min_length=1)]
    pool: list[str]
    held_out: list[str]
    training: Training
    evaluation: Evaluation
    source: str = "en"
    budgets: tuple[Budget, ...] = ("grown", "fixed", "more")
    difficulty: str = "default"
    task: str = "world"
    file: str | None = None
    arms: tuple[Arm, ...] = ()
    model: Model = Model()
    reward: Reward = Reward()
    thinking: Literal["free", "prompt", "sentence"] = "free"

    def check(self) -> None:
        """Checks what no type can.

        Raises:
            TertuliaError: A language is unknown or in two roles, or there are fewer than a size needs. One line.
        """
        if not self.held_out:
            raise TertuliaError("held_out is empty, and the law is about languages never trained on: name at least one")
        everyone = [self.source, *self.pool, *self.held_out]
        for code in everyone:
            if code not in LANGUAGES:
                raise TertuliaError(f"unknown language {code!r} in the study: use some of {', '.join(LANGUAGES)}")
            if everyone.count(code) > 1:
                raise TertuliaError(f"{code} is there twice in source, pool and held_out: give each language one role")
        for size in [*self.sizes, *(size for arm in self.arms for size in arm.sizes)]:
            if size > 1 + len(self.pool):
                raise TertuliaError(
                    f"a size is {size}, and source and pool have {1 + len(self.pool)} languages: lower it, or add some"
                )
        known = settings()["difficulty"]
        for name, level in (("difficulty", self.difficulty), ("evaluation.difficulty", self.evaluation.difficulty)):
            if self.task == "world" and level not in known:
                raise TertuliaError(f"unknown {name} {level!r} in the study: use one of {', '.join(known)}")
        if len(set(self.seeds)) < len(self.seeds):
            raise TertuliaError(f"seeds is {self.seeds}, with one of them twice: give each once")
        self._check_arms()
        dials = self.training
        if "more" in self.budgets and max(self.sizes) > 1 and (dials.schedule != "constant" or dials.warm_up):
            raise TertuliaError(
                "the budget more goes on from size to size, and training.schedule or training.warm_up would depend on "
                "where it ends: let the schedule be constant and warm_up 0, or leave more out of budgets"
            )
        if not any(arm.paradigm == "grpo" for arm in self.arms):
            refuse_rollouts(self, allowed=("length", "temperature"))  # the evaluation has these two as well

    def _check_arms(self) -> None:
        """Checks the further arms.

        Raises:
            TertuliaError: A name is taken, an order does not lead to a size, or a weight pays for nothing. One line.
        """
        taken = {"base", "grown", "fixed", "more"}
        trained = [self.source, *self.pool]
        for arm in self.arms:
            if arm.name in taken or not re.fullmatch(r"[\w.-]+", arm.name):
                raise TertuliaError(
                    f"an arm is called {arm.name!r}: give each a name of its own, of letters, digits, '_', '.' and "
                    "'-', that is not base, grown, fixed or more"
                )
            taken.add(arm.name)
            for code in [arm.source or self.source, *(arm.order or [])]:
                if code in self.held_out:
                    raise TertuliaError(f"the arm {arm.name} trains on {code}, which is held out: leave it out of one")
                if code not in trained:
                    raise TertuliaError(f"the arm {arm.name} trains on {code!r}: use some of {', '.join(trained)}")
            languages = [arm.source or self.source, *(arm.order or [])]
            twice = next((code for code in languages if languages.count(code) > 1), None)
            if twice:
                raise TertuliaError(f"the arm {arm.name} adds {twice} twice: its order is what is added to its source")
            if arm.order is not None and max(arm.sizes, default=0) > len(languages):
                raise TertuliaError(
                    f"the arm {arm.name} has a size {max(arm.sizes)}, and its source and order are {len(languages)} "
                    "languages: lower it, or lengthen the order"
                )
            if arm.reward and (arm.paradigm or self.training.paradigm) == "sft":
                raise TertuliaError(f"the arm {arm.name} fine-tunes, which has no reward: leave one of them out")

    def order(self, seed: int) -> list[str]:
        """The languages of the pool in the order in which a seed adds them."""
        order = list(self.pool)
        random.Random(f"order {seed}").shuffle(order)
        return order


@dataclass(frozen=True)
class Cell:
    """What is trained in one go and evaluated at one or more points.

    Attributes:
        arm: Its name in the table.
        seed: Of all draws.
        languages: Trained on, the source first.
        stops: Multiples of its steps after which it is evaluated: (times, size told in the table).
        spec: The further arm that it belongs to.
    """

    arm: str
    seed: int
    languages: tuple[str, ...]
    stops: tuple[tuple[int, int], ...]
    spec: Arm | None = None

    @property
    def name(self) -> str:
        """Name of its folder."""
        return f"{self.arm}-{len(self.languages)}-{self.seed}"


def cells(study: Study) -> list[Cell]:
    """All cells of a study, seed by seed; those that several budgets share are there once.

    With one language grown, fixed and more are the same run: its rows are told under each.
    """
    found: list[Cell] = []
    for seed in study.seeds:
        found.append(Cell("base", seed, (), ((0, 0),)))
        order = study.order(seed)
        sizes = sorted(set(study.sizes))
        times = tuple((size, size) for size in (sizes if "more" in study.budgets else sizes[:1] if 1 in sizes else []))
        if times:
            found.append(Cell("more", seed, (study.source,), times))
        for size in sizes:
            for budget in ("fixed", "grown"):
                if size > 1 and budget in study.budgets:
                    found.append(Cell(budget, seed, (study.source, *order[: size - 1]), ((1, size),)))
        for arm in study.arms:
            source = arm.source or study.source
            rest = arm.order or [code for code in [study.source, *order] if code != source]
            for size in sorted(set(arm.sizes)):
                found.append(Cell(arm.name, seed, (source, *rest[: size - 1]), ((1, size),), arm))
    return found


def run_of(study: Study, cell: Cell, times: int) -> Run:
    """The training run of a cell."""
    spec = cell.spec
    budget: Any = spec.budget if spec else "fixed" if cell.arm == "fixed" else "grown"
    data = Data(
        languages=list(cell.languages),
        budget=budget,
        times=times,
        parallel=spec.parallel if spec else True,
        task=study.task,
        file=study.file,
        difficulty=study.difficulty,
    )
    training, model = _training(study.training, spec), study.model
    rewarded: dict[str, Any] = {"reward": (spec.reward if spec else None) or study.reward}
    if training.paradigm == "sft":
        rewarded, model = {}, model.model_copy(update={"engine": None})
    return Run(training=training, data=data, seed=cell.seed, thinking=study.thinking, model=model, **rewarded)


def _training(dials: Training, spec: Arm | None) -> Training:
    """The dials of an arm; those of rollouts only where there are any."""
    paradigm = (spec.paradigm if spec else None) or dials.paradigm
    changed = {"learning_rate": spec.learning_rate} if spec and spec.learning_rate else {}
    if paradigm == "grpo":
        return dials.model_copy(update={"paradigm": paradigm, **changed})
    kept = {name: getattr(dials, name) for name in dials.model_fields_set - set(ROLLOUTS)}
    return Training(**{**kept, "paradigm": paradigm, **changed})
