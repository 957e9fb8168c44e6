"""Ways to spend tokens on a question, by name; each takes what the paths share and gives a finished circle."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tertulia.circle.circle import Circle
from tertulia.circle.run import Run
from tertulia.methods import leap_single, longer, moa
from tertulia.methods.ballot import vote

Method = Callable[[Run], Awaitable[Circle]]


async def leap(run: Run) -> Circle:
    """LeaP: paths learn from each other while they think (arXiv 2505.07787, section 3); the verdict is their vote."""
    circle = Circle(run, meets=run.settings.meets)
    await circle.solve()
    await vote(circle, circle.paths)
    return circle


async def independent(run: Run) -> Circle:
    """Paths that never meet, and a vote over their answers: what every other method is compared to."""
    return await leap(run)


METHODS: dict[str, Method] = {
    "leap": leap,
    "independent": independent,
    "leap-single": leap_single.solve,
    "longer": longer.solve,
    "moa": moa.solve,
}
"""Methods by name."""
