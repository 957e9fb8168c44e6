"""The append-only record of a run: a step is on disk before the next begins, and is never done twice.

A journal is a JSONL file (the format and why it is not a database: docs/journal.md). Its first line, the
header, says what the run was asked to do; each further line is one record. Each ends in a checksum of its own
bytes, so that a damaged line is never read as another one. Concurrent appends share one write and one fsync,
which happen in a thread, so the event loop never waits for the disk.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import stat
import zlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import Any, Self

from tertulia.errors import TertuliaError
from tertulia.files import lock

FORMAT = 2
Owed = tuple[dict[str, Any], bytes, asyncio.Future[None]]
"""A record, its line, and what its caller waits for."""
_HEADER_START = b'{"tertulia_journal":'
_FORMAT = re.compile(rb'\{"tertulia_journal": *(\d{1,9})[,}]')
_CHECKSUM = b'"crc32": "%08x"}'


class Journal:
    """What a run has done so far; open it with `Journal.open`, use it as an async context manager.

    Invariants: when `once` or `append` returns, the record is on disk (or in memory, for a journal without
    a file); a key is recorded at most once; what `once` returns now is what it returns after a resume.
    """

    def __init__(self, path: Path | None, file: FileIO | None, records: list[dict[str, Any]], size: int) -> None:
        self.path = path
        self.syncs = 0
        """How many times the file was synced: concurrent appends share one."""
        self._file = file
        self._size = size  # bytes known to be whole and synced
        self._records = records
        self._by_key = {r["key"]: r for r in records if "key" in r}
        self._locks: dict[str, tuple[asyncio.Lock, list[None]]] = {}
        self._owed: list[Owed] = []
        self._owed_keys: dict[str, asyncio.Future[None]] = {}
        self._writing: asyncio.Future[None] | None = None
        self._broken: TertuliaError | None = None
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="journal") if file else None

    @classmethod
    def open(cls, path: Path | str | None, header: Mapping[str, Any]) -> Journal:
        """Opens the journal at `path` and takes its lock; creates it when it is not there.

        Args:
            path: the file; None keeps the journal in memory only.
            header: what the run was asked to do, JSON values. An existing journal must have the same.

        Raises:
            TertuliaError: the file cannot be opened or written, is in use by another process, is no
                journal, is damaged before its last line, has a key twice, or was written with another header.
        """
        wanted = _plain(header)
        if path is None:
            return cls(None, None, [], 0)
        path = Path(path)
        file = _open_locked(path)
        try:
            data = file.read()
            whole = _whole_lines(path, data)
            if whole:
                found, records, size = _decode(path, whole)
                _check_header(path, found, wanted)
                if size < len(data):
                    os.ftruncate(file.fileno(), size)
            else:
                first = line_of(encode({"tertulia_journal": FORMAT, "header": wanted}))
                os.ftruncate(file.fileno(), 0)
                file.seek(0)
                _write(file, first)
                _sync_directory(path.parent)
                records, size = [], len(first)
            file.seek(size)
        except OSError as error:
            file.close()
            raise _cannot(path, "written", error) from error
        except BaseException:
            file.close()
            raise
        return cls(path, file, records, size)

    @property
    def records(self) -> list[dict[str, Any]]:
        """All records on disk, oldest first, those of `once` with their "key"; the header is not one."""
        return list(self._records)

    def get(self, key: str) -> dict[str, Any] | None:
        """The value that `once` recorded under `key`, or None."""
        record = self._by_key.get(key)
        return None if record is None else _without_key(record)

    def __contains__(self, key: object) -> bool:
        return key in self._by_key

    async def once(self, key: str, step: Callable[[], Awaitable[Mapping[str, Any]]]) -> dict[str, Any]:
        """The value recorded under `key`; when there is none, runs `step` and records what it returns.

        A step that raises or is cancelled leaves no record. Concurrent calls with one key run one step.

        Args:
            key: identity of the step, stable between runs, for example "q0/c0/p3/segment/2".
            step: does the work; returns JSON values, and no name "key".

        Raises:
            TertuliaError: the journal could not be written.
        """
        lock, waiting = self._locks.setdefault(key, (asyncio.Lock(), []))
        waiting.append(None)
        try:
            async with lock:
                if key in self._owed_keys:  # its first caller was cancelled after the step had finished
                    await asyncio.shield(self._owed_keys[key])
                if key not in self._by_key:
                    value = dict(await step())
                    if "key" in value:
                        raise ValueError(f'the value recorded under {key!r} must not hold a "key" of its own')
                    await self.append({"key": key, **value})
        finally:
            waiting.pop()
            if not waiting:
                self._locks.pop(key, None)
        return _without_key(self._by_key[key])

    async def append(self, record: Mapping[str, Any]) -> None:
        """Records one object and returns when it is on disk.

        Raises:
            TertuliaError: the journal could not be written, now or earlier, or is closed.
            ValueError: the record is not JSON, or its "key" is recorded already.
        """
        if self._broken:
            raise self._broken
        encoded = encode(record)
        plain, line = json.loads(encoded), line_of(encoded)
        key = plain.get("key")
        if key is not None and (key in self._by_key or key in self._owed_keys):
            raise ValueError(f"the key {key!r} is in the journal already")
        if self._file is None:
            self._take(plain)
            return
        done = asyncio.get_running_loop().create_future()
        self._owed.append((plain, line, done))
        if key is not None:
            self._owed_keys[key] = done
        self._commit()
        # Shielded: a cancelled caller must not keep a finished step out of the file.
        await asyncio.shield(done)

    async def close(self) -> None:
        """Waits until everything owed is on disk, then gives the lock back. Closing twice is harmless."""
        while self._writing is not None:
            await asyncio.wait([self._writing])
        if self._broken is None:
            self._broken = TertuliaError(f"the journal {self.path or '(in memory)'} is closed")
        if self._disk is not None:
            self._disk.shutdown(wait=True)
        if self._file is not None:
            self._file.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _commit(self) -> None:
        """Hands all that is owed to the disk thread, unless it is still busy with the last batch.

        Callbacks rather than a task: at Ctrl-C asyncio cancels every task, and a batch must not be torn.
        """
        if self._writing is not None or not self._owed or self._disk is None:
            return
        batch, self._owed = self._owed, []
        data = b"".join(line for _, line, _ in batch)
        self._writing = asyncio.wrap_future(self._disk.submit(self._write_batch, data))
        self._writing.add_done_callback(lambda work: self._committed(batch, work))

    def _committed(self, batch: list[Owed], work: asyncio.Future[None]) -> None:
        self._writing = None
        error = work.exception()
        if error is not None:
            self._broken = _cannot(self.path, "written", error)
            batch, self._owed = batch + self._owed, []
        else:
            self.syncs += 1
        for plain, _, done in batch:
            self._owed_keys.pop(plain.get("key", ""), None)
            if self._broken is None:
                self._take(plain)
                done.set_result(None)
            else:
                done.set_exception(self._broken)
                done.exception()  # its caller may be gone: no "never retrieved" warning
        self._commit()

    def _take(self, plain: dict[str, Any]) -> None:
        self._records.append(plain)
        if "key" in plain:
            self._by_key[plain["key"]] = plain

    def _write_batch(self, data: bytes) -> None:
        assert self._file is not None
        try:
            _write(self._file, data)
        except BaseException:
            with suppress(OSError):  # a half-written batch is taken back, as if it had never been begun
                os.ftruncate(self._file.fileno(), self._size)
            raise
        self._size += len(data)


def read_journal(path: Path | str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Header and records of a journal, for views and statistics; takes no lock, so a live one can be read.

    Raises:
        TertuliaError: the file cannot be read, is no journal, is damaged before its last line, or has a key twice.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _cannot(path, "read", error) from error
    whole = _whole_lines(path, data)
    if not whole:
        what = "has an incomplete first line" if data else "is empty"
        raise TertuliaError(f"the journal {path} {what}: nothing was recorded in it")
    header, records, _ = _decode(path, whole)
    return header, records


@contextmanager
def reading(key: str) -> Iterator[None]:
    """Makes one line of what goes wrong where the value of a record is taken apart, for it may be of another program.

    Raises:
        TertuliaError: In place of an error of names, types or values.
    """
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        what = " ".join(f"{type(error).__name__}: {error}".split())[:160]
        raise TertuliaError(
            f"the journal's record {key!r} is none of this program ({what}): give another journal file"
        ) from None


def _open_locked(path: Path) -> FileIO:
    """The file, open for reading and writing, with an exclusive lock that dies with this process."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
    except OSError as error:
        raise _cannot(path, "written", error) from error
    file = FileIO(fd, "r+")
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        file.close()
        raise TertuliaError(f"the journal {path} is not a regular file: give the name of a file on a disk")
    try:
        lock(fd)
    except OSError as error:
        file.close()
        if isinstance(error, BlockingIOError | PermissionError):
            raise TertuliaError(
                f"the journal {path} is in use by another run: wait for it to end, or give another file"
            ) from None
        raise _cannot(path, "locked", error) from error
    return file


def _write(file: FileIO, data: bytes) -> None:
    """Writes all of `data` and returns when it is on the disk."""
    view = memoryview(data)
    while view:
        view = view[file.write(view) or 0 :]
    os.fsync(file.fileno())


def _sync_directory(directory: Path) -> None:
    """Makes the name of a new file survive a power cut, where the system can do that."""
    with suppress(OSError):
        fd = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def _without_key(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name != "key"}


def _plain(value: Mapping[str, Any]) -> dict[str, Any]:
    """The value as a resumed run will read it: lists for tuples, strings for keys."""
    return dict(json.loads(encode(value)))


def encode(record: Mapping[str, Any]) -> bytes:
    """A record as JSON, without its checksum."""
    try:
        return json.dumps(record, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:  # half of a surrogate pair: only an escape can carry it
        return json.dumps(record, allow_nan=False).encode()


def line_of(encoded: bytes) -> bytes:
    """The line of an encoded record: its checksum is the last name in it."""
    comma = b"" if encoded == b"{}" else b", "
    return encoded[:-1] + comma + _CHECKSUM % zlib.crc32(encoded) + b"\n"


def _checked(line: bytes) -> dict[str, Any] | None:
    """The record of a line; None where it is damaged."""
    before, name, _ = line.rpartition(_CHECKSUM[:10])
    encoded = before.removesuffix(b", ") + b"}"
    if not name or line_of(encoded) != line + b"\n":
        return None
    return dict(json.loads(encoded))


def _whole_lines(path: Path, data: bytes) -> bytes:
    """`data` without a torn last line; refuses what never was a journal before anything is truncated."""
    start = data[: len(_HEADER_START)]
    if not _HEADER_START.startswith(start):
        raise TertuliaError(f"{path} is not a Tertulia journal: give the name of a new file, or of a journal")
    return data[: data.rfind(b"\n") + 1]


def _decode(path: Path, whole: bytes) -> tuple[dict[str, Any], list[dict[str, Any]], int]:
    """Header, records and length in bytes of the lines that can be read; the last may be damaged."""
    lines = whole.split(b"\n")[:-1]
    written = _FORMAT.match(lines[0])
    if written and int(written[1]) != FORMAT:
        raise TertuliaError(
            f"the journal {path} has format {int(written[1])}, this program reads {FORMAT}: "
            "give another file, or use the version that wrote it"
        )
    objects: list[dict[str, Any]] = []
    keys: set[str | None] = set()
    size = 0
    for number, line in enumerate(lines, start=1):
        value = _checked(line)
        if value is None and number == len(lines) > 1:  # pages of an unsynced batch may be lost in a power cut
            break
        key = str(value["key"]) if value and "key" in value else None
        if value is None or key in keys:
            what = "is damaged" if value is None else f"records {key!r} a second time"
            kept = f"keep the lines before it (head -n {number - 1}) in a new file and resume from that"
            what += f": {kept if objects else 'give another file'}"
            raise TertuliaError(f"line {number} of the journal {path} {what}")
        keys |= {key} - {None}
        objects.append(value)
        size += len(line) + 1
    first, *records = objects
    header = first.get("header")
    return header if isinstance(header, dict) else {}, records, size


def _check_header(path: Path, found: dict[str, Any], wanted: dict[str, Any]) -> None:
    theirs, ours = dict(_flat(found)), dict(_flat(wanted))
    keys = [key for key in {**theirs, **ours} if theirs.get(key) != ours.get(key)]
    if keys:
        what = "; ".join(f"{key}: journal {_short(theirs.get(key))}, now {_short(ours.get(key))}" for key in keys)
        raise TertuliaError(
            f"the journal {path} belongs to a run with other arguments ({what}): "
            "give the same arguments to resume it, or another journal file"
        )


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Dotted names and short texts of all values, so that a difference can be told in a few words."""
    for name, item in value.items():
        if isinstance(item, dict) and item:
            yield from _flat(item, f"{prefix}{name}.")
        else:
            yield prefix + name, json.dumps(item, ensure_ascii=False)


def _short(text: str | None) -> str:
    text = text or "nothing"
    return text if len(text) <= 80 else f"{text[:60]}... ({len(text)} characters)"


def _cannot(path: Path | None, what: str, error: BaseException) -> TertuliaError:
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return TertuliaError(f"the journal {path} cannot be {what}: {reason}; give a file in a place that can be")
