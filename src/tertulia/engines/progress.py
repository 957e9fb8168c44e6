"""How slow beginnings are told: a download, the reading of a model."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Progress:
    """Something that goes on before the first token.

    Attributes:
        text: What, in one line.
        done: How much of it is done, 0 to 1; None for what is to be said once.
    """

    text: str
    done: float | None = None


Tell = Callable[[Progress], object]


def untold(progress: Progress) -> None:
    """A `Tell` for callers who do not want to know."""


def duration(seconds: float) -> str:
    """Seconds for people: "40 s", "3 min", "2 h 5 min"."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


async def aside(work: Callable[[], Value]) -> Value:
    """Runs what blocks beside the event loop. A caller that is cancelled does not wait for its end."""
    loop = asyncio.get_running_loop()
    result: asyncio.Future[Value] = loop.create_future()

    def settle(value: Value | None, error: BaseException | None) -> None:
        if not result.done():
            if error is not None:
                result.set_exception(error)
            else:
                result.set_result(value)  # type: ignore[arg-type]

    def run() -> None:
        value, failure = None, None
        try:
            value = work()
        except BaseException as error:
            failure = error
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, value, failure)

    # Not the loop's own threads: these are waited for when it ends, and a download may take an hour.
    threading.Thread(target=run, daemon=True).start()
    return await result
