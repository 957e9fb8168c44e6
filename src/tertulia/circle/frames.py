"""How heard claims are told, one class a way: `Frame` is what they share, `FRAMES` finds them by name.

*quotes* tells peers' summaries, as in the paper (LeaP, section 3.3). A *digest* sets the claims of all peers beside the
hearer's own; agreement and disagreement are counted and marked by the program, so that the model need only react.
*working* and *answer* tell an outvoted path one other path's own words, or its answer, in the first person and without
tags, and tell nothing to anybody else. No bad message travels: what a peer said was made harmless when it was posted.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

from pydantic import TypeAdapter

from tertulia.circle.claims import Claims, Difference, Finding
from tertulia.errors import TertuliaError
from tertulia.settings import Settings
from tertulia.wording import Wording, fill


@dataclass(frozen=True, slots=True)
class Post:
    """The latest that a path put on the board; everything in it has been made harmless.

    Attributes:
        path: Index of the path.
        summary: What it wrote for the others; None where nothing that can travel was written.
        claims: What it claims.
        words: The last sentences of its own thought.
    """

    path: int
    summary: str | None
    claims: Claims
    words: str = ""


@dataclass(frozen=True, slots=True)
class Heard:
    """What one path hears at one meeting.

    Attributes:
        text: The text that is put in.
        peers: Peers whose claims were counted or whose words were quoted.
        finding: How the path's claims compare; "doubt" where they agree and are to be rechecked.
        interrupts: Whether a path at its last call is to hear this rather than to finish.
        step: The step that was marked, or that is to be rechecked; None without one.
        other: The value that most peers are told to have there.
        lie: Whether that value was put into the mouths of peers by a control.
    """

    text: str
    peers: tuple[int, ...]
    finding: Finding | Literal["doubt"]
    interrupts: bool
    step: int | None = None
    other: str | None = None
    lie: bool = False

    def to_json(self) -> dict[str, Any]:
        """The value for the journal."""
        return asdict(self) | {"peers": list(self.peers)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Heard:
        """What `to_json` wrote; a ValueError where it is something else."""
        return TypeAdapter(cls).validate_python(value)


class Frame(Protocol):
    """Tells a path what its peers hold."""

    def tell(
        self, mine: Post, peers: Sequence[Post], quoted: Sequence[Post], draw: random.Random, meeting: int = 0
    ) -> Heard:
        """What the path of `mine` hears.

        May wait for math-verify where answers are compared: run it off the event loop.

        Args:
            mine: The hearer's own post.
            peers: Posts whose claims are counted.
            quoted: Posts whose words may be quoted, best first.
            draw: Decides what is random.
            meeting: Which it is, from 0.
        """
        ...


@dataclass(frozen=True)
class Worded:
    """What the packaged frames share.

    Attributes:
        settings: Margin, doubt, language.
        wording: The words.
    """

    settings: Settings
    wording: Wording

    def difference(self, mine: Post, peers: Sequence[Post]) -> Difference:
        """The hearer's claims beside those of its peers."""
        claims = {post.path: post.claims for post in peers}
        return mine.claims.compare(claims, self.settings.margin, self.settings.language)

    def doubt(
        self, finding: Finding, mine: Post, who: tuple[int, ...], draw: random.Random, meeting: int
    ) -> Heard | None:
        """What a path hears that agrees, and is asked to recheck all the same; None for most."""
        early = not self.settings.doubt_until or meeting < self.settings.doubt_until
        if finding != "agree" or not early or draw.random() >= self.settings.doubt:
            return None
        return recheck(self.wording, mine.claims, draw, who)

    def compared(
        self, mine: Post, peers: Sequence[Post], draw: random.Random, meeting: int
    ) -> tuple[Difference, tuple[int, ...], Heard | None]:
        """The difference, the peers that claim something, and the doubt if there is one."""
        found = self.difference(mine, peers)
        who = tuple(post.path for post in peers if post.claims)
        return found, who, self.doubt(found.finding, mine, who, draw, meeting)


@dataclass(frozen=True)
class Digest(Worded):
    """The program compares; the path hears the first difference that matters."""

    def tell(
        self, mine: Post, peers: Sequence[Post], quoted: Sequence[Post], draw: random.Random, meeting: int = 0
    ) -> Heard:
        """See `Frame.tell`."""
        found, who, doubted = self.compared(mine, peers, draw, meeting)
        if doubted:
            return doubted
        if found.finding == "agree":
            return agree(self.settings, self.wording, mine.claims, who)
        text = marker_text(self.wording, found)
        words = ""
        if found.step is None:
            quoted = [post for post in quoted if post.path in found.dissenters]
            words = quotes(self.wording, quoted) if found.finding == "differ" else ""
        lines = self.wording.framed("\n".join(filter(None, (text, words))))
        heard = tuple(dict.fromkeys((*who, *(post.path for post in quoted if words))))
        check = self.wording.check if text and found.finding == "differ" else ""
        other = found.other if found.step is not None else None
        return Heard(lines + check, heard, found.finding, found.outvoted, found.step, other)


@dataclass(frozen=True)
class Quotes(Worded):
    """Peers' summaries, named; then the sentence that asks to compare (LeaP, section 3.3)."""

    def tell(
        self, mine: Post, peers: Sequence[Post], quoted: Sequence[Post], draw: random.Random, meeting: int = 0
    ) -> Heard:
        """See `Frame.tell`."""
        found, _, doubted = self.compared(mine, peers, draw, meeting)
        told = [post for post in quoted if post.summary]
        text = self.wording.framed(quotes(self.wording, told) or self.wording.quote_none) + self.wording.check
        heard = tuple(post.path for post in told)
        other = found.other if found.step is not None else None
        if doubted:
            return Heard(text + doubted.text, heard, "doubt", True, doubted.step, other)
        return Heard(text, heard, found.finding, found.outvoted, found.step, other)


@dataclass(frozen=True)
class Working(Worded):
    """An outvoted path hears the last words of one path with the best-held other answer; the others hear nothing."""

    with_words = True

    def tell(
        self, mine: Post, peers: Sequence[Post], quoted: Sequence[Post], draw: random.Random, meeting: int = 0
    ) -> Heard:
        """See `Frame.tell`."""
        found = self.difference(mine, peers)
        unsaid = found.mine is None and self.settings.free  # most need not state a short answer
        if not found.outvoted or found.other is None or unsaid:
            return self.doubt(found.finding, mine, (), draw, meeting) or Heard("", (), found.finding, False)
        speakers = [post for post in peers if post.path in found.holders]
        worded = [post for post in speakers if post.words] if self.with_words else []
        speaker = draw.choice(worded or speakers)
        words = self.wording
        values = {"other": found.other, "mine": found.mine, "working": speaker.words}
        if worded:
            template = words.plain_working if found.mine is not None else words.plain_working_unknown
        else:
            template = words.plain_answer if found.mine is not None else words.plain_answer_unknown
        counts = fill(words.plain_counts, other=found.other, count=found.count, total=found.total)
        text = fill(template, **values, counts=counts if self.settings.counts else "")
        return Heard(text, (speaker.path,), "differ", True, other=found.other)


@dataclass(frozen=True)
class Answer(Working):
    """An outvoted path hears the best-held other answer, without a working."""

    with_words = False


FRAMES: dict[str, Callable[[Settings, Wording], Frame]] = {
    "digest": Digest,
    "quotes": Quotes,
    "working": Working,
    "answer": Answer,
}
"""Frames by name; a user's own is added by `frame(name, made)`."""

CONTROLS: dict[str, Callable[[Frame, Settings, Wording, str], Frame]] = {}
"""What stands between the board and the frame to find out what meetings are worth, by name; the core has none.

Each takes the frame, the settings, the words and what follows "=" in the setting `control`.
"""


def frame_of(settings: Settings, wording: Wording) -> Frame:
    """The frame that the settings name, with the control around it if there is one.

    Raises:
        TertuliaError: Nobody has brought a control of this name.
    """
    made = FRAMES[settings.frame](settings, wording)
    if not settings.control:
        return made
    name, _, argument = settings.control.partition("=")
    if name not in CONTROLS:
        known = ", ".join(CONTROLS) or "none is known before tertulia.evaluation.controls is imported"
        raise TertuliaError(f"unknown control {name!r}: use one of {known}")
    return CONTROLS[name](made, settings, wording, argument)


def recheck(wording: Wording, mine: Claims, draw: random.Random, who: tuple[int, ...]) -> Heard | None:
    """Asks to recheck a step, or the answer; None where there is nothing to recheck."""
    if not mine.doubtful:
        return None
    step = draw.choice(mine.doubtful)
    if not step:
        return Heard(wording.framed(wording.answer_doubt), who, "doubt", True)
    return Heard(wording.step_doubt_text(step=step), who, "doubt", True, step)


def agree(settings: Settings, wording: Wording, mine: Claims, who: tuple[int, ...]) -> Heard:
    """What is told where nobody differs: nothing, if claims are read from the thought."""
    if settings.summaries == "read":
        return Heard("", who, "agree", False)
    text = wording.answer_agree if mine.doubtful == (0,) else wording.step_agree
    return Heard(wording.framed(text), who, "agree", False)


def marker_text(wording: Wording, found: Difference) -> str:
    """A difference in words, without what surrounds it."""
    if found.step is not None:
        return fill(
            wording.step_differ,
            step=found.step,
            count=found.count,
            total=found.total,
            mine=found.mine,
            other=found.other,
        )
    if not found.votes:
        return wording.answer_silent
    first, *rest = found.votes
    told = [fill(wording.answer_first, other=first[0], count=first[1], total=found.total)]
    told += [fill(wording.answer_next, other=other, count=count) for other, count in rest]
    others = wording.answer_join.join(told)
    if found.mine is None:
        return fill(wording.answer_unknown, others=others)
    return fill(wording.answer_differ, mine=found.mine, others=others)


def quotes(wording: Wording, posts: Sequence[Post]) -> str:
    """The summaries of these posts, named."""
    told = [fill(wording.quote, peer=post.path + 1, summary=post.summary) for post in posts if post.summary]
    return wording.quote_join.join(told)
