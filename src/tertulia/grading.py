"""A path's own answer, and whether it is right.

Both functions see only what they are given: callers give them the thought and answer spans of one path,
never a prompt, a cue or something heard, so that nobody is graded on another's words.
"""

from __future__ import annotations

import re
from typing import Literal

from tertulia.equivalence import equivalent, tidy
from tertulia.errors import TertuliaError

Kind = Literal["math", "choice"]
KINDS: tuple[Kind, ...] = ("math", "choice")

_BOX = re.compile(r"\\boxed\s*\{")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)  # an escaped brace is a set's, and closes nothing
_LETTER = re.compile(r"[\s(\[\"'*]*([A-Ja-j])(?![^\W_]).*", re.DOTALL)
# Capitals only: "the answer is a prime" states no choice.
_STATED = re.compile(r"(?i:answer)(?:\s+is)?\W{0,8}([A-J])(?![^\W_])")


def extract_answer(text: str, kind: Kind = "math") -> str | None:
    r"""The answer that a path states last, or None.

    "math": the content of the last `\boxed{...}`, stripped. When its brace is never closed, or it is
    empty, the path stated no answer: an earlier box is what it was about to replace.
    "choice": the letter (A to J, as a capital) in the last box, as in `\boxed{\text{B}}` or
    `\boxed{(B) 12 m}`; in a text without a box, the last `Answer: B`.

    Args:
        text: the path's own words.
        kind: what form the answer has.

    Raises:
        TertuliaError: unknown kind.
    """
    if kind not in KINDS:
        raise TertuliaError(f"unknown kind of answer {kind!r}: use one of {', '.join(KINDS)}")
    boxed = _last_box(text)
    if kind == "math":
        return boxed or None
    if boxed is not None:
        letter = _LETTER.fullmatch(tidy(boxed))
        return letter[1].upper() if letter else None
    stated = _STATED.findall(tidy(text))
    return stated[-1] if stated else None


def is_correct(extracted: str | None, gold: str) -> bool:
    """Whether an extracted answer means what the gold answer means (see `tertulia.equivalence`).

    May wait for math-verify, so call it off the event loop; False for None.
    """
    return extracted is not None and equivalent(gold, extracted)


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
