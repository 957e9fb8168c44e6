"""The circle: N paths of one question that think, summarise, hear each other, and answer."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

from tertulia.answers.equivalence import group_answers
from tertulia.circle.board import Board
from tertulia.circle.company import Company, together
from tertulia.circle.path import Path
from tertulia.circle.run import Run
from tertulia.circle.thinker import Thinker


class Circle(Company):
    """The paths of one question, and the board they post on.

    Args:
        run: What all paths share.
        name: Identity of the circle, e.g. "q0/c0".
        story: Names the question for random draws.
    """

    def __init__(self, run: Run, name: str, story: str):
        paths = [Path(index, f"{name}/p{index}", exact=run.exact) for index in range(run.settings.paths)]
        super().__init__(Thinker(run, story, meets=run.settings.meets), paths)
        self.run = run
        self.board = Board(run, name, story)
        self.agreed = False
        self._moved = asyncio.Event()
        self._going: asyncio.Future[None] | None = None

    async def solve(self, question: str) -> None:
        """Takes every path from its prompt to its end; only in sync mode do paths wait for each other."""
        await self.begin(question)
        if self.run.settings.mode == "board":
            await self.without_waiting()
        while self.active:
            await self.step(self.active)
        await self.end()

    async def begin(self, question: str) -> None:
        """Asks every path the question."""
        meets = self.thinker.meets
        prompts = [self.run.prompt(path.index, question, meets=meets) for path in self.paths]
        await self.each(self.thinker.begin, self.paths, prompts)

    async def step(self, paths: Sequence[Path]) -> None:
        """From here through the next meeting of these paths."""
        await self.each(self.thinker.think, paths)
        await self.stop_if_agreed()
        await self.each(self.thinker.summarise, meeting(paths))
        self.board.post(paths)
        await self.let_catch_up(paths)
        heard = await self.board.route(meeting(paths))
        await self.each(self.thinker.hear, meeting(paths), heard)

    async def without_waiting(self) -> None:
        """Every path goes its own way, and hears the newest posts when it comes to a meeting."""

        async def alone(path: Path) -> None:
            while path.active:
                await self.step([path])
            self._tell_moved()

        self._going = asyncio.ensure_future(together(*map(alone, self.paths)))
        try:
            await self._going
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not self.agreed or (task is not None and task.cancelling()):
                raise
            await self.each(self.thinker.stop, self.active)

    async def let_catch_up(self, paths: Sequence[Path]) -> None:
        """In board mode a path that would close its thought before half of its peers have come as far lets them.

        It has nothing to think about until then, and nobody waits for it; one path that hangs holds nobody up.
        """
        self._tell_moved()
        if self.run.settings.mode == "board":
            for path in meeting(paths):
                while path.place == "last call" and self.board.is_ahead(path, self.paths):
                    await self._moved.wait()

    def _tell_moved(self) -> None:
        """Wakes the paths that let others catch up."""
        self._moved.set()
        self._moved = asyncio.Event()

    async def stop_if_agreed(self) -> None:
        """Stops the paths that still think once enough have finished with one answer."""
        enough = self.run.settings.consensus_stop
        answers = [path.answer for path in self.paths if path.finished and path.answer is not None]
        if not enough or len(answers) < enough or self.agreed:
            return
        self.agreed = max(Counter(await asyncio.to_thread(group_answers, answers)).values()) >= enough
        if self.agreed and self._going is not None:
            self._going.cancel()
        elif self.agreed:
            await self.each(self.thinker.stop, self.active)


def meeting(paths: Sequence[Path]) -> list[Path]:
    """Those of the paths that are at a meeting."""
    return [path for path in paths if path.at_meeting]
