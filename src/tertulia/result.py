"""What a circle came to, as plain values for users, evaluations and logs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tertulia.answers.extract import is_correct
from tertulia.answers.voting import Verdict
from tertulia.circle.board import Meeting
from tertulia.circle.circle import Circle
from tertulia.circle.path import Path, TokenCounts
from tertulia.engines.base import EngineInfo
from tertulia.settings import Settings


@dataclass(frozen=True, slots=True)
class Result:
    """What a circle came to. `to_json` is the object that `tertulia solve --json` prints.

    Attributes:
        question: The question.
        verdict: The circle's answer and its votes.
        correct: Whether it is right; None where nobody knows.
        paths: Every path, span by span.
        meetings: Who heard whom.
        saved: Tokens saved by stopping paths once enough agreed.
        seconds: From the first step to the verdict.
        settings: What the run did.
        engine: What ran it.
        voters: The paths whose answers the verdict is of.
        settled: Whether enough paths agreed before all had come to their end.
    """

    question: str
    verdict: Verdict
    correct: bool | None
    paths: tuple[Path, ...]
    meetings: tuple[Meeting, ...]
    saved: int
    seconds: float
    settings: Settings
    engine: EngineInfo
    voters: tuple[int, ...]
    settled: bool = False

    @classmethod
    def of(cls, circle: Circle, *, gold: str | None, seconds: float) -> Result:
        """The result of a circle that has come to its end. May wait for math-verify: off the event loop.

        Args:
            circle: The circle.
            gold: The right answer, where it is known.
            seconds: How long it took.
        """
        run, answer = circle.run, circle.verdict.answer
        kind, language = run.settings.answer_kind, run.settings.language
        return cls(
            question=run.question,
            verdict=circle.verdict,
            correct=None if gold is None else is_correct(answer, gold, kind, language),
            paths=tuple(circle.paths),
            meetings=tuple(circle.board.meetings),
            saved=saved_by(circle.paths) if run.settings.consensus_stop or run.settings.settle else 0,
            seconds=seconds,
            settings=run.settings,
            engine=run.engine.info,
            voters=tuple(path.index for path in circle.voters),
            settled=circle.settled,
        )

    @property
    def answer(self) -> str | None:
        """The circle's answer; None where no path came to one."""
        return self.verdict.answer

    @property
    def votes(self) -> dict[str, int]:
        """Paths for each answer, most first."""
        return dict(self.verdict.votes)

    @property
    def tokens(self) -> TokenCounts:
        """The tokens of all paths."""
        return sum((path.tokens for path in self.paths), TokenCounts())

    def to_json(self) -> dict[str, Any]:
        """Plain values. `mode` is "ids" where tokens are exact, "text" where the server knows only text."""
        return {
            "question": self.question,
            "verdict": self.verdict.answer,
            "votes": self.votes,
            "spoke": self.verdict.spoke,
            "tie": self.verdict.tie,
            "correct": self.correct,
            "paths": [_path_json(path) for path in self.paths],
            "voters": list(self.voters),
            "meetings": [meeting.to_json() for meeting in self.meetings],
            "tokens": self.tokens.to_json() | {"saved": self.saved},
            "settled": self.settled,
            "seconds": round(self.seconds, 3),
            "seed": self.settings.seed,
            "engine": self.engine.name if self.engine.name == "embedded" else self.engine.url or self.engine.name,
            "model": self.engine.model,
            "method": self.settings.method,
            "mode": self.engine.mode,
            "settings": self.settings.model_dump(mode="json"),
        }


def _path_json(path: Path) -> dict[str, Any]:
    return {
        "id": path.name,
        "answer": path.answer,
        "finished": path.finished,
        "place": path.place,
        "error": path.error,
        "led": path.led,
        "loops": path.loops,
        "spans": [{"kind": span.kind, "tokens": span.count, "text": span.text} for span in path.spans],
        "tokens": path.tokens.to_json(),
    }


def saved_by(paths: Sequence[Path]) -> int:
    """Tokens that stopped and closed paths did not generate, had they become as long as the others are on average."""
    whole = [path.tokens.generated for path in paths if path.finished and not path.out_of_budget]
    cut = [path.tokens.generated for path in paths if path.place == "stopped" or path.out_of_budget]
    if not whole:
        return 0
    usual = sum(whole) / len(whole)
    return round(sum(max(0.0, usual - spent) for spent in cut))
