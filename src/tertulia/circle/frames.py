"""How heard claims are told: in quotes, as in the paper (LeaP, section 3.3), or as a digest of ours.

A *digest* sets the claims of all peers beside the hearer's own; agreement and disagreement are counted and
marked by the program, so that the model need only react. No bad message travels: whatever a peer wrote is
neutralised, so that it can open or close nothing in the hearer, and bounded in length.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from tertulia.circle.claims import Claims, Tally, first_difference, tally
from tertulia.settings import Settings
from tertulia.wording import Wording, fill

Finding = Literal["differ", "agree", "doubt", "none"]

# What tokenizers and chat formats use as tags. "a < b", "x<3, y>2" and "p<q and r>s" are none.
_TAG = re.compile(
    r"""<([|｜!][^<>]{0,200}
    |/?(?:[^\W\d]|▁|0x)[^<>\s]{0,100}\s*
    |/\s*[^\W\d][^<>]{0,200}                            # whatever closes
    |[^\W\d][^<>\s]{0,100}\s[^<>]{0,200}=\s*["'][^<>]{0,200}  # with attributes
    |\s*/?\s*(?:peers|summarize|think|thinking|reasoning|seed:think|tool_call|tool_response)\b[^<>]{0,200}
    )>""",
    re.VERBOSE | re.IGNORECASE,
)
_TRIANGLES = re.compile(r"◁(/?[^\W\d][^◁▷\s]{0,100})▷")
_BRACKETED = re.compile(
    r"\[(/[A-Za-z_]{1,100}|[A-Z]{2,50}(?:_[A-Z0-9]{1,50})+|INST|SYS|THINK|gMASK|sMASK|MASK|CLS|SEP|PAD|UNK|BOS|EOS"
    r"|ARGS|IMG|AUDIO|REF|PREFIX|MIDDLE|SUFFIX)\]"
)
# Unicode's default ignorable characters, controls and halves of a pair. Several scripts are written with the
# zero-width joiners and with variation selectors: these stay.
_INVISIBLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u2028-\u202e"
    r"\u2060-\u206f\u2800\u3164\ud800-\udfff\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3"
    r"\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


@dataclass(frozen=True, slots=True)
class Post:
    """The latest that a path put on the board.

    Attributes:
        path: Index of the path.
        summary: What it wrote, neutralised; None where nothing that can travel was written.
        claims: What it claims.
    """

    path: int
    summary: str | None
    claims: Claims


@dataclass(frozen=True, slots=True)
class Heard:
    """What one path hears at one meeting.

    Attributes:
        text: The framed text.
        peers: Peers whose claims were counted or whose words were quoted.
        finding: How the path's claims compare.
        interrupts: Whether a path at its last call is to hear this rather than to finish.
        step: The step that was marked, or that is to be rechecked; None without one.
        other: The value, neutralised, that most peers are told to have there.
        lie: Whether that value was put into the mouths of peers (`tertulia.evaluation.wrong_peers`, or a false marker).
    """

    text: str
    peers: tuple[int, ...]
    finding: Finding
    interrupts: bool
    step: int | None = None
    other: str | None = None
    lie: bool = False

    def to_json(self) -> dict[str, Any]:
        """The value for the journal."""
        return {
            "text": self.text,
            "peers": list(self.peers),
            "finding": self.finding,
            "interrupts": self.interrupts,
            "step": self.step,
            "other": self.other,
            "lie": self.lie,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Heard:
        """What `to_json` wrote; older journals do not tell what was marked."""
        marked = value.get("step"), value.get("other"), value.get("lie", False)
        return cls(value["text"], tuple(value["peers"]), value["finding"], value["interrupts"], *marked)


@dataclass(frozen=True)
class Frame:
    """Tells paths what their peers claim.

    Attributes:
        settings: Frame, doubt and placebo.
        wording: The words.
        stepwise: Whether paths claim step results; else their claimed answers are compared.
    """

    settings: Settings
    wording: Wording
    stepwise: bool

    def tell(
        self, mine: Post, peers: Sequence[Post], quoted: Sequence[Post], draw: random.Random, meeting: int = 0
    ) -> Heard:
        """What the path of `mine` hears.

        May wait for math-verify where answers are compared: run it off the event loop.

        Args:
            mine: The hearer's own post.
            peers: Posts whose claims are counted.
            quoted: Posts whose words may be quoted, best first.
            draw: Decides about doubt and placebos.
            meeting: Which it is, from 0.
        """
        match self.settings.placebo:
            case "recheck":
                return self._recheck(mine.claims, draw, ()) or self._agree(())
            case "false":
                return self._false(mine.claims, draw)
            case "echo":
                told = self._tell(mine, (mine,), (mine,), draw, meeting)
                return Heard(told.text, (), told.finding, told.interrupts)
        return self._tell(mine, peers, quoted, draw, meeting)

    def _tell(
        self, mine: Post, peers: Sequence[Post], quoted: Sequence[Post], draw: random.Random, meeting: int
    ) -> Heard:
        who = tuple(post.path for post in peers if post.claims)
        marked: tuple[int | None, str | None] = (None, None)
        if self.stepwise:
            marker = first_difference(mine.claims, [post.claims for post in peers], self.settings.margin)
            finding: Finding = "differ" if marker else "agree"
            outvoted = marker is not None
            text = ""
            if marker:
                marked = marker.step, neutral(marker.other)
                text = self._step_text(marker.step, marker.mine, marker.count, marker.total, marker.other)
        else:
            votes = tally(mine.claims, {post.path: post.claims for post in peers})
            finding = "differ" if votes.dissenters else "agree" if votes.total and votes.mine else "none"
            outvoted = votes.outvoted
            text = self._votes_text(votes)
            if self.settings.frame == "digest":
                quoted = [post for post in quoted if post.path in votes.dissenters]
        doubted = None
        early = not self.settings.doubt_until or meeting < self.settings.doubt_until
        if finding == "agree" and early and draw.random() < self.settings.doubt:
            doubted = self._recheck(mine.claims, draw, who)
        if self.settings.frame == "quotes":
            step = doubted.step if doubted else marked[0]
            return replace(self._quotes(quoted, doubted, finding, outvoted), step=step, other=marked[1])
        if doubted:
            return doubted
        if finding == "agree":
            return self._agree(who)
        words = self._quoted(quoted) if finding == "differ" and not self.stepwise else ""
        lines = self.wording.framed("\n".join(filter(None, (text, words))))
        heard = tuple(dict.fromkeys((*who, *(post.path for post in quoted if words))))
        check = self.wording.check if text and finding == "differ" else ""
        return Heard(lines + check, heard, finding, outvoted, *marked)

    def _quotes(self, quoted: Sequence[Post], doubted: Heard | None, finding: Finding, outvoted: bool) -> Heard:
        told = [post for post in quoted if post.summary]
        text = self.wording.framed(self._quoted(told) or self.wording.quote_none) + self.wording.check
        if doubted:
            text += doubted.text
        peers = tuple(post.path for post in told)
        return Heard(text, peers, "doubt" if doubted else finding, outvoted or doubted is not None)

    def _quoted(self, posts: Sequence[Post]) -> str:
        quote = self.wording.quote
        told = [fill(quote, peer=post.path + 1, summary=post.summary) for post in posts if post.summary]
        return self.wording.quote_join.join(told)

    def _agree(self, who: tuple[int, ...]) -> Heard:
        if self.settings.summaries == "read":
            return Heard("", who, "agree", False)
        text = self.wording.step_agree if self.stepwise else self.wording.answer_agree
        return Heard(self.wording.framed(text), who, "agree", False)

    def _recheck(self, mine: Claims, draw: random.Random, who: tuple[int, ...]) -> Heard | None:
        """Asks to recheck a step written since the last meeting, or the answer; None where there is none.

        No step is rechecked twice: a path that is sent back to the same line at every meeting never ends.
        """
        if not self.stepwise:
            return Heard(self.wording.framed(self.wording.answer_doubt), who, "doubt", True)
        steps = [step for step in mine.fresh or tuple(mine.steps) if step not in mine.again]
        if not steps:
            return None
        step = draw.choice(steps)
        return Heard(self.wording.step_doubt_text(step=step), who, "doubt", True, step)

    def _false(self, mine: Claims, draw: random.Random) -> Heard:
        """A marker that the program made up, at the placebo's rate; else agreement."""
        peers = self.settings.paths - 1
        steps = mine.fresh or tuple(mine.steps)
        claimed = bool(steps) if self.stepwise else mine.answer is not None
        if draw.random() >= self.settings.false_rate or not claimed or not peers:
            return self._agree(())
        count = draw.randint((peers + 2) // 3, peers)
        step = None
        if self.stepwise:
            step = draw.choice(steps)
            other = another(mine.steps[step], draw)
            text = self._step_text(step, mine.steps[step], count, peers, other)
        else:
            other = another(mine.answer or "", draw)
            text = self._votes_text(Tally(mine.answer, ((other, count),), frozenset()))
        return Heard(self.wording.framed(text) + self.wording.check, (), "differ", True, step, other, True)

    def _step_text(self, step: int, mine: str, count: int, total: int, other: str) -> str:
        values = {"mine": neutral(mine), "other": neutral(other)}
        return fill(self.wording.step_differ, step=step, count=count, total=total, **values)

    def _votes_text(self, votes: Tally) -> str:
        if not votes.votes:
            return self.wording.answer_silent
        first, *rest = ((neutral(answer), count) for answer, count in votes.votes)
        words = self.wording
        told = [fill(words.answer_first, other=first[0], count=first[1], total=votes.total)]
        told += [fill(words.answer_next, other=other, count=count) for other, count in rest]
        others = words.answer_join.join(told)
        if votes.mine is None:
            return fill(words.answer_unknown, others=others)
        return fill(words.answer_differ, mine=neutral(votes.mine), others=others)


def neutral(text: str, longest: int | None = None) -> str:
    """`text` on one line, with everything that could open or close something made harmless.

    Control tags and special tokens, complete ones, lose their angle brackets; characters nobody sees are
    dropped. What remains cannot be read as a tag by a model's tokenizer or by a server in text mode.

    Args:
        text: What a peer wrote.
        longest: Longest result in characters; what is longer is cut at a blank and ends in an ellipsis.
    """
    text = _INVISIBLE.sub("", " ".join(text.split()))
    before = None
    while before != text:
        before, text = text, _BRACKETED.sub(r"(\1)", _TRIANGLES.sub(r"‹\1›", _TAG.sub(r"‹\1›", text)))
    if longest is not None and len(text) > longest:
        cut = text[: longest - 1]
        text = (cut[: cut.rfind(" ")] if " " in cut[longest // 2 :] else cut).rstrip() + "…"
    return text


def another(value: str, draw: random.Random) -> str:
    """A made-up value other than `value`: near it if it is a whole number."""
    offset = draw.choice([-10, -5, -3, -2, -1, 1, 2, 3, 5, 10])
    try:
        number = int(value)
    except ValueError:
        return str(abs(offset))
    return str(number + (abs(offset) if 0 <= number < 10 else offset))
