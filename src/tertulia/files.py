"""Files and folders of a run: locks that die with their process, folders of one run, files written whole."""

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


def write_whole(file: Path, data: str | bytes) -> Path:
    """Writes a file whole, its folder too where there is none: a kill in the middle leaves the former file, or none.

    Args:
        file: Where it goes.
        data: What it is to hold; text is written as UTF-8.

    Raises:
        TertuliaError: It cannot be written. One line.
    """
    fresh = file.parent / f"{file.name}.{os.getpid()}.new"  # `with_name` knows none of "."
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with fresh.open("wb") as out:
            out.write(data.encode() if isinstance(data, str) else data)
            out.flush()
            os.fsync(out.fileno())
        os.replace(fresh, file)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise TertuliaError(f"cannot write {file}: {error.strerror}") from error
    return file


def write_json(file: Path, value: Any) -> Path:
    """Writes a value as JSON, whole (`write_whole`)."""
    return write_whole(file, json.dumps(value, ensure_ascii=False, indent=1) + "\n")


def mark_folder(
    out: Path, mine: Mapping[str, Any], file: str = "run.json", what: str = "run", option: str = "--out"
) -> None:
    """Marks the folder as this run's, or finds that it is.

    Args:
        out: The folder.
        mine: What makes the run what it is, as JSON values; "verb" where it is no training.
        file: Where that is kept.
        what: The word for a run.
        option: What a user gives the folder by.

    Raises:
        TertuliaError: It is another run's. One line that says what differs.
    """
    check_folder(out, mine, file, what, option)
    write_json(out / file, mine)


def check_folder(
    out: Path, mine: Mapping[str, Any], file: str = "run.json", what: str = "run", option: str = "--out"
) -> None:
    """Refuses a folder that is marked as another run's; see `mark_folder`.

    Raises:
        TertuliaError: It is another run's. One line that says what differs.
    """
    place = out / file
    try:
        known = json.loads(place.read_text("utf-8"))
    except (OSError, ValueError):
        return  # not there, or torn before anything was done
    made = known.get("verb") if isinstance(known, dict) else None
    if made != mine.get("verb"):  # never "remove it" here: it holds something else
        raise TertuliaError(f"{out} holds {f'a run of {made}' if made else f'another {what}'}: give another {option}")
    if known != mine:
        raise TertuliaError(
            f"{out} belongs to another {what}{_differing(known, mine)}: give another {option}, "
            "or remove it to start again"
        )


def _differing(there: Any, here: Any, place: str = "") -> str:
    """The first thing in which two runs differ, in brackets."""
    if isinstance(there, dict) and isinstance(here, dict):
        for name in dict.fromkeys([*here, *there]):
            if there.get(name) != here.get(name):
                return _differing(there.get(name), here.get(name), f"{place}.{name}" if place else name)
    return f" ({place}: {json.dumps(there)} there, {json.dumps(here)} here)" if place else ""
