"""Intervals and inequalities: x > 3 is (3, \\infty), and -2 \\le x \\le 7 is x \\in [-2, 7]."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tertulia.answers.parts import AND, FLIPPED, Same, bracketed, relation, split
from tertulia.answers.typesetting import comparable

_VARIABLE = re.compile(r"\\?[A-Za-z]+(?:_\{?\w+\}?)?|[a-zA-Z]\([a-z]\)")
_ENDLESS = re.compile(r"\+?\\(?:infty|infinity)")


@dataclass(frozen=True, slots=True)
class _Interval:
    low: str
    low_closed: bool
    high: str
    high_closed: bool


def same_ranges(a: str, b: str, same: Same) -> bool | None:
    """Intervals against intervals and inequalities; None where none of both is an inequality or a union."""
    if not re.search(r"[<>]|\\(?:[lg]e|leq|geq|in|cup|lt|gt|leqslant|geqslant)(?![A-Za-z])", a + " " + b):
        return None
    ones, others = _intervals(a), _intervals(b)
    if ones is None or others is None:
        return None
    if ones[0] and others[0] and ones[0] != others[0]:
        return False

    def alike(one: _Interval, other: _Interval) -> bool:
        return (
            (one.low_closed, one.high_closed) == (other.low_closed, other.high_closed)
            and _same_end(one.low, other.low, same)
            and _same_end(one.high, other.high, same)
        )

    left = list(others[1])
    for one in ones[1]:
        place = next((place for place, other in enumerate(left) if alike(one, other)), None)
        if place is None:
            return False
        del left[place]
    return not left


def _same_end(a: str, b: str, same: Same) -> bool:
    ends = [_ENDLESS.sub("\\\\infty", end.replace(" ", "")) for end in (a, b)]
    return ends[0] == ends[1] or ("infty" not in ends[0] + ends[1] and same(a, b))


def _intervals(text: str) -> tuple[str, list[_Interval]] | None:
    """The variable, empty where it is not named, and the intervals that it may be in."""
    parts = split(text, re.compile(rf"\s*(?:\\cup(?![A-Za-z])|(?:{AND})|\bU\b)\s*"))
    if not parts or len(parts) > 20:
        return None
    names, found = set(), []
    for part in parts:
        one = _interval(part)
        if one is None:
            return None
        names.add(one[0])
        found.append(one[1])
    names.discard("")
    return (names.pop() if names else "", found) if len(names) < 2 else None


def _interval(text: str) -> tuple[str, _Interval] | None:
    member = re.fullmatch(r"(.+?)\s*\\in(?![A-Za-z])\s*(.+)", text, re.DOTALL)
    name, rest = (member[1].strip(), member[2].strip()) if member else ("", text)
    if brackets := bracketed(rest):
        opened, closed, ends = brackets
        if opened == "{" or len(ends) != 2 or (name and not _VARIABLE.fullmatch(name)):
            return None
        return comparable(name), _Interval(ends[0], opened == "[", ends[1], closed == "]")
    found = None if member else relation(text)
    if found is None:
        return None
    sides, signs = found
    if signs[0] in (">", ">="):
        sides, signs = sides[::-1], [FLIPPED.get(sign, sign) for sign in reversed(signs)]
    if any(sign not in ("<", "<=") for sign in signs):
        return None
    if len(sides) == 3 and _VARIABLE.fullmatch(sides[1]):
        return comparable(sides[1]), _Interval(sides[0], signs[0] == "<=", sides[2], signs[1] == "<=")
    if len(sides) == 2 and _VARIABLE.fullmatch(sides[0]) and not _VARIABLE.fullmatch(sides[1]):
        return comparable(sides[0]), _Interval("-\\infty", False, sides[1], signs[0] == "<=")
    if len(sides) == 2 and _VARIABLE.fullmatch(sides[1]):
        return comparable(sides[1]), _Interval(sides[0], signs[0] == "<=", "\\infty", False)
    return None
