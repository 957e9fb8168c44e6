"""What a method comes to on one question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from tertulia.circle.board import Meeting
from tertulia.circle.path import Path
from tertulia.circle.run import Run
from tertulia.circle.voting import Verdict, vote_async


@dataclass(frozen=True)
class Outcome:
    """What a method comes to on one question.

    Attributes:
        paths: All paths that generated anything, in order of their index.
        meetings: Who heard whom.
        verdict: The answer, and how it came about.
        voters: The paths whose answers the verdict is of; those that a method stops on its way do not vote.
    """

    paths: list[Path]
    meetings: list[Meeting]
    verdict: Verdict
    voters: tuple[int, ...]

    @property
    def saved(self) -> int:
        """Tokens stopped paths did not generate, had they become as long as the finished are on average."""
        finished = [path.tokens.generated for path in self.paths if path.finished]
        stopped = [path.tokens.generated for path in self.paths if path.place == "stopped"]
        if not finished:
            return 0
        usual = sum(finished) / len(finished)
        return round(sum(max(0.0, usual - spent) for spent in stopped))


async def verdict_of(run: Run, name: str, story: str, paths: Sequence[Path], of: int | None = None) -> Verdict:
    """The verdict of the paths that came to an end; journaled, so that it can be read without voting again.

    Args:
        run: What all paths share.
        name: Identity of the circle.
        story: Names the question for random draws.
        paths: Those who vote.
        of: How many paths there were, if more than those who vote.
    """
    verdict = await vote_async(
        [path.answer for path in paths],
        lengths=[path.tokens.generated for path in paths],
        rule=run.settings.vote,
        seed=f"{run.settings.seed} {story}",
    )
    verdict = replace(verdict, of=of if of is not None else len(paths))

    async def record() -> dict[str, object]:
        return {"kind": "verdict", **asdict(verdict)}

    await run.journal.once(f"{name}/verdict", record)
    run.tell("verdict", None, **asdict(verdict))
    return verdict
