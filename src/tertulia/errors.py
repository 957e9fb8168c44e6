"""What a person is meant to read: the one exception for that, and text that is fit for a screen whoever wrote it."""

from __future__ import annotations

import re

# Controls, the escape among them, and halves of surrogate pairs: they act, or cannot be printed.
_ACTS = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
# What turns the order of a line round, and what hides a text in another one.
_HIDES = re.compile(r"[\u061c\u180e\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e0fff]")


class TertuliaError(Exception):
    """Something the caller did or set up is wrong.

    The message is one line: what was wrong (with the offending value), what was expected, what to do.
    The command line prints it and exits non-zero, without a traceback.
    """


def fit(text: object, *, one_line: bool = True, longest: int | None = None) -> str:
    """Text as it may be printed on a terminal, whoever wrote it.

    Controls are shown as escapes such as \\x1b, bidirectional controls and hidden characters are dropped.

    Args:
        text: What is to be printed.
        one_line: Make one line of it, each run of blanks and line ends one blank; else keep its lines.
        longest: Characters that the line may have; the rest is cut off, and an ellipsis stands for it.
    """
    if not one_line:
        return "\n".join(_shown(line.expandtabs(4)) for line in str(text).splitlines())
    if longest is None:
        return _shown(" ".join(str(text).split()))
    head = str(text)[: 4 * longest]  # an answer may be megabytes of blanks
    line = _shown(" ".join(head.split()))
    return line if len(line) <= longest and len(head) == len(str(text)) else f"{line[: longest - 1].rstrip()}…"


def _shown(line: str) -> str:
    return _ACTS.sub(lambda found: ascii(found[0])[1:-1], _HIDES.sub("", line))
