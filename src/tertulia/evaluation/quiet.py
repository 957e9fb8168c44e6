"""Keeps from standard error what libraries say there and its reader can do nothing about; all else is told."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

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
