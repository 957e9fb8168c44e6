"""Takes answers of several parts apart: at commas, at signs of relation, at brackets, never inside of brackets."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from tertulia.answers.typesetting import closing

Same = Callable[[str, str], bool]
_LONGEST = 200  # parts
AND = (
    r"\\(?:text|mathrm)?\{?\s*(?:and|or)\s*\}?|\band\b|\bor\b|\bund\b|\boder\b|\bou\b|\bet\b|\bили\b|\bи\b|\bau\b|\bna\b|(?<=[\d\s}])\s[yoe]\s(?=[\d\s\\-])"
    r"|または|或者?|和|及び|หรือ|และ|\sবা\s|\sএবং\s|\sলేదా\s|\sమరియు\s|లేదా|మరియు|\\lor(?![A-Za-z])"
)
_SEPARATORS = {
    # A comma between digits belongs to a number where others have a blank (1,000, 2,000), or where semicolons part.
    name: re.compile(rf"\s*,\s*(?:{AND})\s*|\s*;\s*|{comma}|\s*(?:{AND})\s*")
    for name, comma in (
        ("plain", r"\s*,\s*"),
        ("spaced", r"\s*,\s+|\s*,(?!\d{3}(?!\d))|(?<!\d),"),
        ("semicolons", r"\s*,\s+|\s*,(?!\d)|(?<!\d),"),
    )
}
_RELATION = re.compile(
    r"\\(le|ge|ne|lt|gt|approx|in|equiv|sim)(?![A-Za-z])|\\(leqslant|geqslant|leq|geq|neq)(?![A-Za-z])|(<=|>=|!=|=|<|>)"
)
_ONE_NAME = {
    "leq": "<=",
    "leqslant": "<=",
    "le": "<=",
    "geq": ">=",
    "geqslant": ">=",
    "ge": ">=",
    "lt": "<",
    "gt": ">",
    "ne": "!=",
    "neq": "!=",
    "approx": "=",
}
FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "=": "=", "!=": "!="}


def split(text: str, pattern: re.Pattern[str]) -> list[str] | None:
    """The parts of a text between what the pattern finds outside of brackets; None where a bracket stays open."""
    parts, marks = split_with_marks(text, pattern)
    return None if marks is None else parts


def split_with_marks(text: str, pattern: re.Pattern[str]) -> tuple[list[str], list[str] | None]:
    """The parts, and what stands between them; None for that where a bracket stays open."""
    depth, start, parts, marks = 0, 0, [], list[str]()
    position = 0
    while position < len(text):
        if not depth and (found := pattern.match(text, position)) and found.end() > position:
            parts.append(text[start:position].strip())
            marks.append(found[0].strip())
            start = position = found.end()
            continue
        if text.startswith(("\\begin", "\\end"), position):
            depth += 1 if text.startswith("\\begin", position) else -1
            position += 3
        elif text[position] == "\\":
            depth += {"{": 1, "}": -1}.get(text[position + 1 : position + 2], 0)
            position += 2 if text[position + 1 : position + 2] in "{}\\" else 1
            continue
        else:
            depth += 1 if text[position] in "([{" else -1 if text[position] in ")]}" else 0
        position += 1
    return [*parts, text[start:].strip()], marks if not depth else None


def listed(text: str) -> list[str] | None:
    """The parts of a list; one for what is none."""
    parts = split(text, _separator(text))
    if parts is None or len(parts) > _LONGEST:
        return None
    return [part for item in parts if item for part in plus_and_minus(item)]


def _separator(text: str) -> re.Pattern[str]:
    return _SEPARATORS["semicolons" if ";" in text else "spaced" if re.search(r",\s", text) else "plain"]


def plus_and_minus(item: str) -> list[str]:
    r"""Both values of an item with one \pm, else the item."""
    if len(found := re.findall(r"\\(?:pm|mp)(?![A-Za-z])", item)) != 1:
        return [item]
    return [item.replace(found[0], sign, 1) for sign in ("+", "-")]


def matched(ones: Sequence[str], others: Sequence[str], same: Same) -> bool:
    """Whether each of the one has its own equal among the others."""
    left = list(others)
    for one in ones:
        place = next((place for place, other in enumerate(left) if same(one, other)), None)
        if place is None:
            return False
        del left[place]
    return not left


def in_order(ones: Sequence[str], others: Sequence[str], same: Same) -> bool:
    """Whether they are the same one by one."""
    return len(ones) == len(others) and all(same(one, other) for one, other in zip(ones, others, strict=True))


def bracketed(text: str) -> tuple[str, str, list[str]] | None:
    """Opening and closing bracket, and the parts between; None where no one pair of brackets holds all."""
    text = re.sub(r"\\(?:langle|lbrack)(?![A-Za-z])", "(", text)
    text = re.sub(r"\\(?:rangle|rbrack)(?![A-Za-z])", ")", text)
    french = re.fullmatch(r"([\[\]])([^\[\]()]*)([\[\]])", text)
    if french and (french[1] == "]" or french[3] == "["):
        opened, inside, closed = {"]": "(", "[": "["}[french[1]], french[2], {"[": ")", "]": "]"}[french[3]]
    elif text.startswith("\\{") and text.endswith("\\}") and closing(text, 0) == len(text) - 2:
        opened, inside, closed = "{", text[2:-2], "}"
    elif text[:1] in ("(", "[", "{") and text[-1:] in (")", "]", "}") and closing(text, 0) == len(text) - 1:
        opened, inside, closed = text[0], text[1:-1], text[-1]
    else:
        return None
    parts = listed(inside) if opened == "{" else split(inside, _separator(inside))
    return None if parts is None else (opened, closed, [part for part in parts if part])


def relation(text: str) -> tuple[list[str], list[str]] | None:
    """Sides and signs of a chain of equations or inequalities; None where there is none."""
    parts, marks = split_with_marks(text, _RELATION)
    if not marks or not all(parts) or len(parts) > 10:
        return None
    names = [mark.lstrip("\\").rstrip() for mark in marks]
    return parts, [_ONE_NAME.get(name, name) for name in names]
