"""Numbers as people write them: with units, percent, decimal commas, and the numerals of many scripts.

Everything here is conservative: what cannot be read for certain is not read, and left to math-verify.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from importlib import resources
from typing import Any

_CHINESE = {character: value for value, character in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2, "兩": 2}
_TENS = {"十": 10, "百": 100, "千": 1000, "万": 10_000, "萬": 10_000}
_CHINESE_NUMBER = re.compile(
    # Ten thousands, thousands, hundreds, tens and ones in their order, a place that is left out marked by 零.
    r"(?:(?P<myriads>[一二三四五六七八九两兩十百千零〇]+)[万萬])?[零〇]?(?:(?P<thousands>[一二三四五六七八九两兩])千)?[零〇]?"
    r"(?:(?P<hundreds>[一二三四五六七八九两兩])百)?[零〇]?(?:(?P<tens>[一二三四五六七八九]?)十)?(?P<ones>[零〇]?[一二三四五六七八九]?)"
)
_SIGNED = re.compile(r"([+-]?)\s*(.+)", re.DOTALL)
_FRACTION = re.compile(r"\\[dtc]?frac\s*(?:\{\s*(\d+)\s*\}\s*\{\s*(\d+)\s*\}|(\d)(\d))|(\d+)\s*/\s*(\d+)")
_MIXED = re.compile(r"(\d+)\s*(?:\\[dtc]?frac\s*\{\s*(\d+)\s*\}\s*\{\s*(\d+)\s*\}|\s(\d+)\s*/\s*(\d+))")
_SCIENTIFIC = re.compile(
    r"(\d+(?:[.,]\d+)?)\s*(?:(?:\\times|\\cdot|×|·|\*)\s*10\s*\^\s*(?:\{\s*([+-]?\d+)\s*\}|([+-]?\d+))|[eE]([+-]?\d+))"
)
_NUMBER = re.compile(r"\d[\d.,'’]*|\.\d+")
_GROUPED = re.compile(
    r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d{1,2}(?:,\d{2})+,\d{3}(?:\.\d+)?|\d{1,3}(?:['’]\d{3})+(?:\.\d+)?"
    r"|\d{1,3}(?:\.\d{3}){2,}(?:,\d+)?|\d{1,3}(?:\.\d{3})+,\d+"
)
_DEGREES = re.compile(r"(?:\^\s*\{?\s*\\?circ\s*\}?|\\degree|°|degrees?)\s*([CF]|celsius|fahrenheit)?", re.IGNORECASE)
_CURRENCIES = "$€£¥₹₽৳฿₩₺₦₫"
_CURRENCY = re.compile(rf"^(?:US|R)?\\?[{_CURRENCIES}]\s*|\s*\\?[{_CURRENCIES}]$")
_WORD = r"[^\W\d_]+\.?(?:\s*(?:\^\s*\{?\s*-?\d\s*\}?|[²³]))?"
_UNIT = re.compile(rf"{_WORD}(?:\s*(?:/|per|\s)\s*{_WORD}){{0,2}}")
_ROOT = re.compile(r"√\s*(?:\(([^()]*)\)|(\d+|\w))")
_ASCII = {
    "٫": ".", "٬": ",", "．": ".", "，": ",", "％": "%", "٪": "%", "﹣": "-", "－": "-", "−": "-", "＋": "+",
    "（": "(", "）": ")", "＝": "=", "／": "/", "⁄": "/", "π": "\\pi ", "∞": "\\infty ", "½": "\\frac{1}{2}",
    "⅓": "\\frac{1}{3}", "⅔": "\\frac{2}{3}", "¼": "\\frac{1}{4}", "¾": "\\frac{3}{4}",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with what stands behind it.

    Attributes:
        value: The number, percent not applied.
        percent: Whether it is a percentage.
        unit: What it is counted in, in lower case; empty without.
    """

    value: Fraction
    percent: bool = False
    unit: str = ""


def ascii_digits(text: str) -> str:
    """The text with the digits, signs and separators of other scripts as in ASCII, and 2√3 as in LaTeX."""
    found = []
    for character in text:
        digit = unicodedata.decimal(character, None) if not character.isascii() else None
        found.append(_ASCII.get(character, character) if digit is None else str(digit))
    return _ROOT.sub(lambda root: f"\\sqrt{{{root[1] or root[2]}}}", "".join(found))


def chinese_number(text: str) -> int | None:
    """The value of a whole number in Chinese numerals below 100 million, else None.

    Digits alone are read from three of them on, or where one is zero: 三五 is "three to five" as well. 一百二 is 120
    to some and 102 to nobody, so it is not read.
    """
    if not text or any(character not in _CHINESE and character not in _TENS for character in text):
        return None
    if not any(character in _TENS for character in text):
        certain = len(text) != 2 or "零" in text or "〇" in text
        return int("".join(str(_CHINESE[character]) for character in text)) if certain else None
    if text in _TENS:
        return _TENS[text]
    if re.search(r"[百千万萬][一二三四五六七八九两兩]$", text):
        return None
    match = _CHINESE_NUMBER.fullmatch(text)
    if match is None:
        return None
    total = 0
    if match["myriads"]:
        myriads = chinese_number(match["myriads"])
        if myriads is None or myriads >= 10_000:
            return None
        total = 10_000 * myriads
    for name, place in (("thousands", 1000), ("hundreds", 100)):
        total += _CHINESE[match[name]] * place if match[name] else 0
    if match["tens"] is not None:
        total += 10 * (_CHINESE[match["tens"]] if match["tens"] else 1)
    return total + sum(_CHINESE[character] for character in match["ones"])


def quantity(text: str) -> Quantity | None:
    """Reads a number with its unit; None where the text is anything else.

    A comma before three digits separates thousands (1,000; in the Indian way 1,00,000), any other single comma
    without a blank is a decimal one (3,5; 0,125). A single point is always a decimal point.

    Args:
        text: An answer without the typesetting that `tertulia.answers.equivalence.tidy` takes away.
    """
    text = ascii_digits(text).strip()
    if (chinese := chinese_number(text.lstrip("负負-"))) is not None:
        return Quantity(Fraction(-chinese if text[0] in "负負-" else chinese))
    text = _CURRENCY.sub("", text).strip()
    signed = _SIGNED.fullmatch(text)
    if signed is None:
        return None
    sign, rest = -1 if signed[1] == "-" else 1, _CURRENCY.sub("", signed[2]).strip()
    readers = ((_MIXED, _mixed), (_FRACTION, _fraction), (_SCIENTIFIC, _scientific), (_NUMBER, _decimal))
    for pattern, read in readers:
        if (match := pattern.match(rest)) and (value := read(match)) is not None:
            return _with_unit(sign * value, rest[match.end() :])
    return None


def same_quantity(gold: str, answer: str) -> bool | None:
    """Whether two answers are the same number; None where one is no number.

    A unit, a currency or a per cent sign may be left out on either side; units that are there must be the same,
    and are never converted. 50 % is 0.5, and is 50 where the other side has no sign. 3,5 is 3.5 on either side;
    3, 5 with a blank is a list, and so no number.
    """
    a, b = quantity(gold), quantity(answer)
    if a is None or b is None:
        return None
    if a.unit and b.unit and a.unit != b.unit and {a.unit, b.unit} not in ({"degree", "°c"}, {"degree", "°f"}):
        return False
    if a.value == b.value:
        return True
    if a.percent == b.percent and abs(a.value - b.value) <= Fraction(1, 100_000):
        return None  # how far a rounded decimal may be off is math-verify's to say
    if a.percent != b.percent:
        percent, plain = (a, b) if a.percent else (b, a)
        return not plain.unit and percent.value / 100 == plain.value
    return False


def unit(tail: str) -> str | None:
    """The unit in one form (without blanks, an English plural as its singular); None where it is none.

    Args:
        tail: What stands behind a number, with the blank between them if there is one.
    """
    words = _words()
    apart, tail = tail[:1].isspace() or tail[:1] == "\\", tail.rstrip(". ").removeprefix("\\ ").strip()
    # Vowel signs are no letters to regular expressions.
    bare = "".join(character for character in tail if unicodedata.category(character)[0] != "M")
    if not _UNIT.fullmatch(bare):
        return None
    parts = re.findall(r"[^\W\d_]+", bare)
    first = parts[0]
    if any(part.lower() in words["none"] and part not in words["short"] for part in parts):
        return None
    letters = words["letters"] + words["letters_apart"] if apart else words["letters"]
    if first.isascii() and len(first) == 1 and first not in letters:
        return None
    if first.isascii() and (len(first) == 2 or (len(first) == 3 and not apart)) and first not in words["short"]:
        return None
    plain = re.sub(r"[\s{}]", "", tail.replace("²", "^2").replace("³", "^3"))
    plain = plain if len(plain) <= 2 else plain.lower()
    plain = words["same"].get(plain, plain)
    plain = plain[:-1] if len(plain) > 3 and plain.endswith("s") and not plain.endswith("ss") else plain
    return str(words["same"].get(plain, plain))


def _with_unit(value: Fraction, tail: str) -> Quantity | None:
    stripped = tail.strip()
    if not stripped:
        return Quantity(value)
    if re.fullmatch(_words()["percent"], stripped, re.IGNORECASE):
        return Quantity(value, percent=True)
    if degrees := _DEGREES.fullmatch(stripped):
        return Quantity(value, unit=f"°{degrees[1][0].lower()}" if degrees[1] else "degree")
    counted = unit(_CURRENCY.sub("", tail))
    return None if counted is None else Quantity(value, unit=counted)


@cache
def _words() -> dict[str, Any]:
    return tomllib.loads((resources.files("tertulia.answers") / "quantities.toml").read_text("utf-8"))


def _mixed(match: re.Match[str]) -> Fraction | None:
    whole, top, bottom = (int(part) for part in match.groups() if part is not None)
    return whole + Fraction(top, bottom) if top < bottom else None


def _fraction(match: re.Match[str]) -> Fraction | None:
    top, bottom = (int(part) for part in match.groups() if part is not None)
    return Fraction(top, bottom) if bottom else None


def _scientific(match: re.Match[str]) -> Fraction | None:
    power = int(match[2] or match[3] or match[4])
    return Fraction(match[1].replace(",", ".")) * Fraction(10) ** power if abs(power) <= 400 else None


def _decimal(match: re.Match[str]) -> Fraction | None:
    text = match[0].rstrip(".,")
    if _GROUPED.fullmatch(text) and not text.startswith("0,"):
        european = 0 <= text.rfind(".") < text.rfind(",") or text.count(".") > 1
        text = text.replace(".", "").replace(",", ".") if european else re.sub("[,'’]", "", text)
    elif text.count(",") == 1 and "." not in text:
        text = text.replace(",", ".")
    if not re.fullmatch(r"\d*\.?\d+", text) or len(text) > 60:
        return None
    return Fraction(text)
