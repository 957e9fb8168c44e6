"""Controls: what stands in the place of peers to find out what meetings are worth, each a frame around the frame.

*echo* tells a path its own claims, *recheck* always asks to recheck, *false* makes up markers at a rate, *self* has a
path doubt its own result at the same places, *unrelated* tells it what peers of another question hold: no peers'
information in any of them. *wrong* and *orders* replace some of the peers that a path would hear by wrong ones that
agree with each other: a test of what an attack can do.

A wrong peer claims what the hearer itself claims, but for one step that the hearer has written since the last
meeting: there all replaced peers have the same other value. So nothing but the lie differs, and a lie that was
believed is never corrected by a liar. It is a value that fewer paths have than the hearer's, for a mistake that others
make tempts most; where there is none it is made up, near the hearer's. No step is lied about once it has been written
again: else a path would be sent back to the same line at every meeting, and never end. Models without steps are told
another answer than their own in the same way. Who lies does not know what is right: where the hearer, and most others
with it, are wrong the lie may be true.
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
from tertulia.circle.claims import AnswerClaims, Claims, Difference, StepClaims, short
from tertulia.circle.frames import CONTROLS, Frame, Heard, Post, agree, marker_text, recheck
from tertulia.errors import TertuliaError
from tertulia.settings import TAGLESS, Settings
from tertulia.wording import Wording, fill
from tertulia.wording.harmless import neutral
from tertulia.world.language import LANGUAGES
from tertulia.world.problems import problem

LETTERS = "ABCD"
FALSE_RATE = 0.3
"""Share of meetings at which the control `false` makes up a marker, where nobody says how many."""


@dataclass(frozen=True)
class Control:
    """What controls share.

    Attributes:
        frame: What they stand before.
        settings: Of the run.
        wording: The words.
        argument: What follows "=" in the setting `control`.
    """

    frame: Frame
    settings: Settings
    wording: Wording
    argument: str

    def number(self, default: float, most: float) -> float:
        """The argument as a number.

        Raises:
            TertuliaError: It is none, or out of range. One line.
        """
        try:
            value = float(self.argument or default)
        except ValueError:
            value = -1.0
        if not 0 <= value <= most:
            name = self.settings.control.partition("=")[0]
            raise TertuliaError(f"control is {self.settings.control!r}: expected {name}=NUMBER, from 0 to {most:g}")
        return value


@dataclass(frozen=True)
class Echo(Control):
    """A path hears itself."""

    def tell(
        self, mine: Post, peers: Sequence[Post], quoted: Sequence[Post], draw: random.Random, meeting: int = 0
    ) -> Heard:
        """See `tertulia.circle.frames.Frame.tell`."""
        if self.settings.frame in TAGLESS:  # the path would agree with itself, and hear nothing
            posed = Difference("differ", True, mine.claims.answer, mine.claims.answer, 1, 1)
            return _posed(self.wording, mine, posed) if mine.claims.answer else Heard("", (), "none", False)
        told = self.frame.tell(mine, (mine,), (mine,), draw, meeting)
        return replace(told, peers=())


@dataclass(frozen=True)
class Recheck(Control):
    """A path is always asked to recheck."""

    def tell(
        self, mine: Post, peers: Sequence[Post], quoted: Sequence[Post], draw: random.Random, meeting: int = 0
    ) -> Heard:
        """See `tertulia.circle.frames.Frame.tell`."""
        return recheck(self.wording, mine.claims, draw, ()) or agree(self.settings, self.wording, mine.claims, ())


@dataclass(frozen=True)
class Self(Control):
    """Where a path would hear peers it doubts its own result instead: isolated self-correction at the same places."""

    def tell(
        self, mine: Post, peers: Sequence[Post], quoted: Sequence[Post], draw: random.Random, meeting: int = 0
    ) -> Heard:
        """See `tertulia.circle.frames.Frame.tell`."""
        told = self.frame.tell(mine, peers, quoted, draw, meeting)
        if not told.text:
            return told
        text = self.wording.plain_self or self.wording.framed(self.wording.answer_doubt)
        return Heard(text, (), told.finding, told.interrupts)


@dataclass(frozen=True)
class Unrelated(Control):
    """Where a path would hear peers it hears, in the same words, what peers of another question hold.

    The other question is a problem of the world in the same language, drawn from the seed. Peers that hold the hearer's
    answer still do: that they agree is no working and no answer. Where steps are compared, which one differs would be
    peers' information too: it is drawn among those that the hearer has just written, each but once, as with `wrong`.
    """

    def tell(
        self, mine: Post, peers: Sequence[Post], quoted: Sequence[Post], draw: random.Random, meeting: int = 0
    ) -> Heard:
        """See `tertulia.circle.frames.Frame.tell`."""
        chance = random.Random(f"unrelated {draw.random()}")
        told = self.frame.tell(mine, peers, quoted, draw, meeting)
        quotes = self.settings.frame == "quotes"
        if not told.text or told.finding == "doubt" or not (quotes or told.finding == "differ"):
            return told
        claims = mine.claims
        steps: tuple[int, ...] = ()
        if isinstance(claims, StepClaims):
            steps = tuple(step for step in claims.fresh if step not in claims.again)
            if not steps and not quotes:
                return agree(self.settings, self.wording, claims, ())
        step = chance.choice(steps) if steps else None
        words, answer = self._posed(claims.answer if step is None else claims.steps[step], step, chance)
        summary = f"{words} {fill(self.wording.quote_finished, answer=answer)}"

        def other(post: Post) -> Post:
            held: Claims = AnswerClaims(answer)
            if step is not None:
                held = StepClaims({at: value for at, value in claims.steps.items() if at < step} | {step: answer})
            elif isinstance(claims, StepClaims):
                held = post.claims
            return Post(post.path, summary, held, words)

        def spoken(posts: Sequence[Post], everyone: bool) -> list[Post]:
            return [other(post) if everyone or self._differs(mine, post) else post for post in posts]

        return self.frame.tell(mine, spoken(peers, step is not None), spoken(quoted, everyone=True), chance, meeting)

    def _differs(self, mine: Post, post: Post) -> bool:
        """Whether a peer holds another answer than the hearer."""
        answers = post.claims.answer, mine.claims.answer
        return answers[0] is not None and (answers[1] is None or not equivalent(answers[0], answers[1]))

    def _posed(self, own: str | None, step: int | None, chance: random.Random) -> tuple[str, str]:
        """Another problem's working and answer, which is never the hearer's own."""
        language = self.wording.language if self.wording.language in LANGUAGES else LANGUAGES[0]
        while True:
            posed = problem(chance.randrange(2**32), "easy", "train")
            letters = self.settings.answer_kind == "choice" and step is None
            answer = chance.choice(LETTERS) if letters else str(posed.answer)
            if own is None or not equivalent(answer, own):
                return neutral(posed.working(language)), answer


@dataclass(frozen=True)
class False_(Control):
    """A marker that the program made up, at a rate; else agreement."""

    def __post_init__(self) -> None:
        if self.settings.frame == "quotes":
            raise TertuliaError("the control false makes up markers, which quotes do not have: use frame digest")
        self.number(FALSE_RATE, 1.0)

    def tell(
        self, mine: Post, peers: Sequence[Post], quoted: Sequence[Post], draw: random.Random, meeting: int = 0
    ) -> Heard:
        """See `tertulia.circle.frames.Frame.tell`."""
        rate, others = self.number(FALSE_RATE, 1.0), self.settings.paths - 1
        claims = mine.claims
        steps = (claims.fresh or tuple(claims.steps)) if isinstance(claims, StepClaims) else ()
        claimed = bool(steps) if isinstance(claims, StepClaims) else claims.answer is not None
        if draw.random() >= rate or not claimed or not others:
            return agree(self.settings, self.wording, claims, ())
        count = draw.randint((others + 2) // 3, others)
        if steps:
            step = draw.choice(steps)
            other = another(claims.steps[step], draw)
            found = Difference("differ", True, claims.steps[step], other, count, others, step)
        else:
            other = another(claims.answer or "", draw)
            found = Difference("differ", True, claims.answer, other, count, count, votes=((other, count),))
        if self.settings.frame in TAGLESS:
            return replace(_posed(self.wording, mine, found), lie=True)
        text = self.wording.framed(marker_text(self.wording, found)) + self.wording.check
        return Heard(text, (), "differ", True, found.step, other, True)


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
class Wrong(Control):
    """Replaces some of the peers that a path hears by wrong ones."""

    orders = False

    def __post_init__(self) -> None:
        self.number(0, self.settings.paths - 1)

    def tell(
        self, mine: Post, peers: Sequence[Post], quoted: Sequence[Post], draw: random.Random, meeting: int = 0
    ) -> Heard:
        """See `tertulia.circle.frames.Frame.tell`."""
        chance = random.Random(f"wrong peers {draw.random()}")
        peers, quoted, lie = self.speak(mine, peers, quoted, chance)
        heard = self.frame.tell(mine, peers, quoted, draw, meeting)
        return replace(heard, lie=lie is not None and lie.told(heard))

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
        number = int(self.number(0, self.settings.paths - 1))
        chosen = frozenset(draw.sample(told, min(number, len(told))))
        board = {post.path: post.claims for post in (*peers, *quoted)}
        lie = self._lie(mine.claims, list(board.values()), draw) if chosen else None
        wrong = self._post(mine, lie)

        def spoken(posts: Sequence[Post]) -> list[Post]:
            return [replace(wrong, path=post.path) if post.path in chosen else post for post in posts]

        return spoken(peers), spoken(quoted), lie

    def _lie(self, mine: Claims, board: Sequence[Claims], draw: random.Random) -> Lie | None:
        """Another value than the hearer's; None where it claims nothing that can be lied about."""
        if isinstance(mine, StepClaims):
            steps = [step for step in mine.fresh if step not in mine.again]
            if not steps:
                return None
            step = draw.choice(steps)
            held = Counter(claims.steps[step] for claims in board if step in claims.steps)
            value = _tempting(mine.steps[step], held, draw)
            if self.orders:
                # The pattern that reads the packaged model's steps lets digits pass and nothing else. Here a reader
                # is supposed that lets everything pass: more than an attacker of that model can do.
                value = neutral(short(fill(draw.choice(orders()), answer=value)))
            return Lie(step, value, "")
        answers = Counter(claims.answer for claims in board if claims.answer)
        value = _tempting(mine.answer or "", answers, draw, same=equivalent)
        template = draw.choice(orders()) if self.orders else self.wording.quote_finished
        return Lie(None, value, neutral(fill(template, answer=value)))

    def _post(self, mine: Post, lie: Lie | None) -> Post:
        """What replaced peers claim and write."""
        claims = mine.claims
        if not isinstance(claims, StepClaims):
            return mine if lie is None else Post(mine.path, lie.text, AnswerClaims(lie.value), lie.text)
        steps = dict(claims.steps)
        if lie is not None and lie.step is not None:
            steps = {step: value for step, value in steps.items() if step < lie.step} | {lie.step: lie.value}
        wrong = StepClaims(steps)
        return Post(mine.path, wrong.said(), wrong)


@dataclass(frozen=True)
class Orders(Wrong):
    """Wrong peers whose words try to give orders."""

    orders = True


CONTROLS |= {"echo": Echo, "recheck": Recheck, "self": Self, "unrelated": Unrelated, "false": False_}
CONTROLS |= {"wrong": Wrong, "orders": Orders}


def _posed(wording: Wording, mine: Post, found: Difference) -> Heard:
    """A difference told in the words without tags, as if another path had found it."""
    text = fill(wording.plain_answer, other=found.other, mine=found.mine, counts="")
    return Heard(text, (), "differ", True, other=found.other)


@cache
def orders() -> tuple[str, ...]:
    """What peers write that try to give orders; `{answer}` stands for a wrong answer."""
    told = tomllib.loads((resources.files("tertulia.evaluation") / "orders.toml").read_text("utf-8"))
    return tuple(told["orders"])


def another(value: str, draw: random.Random) -> str:
    """A made-up value other than `value`: near it if it is a whole number."""
    offset = draw.choice([-10, -5, -3, -2, -1, 1, 2, 3, 5, 10])
    try:
        number = int(value)
    except ValueError:
        return str(abs(offset))
    return str(number + (abs(offset) if 0 <= number < 10 else offset))


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
