"""Numbers with what stands around them: units, currencies, per cent, degrees, bases, times of day.

Everything here is conservative: what cannot be read for certain is not read.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache, lru_cache
from importlib import resources
from typing import Any

from tertulia.answers.announcements import read
from tertulia.answers.numerals import Number, read_number

TOLERANCE = Fraction(5, 1_000_000)
"""How far a rounded decimal may be from the fraction or root that it stands for, as a part of that."""

SIGNIFICANT = 6
"""Digits that such a decimal must have, noughts before them not counted."""

_SIGNED = re.compile(r"([+-]?)\s*(.+)", re.DOTALL)
_DEGREES = re.compile(
    r"(?:\^\s*\{?\s*\\?circ\s*\}?|\\degrees?|degrees?|deg|度|grad|grados?|degrés?|градус\w*|digrii|nyuzi|องศา|ডিগ্রি|డిగ్రీలు|డిగ్రీల)"
    r"\s*([CFK]|celsius|fahrenheit)?",
    re.IGNORECASE,
)
_BASED = re.compile(
    r"([0-9A-F]+(?:\.[0-9A-F]+)?)_\s*(?:\{\s*(\w+)\s*\}|(\d+)|(\w+))|\(([0-9A-F]+)\)_\s*(?:\{\s*(\w+)\s*\}|(\d+))"
)
_BASES = {
    "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11,
    "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16,
}  # fmt: skip
_NAMES_BASE = re.compile("_|[Bb]as|^0[xob]")
_TIME = re.compile(r"(\d{1,2})(?:[:.](\d{2}))?(?::(\d{2}))?\s*(?:([ap])\.?\s?m\.?|Uhr|h)?", re.IGNORECASE)
_WORD = r"[^\W\d_]+(?:['’][^\W\d_]+)?\.?(?:\s*\^\s*\{?\s*-?\d\s*\}?)?"
_OVER = re.compile(r"^\\[dt]?frac\s*\{\s*([^\W\d_]+)\s*\}\s*\{\s*([^\W\d_]+)\s*\}$")
_SQUARE = re.compile(r"(square|sq\.?|cubic|cu\.?)\s+(\S+)", re.IGNORECASE)
_UNIT = re.compile(rf"{_WORD}(?:\s*(?:/|\bper\b|-|\s)\s*{_WORD}){{0,7}}")


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with what stands behind it.

    Attributes:
        value: The number, percent not applied.
        places: Digits behind its decimal mark.
        percent: Whether it is a percentage.
        unit: What it is counted in, in one form; empty without.
        base: The base that it is written in, 0 where none is named: 52_8.
    """

    value: Fraction
    places: int = 0
    percent: bool = False
    unit: str = ""
    base: int = 0


def quantity(text: str, language: str | None = None, gold: bool = False) -> Quantity | None:
    """Reads a number with its unit; None where the text is anything else.

    Args:
        text: An answer without the typesetting that `tertulia.answers.typesetting.tidy` takes away.
        language: The language it is written in, None where unknown: see `tertulia.answers.numerals.literal`.
        gold: Whether it is the right answer of a file.
    """
    if (based := _based(text)) is not None:
        return based
    sign, currency, rest = _front(text)
    percent = _patterns()["percent_before"].match(rest)
    if percent:
        rest = rest[percent.end() :]
    euros = currency == "euro" or rest.rstrip().endswith(("€", "EUR"))
    if euros and language is None and re.match(r"[1-9]\d{0,2}\.\d{3}(?![\d.,])", rest):
        language = "de"  # no price has three decimals
    found = read_number(rest, language, gold)
    if found is None:
        return None
    number, tail = found
    behind = _with_unit(replace(number, value=sign * number.value), tail)
    if behind is None or (percent and (behind.percent or behind.unit)):
        return None
    behind = replace(behind, percent=True) if percent else behind
    return replace(behind, unit=currency) if currency and not behind.unit and not behind.percent else behind


def same_quantity(a: Quantity, b: Quantity) -> bool:
    """Whether two quantities are the same.

    A unit, a currency, a base or a per cent sign may be left out on either side; units that are there must be the
    same, and are never converted. 50 % is 0.5, and is 50 where the other side has no sign.
    """
    if a.base and b.base:
        return (a.base, a.value) == (b.base, b.value) or _in_tens(a) == _in_tens(b)
    if a.unit and b.unit and a.unit != b.unit and {a.unit, b.unit} not in ({"degree", "°c"}, {"degree", "°f"}):
        return False
    if a.value == b.value or rounded(a, b) or rounded(b, a):
        return True
    if a.percent != b.percent:
        percent, plain = (a, b) if a.percent else (b, a)
        return not plain.unit and percent.value / 100 == plain.value
    return False


def rounded(decimal: Quantity | Number, exact: Quantity | Number) -> bool:
    """Whether the one is the other, no decimal, rounded or cut at its last digit, with `SIGNIFICANT` digits or more."""
    if not decimal.places or exact.places or abs(decimal.value) * 10**decimal.places < 10 ** (SIGNIFICANT - 1):
        return False
    off = abs(decimal.value - exact.value)
    return off * 10**decimal.places < 1 and off <= TOLERANCE * abs(exact.value)


def same_time(a: str, b: str) -> bool | None:
    """Whether two times of day are the same, 4:30 p.m. and 16:30; None where one is none."""
    times = [_time(text) for text in (a, b)]
    if None in times:
        return None
    (one, half, _), (other, half_other, _) = (time for time in times if time is not None)
    if half and half_other:
        return one == other and half == half_other
    return one == other or (bool(half or half_other) and _afternoon(one, half) == _afternoon(other, half_other))


@lru_cache(maxsize=4096)
def unit(tail: str, typeset: bool = False) -> str | None:
    """The unit in one form (without blanks, an English plural as its singular); None where it is none.

    Args:
        tail: What stands behind a number, with the blank between them if there is one.
        typeset: Whether it is typeset as words, so that two letters are no variables.
    """
    words = _words()
    apart, tail = typeset or tail[:1].isspace(), tail.strip().rstrip(". ").replace("\\Omega", "Ω").replace("\\mu ", "µ")
    tail = re.sub(r"^/\s*(?=[^\W\d_]{2})", "", tail)
    if apart:
        tail = re.sub(r"^(?:d['’]|(?:de|of|von|du|des|из|a|an|the|each|every)\s+)(?=\S)", "", tail)
    tail = _OVER.sub(r"\1/\2", tail)
    if tail[:1] == "(" and tail[-1:] == ")":
        tail = tail[1:-1].strip()
    tail = re.sub(r"\b([ap])\.\s?m\b\.?", r"\1m", tail, flags=re.IGNORECASE).removeprefix("-")
    tail = re.sub(r"^o['’]\s?clock\b", "oclock", tail)
    if len(tail) == 1 and unicodedata.category(tail) == "Sc":
        return str(words["same"].get(tail, tail))
    # Vowel signs are no letters to regular expressions.
    bare = "".join(character for character in tail if unicodedata.category(character)[0] != "M")
    if not _UNIT.fullmatch(bare) or changes_value(tail) or tail.lower() in words["none_alone"]:
        return None
    parts = re.findall(r"[^\W\d_]+", bare)
    letters = words["letters"] + words["letters_apart"] if apart else words["letters"]
    first = parts[0]
    if first.isascii() and len(first) == 1 and first not in letters and not (typeset and len(parts) > 1):
        return None
    phrase = typeset or (apart and len(parts) > 1)  # 5 on food is no product of letters
    short = first.isascii() and (len(first) == 2 or (len(first) == 3 and not apart)) and not phrase
    if short and first not in words["short"]:
        return None
    return "/".join(_one_form(_powers(part)) for part in re.sub(r"\bper\b", "/", tail).split("/"))


def _powers(part: str) -> str:
    """Square inches, sq in and inches squared as inches^2."""
    part = _SQUARE.sub(lambda found: f"{found[2]}^{2 if found[1][0] in 'sS' else 3}", part.strip())
    return re.sub(r"\s+(squared|cubed)$", lambda found: f"^{2 if found[1][0] == 's' else 3}", part)


def _one_form(tail: str) -> str:
    """One name for a unit of several, without blanks; a plural in English as its singular."""
    same = _words()["same"]
    plain = re.sub(r"[\s{}.]", "", tail)
    if powered := re.fullmatch(r"(.+)(\^-?\d)", plain):
        return _one_form(powered[1]) + powered[2]
    plain = same.get(plain, plain if len(plain) <= 2 else plain.lower())
    plain = same.get(plain, plain)
    plain = plain[:-1] if len(plain) > 3 and plain.endswith("s") and not plain.endswith("ss") else plain
    return str(same.get(plain, plain))


def changes_value(words: str, before: bool = False) -> bool:
    """Whether words beside a number make it another number, or none: 12 or more, less than 5, 5 factorial."""
    tables = _words()
    if any(
        part in words if before else words.startswith(part) or words.endswith(part) for part in tables["none_inside"]
    ):
        return True
    found = set(re.findall(r"[^\W\d_][\w\u0300-\u036f\u0980-\u0dff]*", words.lower()))
    return not found.isdisjoint(tables["none_set"]) or (before and not found.isdisjoint(tables["none_before"]))


def _front(text: str) -> tuple[int, str, str]:
    """The sign, the currency and the rest of what may be a quantity."""
    same, patterns, sign, currency = _words()["same"], _patterns(), 1, ""
    for _ in range(2):  # -$5 and $-5
        signed = _SIGNED.fullmatch(text)
        if signed and signed[1]:
            sign, text = (-sign if signed[1] == "-" else sign), signed[2]
        elif found := patterns["negative"].match(text):
            sign, text = -sign, text[found.end() :]
        if (found := patterns["symbol"].match(text)) and found.end() and not currency:
            name = found[1] or found[0].strip().rstrip(".").lower()
            currency, text = str(same.get(name, name)), text[found.end() :]
            currency = "" if currency in ("us", "r") else currency
    return sign, currency, text


def _with_unit(number: Number, tail: str) -> Quantity | None:
    stripped = tail.strip()
    if re.fullmatch("/[-=–]", stripped):  # as prices end in India and East Africa
        return Quantity(number.value, number.places)
    found = Quantity(number.value, number.places)
    if not stripped:
        return found
    if _patterns()["percent"].fullmatch(stripped):
        return replace(found, percent=True)
    if below := _patterns()["below_zero"].search(tail):
        warm = _with_unit(number, tail[: below.start()])
        return None if warm is None else replace(warm, value=-warm.value)
    if degrees := _DEGREES.fullmatch(stripped):
        return replace(found, unit=f"°{degrees[1][0].lower()}" if degrees[1] else "degree")
    counted = unit(tail)
    return None if counted is None else replace(found, unit=counted)


def _based(text: str) -> Quantity | None:
    if not _NAMES_BASE.search(text):
        return None
    text = re.sub(r"\s*\(?\b(?:in\s+)?[Bb]as(?:e|is)\s*(\w+)\s*\)?$", r"_{\1}", text)
    text = re.sub(r"(?<=\{)\(|\)(?=\})|(?<=\{)base(?=\w)", "", re.sub(r"\s", "", text))
    text = re.sub(r"^\{(\w+)\}(?=_)", r"\1", text)
    match = _BASED.fullmatch(text)
    if program := re.fullmatch(r"0([xob])([0-9a-fA-F]+)", text):
        text = f"{program[2].upper()}_{({'x': 16, 'o': 8, 'b': 2})[program[1]]}"
        match = _BASED.fullmatch(text)
    if match is None:
        return None
    digits, name = match[1] or match[5], match[2] or match[3] or match[4] or match[6] or match[7]
    base = int(name) if name.isdecimal() and len(name) < 3 else _BASES.get(name.lower(), 0)
    if not 2 <= base <= 36 or "." in digits or len(digits) > 60 or any(int(digit, 16) >= base for digit in digits):
        return None
    # Read as it is written: 52 in base 8 is 52 where the other side leaves out the base, as it may a unit.
    return (
        Quantity(Fraction(digits), base=base) if digits.isdecimal() else Quantity(Fraction(int(digits, base)), base=10)
    )


def _in_tens(number: Quantity) -> Fraction:
    return number.value if number.base == 10 else Fraction(int(str(number.value), number.base))


def _time(text: str) -> tuple[tuple[int, int, int], str, str] | None:
    text = re.sub(r"^(\d{1,2})\s?(?:h|時|时|点|點)\s?(\d{2})\s?分?$", r"\1:\2", text.strip())
    match = _TIME.fullmatch(text)
    if match is None or not (match[2] or match[4]) or ("." in text[:3] and not match[4]):
        return None
    clock = int(match[1]), int(match[2] or 0), int(match[3] or 0)
    return (clock, (match[4] or "").lower(), text) if clock[0] < 25 and clock[1] < 60 else None


def _afternoon(clock: tuple[int, int, int], half: str) -> tuple[int, int, int]:
    hour = clock[0] % 12 + 12 if half == "p" else 0 if half == "a" and clock[0] == 12 else clock[0]
    return hour, clock[1], clock[2]


@cache
def _words() -> dict[str, Any]:
    words = tomllib.loads(read((resources.files("tertulia.answers") / "quantities.toml").read_text("utf-8")))
    words["none_set"] = frozenset(words["none"])
    # All signs of currencies that Unicode has, in the blocks where it has them.
    blocks = (range(0xA2, 0xA6), range(0x58F, 0x590), range(0x9F2, 0x9FC), range(0xE3F, 0xE40), range(0x20A0, 0x20D0))
    words["signs"] = "".join(chr(code) for block in blocks for code in block if unicodedata.category(chr(code)) == "Sc")
    return words


@cache
def _patterns() -> dict[str, re.Pattern[str]]:
    words, numeral = _words(), r"[\s\d〇一二两兩三四五六七八九十百]"
    found = {
        "percent": words["percent"],
        "percent_before": rf"(?:{words['percent_before']})\s*(?={numeral})",
        "negative": rf"(?:{words['negative']})(?={numeral})\s*",
        "below_zero": rf"\s*(?:{words['below_zero']})$",
    }
    symbol = rf"(?:(?:{words['currencies']})(?=[\s\d{words['signs']}])\s*)?([{words['signs']}])?\s*"
    return {name: re.compile(text, re.IGNORECASE) for name, text in found.items()} | {"symbol": re.compile(symbol)}
