"""Questions that models are trained on, as run files ask for them: drawn from the world, or from a file."""

from __future__ import annotations

import random
from dataclasses import replace

from pydantic import Field

from tertulia.errors import TertuliaError
from tertulia.run_file import Positive, Table, Weight
from tertulia.tasks import load
from tertulia.tasks.question import Question


class Data(Table):
    """The questions.

    Attributes:
        task: "world", whose training split is drawn from; or a benchmark, for the form of the rows of `file`.
        file: Questions with their answers, in any form that `tertulia eval --data` reads, with {language} in its name
            where each language has its own file; of gym "rg:NAME?size=2000&seed=1000".
        questions: How many; None for all of a file, and for as many of the world as the training wants.
        languages: Weight of each language.
        difficulties: Of the world: weight of each difficulty.
    """

    task: str = "world"
    file: str | None = None
    questions: Positive | None = None
    languages: dict[str, Weight] = Field(default={"en": 1.0})
    difficulties: dict[str, Weight] = Field(default={"default": 1.0})

    def check(self) -> None:
        """Refuses mixes of nothing.

        Raises:
            TertuliaError: Every weight of a mix is 0. One line.
        """
        for name, mix in (("languages", self.languages), ("difficulties", self.difficulties)):
            if not any(mix.values()):
                raise TertuliaError(f"every weight in data.{name} is 0: give one a weight")

    def drawn(self, seed: int, wanted: int) -> list[tuple[str, str, int]]:
        """Language, difficulty and seed of each problem of the world.

        Args:
            seed: Of the run.
            wanted: How many the training wants.
        """
        found = []
        for index in range(self.questions or wanted):
            draw = random.Random(f"{seed} data {index}")
            mixes = (self.languages, self.difficulties)
            language, difficulty = (draw.choices(list(mix), list(mix.values()))[0] for mix in mixes)
            found.append((language, difficulty, draw.getrandbits(62)))
        return found

    def posed(self, seed: int, wanted: int) -> list[Question]:
        """The questions, in the order of their draw.

        Args:
            seed: Of the run.
            wanted: How many of the world the training wants.

        Raises:
            TertuliaError: A task, language or difficulty is unknown, a mix has no weight, or a benchmark comes
                without a file. One line.
        """
        self.check()
        if self.file is not None:
            files = {code: self.file.replace("{language}", code) for code in self.languages}
            found = [q for code, file in files.items() for q in load(self.task, data=file, language=code)]
            if len(files) > 1:  # the same problem has the same id in each
                found = [replace(question, id=f"{question.language}-{question.id}") for question in found]
            random.Random(f"{seed} data").shuffle(found)
            return found[: self.questions]
        if self.task != "world":
            raise TertuliaError(
                f"data.task is {self.task!r}, which is for testing: give questions of your own as data.file"
            )
        return [
            load("world", language=language, difficulty=difficulty, split="train", first=first, limit=1)[0]
            for language, difficulty, first in self.drawn(seed, wanted)
        ]
