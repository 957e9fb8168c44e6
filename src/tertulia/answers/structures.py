r"""Answers of several parts: lists, pairs, sets, intervals, matrices, equations, inequalities, ratios.

The parts are compared one by one, by a function that is given: never by a number that one of them happens to hold.
"""

from __future__ import annotations

import re

from tertulia.answers.expressions import proportional
from tertulia.answers.parts import FLIPPED, Same, bracketed, in_order, listed, matched, plus_and_minus, relation, split
from tertulia.answers.ranges import same_ranges
from tertulia.answers.typesetting import closing, comparable

_MATRIX = re.compile(
    r"\\begin\s*\{(?P<name>[pbBvV]?matrix|smallmatrix|array|cases|aligned|gathered|align\*?)\}\s*(?:\{[lcr|]*\})?(?P<rows>.*)"
    r"\\end\s*\{(?P=name)\}",
    re.DOTALL,
)
_NAME = re.compile(
    r"\(\s*\\?[A-Za-z]+(?:\s*,\s*\\?[A-Za-z]+)+\s*\)|\|?[A-Z]{1,4}\|?|m?\s*\\angle\s*[A-Z]+|\[\s*[A-Z]{3,5}\s*\]"
    r"|[A-Za-z](?:\s*\+\s*[A-Za-z])+"
    r"|(?:\\[A-Za-z]+(?:\s*\{[A-Za-z]+\})?|[^\W\d_]|[^\W\d_]{4,})(?:_\s*(?:\{\s*\w+\s*\}|\w))?'*(?:\s*\([^()]*\))?"
)


def same_structure(a: str, b: str, same: Same) -> bool | None:
    """Whether two tidy answers are the same, part by part; None where neither has parts.

    Args:
        a: One answer.
        b: The other.
        same: Whether two parts are the same.
    """
    for compare in (_matrices, same_ranges, _lists, _bracketed, _relations, _ratios):
        if (found := compare(a, b, same)) is not None:
            return found
    return None


def _bracketed(a: str, b: str, same: Same) -> bool | None:
    ones, others = bracketed(a), bracketed(b)
    if ones is None or others is None:
        return _one_bracketed(a, b, same)
    (opened, closed, parts), (opened_other, closed_other, parts_other) = ones, others
    if "{" in (opened, opened_other):
        if opened != opened_other:
            return False
        if any(re.search(r"\\mid(?![A-Za-z])|\||:", part) for part in (a, b)):
            return False  # described, and not by the same text
        return len(parts) == len(parts_other) and matched(parts, parts_other, same)
    if len(parts) == len(parts_other) == 1:
        return (
            None
            if (opened, closed) == ("(", ")") == (opened_other, closed_other)
            else (opened, closed) == (opened_other, closed_other) and same(parts[0], parts_other[0])
        )
    pairs = {opened + closed, opened_other + closed_other}
    if len(pairs) > 1 and (len(parts) == 2 or pairs != {"()", "[]"}):
        return False
    return in_order(parts, parts_other, same)


def _one_bracketed(a: str, b: str, same: Same) -> bool | None:
    """A list with brackets against one without: a set in any order, a pair in its own."""
    for whole, bare in ((a, b), (b, a)):
        found = bracketed(whole)
        if found is None or (found[0] != "{" and len(found[2]) < 2):
            continue
        if comparable(bare).strip() == "\\emptyset":
            return not found[2]
        items = listed(bare)
        if items is None or (len(items) < 2 and found[0] != "{"):
            return False if not re.search(r"[=<>]|\\[a-z]", bare) else None
        if found[0] == "{":
            return matched(found[2], items, same)
        if (found[0], found[1]) == ("[", "]") and len(found[2]) > 2:
            return matched(found[2], items, same)
        return found[0] == "(" and found[1] == ")" and in_order(found[2], items, same)
    return None


def _lists(a: str, b: str, same: Same) -> bool | None:
    ones, others = listed(a), listed(b)
    if ones is None or others is None or (len(ones) < 2 and len(others) < 2):
        return None
    if len(ones) > 1 and len(others) > 1:
        if len(ones) != len(others):
            return _shared_name(a, b, same)
        if (len(_names(ones)) > 1) != (len(_names(others)) > 1):
            return in_order(ones, others, same)  # x = 1, y = 2 against 1, 2
        return matched(ones, others, same) or (_shared_name(a, b, same) or False)
    if (named := _shared_name(a, b, same)) is not None:
        return named
    return None if bracketed(a) or bracketed(b) or _matrix(a) or _matrix(b) else False


def _names(items: list[str]) -> set[str]:
    """What the values of a list are called."""
    named = [re.match(r"([^=<>]*[^=<>\s])\s*=", item) for item in items]
    return {comparable(found[1]) for found in named if found}


def _shared_name(a: str, b: str, same: Same) -> bool | None:
    """x = 1, 2 against 1, 2 or x = 1, x = 2: the name belongs to each."""
    stripped = []
    for text in (a, b):
        items = listed(text) or []
        named = [
            re.fullmatch(r"(\\?[A-Za-z]+(?:_\{?\w+\}?)?)\s*(?:=|\\in(?![a-z]))\s*(.+)", item, re.DOTALL)
            for item in items
        ]
        names = {found[1] for found in named if found}
        if not names or len(names) > 1:
            stripped.append(items)
            continue
        stripped.append(
            [
                part
                for found, item in zip(named, items, strict=True)
                for part in (_members(found[2]) if found else [item])
            ]
        )
    if [listed(a), listed(b)] == stripped:
        return None
    return len(stripped[0]) == len(stripped[1]) and matched(stripped[0], stripped[1], same)


def _members(text: str) -> list[str]:
    """What x = or x \\in stands before: the parts of a set, or one value or two."""
    found = bracketed(text)
    return found[2] if found and found[0] == "{" else plus_and_minus(text)


def _matrix(text: str) -> tuple[str, list[list[str]]] | None:
    """What kind it is, and its rows."""
    if text[:1] in ("(", "[") and "\\begin" in text and closing(text, 0) == len(text) - 1:
        text = text[1:-1].strip()
    by_cases = re.sub(r"^\\\{\s*(?=\\begin\s*\{array)", "", text)
    found = _MATRIX.fullmatch(by_cases)
    if found is None or "\\begin" in found["rows"]:
        return None
    rows = re.split(r"\\\\(?:\s*\[[^\]]*\])?|\\cr(?![A-Za-z])", found["rows"].replace("\\hline", ""))
    kinds = {"v": "determinant", "V": "norm", "c": "cases"}
    kind = "cases" if by_cases != text else kinds.get(found["name"][0], "matrix")
    words = re.compile(r"^\s*(?:if|for|when)\b\s*|[,;.\s]+$")
    return kind, [[words.sub("", cell).strip() for cell in row.split("&")] for row in rows if row.strip()]


_LENGTH = r"(?:[A-Z]{2}|[A-Za-z]_\s*(?:\{\s*\w+\s*\}|\w)|[A-Za-z])"
_SEGMENT = r"\s*[A-Z]{2}\s*"
_RATIO = re.compile(
    rf"{_LENGTH}(?:\s*:\s*{_LENGTH})+|\\[dt]?frac\s*\{{{_SEGMENT}\}}\s*\{{{_SEGMENT}\}}|{_SEGMENT}/{_SEGMENT}"
)
"""A ratio of named quantities."""


def _matrices(a: str, b: str, same: Same) -> bool | None:
    ones, others = _matrix(a), _matrix(b)
    if ones is None and others is None:
        return None
    if ones is not None and others is not None:
        if ones[0] != others[0] or [len(row) for row in ones[1]] != [len(row) for row in others[1]]:
            return False
        if ones[0] == "cases":
            return in_order(
                [cell for row in ones[1] for cell in row], [cell for row in others[1] for cell in row], same
            )
        return all(in_order(row, row_other, same) for row, row_other in zip(ones[1], others[1], strict=True))
    matrix, text = (ones, b) if ones else (others, a)
    assert matrix is not None
    brackets = bracketed(text)
    if matrix[0] != "matrix" or brackets is None or brackets[0] not in ("(", "["):
        return None
    if all(len(row) == 1 for row in matrix[1]) or len(matrix[1]) == 1:  # a vector, written as a tuple
        return in_order([cell for row in matrix[1] for cell in row], brackets[2], same)
    nested = [bracketed(row) for row in brackets[2]]
    return len(nested) == len(matrix[1]) and all(
        row is not None and in_order(row[2], mine, same) for row, mine in zip(nested, matrix[1], strict=True)
    )


def _relations(a: str, b: str, same: Same) -> bool | None:
    ones, others = relation(a), relation(b)
    if ones is None and others is None:
        return None
    if ones is None or others is None:
        parts, signs = ones or others or ([], [])
        if any(sign not in ("=", "in") for sign in signs):
            return False
        values = parts[1:] if _NAME.fullmatch(parts[0]) or _RATIO.fullmatch(parts[0]) else parts
        return all(same(value, b) if ones else same(a, value) for value in values)
    (sides, signs), (sides_other, signs_other) = ones, others
    if len(signs) > 1 or len(signs_other) > 1:
        return _chains(ones, others, same)
    sign, sign_other = signs[0], signs_other[0]
    if sign == sign_other and in_order(sides, sides_other, same):
        return True
    if sign not in FLIPPED or sign_other not in FLIPPED:
        return False
    if sign == FLIPPED[sign_other]:
        if in_order(sides, sides_other[::-1], same):
            return True
        if sign != "=":
            sides_other, sign_other = sides_other[::-1], sign
    if sign != sign_other:
        return False
    names = [_NAME.fullmatch(side) is not None for side in (sides[0], sides_other[0])]
    if all(names) and comparable(sides[0]) != comparable(sides_other[0]):
        if sign != "=":
            return False
        if _renamed(sides, sides_other, same):
            return True
    return bool(proportional(sides, sides_other, positive=sign != "="))


def _renamed(sides: list[str], others: list[str], same: Same) -> bool:
    """f(x) = 2x + 3 against y = 2x + 3: the usual names of the value of a function."""
    usual = any(side[0].startswith("y") for side in (sides, others)) and all(
        re.fullmatch(r"y|[fghy]\s*\(\s*[a-z]\s*\)", side[0]) for side in (sides, others)
    )
    return usual and same(sides[1], others[1])


def _chains(ones: tuple[list[str], list[str]], others: tuple[list[str], list[str]], same: Same) -> bool:
    (sides, signs), (sides_other, signs_other) = ones, others
    if signs == signs_other and in_order(sides, sides_other, same):
        return True
    flipped = [FLIPPED.get(sign, sign) for sign in reversed(signs_other)]
    if signs == flipped and in_order(sides, sides_other[::-1], same):
        return True
    if {*signs, *signs_other} == {"="}:  # A = 3 * 4 = 12 against A = 12
        return comparable(sides[0]) == comparable(sides_other[0]) and all(
            same(one, sides_other[-1]) and same(one, other) for one in sides[1:] for other in sides_other[1:]
        )
    return False


def _ratios(a: str, b: str, same: Same) -> bool | None:
    if ":" not in a + b:
        return None
    ones, others = (split(text, re.compile(r"\s*:\s*|\s+to\s+")) for text in (a, b))
    if ones is None or others is None or (len(ones) < 2 and len(others) < 2):
        return None
    return in_order(ones, others, same)
