"""The command line: `tertulia VERB`, one module a verb.

Only what `--help` needs is imported here; a verb imports its heavy parts when it runs.
"""

from __future__ import annotations

import os
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

    with ends_at_once():
        return _run(list(sys.argv[1:] if arguments is None else arguments))


def _run(arguments: list[str]) -> int:
    from tertulia.cli import app

    try:
        return app.run(arguments)
    except app.UsageError as error:
        return _fail(f"{error.format_message().rstrip('.')}; see {app.help_command(error)}")
    except TertuliaError as error:
        return _fail(str(error))
    except BrokenPipeError:
        # Whoever read our output has left. Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def _fail(message: str) -> int:
    print("tertulia: " + " ".join(message.split()), file=sys.stderr)
    return USER_ERROR
