"""Keeps from standard error what libraries say there and its reader can do nothing about; all else is told."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TextIO, cast

LINES = {
    # Embeddings and head are one: the head is not missing, it is saved once.
    "transformers.trainer": "There were missing keys in the checkpoint model loaded: ['lm_head.weight'].",
    # It then goes by the numbers of checkpoints, which is what is wanted.
    "transformers.trainer_utils": "mtime may not be reliable",
    # We ask for no second attempts, and do not ask for immediate ones.
    "inspect_ai._eval.evalset": "retry_immediate=True has no effect",
}
"""Beginnings of lines, by the logger that writes them."""
WARNINGS = (
    (".*rollout_func", Warning),  # TRL says at each start that rollout functions may change
    (".*gradient_checkpointing", FutureWarning),  # transformers renames what TRL still sets
    (".*past_key_values", FutureWarning),  # and what versions before know by no other name
)
"""Patterns of warnings, with their category."""


@contextmanager
def quiet() -> Iterator[None]:
    """Drops `LINES` and `WARNINGS` until the block ends."""
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        for pattern, category in WARNINGS:
            warnings.filterwarnings("ignore", pattern, category)
        for name, beginning in LINES.items():
            dropped = _Dropped(beginning)
            logger = logging.getLogger(name)
            logger.addFilter(dropped)
            stack.callback(logger.removeFilter, dropped)
        yield


def without_tracebacks(stream: TextIO) -> TextIO:
    """A stream that drops what is written to it with a traceback; Inspect writes a whole panel at once.

    What failed is told in one line of ours, and its traceback is in the log.
    """
    return cast(TextIO, _WithoutTracebacks(stream))


class _WithoutTracebacks:
    """What `without_tracebacks` makes."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Writes the text, unless there is a traceback in it."""
        return len(text) if "Traceback (most recent call last)" in text else self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        """All else is the stream's."""
        return getattr(self._stream, name)


class _Dropped(logging.Filter):
    """Drops lines with a beginning."""

    def __init__(self, beginning: str) -> None:
        super().__init__()
        self._beginning = beginning

    def filter(self, record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith(self._beginning)


def quiet_tracker() -> None:
    """Starts the process that removes semaphores of killed processes, so that it says nothing when it does."""
    if sys.platform == "win32":
        return  # there is none
    from multiprocessing.resource_tracker import ensure_running

    option = "ignore:resource_tracker:UserWarning"
    sys.warnoptions.append(option)  # handed on to what is started
    try:
        ensure_running()
    finally:
        sys.warnoptions.remove(option)
