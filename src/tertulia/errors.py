"""The one exception that a person, not a programmer, is meant to read."""


class TertuliaError(Exception):
    """Something the caller did or set up is wrong.

    The message is one line: what was wrong (with the offending value), what was expected, what to do.
    The command line prints it and exits non-zero, without a traceback.
    """
