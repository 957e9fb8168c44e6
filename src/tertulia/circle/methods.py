"""Ways to spend tokens on a question; they share the same path and engine code. One file each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tertulia.circle import independent, leap, leap_single, moa
from tertulia.circle.outcome import Outcome
from tertulia.circle.run import Run

Method = Callable[[Run, str, str, str], Awaitable[Outcome]]
"""Takes the run, the circle's name, the story for random draws, and the question."""

BY_NAME: dict[str, Method] = {
    "independent": independent.solve,
    "leap": leap.solve,
    "leap-single": leap_single.solve,
    "moa": moa.solve,
}
