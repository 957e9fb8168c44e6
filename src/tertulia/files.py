"""Files and folders of a run: locks that die with their process, folders that belong to one run."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tertulia.errors import TertuliaError


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


def is_main() -> bool:
    """Whether this process is the one of its run that tells and writes."""
    return int(os.environ.get("RANK", "0")) == 0


@contextmanager
def working_in(out: Path) -> Iterator[None]:
    """Makes the folder, and keeps other commands out of it until the block ends or the process does.

    The processes of one run (`accelerate launch`) share their folder: the first of them keeps it.

    Raises:
        TertuliaError: It is a file, it cannot be made, or another command is at work there. One line.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        held = os.open(out / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    except FileExistsError:
        raise TertuliaError(f"{out} is a file, and a folder is wanted: give another one") from None
    except OSError as error:
        raise TertuliaError(f"cannot write in {out}: {error.strerror}; give another folder") from error
    try:
        if is_main():
            _take(held, out)
        yield
    finally:
        os.close(held)


def _take(held: int, out: Path) -> None:
    try:
        lock(held)
    except (BlockingIOError, PermissionError):
        raise TertuliaError(
            f"another command is at work in {out}: wait for it to end, or give another folder"
        ) from None
    except OSError:
        return  # a file system without locks


def mark_folder(out: Path, mine: Mapping[str, Any], file: str = "run.json", what: str = "run") -> None:
    """Marks the folder as this run's.

    Args:
        out: The folder; it is there.
        mine: What makes the run what it is, as JSON values; "verb" where it is no training.
        file: Where that is kept.
        what: The word for a run.

    Raises:
        TertuliaError: It is another run's. One line that says what differs.
    """
    place = out / file
    try:
        known = json.loads(place.read_text()) if place.exists() else None
    except ValueError:
        known = None  # torn by a kill before anything was done
    made = known.get("verb") if isinstance(known, dict) else None
    if known is not None and made != mine.get("verb"):  # never "remove it" here: it holds something else
        raise TertuliaError(f"{out} holds {f'a run of {made}' if made else f'another {what}'}: give another --out")
    if known is not None and known != mine:
        raise TertuliaError(
            f"{out} belongs to another {what}{_differing(known, mine)}: give another --out, or remove it to start again"
        )
    fresh = place.with_suffix(f".{os.getpid()}")
    fresh.write_text(json.dumps(mine))
    os.replace(fresh, place)


def _differing(there: Any, here: Any, place: str = "") -> str:
    """The first thing in which two runs differ, in brackets."""
    if isinstance(there, dict) and isinstance(here, dict):
        for name in dict.fromkeys([*here, *there]):
            if there.get(name) != here.get(name):
                return _differing(there.get(name), here.get(name), f"{place}.{name}" if place else name)
    return f" ({place}: {json.dumps(there)} there, {json.dumps(here)} here)" if place else ""
