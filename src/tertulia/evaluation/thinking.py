"""Which language the paths of an evaluation think in, beside the one they were to think in.

Only a path's own thought is looked at: never its prompt, a cue, the sentence that leads it to its language, a summary,
something heard, or a beginning that it was given. On the world, for a model that writes the world's traces, words are
known and nothing is guessed; elsewhere sentences are identified (`tertulia.evaluation.tongues`, the extra `study`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any

from tertulia.circle.path import Path, Span
from tertulia.evaluation.records import CircleRecord, PathRecord, Spoken
from tertulia.evaluation.statistics import Estimate, mean_over_questions
from tertulia.evaluation.tongues import off_target
from tertulia.model import Profile
from tertulia.settings import Settings
from tertulia.tasks.question import Question
from tertulia.world.language import LANGUAGES

MISSING = (
    "Which language thoughts are in is not told: identifying languages needs the extra study: "
    "pip install 'tertulia[study]'"
)


def exact(question: Question, profile: Profile) -> bool:
    """Whether nothing has to be guessed: a question of the world, and a model that writes the world's traces."""
    return "steps" in question.data and profile.reads_thought


def told(question: Question, profile: Profile) -> bool:
    """Whether the language of thoughts can be told here; without the extra `study` only where it is exact."""
    return exact(question, profile) or find_spec("lingua") is not None


def own_thought(path: Path, think_close: str = "", beginning: Span | None = None) -> str:
    """What a path thought itself; where something was put in between, a line ends.

    Args:
        path: Whose thought.
        think_close: The text that closes a thought; it is no part of it.
        beginning: What the thought was forced to begin with; left out.
    """
    thoughts = [span.text for span in path.spans if span.kind == "thought"]
    if thoughts and beginning is not None:
        thoughts[0] = thoughts[0].removeprefix(beginning.text)
    if think_close:
        thoughts = [thought.partition(think_close)[0] for thought in thoughts]
    return "\n".join(thought for thought in thoughts if thought.strip())


@dataclass(frozen=True)
class Ear:
    """Tells which language the thoughts of a circle are in.

    Attributes:
        question: What was asked.
        profile: Of the model.
        settings: Of the circle; they name the language of each path's thought.
        think_close: The text that closes a thought.
        beginnings: What the thoughts of the paths were forced to begin with.
        free: Whether free thoughts are held against the language of the question; else nothing is said of them.
    """

    question: Question
    profile: Profile
    settings: Settings
    think_close: str = ""
    beginnings: tuple[Span | None, ...] = ()
    free: bool = False

    def target(self, path: int) -> str | None:
        """The language that a path is to think in; None where nobody asks."""
        led = self.settings.thought_languages
        if led:
            return led[path % len(led)]
        return self.question.language if self.free else None

    def heard(self, records: Sequence[PathRecord], paths: Sequence[Path]) -> tuple[PathRecord, ...]:
        """The records of these paths with what their thoughts are in."""
        if not told(self.question, self.profile):
            return tuple(records)
        return tuple(replace(kept, spoken=self.spoken(path)) for kept, path in zip(records, paths, strict=True))

    def spoken(self, path: Path) -> Spoken | None:
        """What a path's thought is in; None where nobody asks.

        Raises:
            TertuliaError: It has to be identified, and the extra ``study`` is missing. One line.
        """
        target = self.target(path.index)
        if target not in LANGUAGES:
            return None
        forced = self.beginnings[path.index] if path.index < len(self.beginnings) else None
        thought = own_thought(path, self.think_close, forced)
        found = off_target(thought, target, world=exact(self.question, self.profile))
        return Spoken(target, found.language, round(found.switched, 4), found.sentences)


def judged(circle: CircleRecord, target: str | None = None) -> list[PathRecord]:
    """The paths of a circle whose thoughts had words to judge, of all target languages or of one."""
    heard = [path for path in circle.paths if path.spoken is not None and path.spoken.language is not None]
    return [path for path in heard if target is None or (path.spoken is not None and path.spoken.target == target)]


def off_target_share(circle: CircleRecord, target: str | None = None) -> list[float]:
    """The share of a circle's paths that think in another language than theirs: one number, none if none was judged."""
    marks = [path.spoken.off_target for path in judged(circle, target) if path.spoken is not None]
    return [sum(map(bool, marks)) / len(marks)] if marks else []


def switched_share(circle: CircleRecord, target: str | None = None) -> list[float]:
    """The mean share of sentences in another language, over a circle's paths: one number, none if none was judged."""
    shares = [path.spoken.switched for path in judged(circle, target) if path.spoken is not None]
    return [sum(shares) / len(shares)] if shares else []


def rates(circles: Mapping[str, Sequence[CircleRecord]], target: str | None = None) -> dict[str, Any] | None:
    """Off-target and code-switching rate with intervals, clustered by question; None where no thought was judged.

    Args:
        circles: By question.
        target: Only of paths that are to think in this language.

    Returns:
        ``off_target`` and ``switched`` (`Estimate`s), ``judged`` (paths), ``silent`` (paths without words to judge).
    """
    paths = [path for found in circles.values() for circle in found for path in circle.paths if path.spoken is not None]
    asked = [path for path in paths if target is None or (path.spoken is not None and path.spoken.target == target)]
    heard = sum(len(judged(circle, target)) for found in circles.values() for circle in found)
    if not heard:
        return None
    measured: dict[str, Estimate] = {}
    for name, share in (("off_target", off_target_share), ("switched", switched_share)):
        rows = [[value for circle in found for value in share(circle, target)] for found in circles.values()]
        measured[name] = mean_over_questions(rows)
    return {**measured, "judged": heard, "silent": len(asked) - heard}
