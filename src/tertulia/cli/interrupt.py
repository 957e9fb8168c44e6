"""Ctrl-C: the process ends at once, and says how to go on.

Nothing is closed on the way out. Every step of a run is on disk before the next begins, so there is nothing
to lose; the system closes connections, which frees a server; and an engine inside this process ends with it.
An orderly end would have to wait for the engine, which may be loading a model and let no Python run.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def ends_at_once() -> Iterator[None]:
    """Ctrl-C ends the process like that of any other program: no traceback, even where no Python runs."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def say_when_stopped(message: str, clean_up: Callable[[], None] = lambda: None) -> None:
    """From now on Ctrl-C also tells the user something; the exit code is 130 for it, 143 for SIGTERM.

    Args:
        message: What the user is told.
        clean_up: Puts the terminal in order.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        for again in SIGNALS:
            signal.signal(again, signal.SIG_DFL)
        with suppress(Exception):
            clean_up()
        # Not `print`: the signal may have come while something was being printed.
        os.write(2, f"\n{message}\n".encode())
        os._exit(128 + number)

    for number in SIGNALS:
        signal.signal(number, stop)
