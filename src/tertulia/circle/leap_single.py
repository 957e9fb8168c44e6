"""LeaP-S: all paths think T tokens, exchange once, and one of them goes on (arXiv 2505.07787, section 3.4).

Which one goes on the paper does not say. Here it is the path whose claimed answer most of the others share,
for that is the vote's best guess at that moment; ties are drawn from the seed. The others stop, and count.
"""

from __future__ import annotations

import asyncio
from collections import Counter

from tertulia.answers.equivalence import group_answers
from tertulia.circle.circle import Circle, meeting
from tertulia.circle.outcome import Outcome, verdict_of
from tertulia.circle.path import Path
from tertulia.circle.run import Run
from tertulia.seeds import draw


async def solve(run: Run, name: str, story: str, question: str) -> Outcome:
    """One exchange, one survivor: its answer is the verdict. Where all finished before, they vote."""
    circle = Circle(run, name, story)
    paths = circle.paths
    await circle.begin(question)
    await circle.each(circle.thinker.think, paths)
    await circle.each(circle.thinker.summarise, meeting(paths))
    circle.board.post(paths)
    speakers = paths
    if waiting := meeting(paths):
        survivor = await _survivor(circle, name, story, waiting)
        speakers = [survivor]
        heard = await circle.board.route(speakers)
        await circle.each(circle.thinker.stop, [path for path in circle.active if path is not survivor])
        circle.thinker.meets = False
        await circle.each(circle.thinker.hear, speakers, heard)
    await circle.each(circle.thinker.think, circle.active)
    await circle.end()
    verdict = await verdict_of(run, name, story, speakers, of=len(paths))
    return Outcome(paths, circle.board.meetings, verdict, tuple(path.index for path in speakers))


async def _survivor(circle: Circle, name: str, story: str, waiting: list[Path]) -> Path:
    """The waiting path whose claimed answer has most holders on the board; journaled."""

    async def choose() -> dict[str, object]:
        posts = circle.board.posts
        answers = [posts[path].claims.answer if path in posts else None for path in range(len(circle.paths))]
        groups = await asyncio.to_thread(group_answers, answers)
        holders = Counter(group for group in groups if group is not None)
        chance = draw(circle.run.settings.seed, story, "survivor")
        order = {path.index: chance.random() for path in waiting}
        support = {path.index: _held(holders, groups[path.index]) for path in waiting}
        best = max(waiting, key=lambda path: (support[path.index], order[path.index]))
        return {"kind": "survivor", "path": best.index}

    record = await circle.run.journal.once(f"{name}/survivor", choose)
    return circle.paths[int(record["path"])]


def _held(holders: Counter[int], group: int | None) -> int:
    return 0 if group is None else holders[group]
