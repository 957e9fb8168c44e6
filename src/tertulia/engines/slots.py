"""Which path sits in which slot of a llama.cpp server.

A slot keeps the keys and values of what it saw last, so a path that comes back to its slot has only its new
tokens evaluated. There may be more paths than slots.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Slots:
    """Gives each path a slot, and the same one for as long as nobody else needs it.

    A path without a slot takes a free one, else the slot whose path has been silent longest (that path gives
    up its affinity, not its turn), else it waits in line for the first slot that falls silent.
    """

    def __init__(self, count: int) -> None:
        self._free = list(range(count - 1, -1, -1))
        self._silent: OrderedDict[str, int] = OrderedDict()  # paths that hold a slot but are not generating
        self._busy: set[str] = set()
        self._released: set[str] = set()  # released while they were generating
        self._waiting: deque[asyncio.Future[int]] = deque()

    @asynccontextmanager
    async def hold(self, path: str) -> AsyncIterator[int]:
        """The path's slot, for one generation."""
        if path in self._busy:
            raise RuntimeError(f"path {path} is generating already: a path is one chain of thought")
        self._busy.add(path)
        slot = None
        try:
            slot = await self._take(path)
            yield slot
        finally:
            self._busy.discard(path)
            released = path in self._released
            self._released.discard(path)
            if slot is not None and not self._hand_on(slot):
                if released:
                    self._free.append(slot)
                else:
                    self._silent[path] = slot

    def release(self, path: str) -> None:
        """The path will not come back."""
        slot = self._silent.pop(path, None)
        if slot is not None:
            self._free.append(slot)
        elif path in self._busy:
            self._released.add(path)

    async def _take(self, path: str) -> int:
        if path in self._silent:
            return self._silent.pop(path)
        if self._free:
            return self._free.pop()
        if self._silent:
            return self._silent.popitem(last=False)[1]
        turn: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and not self._hand_on(turn.result()):
                self._free.append(turn.result())
            raise

    def _hand_on(self, slot: int) -> bool:
        """Give the slot to the first in line. While somebody waits, no slot is free or silent."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(slot)
                return True
        return False
