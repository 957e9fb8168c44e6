"""Intervals and inequalities: x > 3 is (3, \\infty), and -2 \\le x \\le 7 is x \\in [-2, 7]."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from tertulia.answers.parts import FLIPPED, Same, bracketed, relation, split
from tertulia.answers.typesetting import comparable

_VARIABLE = re.compile(r"\\?[A-Za-z]+(?:_\{?\w+\}?)?|[a-zA-Z]\([a-z]\)")
_ENDLESS = "\\infty"
_REALS = re.compile(r"\\(?:mathbb|Bbb)\s*\{?\s*R\s*\}?|\\R|(?:all\s+)?real(?:\s+number)?s", re.IGNORECASE)
_DESCRIBED = re.compile(
    r"\\\{\s*([A-Za-z])\s*(?:\\in\s*\\mathbb\s*\{?\s*R\s*\}?)?\s*(?:\||\\mid(?![a-z])|:)\s*(.+?)\s*\\\}", re.DOTALL
)
_HOLE = re.compile(rf"(?:{_REALS.pattern})\s*(?:\\(?:setminus|backslash)|-)\s*\\\{{\s*([^,]+?)\s*\\\}}")
_TOLD = re.compile(
    r"[<>]|\\(?:[lgn]eq?|in|(?:big)?cup|lt|gt|leqslant|geqslant|mathbb|R)(?![A-Za-z])|\breal", re.IGNORECASE
)
_UNION = re.compile(
    r"\s*(?:\\(?:big)?cup(?![A-Za-z])|\bU\b|\bor\b|\\lor(?![A-Za-z])|\boder\b|\bou\b|\bo\b|или|\bau\b|或|または|หรือ|বা|లేదా)\s*"
)
_INTERSECTION = re.compile(
    r"\s*(?:\band\b|\bund\b|\bet\b|\by\b(?!\s*(?:[<>=]|\\[lgni]))|\bи\b|\bna\b|\\land(?![A-Za-z])|且|かつ|และ|এবং|మరియు|,)\s*"
)


@dataclass(frozen=True, slots=True)
class _Interval:
    low: str
    low_closed: bool
    high: str
    high_closed: bool


def same_ranges(a: str, b: str, same: Same) -> bool | None:
    """Whether intervals or inequalities leave the same room; None where none of both is an inequality or a union."""
    if not _TOLD.search(f"{a} {b}"):
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
    ends = [comparable(end) for end in (a, b)]
    return ends[0] == ends[1] or ("infty" not in ends[0] + ends[1] and same(a, b))


def _intervals(text: str) -> tuple[str, list[_Interval]] | None:
    """The variable, empty where it is not named, and the intervals that it may be in."""
    if described := _DESCRIBED.fullmatch(text):
        within = _intervals(described[2])
        return ("", within[1]) if within and within[0] in ("", described[1]) else None
    if hole := _HOLE.fullmatch(text):
        room = _room(["x", hole[1]], ["!="])
        return ("", room[1]) if room else None
    parts = split(text, _UNION)
    if not parts or len(parts) > 20:
        return None
    names, found = set(), []
    for part in parts:
        both = split(part, _INTERSECTION) or []
        one = _both(both) if len(both) == 2 else _interval(part)
        if one is None:
            return None
        names.add(one[0])
        found += one[1]
    names.discard("")
    return (names.pop() if names else "", found) if len(names) < 2 else None


def _both(parts: list[str]) -> tuple[str, list[_Interval]] | None:
    """The room that two inequalities leave, as x > 2 and x < 5 do."""
    one, other = (_interval(part) for part in parts)
    if one is None or other is None or one[0] != other[0] or len(one[1]) != 1 or len(other[1]) != 1:
        return None
    low, high = (one[1][0], other[1][0]) if one[1][0].high == _ENDLESS else (other[1][0], one[1][0])
    if low.high != _ENDLESS or high.low != f"-{_ENDLESS}":
        return None
    return one[0], [_Interval(low.low, low.low_closed, high.high, high.high_closed)]


def _interval(text: str) -> tuple[str, list[_Interval]] | None:
    member = re.fullmatch(r"(.+?)\s*\\in(?![A-Za-z])\s*(.+)", text, re.DOTALL)
    name, rest = (member[1].strip(), member[2].strip()) if member else ("", text)
    if name and not _VARIABLE.fullmatch(name):
        return None
    if _REALS.fullmatch(rest):
        return comparable(name), [_Interval(f"-{_ENDLESS}", False, _ENDLESS, False)]
    if brackets := bracketed(rest):
        opened, closed, ends = brackets
        interval = _Interval(ends[0], opened == "[", ends[1], closed == "]") if len(ends) == 2 else None
        return (comparable(name), [interval]) if interval and opened != "{" else None
    found = None if member else relation(text)
    return _room(*found) if found else None


def _room(sides: list[str], signs: list[str]) -> tuple[str, list[_Interval]] | None:
    """The room that an inequality leaves."""
    if signs[0] in (">", ">=") or (len(sides) == 2 and _VARIABLE.fullmatch(sides[1]) and signs[0] != "!="):
        sides, signs = sides[::-1], [FLIPPED.get(sign, sign) for sign in reversed(signs)]
    if len(sides) == 3 and _VARIABLE.fullmatch(sides[1]) and {*signs} <= {"<", "<="}:
        return comparable(sides[1]), [_Interval(sides[0], signs[0] == "<=", sides[2], signs[1] == "<=")]
    if len(sides) != 2 or signs[0] not in ("<", "<=", ">", ">=", "!="):
        return None
    (left, right), sign, closed = sides, signs[0], "=" in signs[0]
    if size := re.fullmatch(r"\|\s*([A-Za-z])\s*\|", left):
        if sign in ("<", "<="):
            return size[1], [_Interval(f"-({right})", closed, right, closed)]
        if sign in (">", ">="):
            low = _Interval(f"-{_ENDLESS}", False, f"-({right})", closed)
            return size[1], [low, _Interval(right, closed, _ENDLESS, False)]
    if not _VARIABLE.fullmatch(left) and _VARIABLE.fullmatch(right):
        left, right, sign = right, left, FLIPPED[sign]
    if not _VARIABLE.fullmatch(left) or _VARIABLE.fullmatch(right):
        return None
    below = _Interval(f"-{_ENDLESS}", False, right, closed)
    above = _Interval(right, closed, _ENDLESS, False)
    if sign == "!=":
        return comparable(left), [replace(below, high_closed=False), replace(above, low_closed=False)]
    return comparable(left), [below if sign in ("<", "<=") else above]
