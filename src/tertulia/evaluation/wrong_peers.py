"""Peers that claim what is wrong, put in the place of those a path would hear: a test of what an attack can do.

A replaced peer claims what the hearer itself claims, but for one step that the hearer has written since the last
meeting: there all replaced peers have the same other value. So nothing but the lie differs, and a lie that was
believed is never corrected by a liar. It is a value that fewer paths have than the hearer's, for a mistake that others
make tempts most; where there is none it is made up, near the hearer's. No step is lied about once it has been written
again: else a path would be sent back to the same line at every meeting, and never end. Models without steps are told
another answer than their own in the same way.

Who lies does not know what is right: where the hearer, and most others with it, are wrong the lie may be true.
"""

from __future__ import annotations

import random
import tomllib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources

from tertulia.answers.equivalence import equivalent
from tertulia.circle.claims import Claims, short
from tertulia.circle.frames import Heard, Post, another, neutral
from tertulia.settings import Settings
from tertulia.wording import Wording, fill

LETTERS = "ABCD"


@dataclass(frozen=True, slots=True)
class Lie:
    """What replaced peers claim at one place.

    Attributes:
        step: The step; None for the answer of a model without steps.
        value: The wrong value.
        text: What is written about it, where claims are answers.
    """

    step: int | None
    value: str
    text: str

    def told(self, heard: Heard) -> bool:
        """Whether what is heard marks this lie, rather than a difference between paths."""
        if heard.finding != "differ":
            return False
        return self.step is None or (heard.step, heard.other) == (self.step, neutral(self.value))


@dataclass(frozen=True)
class WrongPeers:
    """Replaces some of the peers that a path hears.

    Attributes:
        settings: How many, and by what.
        wording: The words of quotes.
        stepwise: Whether paths claim step results.
        longest: Longest summary, in characters.
    """

    settings: Settings
    wording: Wording
    stepwise: bool
    longest: int

    def speak(
        self, mine: Post, peers: Sequence[Post], quoted: Sequence[Post], draw: random.Random
    ) -> tuple[list[Post], list[Post], Lie | None]:
        """Peers and quoted peers, some of them replaced, and what these lie about.

        May wait for math-verify where answers are compared: run it off the event loop.

        Args:
            mine: The hearer's own post.
            peers: Posts whose claims would be counted.
            quoted: Posts whose words would be quoted.
            draw: Decides who is replaced, and about the lie.
        """
        quotes = self.settings.frame == "quotes"
        told = sorted(post.path for post in (quoted if quotes else peers) if (post.summary if quotes else post.claims))
        chosen = frozenset(draw.sample(told, min(self.settings.wrong_peers, len(told))))
        board = {post.path: post.claims for post in (*peers, *quoted)}
        lie = self._lie(mine.claims, list(board.values()), draw) if chosen else None
        wrong = self._steps_post(mine, lie) if self.stepwise else self._answer_post(mine, lie)

        def spoken(posts: Sequence[Post]) -> list[Post]:
            return [replace(wrong, path=post.path) if post.path in chosen else post for post in posts]

        return spoken(peers), spoken(quoted), lie

    def _lie(self, mine: Claims, board: Sequence[Claims], draw: random.Random) -> Lie | None:
        """Another value than the hearer's; None where it claims nothing that can be lied about."""
        if self.stepwise:
            steps = [step for step in mine.fresh if step not in mine.again]
            if not steps:
                return None
            step = draw.choice(steps)
            held = Counter(claims.steps[step] for claims in board if step in claims.steps)
            value = _tempting(mine.steps[step], held, draw)
            if self.settings.wrong_kind == "orders":
                # The pattern that reads the packaged model's steps lets digits pass and nothing else. Here a reader
                # is supposed that lets everything pass: more than an attacker of that model can do.
                value = short(fill(draw.choice(orders()), answer=value))
            return Lie(step, value, "")
        answers = Counter(claims.answer for claims in board if claims.answer)
        value = _tempting(mine.answer or "", answers, draw, same=equivalent)
        words = self.wording.quote_finished
        template = draw.choice(orders()) if self.settings.wrong_kind == "orders" else words
        return Lie(None, value, fill(template, answer=value))

    def _steps_post(self, mine: Post, lie: Lie | None) -> Post:
        """What replaced peers claim where claims are steps."""
        steps = dict(mine.claims.steps)
        if lie is not None and lie.step is not None:
            steps = {step: value for step, value in steps.items() if step < lie.step} | {lie.step: lie.value}
        summary = " ".join(f"{step}={neutral(value)}" for step, value in steps.items())
        return Post(mine.path, summary or None, Claims(steps))

    def _answer_post(self, mine: Post, lie: Lie | None) -> Post:
        """What they claim where claims are answers."""
        if lie is None:
            return mine
        return Post(mine.path, neutral(lie.text, self.longest), Claims(answer=lie.value))


@cache
def orders() -> tuple[str, ...]:
    """What peers write that try to give orders; `{answer}` stands for a wrong answer."""
    told = tomllib.loads((resources.files("tertulia.evaluation") / "orders.toml").read_text("utf-8"))
    return tuple(told["orders"])


def _tempting(
    value: str, held: Mapping[str, int], draw: random.Random, same: Callable[[str, str], bool] = str.__eq__
) -> str:
    """Another value than `value`: one that fewer hold, the hearer counted, or else a made-up one that nobody holds."""
    fewer = [other for other, count in held.items() if count < held.get(value, 0) + 1 and not same(other, value)]
    if fewer:
        return min(fewer, key=lambda other: (-held[other], other))
    made = [another(value, draw) for _ in range(16)] + [str(number) for number in range(11, 13 + len(held))]
    if len(value) == 1 and value in LETTERS:
        made = draw.sample(LETTERS, len(LETTERS))
    free = [other for other in made if other not in held and not same(other, value)]
    return free[0] if free else next(other for other in made if not same(other, value))
