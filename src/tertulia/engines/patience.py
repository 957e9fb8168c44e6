"""The one retry layer: how often and how long a failing server is tried again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable


class Retryable(Exception):
    """A failure that may pass.

    `wait` is what the server asked for in Retry-After, `silence` how long it said nothing, both in seconds.
    """

    def __init__(self, why: str, wait: float | None = None, *, silence: float = 0.0) -> None:
        super().__init__(why)
        self.wait = wait
        self.silence = silence


class Patience:
    """Waits between the attempts of one request, bounded in count and in time.

    Args:
        retries: Attempts after the first.
        seconds: Bound on the sum of all waits, silences of the server included.

    The first wait is at most a quarter of a second; that doubles each time up to 8 seconds. The wait itself is random
    below it (full jitter), so that paths that failed together do not come back together.
    """

    def __init__(self, retries: int, seconds: float) -> None:
        self._retries, self.seconds = retries, seconds
        self._next = 0.25
        self.waited = 0.0
        self.attempts = 1

    async def wait(self, failure: Retryable, tell: Callable[[float, str], None] | None = None) -> bool:
        """Wait before another attempt; False when patience is at an end (then nothing is waited for).

        Args:
            failure: What went wrong.
            tell: Told how long is waited, and why.
        """
        self.waited += failure.silence
        pause = random.uniform(0, self._next)
        if failure.wait is not None:
            # Nobody comes early, and everybody a little apart.
            pause = failure.wait + random.uniform(0, min(1.0, 0.1 * failure.wait))
        if self.attempts > self._retries or self.waited + pause > self.seconds:
            return False
        self._next = min(8.0, 2 * self._next)
        self.attempts += 1
        self.waited += pause
        if tell is not None and pause >= 1:
            tell(pause, f"another attempt: {failure}")
        await asyncio.sleep(pause)
        return True
