"""How thoughts open and close in every model family, and a text without its thoughts.

The families stand in `thoughts.toml`, the only place that knows them.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources

_PARTS = re.compile(r"<\||\|>|[\[<]/?|[\]>]|[^\[\]<>|]+|.")


@dataclass(frozen=True)
class Thoughts:
    """How the thoughts of one model family open and close.

    Attributes:
        name: Of the family.
        open: What opens a thought.
        close: What closes it, as we write it.
        shows: The part of the close that shows it in a text; empty for all of it.
        after: What stands between the open and the first word.
        skip: What goes to the answer without a thought; empty for an empty thought.
    """

    name: str
    open: str
    close: str
    shows: str = ""
    after: str = "\n"
    skip: str = ""

    @property
    def closing(self) -> str:
        """What shows in a text that a thought is closed."""
        return self.shows or self.close

    @property
    def skipped(self) -> str:
        """A thought that is closed as soon as it is opened."""
        return self.skip or f"{self.open}\n\n{self.close}\n\n"


@dataclass(frozen=True)
class Mark:
    """One open or close of a thought in a text: which family's, which of the two, and where."""

    family: str
    opens: bool
    start: int
    end: int


@cache
def families() -> tuple[Thoughts, ...]:
    """All families, in the order in which they are looked for."""
    text = (resources.files("tertulia") / "answers" / "thoughts.toml").read_text("utf-8")
    return tuple(Thoughts(**row) for row in tomllib.loads(text)["family"])


def marks(text: str) -> Iterator[Mark]:
    """The opens and closes of thoughts in a text, in order, whatever their case and the blanks inside brackets."""
    names, pattern = _pattern()
    for found in pattern.finditer(text):
        family, opens = names[found.lastgroup or ""]
        yield Mark(family, opens, found.start(), found.end())


def without_thoughts(text: str) -> str:
    """The text without the thoughts in it, of whatever family.

    A thought that is never closed reaches to the end. A close without an open ends a thought that the prompt has
    opened, so what stands before the first thought is one as well; a later close without an open is only taken out.
    """
    kept: list[str] = []
    inside, start, closed = "", 0, False
    for mark in marks(text):
        if inside and (mark.opens or mark.family != inside):
            continue
        if not inside:
            kept.append(text[start : mark.start])
        if mark.opens:
            inside = mark.family
        else:
            if not inside and not closed:
                kept.clear()
            inside, start, closed = "", mark.end, True
    return "".join(kept) + ("" if inside else text[start:])


def thought_and_answer(text: str) -> tuple[str, bool, str]:
    """A text as its first thought, whether that was closed, and what stands after it, in any family's marks.

    What stands before the open of a thought belongs to neither.
    """
    inside, start = "", 0
    for mark in marks(text):
        if mark.opens and not inside:
            inside, start = mark.family, mark.end
        elif not mark.opens and mark.family == (inside or mark.family):
            return text[start : mark.start], True, text[mark.end :]
    return text[start:], False, ""


@cache
def _pattern() -> tuple[dict[str, tuple[str, bool]], re.Pattern[str]]:
    names: dict[str, tuple[str, bool]] = {}
    alternatives = []
    for family in families():
        for text, opens in ((family.open, True), (family.closing, False)):
            group = f"g{len(names)}"
            names[group] = (family.name, opens)
            # Models write < Think > as well; blanks inside are few, or a page of them would be searched for ever.
            inner = r"\s{0,3}".join(map(re.escape, _PARTS.findall(text)))
            alternatives.append(f"(?P<{group}>{inner})")
    # All begin with one of a few characters: where none stands, nothing else has to be tried.
    begins = "".join({re.escape(text[0]) for family in families() for text in (family.open, family.closing)})
    return names, re.compile(f"(?=[{begins}])(?:{'|'.join(alternatives)})", re.IGNORECASE)
