r"""When two answers are the same: `\frac{1}{2}`, `0.5` and `1/2` are one answer.

Plain numbers and equal texts are decided at once. Then both are read as quantities (`quantities`), as structures of
parts (`structures`) and as formulas (`expressions`); what is read as none of these is compared as a text without its
typesetting. Nothing is ever replaced by a number inside it. The work is bounded, so that no expression can stop the
program; docs/grading.md says what counts as equal.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import lru_cache

from tertulia.answers import phrases
from tertulia.answers.expressions import constant, same_expression
from tertulia.answers.numerals import eastern_number, literal
from tertulia.answers.quantities import Quantity, quantity, rounded, same_quantity, same_time, unit
from tertulia.answers.structures import same_structure
from tertulia.answers.typesetting import closing, comparable, tidy

__all__ = ["LONGEST", "equivalent", "group_answers", "tidy"]

LONGEST = 1000
"""Characters beyond which only equal texts are equal: no answer is that long, but a runaway box may be."""

_DEEPEST = 12
"""Parts in parts that are compared; a deeper answer is compared as a text."""

# Neither 70.000, which the language must tell, nor what is too long for an integer of Python.
_INTEGER = re.compile(r"[+-]?\d{1,60}")
_DECIMAL = re.compile(r"[+-]?\d{1,60}\.(?:\d{1,2}|\d{4,60})")
_MARKED = re.compile(r"([+-]?)((?=.{1,60}$)\d[\d.,]*\d|\d)")
_MAY_BE_FRACTION = re.compile("[/f]")
_FRACTION = re.compile(r"([+-]?)(?:\\[dt]?frac\{(-?\d{1,60})\}\{(\d{1,60})\}|(\d{1,60})/(\d{1,60}))")
_DEGREES = re.compile(r"(?P<rest>\(.*)\)\s*\^\s*(?:\{\s*\\circ\s*\}|\\circ)", re.DOTALL)
# Two counts, each of its own: "3 red and 4" keeps what the last ones are.
_COUNTED = re.compile(r"\d\s*(?:\\text\w*\s*\{)?\s*(?!(?:and|or)\b)[^\W\d_]{2,}[^\d]*(?:and|or|,|;)[^\d]*\d")
_UNIT_BEHIND = re.compile(
    r"(?P<rest>.*[\d)}\w])\s+(?P<unit>[^\W\d_]{2,}(?:\s[^\W\d_]{2,}){0,2}(?:\s*\^\s*\{?\d\}?)?)", re.DOTALL
)
_TYPESET_UNIT = re.compile(
    r"(?P<rest>.*[\w})!%])(?:\\[ ,;:!]|\s|~)*\\(?:text|textrm|textnormal|mathrm|mbox|hbox|unit|operatorname)\s*"
    r"\{(?P<unit>[^{}]*[^\W\d_][^{}]*)\}(?P<power>\s*\^\s*(?:\{\s*-?\d\s*\}|\d))?[\s.$]*",
    re.DOTALL,
)


def equivalent(gold: str, answer: str, language: str | None = None) -> bool:
    """Whether `answer` means what `gold` means.

    Args:
        gold: The right answer, or the first of two answers.
        answer: The other.
        language: The language of the question (`de`), in whose way numbers are read: see docs/grading.md. Where it is
            not known, a number that languages read differently is read in one way, never in both.
    """
    if max(len(gold), len(answer)) > LONGEST:
        return bool(gold.split()) and gold.split() == answer.split()
    mine, theirs = _plain(gold), _plain(answer)
    # A decimal may be a rounded fraction, which takes a longer look.
    exact = mine == theirs or not _MAY_BE_FRACTION.search(gold + answer)
    if mine is not None and theirs is not None and exact:
        return mine == theirs
    one, other = _grouped(gold, language, True), _grouped(answer, language, False)
    if one is not None and other is not None:
        return one == other or gold == answer
    return _same(gold, answer, language, gold=True)


def group_answers(answers: Sequence[str | None], language: str | None = None) -> list[int | None]:
    """For each answer the index of the first one that it is equivalent to; None for None and blank.

    An answer is compared to the first of each group only: equality of answers is not quite transitive
    (1/3 = 0.333333 after rounding), and a fixed representative makes the groups well defined.
    """
    groups: list[int | None] = []
    known: dict[str | Fraction | int, int] = {}
    integers: list[tuple[int, str]] = []
    others: list[tuple[int, str]] = []
    for index, answer in enumerate(answers):
        long = len(answer or "") > LONGEST
        number = None if answer is None or long else _plain(answer)
        text = " ".join((answer or "").split()) if number is not None or long else tidy(answer or "")
        if not text:
            groups.append(None)
            continue
        key = text if number is None else number
        if key not in known:
            whole = number is not None and number.denominator == 1
            # Two integers are equal or not: 1,000 paths with 1,000 integers need no comparison.
            firsts = others if whole else others + integers
            original = answer or ""
            # Each as it was, for what is typeset as a unit tells; and both as a model writes them.
            same = (i for i, first in firsts if not long and _same(first, original, language, gold=False))
            known[key] = next(same, index)
            if known[key] == index and not long:
                (integers if whole else others).append((index, original))
        groups.append(known[key])
    return groups


@lru_cache(maxsize=65_536)
def _plain(text: str) -> Fraction | int | None:
    """The value of a plain integer, decimal or fraction in ASCII that every language reads alike."""
    if not text.isascii():
        return None
    if _INTEGER.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text):
        return Fraction(text)
    if (found := _FRACTION.fullmatch(text)) is None:
        return None
    sign, top, bottom = found[1], int(found[2] or found[4]), int(found[3] or found[5])
    return None if not bottom else Fraction(-top if sign == "-" else top, bottom)


@lru_cache(maxsize=65_536)
def _grouped(text: str, language: str | None, gold: bool) -> Fraction | None:
    """The value of a number of digits and marks, as the language reads them."""
    found = _MARKED.fullmatch(text)
    number = literal(found[2], language, gold) if found and text.isascii() else None
    return None if number is None or found is None else -number.value if found[1] == "-" else number.value


@lru_cache(maxsize=65_536)
def _same(a: str, b: str, language: str | None, gold: bool, depth: int = 0) -> bool:
    """Whether two answers are the same; `gold` says whether `a` is the right answer of a file."""
    whole = a, b
    a, b = tidy(a), tidy(b)
    if not a or not b:
        return False
    if depth > _DEEPEST:
        return a == b
    if comparable(a) == comparable(b):
        return True
    letters = _letter(a), _letter(b)
    if all(letters):
        return letters[0] == letters[1]
    if (times := same_time(a, b)) is not None:
        return times
    one, other = quantity(a, language, gold), quantity(b, language)
    if one and other:
        return same_quantity(one, other)
    if any(letters) and (one or other):
        return False

    def same(mine: str, theirs: str) -> bool:
        return _same(mine, theirs, language, gold, depth + 1)

    if (found := _by_words(a, b, same)) is not None:
        return found
    if (found := _by_unit(whole[0], whole[1], same)) is not None:
        return found
    ends = phrases.sentence_end(a) if other else None, phrases.sentence_end(b) if one else None
    if ends[0] or ends[1]:
        one, other = one or quantity(ends[0] or "", language, gold), other or quantity(ends[1] or "", language)
        return one is not None and other is not None and same_quantity(one, other)
    if (bare := (_brackets_off(a), _brackets_off(b))) != (a, b):
        return same(*bare)
    if (found := same_structure(a, b, same)) is not None:
        return found
    return bool(same_expression(a, b)) or _rounds(one, b) or _rounds(other, a)


def _rounds(number: Quantity | None, formula: str) -> bool:
    """Whether a decimal is the rounded value of a formula without variables."""
    if number is None or not number.places or number.unit or number.percent:
        return False
    value = constant(formula)
    return value is not None and rounded(number, Quantity(value))


def _by_unit(a: str, b: str, same: Callable[[str, str], bool]) -> bool | None:
    """Without the units behind formulas, which one side may leave out; None where there are none."""
    (rest, counted), (rest_other, counted_other) = _unit_off(a), _unit_off(b)
    if not counted and not counted_other:
        return None
    return not (counted and counted_other and counted != counted_other) and same(rest, rest_other)


def _unit_off(text: str) -> tuple[str, str]:
    r"""An answer and its unit, typeset as one, 25\pi\text{ cm}^2, or behind a formula without variables, 25\pi cm^2."""
    if (
        (degrees := _DEGREES.fullmatch(tidy(text)))
        and closing(degrees[0], 0) == degrees.end("rest")
        and quantity(degrees["rest"][1:])
    ):
        return degrees["rest"][1:], "degree"
    found = _TYPESET_UNIT.fullmatch(text)
    if (
        found
        and not _COUNTED.search(found["rest"])
        and (known := unit(" " + found["unit"].strip() + (found["power"] or "").strip(), typeset=True))
    ):
        return found["rest"], known
    found = _UNIT_BEHIND.fullmatch(tidy(text))
    if found and (known := unit(" " + found["unit"])) and constant(found["rest"]) is not None:
        return found["rest"], known
    return text, ""


def _by_words(a: str, b: str, same: Callable[[str, str], bool]) -> bool | None:
    """Without announcements, qualifiers and names in words, where there are any."""
    bare = phrases.announced_off(a), phrases.announced_off(b)
    if bare != (a, b):
        return same(*bare)
    for off in (phrases.qualifier_off, phrases.label_off):
        one, other = off(a), off(b)
        if one and other:
            return one[1] == other[1] and same(one[0], other[0])
        if one or other:
            return same(one[0] if one else a, other[0] if other else b)
    return None


def _letter(text: str) -> str:
    """The letter that an answer is, with brackets or without; i, e and numerals are none."""
    bare = text[1:-1] if len(text) == 3 and text[0] == "(" and text[2] == ")" else text
    is_letter = len(bare) == 1 and bare.isalpha() and bare not in "ie" and eastern_number(bare) is None
    return bare.casefold() if is_letter else ""


def _brackets_off(text: str) -> str:
    """Without round brackets around one value."""
    whole = text[:1] == "(" and closing(text, 0) == len(text) - 1 and not re.search("[,;]", text)
    return text[1:-1].strip() if whole else text
