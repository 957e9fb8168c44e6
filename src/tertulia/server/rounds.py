"""A request's circles: they wait for their turn, think, are listened to, and end with the one who asked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from tertulia.api import Session
from tertulia.circle.events import Event
from tertulia.errors import TertuliaError
from tertulia.result import Result
from tertulia.server.asking import Asked
from tertulia.server.circles import Circles, Kept, Listener, state_of
from tertulia.server.metrics import Metrics
from tertulia.server.models import Limits, Models
from tertulia.server.refusals import refusal_of
from tertulia.server.turns import Place, Turns
from tertulia.server.voice import Voice

OVER = Event("over", None, {})
ALIVE = 5.0  # seconds of silence after which a stream shows that it is alive


@dataclass
class House:
    """What all requests share.

    Attributes:
        session: Open.
        models: What can be asked for by name.
        circles: All circles of the server.
        turns: The line.
        metrics: What is counted.
        limits: Of one request.
        marks: What opens and what closes a thought of the model.
    """

    session: Session
    models: Models
    circles: Circles
    turns: Turns
    metrics: Metrics
    limits: Limits
    marks: tuple[str, str] = ("", "")


@dataclass
class Round:
    """The circles of one request, one a choice. Use as an async context manager: outside of it none is under way.

    With `aloud` each is a single path that does not think aloud: what it writes is its answer, and no reasoning.
    """

    house: House
    asked: Asked
    settings: dict[str, Any]
    circles: list[Kept]
    places: list[Place]
    aloud: bool = False
    began: float = field(default_factory=time.monotonic)

    @property
    def name(self) -> str:
        """What identifies it."""
        return self.circles[0].id.partition("-")[0]

    async def __aenter__(self) -> Self:
        self._listener = Listener()
        for at, circle in enumerate(self.circles):
            circle.listeners.append((at, self._listener))
        self._tasks = [asyncio.create_task(self._solve(at)) for at in range(len(self.circles))]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.leave()

    def leave(self) -> None:
        """Gives up the places of those that are not over. Leaving twice is harmless, and so is never having entered."""
        for circle, place in zip(self.circles, self.places, strict=True):
            place.leave()
            if not circle.over:
                circle.end("gone")
        self.house.circles.forget()

    async def results(self) -> list[Result]:
        """What they came to.

        Raises:
            Refusal: One could not be.
        """
        try:
            results = [await task for task in self._tasks]
        except TertuliaError as error:
            raise refusal_of(error) from error
        self.house.metrics.seconds.observe(time.monotonic() - self.began)
        return results

    async def result(self, at: int) -> Result:
        """What one of them came to, once it is over.

        Raises:
            Refusal: It could not be.
        """
        try:
            return await self._tasks[at]
        except TertuliaError as error:
            raise refusal_of(error) from error

    async def told(self) -> AsyncIterator[tuple[int, Event | None, str]]:
        """What happens in them until all are over.

        Yields:
            The choice, what happened (`OVER` for its end), and what it adds to the reasoning; None and nothing where
            that has been silent.
        """
        voices = [Voice(*self.house.marks) for _ in self.circles]
        left, first, spoke = len(self.circles), True, time.monotonic()
        while left:
            heard = await self._listener.next(ALIVE)
            if time.monotonic() - spoke >= ALIVE:
                spoke = time.monotonic()
                yield 0, None, ""
            if heard is None:
                continue
            at, event = heard
            if event is None:
                left -= 1
                yield at, OVER, ""
            else:
                if first and event.kind == "tokens":
                    first = False
                    self.house.metrics.first.observe(time.monotonic() - self.began)
                if thought := voices[at].of(event):
                    spoke = time.monotonic()
                yield at, event, thought

    async def whole(self) -> tuple[list[Result], Sequence[str]]:
        """What they came to, and their reasoning.

        Raises:
            Refusal: One could not be.
        """
        thoughts: list[list[str]] = [[] for _ in self.circles]
        async for at, _, thought in self.told():
            thoughts[at].append(thought)
        return await self.results(), ["" if self.aloud else "".join(texts).strip() for texts in thoughts]

    async def _solve(self, at: int) -> Result:
        circle, place, asked = self.circles[at], self.places[at], self.asked
        seed = self.settings.get("seed", int(self.name[:7], 16))
        try:
            await place.come()
            circle.state = "running"
            result = await self.house.session.solve(
                asked.question,
                history=asked.history,
                name=circle.id,
                journal=circle.file or circle.journal,
                observer=circle.observe,
                **{**self.settings, "seed": seed + at},
            )
            circle.end(state_of(result))
        except Exception:  # whatever it was, nobody must wait for this circle any longer
            circle.end("failed")
            raise
        finally:
            place.leave()
            self.house.metrics.circles.labels(circle.state if circle.over else "gone").inc()
        self.house.metrics.count(result)
        return result
