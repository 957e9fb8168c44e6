"""One longer path: at every end it doubts its own result and goes on, until its budget is spent.

What a circle's tokens buy when one path has them all (sequential scaling, as in s1's budget forcing, arXiv 2501.19393).
Its beginning is that of a circle's first path; its last answer is the verdict. A path that repeats itself a second time
is closed as any other, and then some of the budget is left.
"""

from __future__ import annotations

import sys
from dataclasses import replace

from tertulia.circle.circle import Circle
from tertulia.circle.frames import Heard
from tertulia.circle.path import Path
from tertulia.circle.run import Run
from tertulia.circle.thinker import LED_TOKENS
from tertulia.methods.ballot import vote

WORTH_GOING_ON = 64
"""Tokens that must be left for another doubt: with fewer the path could not think anything through."""


async def solve(run: Run) -> Circle:
    """One path with all the tokens: `budget` is what it may generate in all."""
    unbounded = {"last_call": sys.maxsize, "summaries": "read", "self_opened": False}
    profile = run.profile
    if not run.dialect.think_close:  # it answers in its thought: nothing is kept but for an answer that it is led to
        profile = profile.model_copy(update={"answer_tokens": min(profile.answer_tokens, 2 * LED_TOKENS)})
    settings = run.settings.model_copy(update=unbounded)
    circle = Circle(replace(run, settings=settings, profile=profile, every=0), meets=False)
    paths = await circle.begin([run.prompt(0, meets=False)])
    circle.thinker.meets = True  # so that it is held at its end; there is nobody else to meet
    while circle.active:
        await circle.each(circle.thinker.think, paths)
        waiting = circle.meeting(paths)
        await circle.each(circle.thinker.hear, waiting, [_doubt(circle, path) for path in waiting])
    await vote(circle, paths)
    return circle


def _doubt(circle: Circle, path: Path) -> Heard:
    """What the path tells itself at an end; nothing where the rest of the budget is for the answer."""
    if circle.thinker.room(path) < WORTH_GOING_ON:
        return Heard("", (), "agree", False)
    words = circle.run.wording_of(path.index)
    return Heard(words.plain_self or words.framed(words.answer_doubt), (), "doubt", True)
