"""A path's own answer, and whether it is right.

`extract_answer` sees only what it is given: callers give it the thought and answer spans of one path, never a prompt,
a cue or something heard, so that nobody is graded on another's words.
"""

from __future__ import annotations

import re
from typing import Literal

from tertulia.answers.equivalence import equivalent
from tertulia.answers.letters import chosen_letter
from tertulia.errors import TertuliaError

Kind = Literal["math", "choice"]
KINDS: tuple[Kind, ...] = ("math", "choice")

_BOX = re.compile(r"\\boxed\s*\{")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)  # an escaped brace is a set's, and closes nothing


def extract_answer(text: str, kind: Kind = "math") -> str | None:
    r"""The answer that a path states last, or None.

    "math": the content of the last `\boxed{...}`, stripped. When its brace is never closed, or it is
    empty, the path stated no answer: an earlier box is what it was about to replace.
    "choice": the letter (A to J, as a capital) in the last box, as in `\boxed{\text{B}}` or
    `\boxed{(B) 12 m}`; in a text without a box, the last letter that is announced as the answer in one of
    the eleven languages ("Answer: B", "答案是B"), or that stands alone on the last line: see
    `tertulia.answers.letters`.

    Whether a thought was closed is not asked here, for the close may be no word of the path's own.

    Args:
        text: the path's own words.
        kind: what form the answer has.

    Raises:
        TertuliaError: unknown kind.
    """
    if kind not in KINDS:
        raise TertuliaError(f"unknown kind of answer {kind!r}: use one of {', '.join(KINDS)}")
    boxed = _last_box(text)
    return boxed or None if kind == "math" else chosen_letter(text, boxed)


def is_correct(extracted: str | None, gold: str, kind: Kind = "math", language: str | None = None) -> bool:
    """Whether an extracted answer means what the gold answer means; False for None.

    "math": see `tertulia.answers.equivalence`; may wait for math-verify, so call it off the event loop. "choice":
    both are the same letter, however they are written: "B", "(b)", "B) 5 m". `language` is that of the question.
    """
    if extracted is None:
        return False
    if kind == "math":
        return equivalent(gold, extracted, language)
    letter = chosen_letter("", gold)
    return letter is not None and letter == chosen_letter("", extracted)


def _last_box(text: str) -> str | None:
    """Content of the last box, "" when its brace is never closed, None when there is no box.

    A box inside a box is part of the outer one.
    """
    content: str | None = None
    position = 0
    while box := _BOX.search(text, position):
        end = _closing(text, box.end())
        if end is None:
            return ""
        content, position = text[box.end() : end].strip(), end
    return content


def _closing(text: str, start: int) -> int | None:
    """Where the brace that was opened just before `start` is closed."""
    depth = 1
    for found in _BRACE.finditer(text, start):
        depth += {"{": 1, "}": -1}.get(found[0], 0)
        if not depth:
            return found.start()
    return None
