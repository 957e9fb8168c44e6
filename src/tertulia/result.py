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
from tertulia.methods.alike import own_answer
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
        words: The answer of the path that stands for the verdict, in its own words and without its thought; the verdict
            where it has none.
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
    words: str = ""

    @classmethod
    def of(cls, circle: Circle, *, gold: str | None, seconds: float) -> Result:
        """The result of a circle that has come to its end. May wait for math-verify: off the event loop.

        Args:
            circle: The circle.
            gold: The right answer, where it is known.
            seconds: How long it took.
        """
        run, answer = circle.run, circle.verdict.answer
        kind, language = run.settings.reads, run.settings.language
        quoted = [own_answer(path, run.dialect) for path in circle.paths if path.index == circle.verdict.quoted]
        settles = run.settings.consensus_stop or run.settings.settle
        return cls(
            question=run.question,
            verdict=circle.verdict,
            correct=None if gold is None else is_correct(answer, gold, kind, language),
            paths=tuple(circle.paths),
            meetings=tuple(circle.board.meetings),
            saved=saved_by(circle.paths, run.settings.paths) if settles else 0,
            seconds=seconds,
            settings=run.settings,
            engine=run.engine.info,
            voters=tuple(path.index for path in circle.voters),
            settled=circle.settled,
            words="".join(quoted) or answer or "",
        )

    @property
    def answer(self) -> str | None:
        """The circle's answer; None where no path came to one."""
        return self.verdict.answer

    @property
    def quoted(self) -> int | None:
        """The path that stands for the verdict: of a vote the first with its answer; None where nobody spoke."""
        return self.verdict.quoted

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
            "note": self.verdict.note,
            "quoted": self.quoted,
            "words": self.words,
            "correct": self.correct,
            "paths": [path_json(path) for path in self.paths],
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


def path_json(path: Path) -> dict[str, Any]:
    """A path as plain values, its spans as text."""
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


def saved_by(paths: Sequence[Path], asked: int = 0) -> int:
    """Tokens not generated by paths that were stopped, closed or never begun, had they become as long as the others.

    Args:
        paths: Of the circle.
        asked: How many there would have been.
    """
    whole = [path.tokens.generated for path in paths if path.finished and not path.out_of_budget]
    cut = [path.tokens.generated for path in paths if path.place == "stopped" or path.out_of_budget]
    if not whole:
        return 0
    usual = sum(whole) / len(whole)
    missing = max(0, asked - len(paths)) * usual
    return round(missing + sum(max(0.0, usual - spent) for spent in cut))
