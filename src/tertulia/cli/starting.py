"""What is shown before the first token: a download, the memory that is planned, the load of a model."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Any

from tertulia.cli.screen import console as new_console
from tertulia.cli.screen import fit, say

if TYPE_CHECKING:
    from tertulia.engines.progress import Progress

EVERY = 5.0  # seconds between two plain lines of one thing
NO_PROBE = "TERTULIA_NO_PROBE"  # set: other servers are not looked for


class Starting:
    """Tells beginnings on standard error: on a terminal with a bar, else in a line every few seconds.

    Args:
        silent: Say nothing, but still show a bar on a terminal.
    """

    def __init__(self, *, silent: bool = False) -> None:
        self._silent = silent
        self._terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._subject = ""
        self._said = 0.0
        self._bar: Any = None

    def __call__(self, progress: Progress) -> None:
        """Shows the progress of an engine."""
        self.show(progress.text, progress.done)

    def show(self, text: str, done: float | None) -> None:
        """Shows how far something is, 0 to 1, or says what is to be said once (`done` None)."""
        if done is None:
            self._close()
            if not self._silent:
                self._say(text)
        elif self._terminal:
            self._draw(text, done)
        elif not self._silent:
            self._line(text, done)

    def _say(self, text: str) -> None:
        # A view may have left "starting ..." in the line.
        print(("\r\x1b[K" if self._terminal else "") + fit(text), file=sys.stderr, flush=True)

    def _line(self, text: str, done: float) -> None:
        subject, now = text.split(":")[0], time.monotonic()
        if subject != self._subject:
            self._subject, self._said = subject, now
            self._say(text)
        elif now - self._said >= EVERY:
            self._said = now
            self._say(f"{text}, {done:.0%}")

    def _draw(self, text: str, done: float) -> None:
        if self._bar is None:
            from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

            columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn())
            self._bar = Progress(*columns, console=new_console(stderr=True), transient=True, auto_refresh=False)
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
            self._bar.start()
            self._bar.add_task(fit(text), total=1.0)
        now = time.monotonic()
        if now - self._said >= 0.1:
            self._said = now
            self._bar.update(self._bar.task_ids[0], description=fit(text), completed=done, refresh=True)
        if done >= 1.0:
            self._close()
            if not self._silent:  # llama.cpp is next, and lets nothing be drawn until it has loaded
                print("starting the engine ...", end="\r", file=sys.stderr, flush=True)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def say_local_servers() -> None:
    """One line about servers that are up on this machine; they are not used unless that is asked for."""
    if os.environ.get(NO_PROBE):
        return
    from tertulia.engines.local import local_servers

    servers = local_servers()
    if servers:
        told = ", ".join(map(str, servers))
        say(f"note: on this machine there is {fit(told)}; --engine auto uses it", to_stderr=True)
