"""Paths that do the same at once. A path that fails is data: it is marked, and the others go on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from tertulia.circle.path import Path
from tertulia.circle.thinker import Thinker
from tertulia.engines.base import EngineError


class Company:
    """Some paths of one question.

    Args:
        thinker: Takes a path from step to step.
        paths: The paths.
    """

    def __init__(self, thinker: Thinker, paths: Sequence[Path]):
        self.thinker = thinker
        self.paths = list(paths)

    @property
    def active(self) -> list[Path]:
        """The paths that still have something to do."""
        return [path for path in self.paths if path.active]

    async def each(self, act: Callable[..., Awaitable[None]], paths: Sequence[Path], *more: Sequence[Any]) -> None:
        """Lets these paths do the same at once, each with its own of the further arguments."""
        await together(*(self._guarded(act, *arguments) for arguments in zip(paths, *more, strict=True)))

    async def end(self) -> None:
        """Records the paths that failed last. Where none is left the engine is gone: nothing is recorded.

        Raises:
            EngineError: No path came to an end. The same command tries again from where they were.
        """
        lost, self.thinker.exchange.lost = self.thinker.exchange.lost, []
        if lost and not any(path.place in ("finished", "stopped") for path in self.paths):
            raise EngineError(f"all {len(self.paths)} paths failed: {lost[0].error}")
        self.thinker.exchange.outlived += lost
        await self._record_failed()

    async def _guarded(self, act: Callable[..., Awaitable[None]], path: Path, *arguments: Any) -> None:
        try:
            await act(path, *arguments)
        except EngineError as error:
            path.place, path.error = "failed", str(error)
            self.thinker.exchange.lost.append(path)
        await self._record_failed()

    async def _record_failed(self) -> None:
        failed, self.thinker.exchange.outlived = self.thinker.exchange.outlived, []
        for path in failed:
            await self.thinker.fail(path)


async def together(*work: Coroutine[Any, Any, None]) -> None:
    """Runs all of `work` at once; the first error stops the rest and is raised as it is."""
    tasks = [asyncio.ensure_future(part) for part in work]
    try:
        await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
