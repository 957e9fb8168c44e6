"""Prompts that many paths share are read once: llama.cpp saves what the first slot made of one, the others take it.

Eight paths of a circle begin with the same prompt, and reading it is most of the time before their first token.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tertulia.engines.base import EngineError, Generation, OnTokens, Request
from tertulia.engines.client import HttpEngine
from tertulia.engines.generation import Continuation
from tertulia.engines.patience import Retryable

SHORTEST = 32  # tokens; less is read sooner than it is saved
KEPT = 16  # prompts
REMEMBERED = 4096  # paths that have begun
_PREFIX = "tertulia-slots-"

Ask = Callable[[str, str, dict[str, Any]], Awaitable[Any]]


class Beginnings:
    """Saved prompts of a llama.cpp server on this machine.

    Args:
        ask: Asks the server: method, path, body.
        folder: Where the server saves slots.
        batch: Tokens that are read with one request, between which a path can be cancelled; None for all.

    Attributes:
        read: Tokens that were read here for a path's present request.
    """

    def __init__(self, ask: Ask, folder: Path, batch: int | None = None) -> None:
        self._ask = ask
        self._batch = batch
        self._folder = folder
        self._saved: OrderedDict[tuple[int, ...], asyncio.Future[str | None]] = OrderedDict()
        self._inside: dict[int, str] = {}  # which path each slot served last
        self._known: set[str] = set()
        self._count = 0
        self.read: dict[str, int] = {}

    async def put(self, path: str, ids: tuple[int, ...], slot: int) -> None:
        """Puts the longest saved beginning of a context into a slot; reads and saves it if the path is new.

        Args:
            path: Whose context it is.
            ids: The context.
            slot: The slot that the path has.
        """
        self.read.pop(path, None)
        stays, new = self._inside.get(slot) == path, path not in self._known
        self._inside[slot] = path
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known.add(path)
        if stays or len(ids) < SHORTEST:
            return
        begun = max((key for key in self._saved if ids[: len(key)] == key), key=len, default=None)
        if begun is None:
            if new:
                self.read[path] = await self._read(ids, slot)
            return
        self._saved.move_to_end(begun)
        name = await asyncio.shield(self._saved[begun])
        if name is not None:
            try:
                await self._ask("POST", f"/slots/{slot}?action=restore", {"filename": name})
            except EngineError:
                self._saved.pop(begun, None)

    async def _read(self, ids: tuple[int, ...], slot: int) -> int:
        done: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._saved[ids] = done
        self._count += 1
        name: str | None = f"{self._count}.bin"
        try:
            size = self._batch or len(ids)
            for end in range(size, len(ids) + size, size):
                await self._ask("POST", "/completion", {"prompt": ids[:end], "n_predict": 0, "id_slot": slot})
            await self._ask("POST", f"/slots/{slot}?action=save", {"filename": name})
        except EngineError:
            name = None
            return 0
        except BaseException:
            name = None
            raise
        finally:
            done.set_result(name)
            if name is None:
                self._saved.pop(ids, None)
            self._forget()
        return len(ids)

    def _forget(self) -> None:
        while len(self._saved) > KEPT:
            _, oldest = self._saved.popitem(last=False)
            if oldest.done() and (name := oldest.result()) is not None:
                (self._folder / name).unlink(missing_ok=True)


class ReadsOnce(HttpEngine):
    """A llama.cpp server that is asked to read a prompt once, however many paths begin with it.

    Attributes:
        beginnings: The saved prompts; None where there are none.
    """

    beginnings: Beginnings | None = None

    async def generate(self, request: Request, *, on_tokens: OnTokens | None = None) -> Generation:
        """Continue `request.ids`; a prompt that other paths have begun with is not read again."""
        generation = await super().generate(request, on_tokens=on_tokens)
        read = self.beginnings.read.pop(request.path, 0) if self.beginnings else 0
        if not read or generation.cached_tokens is None:
            return generation
        return replace(generation, cached_tokens=max(0, generation.cached_tokens - read))

    async def _exchange(self, work: Continuation, stop_texts: Sequence[str], slot: int | None) -> Retryable | None:
        if self.beginnings is not None and slot is not None and not work.tokens:
            await self.beginnings.put(work.request.path, work.request.ids, slot)
        return await super()._exchange(work, stop_texts, slot)


def new_folder() -> Path:
    """A folder for saved slots; those of processes that were killed are removed."""
    import psutil  # type: ignore[import-untyped]

    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        pid = left.name.removeprefix(_PREFIX).split("-")[0]
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))


def remove(folder: Path | None) -> None:
    """Removes a folder for saved slots, if there is one."""
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
