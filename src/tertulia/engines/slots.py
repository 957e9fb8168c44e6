"""Which path sits in which slot of a llama.cpp server.

A slot keeps the keys and values of what it saw last, so a path that comes back to its slot has only its new
tokens evaluated. There may be more paths than slots.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager


class Slots:
    """Gives each path a slot, and the same one for as long as nobody else needs it.

    A path without a slot takes a free one, else the slot whose path has been silent longest (that path gives
    up its affinity, not its turn), else it waits in line for the first slot that falls silent.

    Args:
        count: How many there are.
        settle: Waits until the server has let go of a slot whose path was stopped in the middle: its connection is
            closed, but the server may notice later. Nobody gets the slot before.
    """

    def __init__(self, count: int, settle: Callable[[int], Awaitable[None]] | None = None) -> None:
        self._settle = settle
        self._settling: set[asyncio.Task[None]] = set()
        self._free = list(range(count - 1, -1, -1))
        self._silent: OrderedDict[str, int] = OrderedDict()  # paths that hold a slot but are not generating
        self._line = asyncio.Semaphore(count)  # one for each slot that is free or silent; first come, first served
        self._busy: set[str] = set()
        self._released: set[str] = set()  # released while they were generating

    @asynccontextmanager
    async def hold(self, path: str) -> AsyncIterator[int]:
        """The path's slot, for one generation."""
        if path in self._busy:
            raise RuntimeError(f"path {path} is generating already: a path is one chain of thought")
        self._busy.add(path)
        slot, ended = None, False
        try:
            await self._line.acquire()
            slot = self._take(path)
            yield slot
            ended = True
        finally:
            self._busy.discard(path)
            if slot is not None and not ended and self._settle is not None:
                task = asyncio.create_task(self._let_go(path, slot, self._settle))
                self._settling.add(task)
                task.add_done_callback(self._settling.discard)
            elif slot is not None:
                self._leave(path, slot)
            self._released.discard(path)

    async def close(self) -> None:
        """Wait for no server any more."""
        for task in self._settling:
            task.cancel()
        await asyncio.gather(*self._settling, return_exceptions=True)

    def release(self, path: str) -> None:
        """The path will not come back."""
        slot = self._silent.pop(path, None)
        if slot is not None:
            self._free.append(slot)
        elif path in self._busy:
            self._released.add(path)

    def _take(self, path: str) -> int:
        if path in self._silent:
            return self._silent.pop(path)
        return self._free.pop() if self._free else self._silent.popitem(last=False)[1]

    async def _let_go(self, path: str, slot: int, settle: Callable[[int], Awaitable[None]]) -> None:
        try:
            await settle(slot)
        finally:
            self._leave(path, slot)

    def _leave(self, path: str, slot: int) -> None:
        # A path that was stopped may be at work in another slot by the time that it has left this one.
        if path in self._released or path in self._busy or path in self._silent:
            self._free.append(slot)
        else:
            self._silent[path] = slot
        self._line.release()
