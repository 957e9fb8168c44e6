r"""A path's own answer, and whether it is right.

`extract_answer` sees only what it is given: callers give it the thought and answer spans of one path, never a prompt,
a cue or something heard, so that nobody is graded on another's words; `tertulia.evaluation.transcripts.own_words`
takes these out of a transcript. It reads, in this order, the last box, the last pair of answer tags, and an answer
that the text states.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from tertulia.answers.announcements import taken_back
from tertulia.answers.equivalence import equivalent
from tertulia.answers.letters import boxed_letter, holds_several, rejected, stated_letter
from tertulia.answers.stated import stated_value
from tertulia.errors import TertuliaError

Kind = Literal["math", "choice"]
KINDS: tuple[Kind, ...] = ("math", "choice")

_BOX = re.compile(r"\\(?:boxed|fbox|framebox)(?![A-Za-z])\s*")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)  # an escaped brace is a set's, and closes nothing
# \boxed 4: to the end of the formula, or what TeX and its writers mean by one thing. "\boxed notation" is none.
_UNBRACED = re.compile(
    r"(?=[-+−]?[\d.\\]|[A-Za-z](?![A-Za-z]))"
    r"(?:(?P<formula>[^$\n]{1,100}?)(?=\$|\\\)|\\\])|(?P<one>[-+−]?(?:\d[\d.,/]*\d|\d|\\[dt]?frac\{\w+\}\{\w+\}|[A-Z](?!\w))))"
)
_TAGGED = re.compile(r"<\s?answer\s?>((?:(?!<\s?answer\s?>).)*?)<\s?/\s?answer\s?>", re.DOTALL | re.IGNORECASE)
_LONGEST_TAGGED = 1000


@dataclass(frozen=True)
class Box:
    r"""A box in a text.

    Attributes:
        content: What it holds, stripped; None when its brace is never closed.
        end: Where it ends in the text.
    """

    content: str | None
    end: int


def extract_answer(text: str, kind: Kind = "math", language: str | None = None) -> str | None:
    r"""The answer that a path states last, or None.

    "math": the content of the last `\boxed{...}` (or `\boxed 4`, `\fbox{4}`), stripped. When its brace is never
    closed, the path stated no answer: an earlier box is what it was about to replace. Without a box, the content
    of the last `<answer>...</answer>`; without these, a final answer that is announced in the last part of the text
    in one of the eleven languages ("The final answer is 7.", "答案是7", "#### 7"), never merely the last number.
    "choice": the letter (A to J, as a capital) in the last box, as in `\boxed{\text{B}}` or `\boxed{(B) 12 m}`; else
    in answer tags; else the last letter that is announced as the answer ("Answer: Option B", "B is correct"), or that
    the last line is or begins with: see `tertulia.answers.letters`.

    Whether a thought was closed is not asked here, for the close may be no word of the path's own: `own_words` does.

    Args:
        text: the path's own words.
        kind: what form the answer has.
        language: that the text is written in, where it is known: its words are tried before the others.

    Raises:
        TertuliaError: unknown kind.
    """
    if kind not in KINDS:
        raise TertuliaError(f"unknown kind of answer {kind!r}: use one of {', '.join(KINDS)}")
    box = last_box(text)
    if box is not None and box.content is None:
        return None
    return _letter(text, box, language) if kind == "choice" else _value(text, box, language)


def stated_answer(text: str, kind: Kind = "math", language: str | None = None) -> str | None:
    """The answer that a text states in words, without a box and without answer tags; None where it states none.

    Args:
        text: the path's own words.
        kind: what form the answer has.
        language: that the text is written in, where it is known.
    """
    return stated_letter(text, language) if kind == "choice" else stated_value(text, language)


def is_correct(extracted: str | None, gold: str, kind: Kind = "math", language: str | None = None) -> bool:
    """Whether an extracted answer means what the gold answer means; False for None.

    "math": see `tertulia.answers.equivalence`; may take milliseconds, so call it off the event loop. "choice":
    both are the same letter, however they are written: "B", "(b)", "B) 5 m". `language` is that of the question.
    """
    if extracted is None:
        return False
    if kind == "math":
        return equivalent(gold, extracted, language)
    letter = boxed_letter(gold)
    return letter is not None and letter == boxed_letter(extracted)


def last_box(text: str) -> Box | None:
    """The last box of a text, None when there is no box. A box inside a box is part of the outer one."""
    last: Box | None = None
    position = 0
    while box := _BOX.search(text, position):
        position = box.end()
        if text[box.end() : box.end() + 1] == "{":
            end = _closing(text, box.end() + 1)
            if end is None:
                return Box(None, len(text))
            last, position = Box(text[box.end() + 1 : end].strip(), end + 1), end
        elif found := _UNBRACED.match(text, box.end()):
            last, position = Box(found[0].strip(), found.end()), found.end()
    return last


def _value(text: str, box: Box | None, language: str | None) -> str | None:
    if box is not None:
        # An empty box is what a text says of boxes, or an answer that is owed still.
        return box.content or stated_value(text[box.end :], language)
    tagged = _tagged(text)
    if tagged:
        return stated_value(tagged, language) or tagged
    return stated_value(text, language)


def _letter(text: str, box: Box | None, language: str | None) -> str | None:
    if box is not None and box.content is not None:
        letter, rest = boxed_letter(box.content), text[box.end :]
        if letter and not (taken_back(rest) or rejected(rest)):
            return letter
        if letter or holds_several(box.content):
            return stated_letter(rest, language)
    tagged = _tagged(text)
    letter = (boxed_letter(tagged) or stated_letter(tagged, language)) if tagged else None
    return letter or stated_letter(text, language)


def _tagged(text: str) -> str:
    """What stands between the last answer tags; empty without them."""
    tags = _TAGGED.findall(text)
    return tags[-1].strip() if tags and len(tags[-1]) <= _LONGEST_TAGGED else ""


def _closing(text: str, start: int) -> int | None:
    """Where the brace that was opened just before `start` is closed."""
    depth = 1
    for found in _BRACE.finditer(text, start):
        depth += {"{": 1, "}": -1}.get(found[0], 0)
        if not depth:
            return found.start()
    return None


def boxed_rest(text: str) -> str | None:
    """What a path wrote after an open box, up to the brace that closes it; None where it wrote nothing."""
    if (end := _closing(text, 0)) is not None:
        return text[:end].strip() or None
    ends = " $.,\\\n"
    text = re.sub(r"\s*\\[)\]]\s*$", "", text)
    return (text if "{" in text else text.partition("\n")[0].rstrip("}" + ends)).rstrip(ends).lstrip(" $") or None
