"""Paths that never meet, and a vote over their answers: what every other method is compared to."""

from __future__ import annotations

from tertulia.circle import leap
from tertulia.circle.outcome import Outcome
from tertulia.circle.run import Run


async def solve(run: Run, name: str, story: str, question: str) -> Outcome:
    """A circle that has no meetings; its paths get the plain question, without a word about meetings."""
    return await leap.solve(run, name, story, question)
