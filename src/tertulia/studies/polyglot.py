"""Circles of many tongues: paths that think in different languages and hear each other across them.

For each language of question six arms: paths think in the question's language ("own"), in one language for all
questions ("pivot"), or each in a tongue of a mix in turn ("many"); and they meet, or they do not. Every arm is an
ordinary one of an evaluation (`tertulia.evaluation`), so the same command goes on where it was: finished questions
come from Inspect's logs, circles that were under way from their journals. What is measured stands in
`tertulia.studies.polyglot_rows`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from tertulia.errors import TertuliaError
from tertulia.evaluation.evaluate import Evaluation, read
from tertulia.evaluation.evaluate import run as evaluate
from tertulia.evaluation.records import CircleRecord
from tertulia.evaluation.where import Where
from tertulia.files import mark_folder, working_in
from tertulia.run_file import Positive
from tertulia.studies.measured import Lines, options_in
from tertulia.world.language import LANGUAGES

OWN = "own"
"""In a mix: the language of the question."""
SHAPES = ("own", "pivot", "many")
KINDS: Mapping[str, str] = {"meeting": "leap", "independent": "independent"}
"""Arms by whether their paths meet, with the method that runs them."""
FIXED = ("thinking_language", "tongues", "thinking_by", "language", "method", "control", "seed")
"""Settings that the study gives itself."""
Circles = Mapping[str, Sequence[CircleRecord]]
"""Circles by question; questions have the same name in all languages."""


class Study(Where):
    """A study file; where it runs stands among its keys.

    Attributes:
        title: What it is about.
        languages: Of the questions.
        tongues: Thinking languages of a circle of many tongues, the first path's first, and so on in turn; "own" stands
            for the language of the question.
        pivot: The one language in which whole circles think, whatever the question's.
        thinking_by: What leads a thought to its language.
        task, options: As for an evaluation.
        data: A file of questions with {language} in its name.
        settings: What all arms share, fields of `tertulia.settings.Settings`.
        circles, seed: As for an evaluation.
    """

    example = "runs/lab/tongues_smoke.toml"
    title: str = "Circles of many tongues"
    languages: Annotated[list[str], Field(min_length=1)]
    tongues: Annotated[list[str], Field(min_length=2)]
    pivot: str = "en"
    thinking_by: Literal["sentence", "prompt"] = "sentence"
    task: str = "world"
    data: str | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    settings: dict[str, Any] = Field(default_factory=dict)
    circles: Positive = 1
    seed: Annotated[int, Field(ge=0)] = 1

    def check(self) -> None:
        """Checks what no type can.

        Raises:
            TertuliaError: A language is unknown or there twice, a setting is the study's own, or a mix has one tongue.
        """
        for code in (*self.languages, *(code for code in self.tongues if code != OWN), self.pivot):
            if code not in LANGUAGES:
                raise TertuliaError(f"unknown language {code!r} in the study: use some of {', '.join(LANGUAGES)}")
        if len(set(self.languages)) < len(self.languages):
            raise TertuliaError(f"languages are {', '.join(self.languages)}: name each once")
        for name in FIXED:
            if name in self.settings:
                raise TertuliaError(f"{name} is among the settings of the study, which gives it itself: leave it out")
        for language in self.languages:
            if len(self.mix(language)) < 2:
                raise TertuliaError(
                    f"the tongues {', '.join(self.tongues)} are one language for questions in {language}: "
                    "name at least two"
                )

    def mix(self, language: str) -> tuple[str, ...]:
        """The tongues of a circle of many, for questions in a language; each once."""
        return tuple(dict.fromkeys(language if code == OWN else code for code in self.tongues))

    def arms(self, language: str) -> dict[str, str]:
        """The evaluation's arm for each arm of the study; two are the same where the question is in the pivot."""
        led = {
            "own": f"thinking_language={language}",
            "pivot": f"thinking_language={self.pivot}",
            "many": f"tongues={'+'.join(self.mix(language))}",
        }
        return {f"{kind}, {shape}": f"{KINDS[kind]}:{led[shape]}" for kind in KINDS for shape in SHAPES}

    def evaluation(self, language: str) -> Evaluation:
        """What is asked for questions in a language."""
        return Evaluation(
            task=self.task,
            methods=tuple(dict.fromkeys(self.arms(language).values())),
            options=options_in(language, self.options, self.data),
            circles=self.circles,
            seed=self.seed,
            where=self.where,
            settings={**self.settings, "thinking_by": self.thinking_by},
        )


@dataclass(frozen=True)
class Outcome:
    """What the arms came to.

    Attributes:
        study: What was asked.
        circles: For each language of question the circles of each arm, by question; only questions that all arms of
            the language answered.
        left_out: How many questions were not answered by all, over all languages.
        failed: Circles that ended in an error, and the first of these errors.
    """

    study: Study
    circles: Mapping[str, Mapping[str, Circles]]
    left_out: int
    failed: tuple[int, str]


def run_study(study: Study, folder: Path, tell: Callable[[str], None] = print) -> Outcome:
    """Runs all arms that are not there yet.

    Args:
        study: What to run.
        folder: Where everything is kept.
        tell: Is given a line at the beginning of each arm.

    Raises:
        TertuliaError: A setting is wrong, the folder belongs to another study, another command is at work there, or an
            arm failed altogether.
    """
    with working_in(folder):
        # Languages may be added.
        mine = study.model_dump(mode="json", exclude={"title", "languages", "threads", "at_once"})
        mark_folder(folder, mine, "study.json", "study")
        return _run(study, folder, tell)


def _run(study: Study, folder: Path, tell: Callable[[str], None]) -> Outcome:
    lines = Lines(tell)
    circles: dict[str, dict[str, Circles]] = {}
    left_out, failed = 0, (0, "")
    for place, language in enumerate(study.languages, 1):
        lines.before = f"questions in {language} ({place} of {len(study.languages)}): "
        came = evaluate(study.evaluation(language), folder / language, tell=lines.tell)
        failed = (failed[0] + came.failed[0], failed[1] or came.failed[1])
        by_label = {label: _by_question(read(log).circles, language) for label, log in came.logs.items()}
        shared = set.intersection(*map(set, by_label.values()))
        if not shared:
            raise TertuliaError(f"no question in {language} was answered by every arm: {failed[1]}")
        left_out += len(set.union(*map(set, by_label.values())) - shared)
        arms = study.arms(language).items()
        circles[language] = {
            name: {question: found for question, found in by_label[label].items() if question in shared}
            for name, label in arms
        }
    return Outcome(study, circles, left_out, failed)


def _by_question(circles: Sequence[CircleRecord], language: str) -> dict[str, list[CircleRecord]]:
    found: dict[str, list[CircleRecord]] = {}
    for circle in circles:
        found.setdefault(circle.question.removeprefix(f"{language}-"), []).append(circle)
    return found
