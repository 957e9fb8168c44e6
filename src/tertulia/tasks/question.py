"""One question of a benchmark, as a model is to read it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Any, Literal

from tertulia.answers.extract import is_correct
from tertulia.errors import TertuliaError


@dataclass(frozen=True, slots=True)
class Question:
    """A question and its right answer.

    Attributes:
        id: unique within the task, the same each time the same rows are read, and safe in file names.
        text: as the model is to read it; for a choice the options follow as lines "A) ...", "B) ...".
        gold: the right answer; for a choice the letter as shown.
        kind: what form the answer has.
        language: code of the language of the text.
        options: the options of a choice, in the order in which they are shown.
        order: order[i] is the place in the row (from 0) of the option shown i-th; empty unless a choice.
        data: further facts, all JSON values. For world: seed, difficulty, split, and steps (the right value
            after each step, as text).
        scorer: what judges an answer in place of the comparison with gold, as "module:function", so that it goes
            through logs and processes: it is given the answer and the question, and returns whether that is right.
    """

    id: str
    text: str
    gold: str
    kind: Literal["math", "choice"]
    language: str = "en"
    options: tuple[str, ...] = ()
    order: tuple[int, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    scorer: str = ""

    def right(self, answer: str | None) -> bool:
        """Whether an extracted answer is right; False for None. Compares answers: off the event loop.

        Raises:
            TertuliaError: the scorer cannot be found. One line.
        """
        if answer is None:
            return False
        if self.scorer:
            return bool(_scorer(self.scorer)(answer, self))
        return is_correct(answer, self.gold, self.kind, self.language)


@cache
def _scorer(name: str) -> Callable[[str, Question], bool]:
    module, _, function = name.partition(":")
    try:
        found: Callable[[str, Question], bool] = getattr(import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise TertuliaError(f"the scorer {name!r} cannot be found ({error}): expected module:function") from error
    return found
