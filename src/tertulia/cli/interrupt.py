"""Ctrl-C: the process ends at once, and says how to go on.

Nothing is closed on the way out. Every step of a run is on disk before the next begins, so there is nothing
to lose; the system closes connections, which frees a server; and an engine inside this process ends with it.
An orderly end would have to wait for the engine, which may be loading a model and let no Python run.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from tertulia.cli.screen import fit

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
        os.write(2, f"\n{message}\n".encode(errors="replace"))
        os._exit(128 + number)

    for number in SIGNALS:
        signal.signal(number, stop)


def how_to_go_on(journal: Path | None, arguments: Sequence[str]) -> str:
    """What a user is told who stopped a run.

    Args:
        journal: Where the run was kept.
        arguments: What followed `tertulia` on the command line.
    """
    if journal is None:
        return "Stopped. Nothing was kept; with --journal FILE a run can be gone on with."
    asked = ", with the same question on standard input" if "-" in arguments else ""
    words = [*_program(sys.argv[0]), *arguments]
    return f"Stopped. To go on where it was{asked}: {' '.join(map(_quoted, words))}"


def _program(typed: str) -> list[str]:
    """What starts this program, as it was started.

    Args:
        typed: Its name, as the system handed it over.
    """
    if Path(typed).name == "__main__.py":
        python = shutil.which("python")
        return ["python" if python == sys.executable else sys.executable, "-m", "tertulia"]
    installed = Path(typed).stem == "tertulia" and Path(typed).is_file()
    return [typed if installed and shutil.which("tertulia") != typed else "tertulia"]


def _quoted(word: str) -> str:
    """A word as a shell reads it back, without anything in it that would act on a terminal."""
    if fit(word, one_line=False) == word:
        return shlex.quote(word)
    return "$'" + "".join(map(_escaped, word)) + "'"


def _escaped(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # a byte that is not UTF-8
        return f"\\x{ord(character) - 0xDC00:02x}"
    if character in "\\'" or fit(f"x{character}x") != f"x{character}x":
        return f"\\U{ord(character):08x}" if ord(character) > 127 else f"\\{ord(character):03o}"
    return character
