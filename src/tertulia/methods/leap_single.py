"""LeaP-S: all paths think T tokens, exchange once, and one of them goes on (arXiv 2505.07787, section 3.4).

Which one goes on the paper does not say. Here it is the path whose claimed answer most of the others share,
for that is the vote's best guess at that moment; ties are drawn from the seed. The others stop, and count.
"""

from __future__ import annotations

import asyncio
from collections import Counter

from tertulia.answers.equivalence import group_answers
from tertulia.circle.circle import Circle
from tertulia.circle.path import Path
from tertulia.circle.run import Run
from tertulia.journal import reading
from tertulia.methods.ballot import vote
from tertulia.seeds import draw


async def solve(run: Run) -> Circle:
    """One exchange, one survivor: its answer is the verdict. Where all finished before, they vote."""
    circle = Circle(run, meets=run.settings.meets)
    await circle.begin([run.prompt(path, meets=run.settings.meets) for path in range(run.settings.paths)])
    paths = speakers = circle.paths
    await circle.each(circle.thinker.think, paths)
    await circle.each(circle.thinker.state, circle.meeting(paths))
    circle.board.post(paths)
    if waiting := circle.meeting(paths):
        survivor = await _survivor(circle, waiting)
        speakers = [survivor]
        heard = await circle.board.route(speakers)
        await circle.each(circle.thinker.stop, [path for path in circle.active if path is not survivor])
        circle.thinker.meets = False
        await circle.each(circle.thinker.hear, speakers, heard)
    await circle.each(circle.thinker.think, circle.active)
    await vote(circle, speakers)
    return circle


async def _survivor(circle: Circle, waiting: list[Path]) -> Path:
    """The waiting path whose claimed answer has most holders on the board; journaled."""
    run = circle.run

    async def choose() -> dict[str, object]:
        posts = circle.board.posts
        answers = [posts[path].claims.answer if path in posts else None for path in range(len(circle.paths))]
        groups = await asyncio.to_thread(group_answers, answers, run.settings.language)
        holders = Counter(group for group in groups if group is not None)
        chance = draw(run.settings.seed, run.story, "survivor")
        order = {path.index: chance.random() for path in waiting}
        support = {path.index: _held(holders, groups[path.index]) for path in waiting}
        best = max(waiting, key=lambda path: (support[path.index], order[path.index]))
        return {"kind": "survivor", "path": best.index}

    key = f"{run.name}/survivor"
    live = key not in run.journal
    record = await run.journal.once(key, choose)
    with reading(key):
        survivor = {path.index: path for path in waiting}[record["path"]]
    run.tell("survivor", None, record, live=live)
    return survivor


def _held(holders: Counter[int], group: int | None) -> int:
    return 0 if group is None else holders[group]
