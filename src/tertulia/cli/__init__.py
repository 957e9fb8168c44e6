"""The command line: `tertulia VERB`, one module a verb.

Only what `--help` needs is imported here; a verb imports its heavy parts when it runs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from tertulia.errors import TertuliaError

USER_ERROR = 2  # exit code


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        arguments: What follows `tertulia`; None takes them from the process.

    Returns:
        The exit code: 0 done, 1 no path came to an answer, 2 something the user did, 130 Ctrl-C.
        What a user did is told in one line on standard error, never as a traceback.
    """
    from tertulia.cli.interrupt import ends_at_once
    from tertulia.cli.screen import printable

    with ends_at_once(), printable():
        return _run(list(sys.argv[1:] if arguments is None else arguments))


def _run(arguments: list[str]) -> int:
    from tertulia.cli import app, screen

    try:
        code = app.run(arguments)
        sys.stdout.flush()
        return code
    except app.UsageError as error:
        return _fail(f"{error.format_message().rstrip('.')}; see {app.help_command(error, arguments)}")
    except TertuliaError as error:
        return _fail(str(error))
    except BrokenPipeError:
        screen.drop(sys.stdout)  # whoever read our output has left
        return 141
    except OSError as error:
        screen.drop(sys.stdout)
        where = error.filename or "standard output, or a file,"
        return _fail(f"{where} cannot be read or written: {error.strerror or error}; give another place")


def _fail(message: str) -> int:
    from tertulia.cli.screen import drop, fit

    try:
        print(fit(f"tertulia: {message}"), file=sys.stderr, flush=True)
    except OSError:
        drop(sys.stderr)  # there is nowhere left to say so; the exit code does
    return USER_ERROR
