"""Running a coroutine that Ctrl-C stops within a second, whatever the engine is doing."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")

PATIENCE = 0.6  # seconds for closing connections and the journal, after that the process ends as it is


class Interrupted(Exception):
    """The user (or the system) asked the run to stop.

    Attributes:
        exit_code: 128 and the signal's number: 130 for Ctrl-C.
    """

    def __init__(self, signal_number: int, message: str) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number
        self._lock = threading.RLock()  # a second Ctrl-C may come while it prints
        self._told = False

    def tell(self) -> None:
        """Prints the message on standard error, once."""
        with self._lock:
            if not self._told:
                self._told = True
                print(f"\n{self}", file=sys.stderr, flush=True)


def run(
    work: Coroutine[Any, Any, T],
    *,
    message: str,
    clean_up: Callable[[], None] = lambda: None,
    patience: float = PATIENCE,
) -> T:
    """Runs `work` to its end, or until SIGINT or SIGTERM.

    A signal cancels the work, which has `patience` seconds to close what it holds. Every step of a run is
    on disk before the next begins, so a process that ends in the middle of closing loses nothing.

    Args:
        work: What to run.
        message: What the user is told when the run was stopped.
        clean_up: Called before the process is ended the hard way; puts the terminal in order.
        patience: Seconds between the signal and the hard end.

    Raises:
        Interrupted: A signal came and the work has closed.
    """
    import asyncio  # takes a quarter of the time that `--help` may take

    signals: list[Interrupted] = []
    running: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = []

    def end() -> None:
        with suppress(Exception):
            clean_up()
        signals[0].tell()
        os._exit(signals[0].exit_code)

    def stop(number: int, frame: FrameType | None) -> None:
        if signals:  # asked a second time
            end()
        signals.append(Interrupted(number, message))
        watchdog = threading.Timer(patience, end)
        watchdog.daemon = True
        watchdog.start()
        for loop, task in running:
            loop.call_soon_threadsafe(task.cancel)

    async def watched() -> T:
        task = asyncio.current_task()
        assert task is not None
        running.append((asyncio.get_running_loop(), task))
        return await work

    # Handlers of the event loop would have to wait for the loop, and it may be importing or loading a model.
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        return asyncio.run(watched())
    except BaseException:
        if signals:
            raise signals[0] from None
        raise
    finally:
        if not signals:
            for number, handler in before.items():
                signal.signal(number, handler)
