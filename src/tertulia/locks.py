"""Locks that die with their process: nothing is left behind by kill -9."""

from __future__ import annotations

import os
import sys


def lock(fd: int) -> None:
    """Takes the lock of an open file, without waiting.

    Args:
        fd: The file's descriptor; the lock lasts until it is closed, also by the end of the process.

    Raises:
        BlockingIOError, PermissionError: Another process has it, or this one by another descriptor.
        OSError: The file cannot be locked.
    """
    if sys.platform == "win32":
        import msvcrt

        os.lseek(fd, 1 << 40, os.SEEK_SET)  # locks are mandatory there: lock a byte that no record reaches
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        os.lseek(fd, 0, os.SEEK_SET)
    else:
        import fcntl

        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
