"""The board, where paths post what they claim, and where it is decided who hears what.

The finished still speak: the last post of a path stays until the circle ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tertulia.circle.claims import read_claims
from tertulia.circle.frames import Frame, Heard, Post, neutral
from tertulia.circle.path import Path
from tertulia.circle.routing import route_async
from tertulia.circle.run import Run
from tertulia.evaluation.wrong_peers import Lie, WrongPeers
from tertulia.seeds import draw
from tertulia.wording import fill

_INLINE = 2048  # pairs of paths compared without a thread: a few milliseconds


@dataclass
class Meeting:
    """Who heard whom.

    Attributes:
        index: Number of the meeting, from 0; in board mode each path counts its own.
        heard: For each path the peers it heard; None for a path that was not there.
    """

    index: int
    heard: list[list[int] | None]

    def to_json(self) -> dict[str, Any]:
        """The value for `Result.to_json`."""
        return {"index": self.index, "heard": self.heard}


@dataclass
class Board:
    """The latest post of every path of a circle.

    Attributes:
        run: What all paths share.
        name: The circle's name, e.g. "q0/c0".
        story: Names the question for random draws.
        posts: Latest post, by path.
        meetings: What has been heard so far.
    """

    run: Run
    name: str
    story: str
    posts: dict[int, Post] = field(default_factory=dict)
    meetings: list[Meeting] = field(default_factory=list)

    def post(self, paths: Sequence[Path]) -> None:
        """Puts up what these paths claim now; a path that failed leaves up what it said before."""
        for path in paths:
            if path.place not in ("failed", "stopped"):
                self.posts[path.index] = self._post(path)

    def is_ahead(self, path: Path, paths: Sequence[Path]) -> bool:
        """Whether most peers have neither claimed the path's last step nor come to their own end."""
        steps = self.posts[path.index].claims.steps if path.index in self.posts else {}
        if not steps:
            return False
        last = max(steps)
        peers = [peer for peer in paths if peer is not path]
        there = [
            peer.place == "last call"
            or not peer.active
            or (peer.index in self.posts and last in self.posts[peer.index].claims.steps)
            for peer in peers
        ]
        return 2 * sum(there) < len(peers)

    async def route(self, paths: Sequence[Path]) -> list[Heard]:
        """What each of these paths hears now, by the posts on the board; journaled."""
        if not paths:
            return []
        index = paths[0].meetings
        key = f"{self.name}/meeting/{index}"
        if self.run.settings.mode == "board":
            key += f"/{paths[0].index}"

        async def decide() -> dict[str, Any]:
            heard = await self._decide(paths, index)
            told = {str(path.index): what.to_json() for path, what in zip(paths, heard, strict=True)}
            return {"kind": "meeting", "index": index, "heard": told}

        record = (await self.run.journal.once(key, decide))["heard"]
        heard = [Heard.from_json(record[str(path.index)]) for path in paths]
        self._keep(paths, index, heard)
        return heard

    def _post(self, path: Path) -> Post:
        claims = read_claims(path, self.run.profile.claims, self.run.dialect.think_close)
        summary = path.summary
        if self.run.settings.summaries == "read" and claims.steps:
            # What a summary would say, so that routers have something to compare.
            summary = " ".join(f"{step}={neutral(value)}" for step, value in claims.steps.items())
        if path.finished and path.answer is not None:
            summary = fill(self.run.wording_of(path.index).quote_finished, answer=neutral(path.answer, 200))
        return Post(path.index, summary, claims)

    async def _decide(self, paths: Sequence[Path], index: int) -> list[Heard]:
        settings, run = self.run.settings, self.run
        stepwise = run.profile.stepwise
        quoted: list[list[int]] = [[] for _ in range(settings.paths)]
        # A digest of steps quotes nobody, so nobody need be chosen.
        if settings.frame == "quotes" or settings.counted == "heard" or not stepwise:
            quoted = await self._routes([path.index for path in paths], index)

        def tell(path: Path) -> Heard:
            routed: Sequence[Post] = [self.posts[peer] for peer in quoted[path.index]]
            others = [self.posts[peer] for peer in sorted(self.posts) if peer != path.index]
            counted: Sequence[Post] = others if settings.counted == "all" else routed
            chance = draw(settings.seed, self.story, path.index, index, "heard")
            frame = Frame(settings, run.wording_of(path.index), stepwise)
            counted, routed, lie = self._with_wrong(path, counted, routed, index)
            heard = frame.tell(self.posts[path.index], counted, routed, chance, index)
            heard = replace(heard, lie=heard.lie or (lie is not None and lie.told(heard)))
            # A last call that changes nothing is not told, so nobody is heard.
            silent = path.place == "last call" and not heard.interrupts
            return replace(heard, peers=()) if silent else heard

        if stepwise and len(paths) * len(self.posts) <= _INLINE:
            return [tell(path) for path in paths]
        return await asyncio.to_thread(lambda: [tell(path) for path in paths])

    def _with_wrong(
        self, path: Path, counted: Sequence[Post], routed: Sequence[Post], index: int
    ) -> tuple[Sequence[Post], Sequence[Post], Lie | None]:
        """What peers claim and write, some of them replaced by wrong ones where the settings ask for it."""
        run = self.run
        if not run.settings.wrong_peers:
            return counted, routed, None
        chance = draw(run.settings.seed, self.story, path.index, index, "wrong peers")
        longest = 8 * run.profile.summary_tokens
        wrong = WrongPeers(run.settings, run.wording_of(path.index), run.profile.stepwise, longest)
        return wrong.speak(self.posts[path.index], counted, routed, chance)

    async def _routes(self, hearers: Sequence[int], index: int) -> list[list[int]]:
        settings = self.run.settings
        posts = [self.posts.get(path) for path in range(settings.paths)]
        return await route_async(
            settings.router,
            [post.summary if post else None for post in posts],
            settings.heard,
            seed=f"{settings.seed} {self.story} {index}",
            answers=[post.claims.answer if post else None for post in posts],
            hearers=hearers,
            max_heard=settings.max_heard,
        )

    def _keep(self, paths: Sequence[Path], index: int, heard: Sequence[Heard]) -> None:
        while len(self.meetings) <= index:
            self.meetings.append(Meeting(len(self.meetings), [None] * self.run.settings.paths))
        for path, what in zip(paths, heard, strict=True):
            self.meetings[index].heard[path.index] = list(what.peers)
        listed = [peers or [] for peers in self.meetings[index].heard]
        self.run.tell("meeting", None, index=index, heard=listed)
