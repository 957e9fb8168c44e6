"""LeaP: paths learn from each other while they think (arXiv 2505.07787, section 3)."""

from __future__ import annotations

from tertulia.circle.circle import Circle
from tertulia.circle.outcome import Outcome, verdict_of
from tertulia.circle.run import Run


async def solve(run: Run, name: str, story: str, question: str) -> Outcome:
    """Lets a circle think and meet; its verdict is the vote over its paths."""
    circle = Circle(run, name, story)
    await circle.solve(question)
    verdict = await verdict_of(run, name, story, circle.paths)
    return Outcome(circle.paths, circle.board.meetings, verdict, tuple(path.index for path in circle.paths))
