"""The problem world: multi-step word problems with an exact answer, the same problem in every language.

A problem is drawn from a seed alone. It starts with a number of things and changes that number step by step.
Its difficulty dials (steps, distractors, order of telling against order of doing, sizes of numbers) lie in
``world.toml``, its sentences in ``languages/*.toml``. Which split a problem belongs to follows from the hash of
what is to be calculated, so no wording of a test problem can be in the training split.
"""

from __future__ import annotations

import hashlib
import random
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal

from tertulia.errors import TertuliaError
from tertulia.world.language import Language

Split = Literal["train", "dev", "test"]
SPLITS: tuple[Split, ...] = ("train", "dev", "test")


@cache
def settings() -> dict[str, Any]:
    """The world's dials, as they stand in ``world.toml``."""
    return tomllib.loads(resources.files("tertulia.world").joinpath("world.toml").read_text("utf-8"))


@dataclass(frozen=True)
class Operation:
    """One change of the number: what is done, and with which number (None for double, triple, half)."""

    kind: str
    number: int | None = None

    @property
    def operand(self) -> int:
        """The number on the right of the sign."""
        return self.number if self.number is not None else int(settings()["kinds"][self.kind]["operand"])

    def apply(self, value: int) -> int:
        """The number after the change; halves are rounded down."""
        match self.kind:
            case "add":
                return value + self.operand
            case "take":
                return value - self.operand
            case "half":
                return value // 2
            case _:
                return value * self.operand

    def equation(self, value: int) -> str:
        """The change written as a sum, for example ``13+80=93``."""
        return f"{value}{settings()['kinds'][self.kind]['symbol']}{self.operand}={self.apply(value)}"


@dataclass(frozen=True)
class Step:
    """A step as it is told: the verb of its sentence and the operation it means."""

    verb: str
    operation: Operation


@dataclass(frozen=True)
class Problem:
    """One problem, apart from any language.

    Attributes:
        seed: what it was drawn from.
        difficulty: the name of its dials.
        start: the number at the start.
        steps: in the order in which they are done.
        reversed_pairs: the steps i (from 0) for which step i+1 is told before step i.
        distractors: (place, kind, number): told before the step at that place, without any bearing.
        name: index of the person.
        item: key of the thing.
    """

    seed: int
    difficulty: str
    start: int
    steps: tuple[Step, ...]
    reversed_pairs: tuple[int, ...]
    distractors: tuple[tuple[int, str, int], ...]
    name: int
    item: str

    @property
    def states(self) -> tuple[int, ...]:
        """The number after each step."""
        return run(self.start, [step.operation for step in self.steps])

    @property
    def answer(self) -> int:
        """The number at the end."""
        return self.states[-1]

    @property
    def key(self) -> str:
        """Hash of what is to be calculated: start and operations, without words, names or distractors."""
        sums = [f"{step.operation.kind}{step.operation.operand}" for step in self.steps]
        return hashlib.sha256(f"{self.start} {' '.join(sums)}".encode()).hexdigest()

    @property
    def split(self) -> Split:
        """test for one key in twenty, dev for one in twenty, else train."""
        place = int(self.key[:8], 16) % 20
        return "test" if place == 0 else "dev" if place == 1 else "train"

    def question(self, language: str = "en") -> str:
        """The problem in words.

        Args:
            language: code of one of the eleven languages.

        Raises:
            TertuliaError: the language is not one of them.
        """
        tongue = Language.load(language)
        told: list[str] = [tongue.sentence("start", self.name, self.item, self.start)]
        place = 0
        while place < len(self.steps):
            told += [tongue.distractor(kind, number) for at, kind, number in self.distractors if at == place]
            if place in self.reversed_pairs:
                told.append(self._sentence(tongue, place + 1))
                told.append(self._sentence(tongue, place, told_before=True))
                place += 2
            else:
                told.append(self._sentence(tongue, place))
                place += 1
        return tongue.join.join([*told, tongue.sentence("question", self.name, self.item, self.start)])

    def working(self, language: str = "en") -> str:
        """The way to the answer in words: each step as it is told, in the order of doing, with its sum.

        Args:
            language: as for `question`.

        Raises:
            TertuliaError: the language is not one of the eleven.
        """
        tongue = Language.load(language)
        before = (self.start, *self.states)
        told = [
            f"{self._sentence(tongue, place)} {step.operation.equation(before[place])}."
            for place, step in enumerate(self.steps)
        ]
        return " ".join([tongue.sentence("start", self.name, self.item, self.start), *told])

    def _sentence(self, tongue: Language, place: int, told_before: bool = False) -> str:
        step = self.steps[place]
        tell = tongue.before if told_before else tongue.sentence
        return tell(step.verb, self.name, self.item, step.operation.operand)


def run(start: int, operations: list[Operation]) -> tuple[int, ...]:
    """The numbers after each of the operations, done one after the other."""
    states = []
    for operation in operations:
        start = operation.apply(start)
        states.append(start)
    return tuple(states)


def problem(seed: int, difficulty: str = "default", split: Split = "test") -> Problem:
    """The problem of a seed: the same arguments always give the same problem.

    Args:
        seed: any integer.
        difficulty: ``easy``, ``default`` or ``long``.
        split: ``train``, ``dev`` or ``test``; no two splits share what is to be calculated.

    Raises:
        TertuliaError: difficulty or split is unknown.
    """
    if difficulty not in settings()["difficulty"]:
        known = ", ".join(settings()["difficulty"])
        raise TertuliaError(f"unknown difficulty {difficulty!r}: expected one of {known}")
    if split not in SPLITS:
        raise TertuliaError(f"unknown split {split!r}: expected one of {', '.join(SPLITS)}")
    draw = random.Random(f"{seed} {difficulty} {split}")
    while True:
        candidate = _draw(draw, seed, difficulty)
        if candidate is not None and candidate.split == split:
            return candidate


def _draw(draw: random.Random, seed: int, difficulty: str) -> Problem | None:
    """One candidate; None where the numbers leave their bounds."""
    dials, numbers = settings()["difficulty"][difficulty], settings()["numbers"]
    verbs = list(settings()["operations"])
    start = draw.randint(*numbers["start"])
    count = draw.randint(*dials["steps"])
    steps: list[Step] = []
    value = start
    while len(steps) < count:
        verb = draw.choice(verbs)
        kind = settings()["operations"][verb]["kind"]
        number = draw.randint(*numbers["operand"]) if settings()["kinds"][kind].get("number") else None
        operation = Operation(kind, number)
        if (kind == "half" and value % 2) or not 2 <= operation.apply(value) <= numbers["largest"] // 2:
            if draw.random() < 0.02:
                return None
            continue
        value = operation.apply(value)
        steps.append(Step(verb, operation))
    pairs: list[int] = []
    for place in range(count - 1):
        differs = steps[place].operation != steps[place + 1].operation
        if differs and place - 1 not in pairs and draw.random() < dials["reversed"]:
            pairs.append(place)
    seconds = {place + 1 for place in pairs}
    places = [place for place in range(1, count) if place not in seconds] or [0]
    distractors = tuple(
        (draw.choice(places), kind, draw.randint(*numbers["operand"]))
        for kind in draw.sample(Language.distractor_kinds(), draw.randint(*dials["distractors"]))
    )
    items = Language.item_kinds()
    return Problem(
        seed,
        difficulty,
        start,
        tuple(steps),
        tuple(pairs),
        distractors,
        draw.randrange(6),
        draw.choice(items),
    )
