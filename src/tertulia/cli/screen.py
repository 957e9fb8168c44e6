"""What a command reads and prints: text that fits a screen, results that no encoding loses.

Answers, summaries, questions, names and error messages come from models, servers and files. Printed as they are,
they could move the cursor, set a title, or forge lines of ours: whatever is printed for people goes through `fit`.
JSON does not: its own escapes keep it exact and harmless.
"""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TextIO

from tertulia.errors import TertuliaError
from tertulia.errors import fit as fit

if TYPE_CHECKING:
    from rich.console import Console

_ESCAPES = "tertulia-escapes"  # how what an encoding does not have is printed


def say(text: object, *, to_stderr: bool = False) -> None:
    """Prints a text of several lines, made to fit, at once."""
    print(fit(text, one_line=False), file=sys.stderr if to_stderr else sys.stdout, flush=True)


def console(**options: Any) -> Console:
    """A console of rich for text that is to be shown as it is; a reader who left ends the command."""
    from rich.console import Console

    class Plain(Console):
        def on_broken_pipe(self) -> None:
            raise  # rich would end the process with exit code 1, which means that there is no verdict

    return Plain(highlight=False, markup=False, emoji=False, **options)


def read_text(what: str) -> str:
    """All of standard input.

    Args:
        what: What it is, for errors: "the question".

    Raises:
        TertuliaError: It is closed, cannot be read, or is not UTF-8. One line.
    """
    if sys.stdin is None:
        raise TertuliaError(f"{what} was to be read from standard input, which is closed: give it there")
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig")
    except OSError as error:
        raise TertuliaError(f"{what} cannot be read from standard input: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise TertuliaError(f"{what} is not UTF-8: {error.reason} at byte {error.start}") from error


def typed_text(text: str, what: str) -> str:
    """A text of the command line, without the mark that some editors put before texts.

    Args:
        text: As the system handed it over.
        what: What it is, for errors: "the question".

    Raises:
        TertuliaError: It was not UTF-8. One line.
    """
    with suppress(UnicodeEncodeError):
        text.encode()
        return text.removeprefix("\ufeff")
    raise TertuliaError(f"{what} is not UTF-8: {fit(text)}; give it as UTF-8")


@contextmanager
def printable() -> Iterator[None]:
    """Until the block ends, standard output takes every text, and is there, whatever the shell did to it."""
    _fill()
    errors = getattr(sys.stdout, "errors", None)
    if errors is not None and hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors=_ESCAPES)
    try:
        yield
    finally:
        if errors is not None and hasattr(sys.stdout, "reconfigure"):
            with suppress(OSError, ValueError):
                sys.stdout.reconfigure(errors=errors)


def drop(stream: TextIO) -> None:
    """Gives up a standard stream, so that Python does not complain once more when it flushes at exit."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _fill() -> None:
    """Puts the null device where a standard stream was closed: the next file opened would take its place."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            with suppress(OSError):
                os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
            if number:
                setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115


def _escaped(error: UnicodeError) -> tuple[str, int]:
    """Escapes that JSON knows, so that what is printed as JSON stays JSON."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    import json

    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


codecs.register_error(_ESCAPES, _escaped)
