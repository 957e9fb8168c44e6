"""The circle: N paths of one question that think, say where they stand, hear each other, and answer."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import asdict
from math import ceil
from typing import Any

from pydantic import TypeAdapter

from tertulia.answers.equivalence import group_answers
from tertulia.answers.voting import Verdict
from tertulia.circle.board import Board, Meeting, Settled
from tertulia.circle.path import Path
from tertulia.circle.run import Run
from tertulia.circle.thinker import Thinker
from tertulia.engines.base import EngineError
from tertulia.journal import reading


class Circle:
    """The paths of one question, and the board they post on. A path that fails is data: the others go on.

    Args:
        run: What all paths share.
        meets: Whether the paths meet.

    Attributes:
        paths: All paths that generated anything, in order of their index.
        voters, verdict: The paths that vote, and what they came to; nobody and nothing until the end.
        settled: Whether enough paths agreed before all had come to their end.
    """

    def __init__(self, run: Run, *, meets: bool):
        self.run = run
        self.thinker = Thinker(run, meets=meets)
        self.board = Board(run)
        self.paths: list[Path] = []
        self.voters: list[Path] = []
        self.verdict = Verdict(None, {}, 0, 0, False)
        self.settled = False
        self._lost: dict[int, EngineError] = {}  # failed and not recorded yet, for the engine may be gone for all
        self._moved = asyncio.Event()

    @property
    def active(self) -> list[Path]:
        """The paths that still have something to do."""
        return self.of(self.paths, "thinking", "meeting", "last call", "closed", "unanswered")

    @property
    def meetings(self) -> list[Meeting]:
        """Who heard whom."""
        return self.board.meetings

    def of(self, paths: Sequence[Path], *places: str) -> list[Path]:
        """Those of the paths that stand at one of these places, and have not failed."""
        return [path for path in paths if path.place in places and path.index not in self._lost]

    def meeting(self, paths: Sequence[Path]) -> list[Path]:
        """Those of the paths that are at a meeting."""
        return self.of(paths, "meeting", "last call")

    async def solve(self) -> None:
        """Takes every path from its prompt to its end; only in sync mode do paths wait for each other."""
        settings = self.run.settings
        prompts = [self.run.prompt(path, meets=self.thinker.meets) for path in range(settings.paths)]
        try:
            await self.begin(prompts[: self._enough] if settings.settle else prompts)
            while len(self.paths) < len(prompts):
                await self.come_to_claims(self.active)
                few = await self.alike()
                await self.begin(prompts[len(self.paths) :][: self._enough - few if few else len(prompts)])
            if settings.mode == "board":
                await together(*map(self.alone, self.paths))
            while self.active:
                await self.step(self.active)
        except Settled:
            self.settled = True
            await self.each(self.thinker.close if settings.settle else self.thinker.stop, self.active)

    @property
    def _enough(self) -> int:
        """How many paths have to agree to settle the question; 0 where nothing does."""
        asked = self.run.settings
        return max(2, ceil(asked.settle * asked.paths - 1e-9)) if asked.settle else asked.consensus_stop

    async def begin(self, prompts: Sequence[str]) -> list[Path]:
        """Adds a path for each of these prompts, and asks it."""
        run, first = self.run, len(self.paths)
        new = [Path(at, f"{run.name}/p{at}", exact=run.exact) for at in range(first, first + len(prompts))]
        self.paths += new
        await self.each(self.thinker.begin, new, prompts)
        return new

    async def step(self, paths: Sequence[Path]) -> None:
        """From here through the next meeting of these paths."""
        await self.come_to_claims(paths)
        await self.let_catch_up(paths)
        heard = await self.board.route(self.meeting(paths))
        await self.each(self.thinker.hear, self.meeting(paths), heard)

    async def come_to_claims(self, paths: Sequence[Path]) -> None:
        """From here to the next meeting of these paths, where they post what they claim."""
        moving = [path for path in paths if not path.at_meeting]  # who stands at one has said it already
        await self.each(self.think, moving)
        await self.each(self.thinker.state, self.meeting(moving))
        self.board.post(paths)
        await self.settle()

    async def think(self, path: Path) -> None:
        """Lets a path think up to its next meeting or its end; one that finishes may settle the question."""
        await self.thinker.think(path)
        if path.finished:
            self.board.post([path])
            await self.settle()

    async def alone(self, path: Path) -> None:
        """A path goes its own way, and hears the newest posts when it comes to a meeting."""
        while path in self.active:
            await self.step([path])
        self._tell_moved()

    async def each(self, act: Callable[..., Awaitable[None]], paths: Sequence[Path], *more: Sequence[Any]) -> None:
        """Lets these paths do the same at once, each with its own of the further arguments."""
        await together(*(self._guarded(act, *arguments) for arguments in zip(paths, *more, strict=True)))

    async def settle(self) -> None:
        """Whether enough paths agree.

        Raises:
            Settled: They do, and others are still at work.
        """
        others = self.active or len(self.paths) < self.run.settings.paths
        if self._enough and others and not self.settled and await self.alike() >= self._enough:
            raise Settled

    async def alike(self) -> int:
        """How many that finished, or with `settle` stand before their answer, have the same; 0 while nobody has one."""
        places = ("finished", "last call") if self.run.settings.settle else ("finished",)
        posts = [self.board.posts.get(path.index) for path in self.of(self.paths, *places)]
        answers = [post.claims.answer for post in posts if post and post.claims.answer]
        groups = await asyncio.to_thread(group_answers, answers, self.run.settings.language)
        return max(Counter(groups).values(), default=0)

    async def let_catch_up(self, paths: Sequence[Path]) -> None:
        """In board mode a path that would close its thought before half of its peers have come as far lets them.

        It has nothing to think about until then, and nobody waits for it; one path that hangs holds nobody up.
        """
        self._tell_moved()
        if self.run.settings.mode == "board":
            for path in self.meeting(paths):
                peers = [peer for peer in self.paths if peer is not path]
                while path.place == "last call" and self.board.is_ahead(path, peers, self.active):
                    await self._moved.wait()

    async def end(self, voters: Sequence[Path]) -> None:
        """Says whose answers the verdict will be of. Paths that failed last are recorded now.

        Raises:
            EngineError: No path came to an end. Nothing is recorded: the same command tries again from where they were.
        """
        if self._lost and not any(path.place in ("finished", "stopped") for path in self.paths):
            raise EngineError(f"all {len(self.paths)} paths failed: {next(iter(self._lost.values()))}")
        await self._record_failed(self._lost, last=True)
        self.voters = list(voters)

    async def decide(self, verdict: Verdict) -> None:
        """Takes this verdict, or that of the journal; journaled, so that it can be read again, if no path can go on."""
        run, key = self.run, f"{self.run.name}/verdict"
        live = key not in run.journal

        async def record() -> dict[str, object]:
            return {"kind": "verdict", "settled": self.settled, **asdict(verdict)}

        value = await (record() if any(path.unavailable for path in self.paths) else run.journal.once(key, record))
        with reading(key):
            self.settled = bool(value["settled"])
            self.verdict = TypeAdapter(Verdict).validate_python(value)
        run.tell("verdict", None, value, live=live)

    def _tell_moved(self) -> None:
        """Wakes the paths that let others catch up."""
        self._moved.set()
        self._moved = asyncio.Event()

    async def _guarded(self, act: Callable[..., Awaitable[None]], path: Path, *arguments: Any) -> None:
        lost = dict(self._lost)
        self.run.answered.discard(path.index)
        try:
            await act(path, *arguments)
        except EngineError as error:
            self._lost[path.index] = error
        if path.index in self.run.answered:  # the engine lives: what failed before this failed by itself
            await self._record_failed(lost)

    async def _record_failed(self, lost: dict[int, EngineError], *, last: bool = False) -> None:
        for index, error in list(lost.items()):
            if self._lost.pop(index, None) is not None:
                await self.thinker.fail(self.paths[index], str(error), away=last and error.away)


async def together(*work: Coroutine[Any, Any, object]) -> None:
    """Runs all of `work` at once; the first error stops the rest and is raised as it is."""
    tasks = [asyncio.ensure_future(part) for part in work]
    try:
        await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
