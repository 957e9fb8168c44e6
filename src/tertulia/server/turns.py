"""Who may begin when: a bound on circles in flight, and a fair line before it, round robin over keys."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass, field

from tertulia.server.refusals import Refusal

USUAL_SECONDS = 5.0  # how long a circle is taken to last before one has ended


@dataclass(eq=False)
class Place:
    """A place in the line, and later one among the circles in flight; `leave` gives up either."""

    turns: Turns
    key: str
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    began: float | None = None

    async def come(self) -> None:
        """Waits until it is this one's turn."""
        await self.ready.wait()

    def leave(self) -> None:
        """Lets the next one come. Leaving twice is harmless."""
        self.turns.leave(self)


class Turns:
    """The line.

    Args:
        at_once: Circles in flight.
        longest: Circles that may wait; more are refused.
        per_key: Circles of one key, in flight or waiting; 0 for no bound of its own.
    """

    def __init__(self, at_once: int, longest: int, per_key: int = 0) -> None:
        self.at_once = at_once
        self.longest = longest
        self.per_key = per_key
        self._lines: OrderedDict[str, deque[Place]] = OrderedDict()
        self._running: set[Place] = set()
        self._of_key: Counter[str] = Counter()
        self._usual = USUAL_SECONDS

    @property
    def running(self) -> int:
        """Circles in flight."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """Circles in the line."""
        return sum(map(len, self._lines.values()))

    def enter(self, key: str, circles: int = 1) -> list[Place]:
        """Places for so many circles of one request: for all or for none.

        Raises:
            Refusal: 429, with the seconds after which it is worth another try.
        """
        if self.per_key and self._of_key[key] + circles > self.per_key:
            raise self._full(f"this key has {self._of_key[key]} circles under way or waiting, of {self.per_key}")
        if self.waiting + circles > self.longest + max(0, self.at_once - self.running):
            raise self._full(f"{self.running} circles are under way and {self.waiting} wait, of {self.longest}")
        places = [Place(self, key) for _ in range(circles)]
        self._of_key[key] += circles
        self._lines.setdefault(key, deque()).extend(places)
        self._next()
        return places

    def leave(self, place: Place) -> None:
        """Takes a place out of the line, or out of those in flight."""
        if place in self._running:
            self._running.discard(place)
            if place.began is not None:
                self._usual += (time.monotonic() - place.began - self._usual) / 8
        elif place in (line := self._lines.get(place.key, deque())):
            line.remove(place)
            if not line:
                del self._lines[place.key]
        else:
            return
        self._of_key[place.key] -= 1
        self._of_key += Counter()  # forgets keys that have nothing here
        self._next()

    def _next(self) -> None:
        while self._lines and len(self._running) < self.at_once:
            key, line = self._lines.popitem(last=False)
            place = line.popleft()
            if line:
                self._lines[key] = line  # last in the round
            place.began = time.monotonic()
            self._running.add(place)
            place.ready.set()

    def _full(self, why: str) -> Refusal:
        seconds = max(1, math.ceil(self._usual * (1 + self.waiting) / self.at_once))
        return Refusal(
            429, f"{why}: try again in {seconds} s", code="rate_limit_exceeded", headers={"Retry-After": str(seconds)}
        )
