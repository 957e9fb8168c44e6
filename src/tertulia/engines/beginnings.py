"""Prompts that many paths share are read once: llama.cpp saves what the first slot made of one, the others take it.

Eight paths of a circle begin with the same prompt, and reading it is most of the time before their first token.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from tertulia.engines.base import EngineError

SHORTEST = 32  # tokens; less is read sooner than it is saved
KEPT = 16  # prompts
_PREFIX = "tertulia-slots-"

Ask = Callable[[str, str, dict[str, Any]], Awaitable[Any]]


class Beginnings:
    """Saved prompts of a llama.cpp server on this machine.

    Args:
        ask: Asks the server: method, path, body.
        folder: Where the server saves slots.
    """

    def __init__(self, ask: Ask, folder: Path) -> None:
        self._ask = ask
        self._folder = folder
        self._saved: OrderedDict[tuple[int, ...], asyncio.Future[str | None]] = OrderedDict()
        self._inside: dict[int, str] = {}  # which path each slot served last
        self._known: set[str] = set()
        self._count = 0

    async def put(self, path: str, ids: tuple[int, ...], slot: int) -> int:
        """Puts the longest saved beginning of a context into a slot; reads and saves it if the path is new.

        Args:
            path: Whose context it is.
            ids: The context.
            slot: The slot that the path has.

        Returns:
            How many tokens were read here.
        """
        stays, new = self._inside.get(slot) == path, path not in self._known
        self._inside[slot] = path
        self._known.add(path)
        if stays or len(ids) < SHORTEST:
            return 0
        begun = max((key for key in self._saved if ids[: len(key)] == key), key=len, default=None)
        if begun is None:
            return await self._read(ids, slot) if new else 0
        self._saved.move_to_end(begun)
        name = await asyncio.shield(self._saved[begun])
        if name is not None:
            try:
                await self._ask("POST", f"/slots/{slot}?action=restore", {"filename": name})
            except EngineError:
                self._saved.pop(begun, None)
        return 0

    async def _read(self, ids: tuple[int, ...], slot: int) -> int:
        done: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._saved[ids] = done
        self._count += 1
        name: str | None = f"{self._count}.bin"
        try:
            await self._ask("POST", "/completion", {"prompt": ids, "n_predict": 0, "id_slot": slot})
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
