"""LeaP-T: a model is fine-tuned on traces in which a teacher's paths met and came out right (LeaP, section 6).

Two steps, one run file (``runs/train/leap_t_smoke.toml``): `tertulia train leap-t collect` lets the teacher think and
keeps traces (`tertulia.training.collect`), `tertulia train leap-t sft` trains on them (`tertulia.training.sft`). The
paper's control, the same teacher's traces without meetings, is the same run with ``teacher.method = "independent"``.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from tertulia.errors import TertuliaError
from tertulia.run_file import Positive, Table, Weight
from tertulia.tasks.question import Question
from tertulia.training.questions import Data

OWN = ("method", "seed", "language", "answer_kind")
"""Settings of a circle that the run file says elsewhere, or that follow from the question."""
WANTED = 200
"""Questions of the world where the run file does not say how many."""


class Teacher(Table):
    """Who writes the traces.

    Attributes:
        method: "leap", or "independent" for the control.
        circles: Circles for each question.
        at_once: Circles under way at once.
        ideal: Of the world: no model writes, but the world itself, as for pre-training. One trace a question.
    """

    method: Literal["leap", "independent"] = "leap"
    circles: Positive = 1
    at_once: Positive = 8
    ideal: bool = False


class Keep(Table):
    """Which traces are kept, of those that end in a right answer.

    Attributes:
        summary_tokens: Every summary is shorter than this, and closed; None for the longest that the teacher's
            profile lets a summary be (the paper's rule, 256).
        meetings: At least one of the trace's meetings showed one of these: "kept" (peers differed, and the path
            kept its right claim), "corrected" (peers differed, and its wrong claim became right). Empty: no matter.
        most: At most so many traces of one circle, drawn at random; None for all.
    """

    summary_tokens: Positive | None = None
    meetings: tuple[Literal["kept", "corrected"], ...] = ()
    most: Positive | None = None


class Model(Table):
    """What is trained.

    Attributes:
        start: A GGUF file that the export wrote, a transformers folder, or a name on the hub; None for pebble.
    """

    start: str | None = None


class Training(Table):
    """The dials of fine-tuning; defaults are the paper's (LeaP, section 6).

    Attributes:
        epochs: The paper has 8 for 1.5B and 7B, 5 for 14B.
        batch: Traces of one update, over all processes.
        rows_at_once: Traces in one forward and backward pass of a process.
        length: Longest sequence in tokens; longer traces are left out, not cut. Never beyond the model's context.
        learning_rate, schedule, weight_decay, max_grad_norm: Of AdamW.
        warm_up: Share of the updates with a rising rate.
        save_every: A checkpoint every so many updates.
        precision: "bf16", "fp32", or "auto": bf16 on a GPU that knows it.
        gradient_checkpointing: Saves memory for a third more time.
    """

    epochs: Positive = 8
    batch: Positive = 16
    rows_at_once: Positive = 1
    length: Positive = 16384
    learning_rate: Annotated[float, Field(gt=0)] = 1e-5
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    warm_up: Annotated[float, Field(ge=0, lt=1)] = 0.05
    weight_decay: Weight = 1e-4
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0
    save_every: Positive = 50
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    gradient_checkpointing: bool = False


class Run(Table):
    """A run file; `circle` holds fields of `tertulia.settings.Settings`."""

    example = "runs/train/leap_t_smoke.toml"
    seed: Annotated[int, Field(ge=0)] = 1
    teacher: Teacher = Teacher()
    circle: dict[str, Any] = Field(default={})
    data: Data = Data()
    keep: Keep = Keep()
    model: Model = Model()
    training: Training = Training()

    def check(self) -> None:
        """Refuses what does not go together.

        Raises:
            TertuliaError: One line.
        """
        own = set(OWN) & set(self.circle)
        if own:
            other = "teacher.method" if "method" in own else "seed" if "seed" in own else "data"
            raise TertuliaError(f"circle.{min(own)} does not stand in [circle]: it follows from {other}")
        if self.teacher.ideal and self.data.task != "world":
            raise TertuliaError(f"teacher.ideal is for the task world, not for {self.data.task!r}: leave it out")
        for name, given in (("keep.meetings", self.keep.meetings), ("keep.most", self.keep.most)):
            if self.teacher.ideal and given:
                raise TertuliaError(f"{name} chooses among a teacher's paths, and teacher.ideal has none: leave it out")
        if self.keep.meetings and self.teacher.method == "independent":
            raise TertuliaError("keep.meetings is for paths that meet, and teacher.method is independent: leave it out")
        self.data.check()

    def drawn(self) -> list[tuple[str, str, int]]:
        """Language, difficulty and seed of each question of the world."""
        return self.data.drawn(self.seed, WANTED)

    def questions(self) -> list[Question]:
        """The questions, in the order of their draw; each once.

        Raises:
            TertuliaError: As `tertulia.training.questions.Data.posed`. One line.
        """
        return list({question.id: question for question in self.data.posed(self.seed, WANTED)}.values())
