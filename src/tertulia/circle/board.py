"""The board, where paths post what they claim, and where it is decided who hears what.

The finished still speak: the last post of a path stays until the circle ends. What a path says is made harmless once,
when it is posted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tertulia.circle.claims import AnswerClaims, Claims, StepClaims, claims_of
from tertulia.circle.frames import Heard, Post, frame_of
from tertulia.circle.path import Path
from tertulia.circle.routing import route_async
from tertulia.circle.run import Run
from tertulia.journal import reading
from tertulia.seeds import draw
from tertulia.wording import fill
from tertulia.wording.harmless import last_words, neutral

LONGEST_WORKING = 500  # characters of a peer's own working that are told
ABSENT = Heard("", (), "none", False).to_json()  # of a path whose server was away when the others met


class Settled(Exception):
    """Enough paths agree: the others need not go on."""


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
        posts: Latest post, by path.
        meetings: What has been heard so far.
    """

    run: Run
    posts: dict[int, Post] = field(default_factory=dict)
    meetings: list[Meeting] = field(default_factory=list)

    def __post_init__(self) -> None:
        frame_of(self.run.settings, self.run.wording)  # a control that cannot be is refused before anybody is asked

    def post(self, paths: Sequence[Path]) -> None:
        """Puts up what these paths claim now; a path that failed leaves up what it said before."""
        for path in paths:
            if path.place not in ("failed", "stopped"):
                self.posts[path.index] = self._post(path)

    def is_ahead(self, path: Path, peers: Sequence[Path], active: Sequence[Path]) -> bool:
        """Whether most peers have neither claimed the path's last step nor come to their own end."""
        mine = self.posts.get(path.index)
        ends = [peer.place == "last call" or peer not in active for peer in peers]
        claims = [post.claims if (post := self.posts.get(peer.index)) else None for peer in peers]
        return mine is not None and mine.claims.is_ahead(list(zip(claims, ends, strict=True)))

    async def route(self, paths: Sequence[Path]) -> list[Heard]:
        """What each of these paths hears now, by the posts on the board; journaled."""
        if not paths:
            return []
        index = paths[0].meetings
        key = f"{self.run.name}/meeting/{index}"
        if self.run.settings.mode == "board":
            key += f"/{paths[0].index}"
        live = key not in self.run.journal

        async def decide() -> dict[str, Any]:
            if f"{self.run.name}/verdict" in self.run.journal:  # it had settled before anybody came to this meeting
                raise Settled
            heard = await self._decide(paths, index)
            told = {str(path.index): what.to_json() for path, what in zip(paths, heard, strict=True)}
            claims = {str(path): post.claims.to_json() for path, post in sorted(self.posts.items())}
            return {"kind": "meeting", "index": index, "claims": claims, "heard": told}

        record = await self.run.journal.once(key, decide)
        with reading(key):
            told = record["heard"]
            heard = [Heard.from_json(told.get(str(path.index), told and ABSENT)) for path in paths]
        self._keep(paths, index, heard)
        self.run.tell("meeting", None, record, live=live)
        return heard

    def _post(self, path: Path) -> Post:
        run = self.run
        claims = harmless(claims_of(path, run.profile.claims, run.dialect.think_close, run.reading))
        summary = claims.said() if run.settings.summaries == "read" else path.summary
        if path.finished and path.answer is not None:
            summary = fill(run.wording_of(path.index).quote_finished, answer=neutral(path.answer, 200))
        words = last_words(path.own_text, LONGEST_WORKING) if run.settings.frame not in ("digest", "quotes") else ""
        return Post(path.index, summary, claims, words)

    async def _decide(self, paths: Sequence[Path], index: int) -> list[Heard]:
        settings, run = self.run.settings, self.run
        stepwise = run.profile.stepwise
        quoted: list[list[int]] = [[] for _ in range(settings.paths)]
        # A digest of steps quotes nobody, so nobody need be chosen.
        if settings.frame == "quotes" or settings.counted == "heard" or (settings.frame == "digest" and not stepwise):
            quoted = await self._routes([path.index for path in paths], index)

        def tell(path: Path) -> Heard:
            routed: Sequence[Post] = [self.posts[peer] for peer in quoted[path.index]]
            others = [self.posts[peer] for peer in sorted(self.posts) if peer != path.index]
            counted: Sequence[Post] = others if settings.counted == "all" else routed
            chance = draw(settings.seed, run.story, path.index, index, "heard")
            frame = frame_of(settings, run.wording_of(path.index))
            heard = frame.tell(self.posts[path.index], counted, routed, chance, index)
            # A last call that changes nothing is not told, so nobody is heard.
            silent = path.place == "last call" and not heard.interrupts
            return replace(heard, peers=()) if silent else heard

        if stepwise and len(paths) * len(self.posts) <= 2048:  # pairs of paths compared in a few milliseconds
            return [tell(path) for path in paths]
        return await asyncio.to_thread(lambda: [tell(path) for path in paths])

    async def _routes(self, hearers: Sequence[int], index: int) -> list[list[int]]:
        settings = self.run.settings
        posts = [self.posts.get(path) for path in range(settings.paths)]
        return await route_async(
            settings.router,
            [post.summary if post else None for post in posts],
            settings.heard,
            seed=f"{settings.seed} {self.run.story} {index}",
            answers=[post.claims.answer if post else None for post in posts],
            hearers=hearers,
            max_heard=settings.max_heard,
        )

    def _keep(self, paths: Sequence[Path], index: int, heard: Sequence[Heard]) -> None:
        while len(self.meetings) <= index:
            self.meetings.append(Meeting(len(self.meetings), [None] * self.run.settings.paths))
        for path, what in zip(paths, heard, strict=True):
            self.meetings[index].heard[path.index] = list(what.peers)


def harmless(claims: Claims) -> Claims:
    """Claims whose values can open and close nothing in a hearer."""
    answer = neutral(claims.answer) if claims.answer is not None else None
    if isinstance(claims, AnswerClaims):
        return replace(claims, answer=answer)
    assert isinstance(claims, StepClaims)
    return replace(claims, answer=answer, steps={step: neutral(value) for step, value in claims.steps.items()})
