"""What a circle leaves in an evaluation's log: answers, tokens, and what its meetings did.

Everything that tables and figures need stands here as plain values, so that a log can be read without Tertulia.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from tertulia.api import Result
from tertulia.circle.claims import read_claims
from tertulia.circle.path import Path
from tertulia.errors import TertuliaError
from tertulia.evaluation.meetings import Effect
from tertulia.model import Profile
from tertulia.tasks.question import Question

CACHED_WEIGHT = 0.1
"""What an injected token costs, in generated tokens, where the context before it comes from the server's cache."""
UNCACHED_WEIGHT = 1.0
"""What it costs where the server reads the context again, or does not say."""
Steps = Callable[[Path], tuple[str, ...]]
"""Reads the values of a path's steps."""
Copied = Callable[[Path], tuple[int, int]]
"""How many of a path's summaries and its answer are copied, and how many there are."""


def check_weight(weight: float) -> None:
    """Refuses a price of an injected token that is none.

    Raises:
        TertuliaError: It is negative, infinite or no number. One line.
    """
    if not 0 <= weight < math.inf:
        raise TertuliaError(f"the weight of an injected token is {weight}: expected 0 or more, such as {CACHED_WEIGHT}")


def injected_weight(circles: Sequence[CircleRecord], cached: float = CACHED_WEIGHT) -> float:
    """What an injected token costs in an arm: the weight of cached contexts if they mostly were, else 1.

    It goes by the median path, so that a run that was killed, and lost its cache once, is priced like any other.

    Args:
        circles: Of the arm.
        cached: The weight of an injected token whose context came from the cache.
    """
    shares = [path.cached_share for circle in circles for path in circle.paths]
    known = [share for share in shares if share is not None]
    return cached if known and median(known) >= 0.5 else UNCACHED_WEIGHT


@dataclass(frozen=True, slots=True)
class Spoken:
    """Which language a path's own thought is in.

    Attributes:
        target: The one asked for: that it was led to, or of a free thought that of the question.
        language: That of most of its text; None where there is too little.
        switched: Share of its sentences that are in another language than the target.
        sentences: How many were judged.
    """

    target: str
    language: str | None
    switched: float
    sentences: int

    @property
    def off_target(self) -> bool | None:
        """Whether it thinks in another language than the one asked for; None where there is too little text."""
        return None if self.language is None else self.language != self.target


@dataclass(frozen=True, slots=True)
class PathRecord:
    """One path.

    Attributes:
        answer: Its answer, None where it came to none.
        right: Whether that is right.
        votes: Whether it has a vote: it was neither stopped on its way nor only an adviser of others.
        generated, injected, discarded: Tokens, as `tertulia.circle.path.TokenCounts` has them.
        cached_share: Share of the context sent again that came from the server's cache; None where unknown.
        error: Why it failed, where it did.
        steps: The values of its steps, the first one's first, "" where it states none; None for a model that states
            no steps, and in older logs.
        spoken: Which language it thinks in, where a thinking language is asked for or the evaluation asks.
        forked: Generated tokens of side branches; part of `generated`.
        led: Whether it was led to its answer, because none could be read from what it wrote.
        loops: How often it was found to repeat itself.
        said: How many summaries and answers it wrote; 0 in older logs.
        copied: How many of them hold our wording or another question's (`tertulia.evaluation.copying`).
    """

    answer: str | None
    right: bool
    votes: bool
    generated: int
    injected: int
    discarded: int
    cached_share: float | None
    error: str | None = None
    steps: tuple[str, ...] | None = None
    spoken: Spoken | None = None
    forked: int = 0
    led: bool = False
    loops: int = 0
    said: int = 0
    copied: int = 0

    def cost(self, weight: float) -> float:
        """Its price in generated tokens, an injected one at this weight."""
        return self.generated + weight * self.injected


@dataclass(frozen=True, slots=True)
class CircleRecord:
    """One circle on one question.

    Attributes:
        question: Id of the question.
        circle: Number of the circle, from 0.
        gold: The right answer.
        verdict: The circle's answer.
        correct: Whether that is right.
        paths: Its paths.
        further: Paths that were sampled beyond the circle, for comparison at equal tokens; none of the verdict's.
        seconds: From the first step to the verdict.
        pairs: How many times a path came to a meeting.
        differed: How many of these times peers were seen to differ.
        effects: What each meeting at which something was heard did to each path.
        shared: Whether its paths have their beginnings in common with those of other arms.
    """

    question: str
    circle: int
    gold: str
    verdict: str | None
    correct: bool
    paths: tuple[PathRecord, ...]
    further: tuple[PathRecord, ...] = ()
    seconds: float = 0.0
    pairs: int = 0
    differed: int = 0
    effects: tuple[Effect, ...] = field(default=())
    shared: bool = False

    @property
    def voters(self) -> list[PathRecord]:
        """The paths that count for Pass@1."""
        return [path for path in self.paths if path.votes]

    @property
    def pass_at_1(self) -> float:
        """Share of right paths among those with a vote; 0 where none has one."""
        voters = self.voters
        return sum(path.right for path in voters) / len(voters) if voters else 0.0

    @property
    def generated(self) -> int:
        """Tokens that the circle's paths generated."""
        return sum(path.generated for path in self.paths)

    @property
    def injected(self) -> int:
        """Tokens that were put into them."""
        return sum(path.injected for path in self.paths)

    def cost(self, weight: float) -> float:
        """The circle's price in generated tokens, an injected one at this weight."""
        return sum(path.cost(weight) for path in self.paths)

    def to_json(self) -> dict[str, Any]:
        """Plain values, for the log."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> CircleRecord:
        """What `to_json` wrote."""
        made = dict(value)
        made["paths"] = tuple(map(_read_path, value["paths"]))
        made["further"] = tuple(map(_read_path, value["further"]))
        made["effects"] = tuple(Effect(**{**effect, "peers": tuple(effect["peers"])}) for effect in value["effects"])
        return cls(**made)


def path_records(
    paths: Sequence[Path],
    voters: Sequence[int],
    question: Question,
    steps: Steps | None = None,
    copied: Copied | None = None,
) -> tuple[PathRecord, ...]:
    """Records of a circle's paths. Compares answers: off the event loop.

    Args:
        paths: Of the circle.
        voters: Indices of those with a vote.
        question: What was asked.
        steps: Reads a path's steps; None for models that state none.
        copied: Tells what a path copied; None where nobody asks.
    """
    return tuple(_path_record(path, path.index in voters, question, steps, copied) for path in paths)


def steps_of(profile: Profile, close: str) -> Steps | None:
    """Reads the steps of a path of this model, whose thoughts close with `close`; None where it states none."""
    if not profile.stepwise:
        return None

    def read(path: Path) -> tuple[str, ...]:
        steps = read_claims(path.spans, profile.claims, close).steps
        return tuple(steps.get(step, "") for step in range(1, max(steps, default=0) + 1))

    return read


def circle_record(
    result: Result,
    question: Question,
    circle: int,
    effects: Sequence[Effect],
    steps: Steps | None = None,
    copied: Copied | None = None,
) -> CircleRecord:
    """The record of a finished circle. Compares answers: off the event loop.

    Args:
        result: What the circle came to.
        question: What was asked.
        circle: Number of the circle.
        effects: What its meetings did.
        steps: Reads a path's steps; None for models that state none.
        copied: Tells what a path copied; None where nobody asks.
    """
    return CircleRecord(
        question=question.id,
        circle=circle,
        gold=question.gold,
        verdict=result.answer,
        correct=question.right(result.answer),
        paths=path_records(result.paths, result.voters, question, steps, copied),
        seconds=round(result.seconds, 3),
        pairs=len(effects),
        differed=sum(effect.finding == "differ" for effect in effects),
        effects=tuple(effects),
    )


def _read_path(value: Mapping[str, Any]) -> PathRecord:
    steps, spoken = value.get("steps"), value.get("spoken")
    read = {"steps": None if steps is None else tuple(steps), "spoken": Spoken(**spoken) if spoken else None}
    return PathRecord(**{**value, **read})


def _path_record(path: Path, voter: bool, question: Question, steps: Steps | None, copied: Copied | None) -> PathRecord:
    tokens = path.tokens
    again = tokens.sent - tokens.prompt - tokens.injected
    share = None if tokens.cached is None else min(1.0, tokens.cached / again) if again > 0 else 1.0
    copies, said = copied(path) if copied else (0, 0)
    return PathRecord(
        answer=path.answer,
        right=question.right(path.answer),
        votes=voter and path.place != "stopped",
        generated=tokens.generated,
        injected=tokens.injected,
        discarded=tokens.discarded,
        cached_share=None if share is None else round(share, 4),
        error=path.error,
        steps=None if steps is None else steps(path),
        forked=tokens.forked,
        led=path.led,
        loops=path.loops,
        said=said,
        copied=copies,
    )
