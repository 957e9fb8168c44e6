"""Fetches a model from the Hugging Face Hub into the cache that all who use the hub share.

`huggingface_hub` knows the hub, its cache and its locks; since its release 2 it begins a download anew that was
ended from outside. The transfer itself is therefore done here: a part that is there is gone on with.
"""

from __future__ import annotations

import errno
import hashlib
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from huggingface_hub import HfApi, constants, get_hf_file_metadata, hf_hub_download, hf_hub_url
from huggingface_hub.errors import (  # type: ignore[attr-defined]
    GatedRepoError,
    HfHubHTTPError,
    HTTPError,
    OfflineModeIsEnabled,
)
from huggingface_hub.file_download import repo_folder_name
from huggingface_hub.utils import (  # type: ignore[attr-defined]
    WeakFileLock,
    build_hf_headers,
    get_session,
    hf_raise_for_status,
)

from tertulia.engines.base import EngineError
from tertulia.engines.hub import HubName, quants_of
from tertulia.engines.memory import size
from tertulia.engines.progress import Progress, Tell, duration

PATIENCE = 10.0  # seconds of silence
ATTEMPTS = 6  # without a single new byte
PIECE = 1 << 18


class NoConnection(EngineError):
    """The hub cannot be reached; `short` says so without advice."""

    def __init__(self, short: str, advice: str) -> None:
        super().__init__(f"{short}: {advice}")
        self.short = short


def fetch(name: HubName, tell: Tell) -> Path:
    """Downloads the file that a name stands for, all of them where it is split.

    Args:
        name: What is wanted.
        tell: Told of sizes and progress.

    Raises:
        NoConnection: The hub cannot be reached, or must not be.
        EngineError: It has no such model, does not give it out, or the disk is full. One line.
    """
    with _told(name.repo):
        tell(Progress(f"asking {_host()} for {name.repo}"))
        info = HfApi().model_info(name.repo, files_metadata=True, timeout=PATIENCE)
        names = [file.rfilename for file in info.siblings or []]
        first = name.choose(names)
        if first is None:
            raise EngineError(_missing(name, names))
        files = [_File.asked(name.repo, file, str(info.sha)) for file in _shards(first, names)]
        transfer = _Transfer(name.repo, files, tell)
        parts = f" in {len(files)} files" if len(files) > 1 else ""
        if transfer.needed:
            tell(Progress(f"{first} of {name.repo} has {size(transfer.total)}{parts}; it is kept in {transfer.folder}"))
            transfer.check_room()
        return [transfer.bring(file) for file in files][0]  # noqa: RUF015  (all are to come)


@dataclass(frozen=True, slots=True)
class _File:
    """A file of a repository: its name, where it is, the name of its content, and its bytes."""

    name: str
    url: str
    etag: str
    size: int

    @classmethod
    def asked(cls, repo: str, name: str, commit: str) -> _File:
        url = hf_hub_url(repo, name, revision=commit)
        told = get_hf_file_metadata(url, timeout=PATIENCE)
        if not told.etag or told.size is None or not re.fullmatch(r"[\w.-]+", told.etag):
            raise EngineError(f"{_host()} does not say what {name} of {repo} is: it does not look like a hub")
        return cls(name, url, told.etag, told.size)


class _Transfer:
    """The files of one model on their way.

    Args:
        repo: Where from.
        files: What is to come.
        tell: Told of progress.
    """

    def __init__(self, repo: str, files: Sequence[_File], tell: Tell) -> None:
        self.total = sum(file.size for file in files)
        self.folder = Path(constants.HF_HUB_CACHE).expanduser() / repo_folder_name(repo_id=repo, repo_type="model")
        self._repo = repo
        self._files = files
        self._tell = tell
        self._done = 0
        self._began = time.monotonic()
        self._fresh = 0  # bytes that came over the wire

    @property
    def needed(self) -> int:
        """Bytes that are not there yet."""
        places = [self._blob(file) for file in self._files]
        return self.total - sum(
            place.stat().st_size for blob in places for place in (blob, _part(blob)) if place.exists()
        )

    def check_room(self) -> None:
        """Refuses what the disk has no room for."""
        room = shutil.disk_usage(next(place for place in (self.folder, *self.folder.parents) if place.exists())).free
        if self.needed > room:
            raise EngineError(_full(self.folder, self.needed, room))

    def bring(self, file: _File) -> Path:
        """One file, in its place in the cache."""
        blob = self._blob(file)
        lock = self.folder.parent / ".locks" / self.folder.name / f"{file.etag}.lock"
        for folder in (blob.parent, lock.parent):
            folder.mkdir(parents=True, exist_ok=True)
        with WeakFileLock(lock):
            if not blob.exists():
                part = _part(blob)
                self._download(file.url, part, file.size)
                _verify(part, file)
                part.replace(blob)
        self._done += file.size
        return Path(hf_hub_download(self._repo, file.name))

    def _blob(self, file: _File) -> Path:
        return self.folder / "blobs" / file.etag

    def _download(self, url: str, part: Path, whole: int) -> None:
        if part.exists() and part.stat().st_size > whole:
            part.unlink()
        failures = 0
        while True:
            before = part.stat().st_size if part.exists() else 0
            try:
                self._stream(url, part, before, whole)
            except HfHubHTTPError:
                raise
            except HTTPError:
                failures = 0 if part.exists() and part.stat().st_size > before else failures + 1
                if failures >= ATTEMPTS:
                    raise
                time.sleep(min(0.25 * 2**failures, 4.0))
            if part.exists() and part.stat().st_size >= whole:
                return

    def _stream(self, url: str, part: Path, have: int, whole: int) -> None:
        """Takes what comes of a file from where it is; a server may begin anew all the same."""
        if have == whole and whole > 0:
            return
        headers = build_hf_headers() | ({"Range": f"bytes={have}-"} if have else {}) | {"Accept-Encoding": "identity"}
        with get_session().stream("GET", url, headers=headers, timeout=PATIENCE, follow_redirects=True) as answer:
            hf_raise_for_status(answer)
            resumed = answer.status_code == 206
            with part.open("ab" if resumed else "wb") as handle:
                have = have if resumed else 0
                self._say(have)
                for data in answer.iter_bytes(PIECE):
                    handle.write(data)
                    have += len(data)
                    self._fresh += len(data)
                    self._say(have)

    def _say(self, have: int) -> None:
        done, seconds = self._done + have, time.monotonic() - self._began
        speed = self._fresh / seconds if seconds > 0 else 0
        left = f", {size(speed)}/s, {duration((self.total - done) / speed)} left" if seconds > 2 and speed else ""
        text = f"downloading {self._repo}: {size(done)} of {size(self.total)}{left}"
        self._tell(Progress(text, min(1.0, done / max(1, self.total))))


def _part(blob: Path) -> Path:
    return blob.with_name(f"{blob.name}.incomplete")


def _shards(first: str, names: Sequence[str]) -> list[str]:
    found = re.search(r"-00001-of-(\d{5})\.gguf$", first, re.IGNORECASE)
    if found is None:
        return [first]
    files = [f"{first[: found.start()]}-{at:05}-of-{found[1]}{first[-5:]}" for at in range(1, int(found[1]) + 1)]
    missing = [file for file in files if file not in names]
    if missing:
        raise EngineError(f"{first} is one of {len(files)} files, but the repository has no {missing[0]}")
    return files


def _verify(part: Path, file: _File) -> None:
    """Large files are named by their SHA-256: a part that somebody else began may be of something else."""
    have = part.stat().st_size
    right = have == file.size
    if right and re.fullmatch(r"[0-9a-f]{64}", file.etag):
        with part.open("rb") as handle:
            right = hashlib.file_digest(handle, "sha256").hexdigest() == file.etag
    if not right:
        part.unlink()
        raise EngineError(f"{file.name} came damaged ({have} of {file.size} bytes) and was thrown away: try again")


def _missing(name: HubName, names: Sequence[str]) -> str:
    there = [file for file in sorted(names) if file.lower().endswith(".gguf")]
    if not there:
        often = f"{name.repo.split('/')[1]}-GGUF"
        return f"{name.repo} has no GGUF file: look for a repository that has, often named {often}"
    have = ", ".join(quants_of(names) or there[:8])
    return f"{name.repo} has no {name.file or name.quant or 'model among its GGUF files'}: it has {have}"


@contextmanager
def _told(repo: str) -> Iterator[None]:
    """What goes wrong between here and a hub, each in a line of its own."""
    page = f"{constants.ENDPOINT}/{repo}"
    try:
        yield
    except OfflineModeIsEnabled:
        raise NoConnection(
            f"{repo} is not in {constants.HF_HUB_CACHE}, and HF_HUB_OFFLINE is set", "unset it, or give a file"
        ) from None
    except HfHubHTTPError as error:
        raise _refused(error, repo, page) from None
    except HTTPError as error:
        short = f"{_host()} cannot be reached ({type(error).__name__})"
        raise NoConnection(short, "check the network, or give a model that is here") from None
    except OSError as error:
        folder = Path(constants.HF_HUB_CACHE).expanduser()
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise EngineError(_full(folder, None, None)) from None
        raise EngineError(f"cannot keep {repo} in {folder}: {error.strerror or error}") from None


def _refused(error: HfHubHTTPError, repo: str, page: str) -> EngineError:
    status = error.response.status_code
    access = "HF_TOKEN is set, but may not read it" if _has_token() else "set HF_TOKEN"
    if isinstance(error, GatedRepoError):
        return EngineError(f"{repo} is gated (HTTP {status}): accept its terms at {page}, then try again; {access}")
    if status in (401, 403):
        return EngineError(f"{_host()} does not give out {repo} (HTTP {status}): it is private, gated or not there; "
                           f"check the name at {page}, and {access}")  # fmt: skip
    if status == 404:
        return EngineError(f"there is no {repo} on {_host()} (HTTP 404): check the name at {page}")
    if status == 429:
        after = error.response.headers.get("Retry-After", "")
        wait = f"in {after} s" if after.isdigit() else "in some minutes"
        return EngineError(f"{_host()} was asked too often (HTTP 429): try again {wait}, or set HF_TOKEN for more")
    return NoConnection(f"{_host()} failed (HTTP {status})", "try again later, or give a model that is here")


def _has_token() -> bool:
    from huggingface_hub import get_token

    return bool(get_token())


def _host() -> str:
    return urlsplit(constants.ENDPOINT).netloc or constants.ENDPOINT


def _full(folder: Path, needed: int | None, room: int | None) -> str:
    what = f"needs {size(needed)}, but {size(room)} are free" if needed is not None and room is not None else "is full"
    return f"the disk of {folder} {what}: free some, or let HF_HUB_CACHE name a folder on another"
