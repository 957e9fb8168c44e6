r"""Numbers as the languages write them: 70.000, 70 000, 1,00,000, 7万, 1.2 million, 2\frac{1}{2}, 3 \times 10^{4}.

Everything here is conservative: what cannot be read for certain is not read.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache, lru_cache
from importlib import resources

from tertulia.answers.announcements import read

DECIMAL_COMMA = frozenset({"de", "es", "fr", "ru"})
"""Languages that write 3,5 for three and a half; the others of the eleven write 3.5."""

POINT_GROUPS = frozenset({"de", "es"})
"""Languages that write 70.000 for seventy thousand."""

DECIMAL_POINT = frozenset({"en", "bn", "ja", "sw", "te", "th", "zh"})
"""Languages that write 3.5 for three and a half, and 70,000 for seventy thousand."""

_LARGEST_POWER = 400
_LONGEST = 400  # digits
_BRACED = r"\{\s*(-?\d+)\s*\}"
_FRACTION = re.compile(
    rf"\\[dtc]?frac\s*(?:{_BRACED}\s*{_BRACED}|{_BRACED}\s*(\d)(?!\d)|(\d)\s*{_BRACED}|(\d)\s*(\d)(?!\d))"
    r"|\(?(\d+)\s*/\s*(\d+)\)?(?![\d.,]*\d)"
)
_MIXED = re.compile(
    r"(\d{1,3}(?:[, ]\d{3})+|\d+)\s*"
    rf"(?:\\[dtc]?frac\s*(?:{_BRACED}\s*{_BRACED}|{_BRACED}\s*(\d)(?!\d)|(\d)\s*{_BRACED}|(\d)\s*(\d)(?!\d))"
    r"|\s(\d+)\s*/\s*(\d+))"
)
_POWER_OF_TEN = r"10\s*(?:\^|\*\*)\s*(?:\{\s*([+-]?\d+)\s*\}|\(\s*([+-]?\d+)\s*\)|([+-]?\d+))"
_SCIENTIFIC = re.compile(
    rf"(\d+(?:[.,]\d+)?)\s*(?:(?:\\times|\\cdot|\*|x)\s*{_POWER_OF_TEN}|[eE]([+-]?\d+)(?!\d|\.\d))|{_POWER_OF_TEN}"
)
_REPEATING = re.compile(
    r"(\d*)[.,](\d{0,60}?)(?:\\(?:overline|bar)\s*(?:\{\s*(\d+)\s*\}|(\d))|\\dot\s*\{?(\d)\}?|\((\d+)\)"
    r"|(?P<seen>(\d)\8{2,}|(\d\d{1,5}?)\9{1,60})\s*(?:\\ldots|\\dots|\\cdots|\.\.\.))"
)
_DIGITS_ALONE = re.compile(r"\d[\d,]*")
_LITERAL = re.compile(r"\d{1,3}(?: \d{3})+(?!\d)(?:[.,]\d+)?|\d[\d.,'’]*|\.\d+")
_GROUPED = re.compile(
    r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d{1,2}(?:,\d{2})+,\d{3}(?:\.\d+)?|\d{1,3}(?:['’]\d{3})+(?:[.,]\d+)?"
)
_GROUPED_BY_POINTS = re.compile(r"\d{1,3}(?:\.\d{3}){2,}(?:,\d+)?|\d{1,3}(?:\.\d{3})+,\d+")
_GROUPED_BY_FOUR = re.compile(r"\d{1,4}(?:,\d{4})+(?:\.\d+)?")
_ONE_COMMA = re.compile(r"[1-9]\d{0,2},\d{3}")
_ONE_POINT = re.compile(r"[1-9]\d{0,2}\.\d{3}")

_CHINESE = {character: value for value, character in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2, "兩": 2}
_CHINESE |= {"壹": 1, "贰": 2, "叁": 3, "肆": 4, "伍": 5, "陆": 6, "柒": 7, "捌": 8, "玖": 9}
_PLACES = {"十": 10, "拾": 10, "百": 100, "佰": 100, "千": 1000, "仟": 1000}
_MYRIADS = {"万": 10**4, "萬": 10**4, "亿": 10**8, "億": 10**8, "兆": 10**12}
_EAST = "".join([*_CHINESE, *_PLACES, *_MYRIADS])
# Not 千米, a kilometre; nor 百分之, per cent.
_EASTERN = re.compile(
    rf"(?:[\d.,]*\d\s*)?(?:(?:[{_EAST}]|\d[\d.,]*(?=\s*[{_EAST}])|\d{{2,4}}(?!\d))(?![米克瓦卡赫焦帕]|分[之の]))+"
)
_EASTERN_FRACTION = re.compile(rf"([\d{_EAST}]+)分[之の]([\d{_EAST}]+)")
_EASTERN_PART = re.compile(r"\s*(\d[\d.,]*|.)")
_SCRIPTS_WITHOUT_BLANKS = ("th", "zh", "ja")
_OWN_ONLY = {"tiers": "fr", "miles": "es"}  # in English those of a cake and of a road
_NO_NUMBER = re.compile(r"พันธุ์|ล้านนา|打[印火开電电]")


@dataclass(frozen=True, slots=True)
class Number:
    """A number that was read.

    Attributes:
        value: Its value.
        places: Digits behind its decimal mark; 0 for one that has none, as an integer or a fraction.
    """

    value: Fraction
    places: int = 0


def read_number(text: str, language: str | None = None, gold: bool = False) -> tuple[Number, str] | None:
    """The unsigned number at the beginning of a tidy text, with what stands behind it; None where there is none.

    Args:
        text: As `tertulia.answers.typesetting.tidy` leaves it.
        language: The language that is written, None where unknown.
        gold: Whether it is a right answer from a file: these write 2,125 for two thousand in every language.
    """
    if _DIGITS_ALONE.fullmatch(text):
        alone = literal(text, language, gold)
        return (alone, "") if alone else None
    if east := _EASTERN_FRACTION.match(text):
        bottom, top = (eastern_number(part) or _digits(part) for part in east.groups())
        if bottom and top is not None:
            return Number(top / bottom), text[east.end() :]
    readers: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], Fraction | None]], ...]
    readers = ((_MIXED, _mixed), (_FRACTION, _fraction), (_REPEATING, _repeating), (_SCIENTIFIC, _scientific))
    for pattern, value_of in readers:
        if (match := pattern.match(text)) and len(match[0]) <= _LONGEST and (value := value_of(match)) is not None:
            places = _scientific_places(match) if pattern is _SCIENTIFIC else 0
            return _multiplied(Number(value, places), text[match.end() :], language, gold)
    if (match := _EASTERN.match(text)) and (value := eastern_number(match[0])) is not None:
        return _multiplied(Number(value), text[match.end() :], language, gold)
    if (match := _LITERAL.match(text)) and (number := literal(match[0].rstrip(".,'’"), language, gold)):
        return _multiplied(number, text[match.start() + len(match[0].rstrip(".,'’")) :], language, gold)
    return _words_first(text, language)


def number_word(words: str) -> int | None:
    """Where the first word of a number in a text stands, None where there is none."""
    tables = _scales()
    spoken = {word for table in tables.values() for word in table if len(word) > 2 and word.isalpha()}
    found = re.finditer(r"[^\W\d_][\w\u0980-\u0dff]*", words)
    return next((word.start() for word in found if word[0].lower() in spoken), None)


def literal(text: str, language: str | None = None, gold: bool = False) -> Number | None:
    """Digits with marks between them, as the language writes them; None where it would not write them so.

    One mark before three digits can be of either kind. A known language decides: 70.000 is 70,000 in German and
    Spanish, and 70 in English. Where none is known, a comma groups, and a point is a decimal point, except before
    three noughts: nobody writes 70.000 for 70.
    """
    if len(text) > _LONGEST:
        return None
    if _ONE_COMMA.fullmatch(text):
        groups = language not in DECIMAL_COMMA or gold or text.endswith("000")
        return _plain(text.replace(",", "" if groups else "."))
    if _ONE_POINT.fullmatch(text):
        groups = language in POINT_GROUPS or (language not in DECIMAL_POINT and text.endswith(".000"))
        return _plain(text.replace(".", "") if groups else text)
    if _GROUPED.fullmatch(text) and not text.startswith("0"):
        return _plain(re.sub("[,'’]", "", text))
    if _GROUPED_BY_POINTS.fullmatch(text) and not text.startswith("0"):
        return _plain(text.replace(".", "").replace(",", "."))
    if language in ("zh", "ja") and _GROUPED_BY_FOUR.fullmatch(text):
        return _plain(text.replace(",", ""))
    if " " in text:
        return _plain(text.replace(" ", "").replace(",", "."))
    if text.count(",") == 1 and "." not in text and language not in DECIMAL_POINT:
        text = text.replace(",", ".")
    return _plain(text)


def eastern_number(text: str) -> Fraction | None:
    """The value of a number in Chinese numerals, digits among them or not: 四十二, 1万5千, 1.5亿; else None.

    Numerals alone are read from three of them on, or where one is zero: 三五 is "three to five" as well. 一百二 is 120
    to some and 102 to nobody, so it is not read.
    """
    parts = _EASTERN_PART.findall(text)
    if not parts or not any(part in _CHINESE or part in _PLACES or part in _MYRIADS for part in parts):
        return None
    if all(part in _CHINESE for part in parts):
        certain = len(parts) != 2 or "零" in text or "〇" in text
        return Fraction(int("".join(str(_CHINESE[part]) for part in parts))) if certain else None
    total = section = Fraction(0)
    number: Fraction | None = None
    place, myriad, last = 10**4, 10**16, ""
    for part in parts:
        if part in _MYRIADS:
            if total and not section and number is None:
                total *= _MYRIADS[part]  # 万亿
            elif _MYRIADS[part] >= myriad or (not section and number is None):
                return None if last else Fraction(_MYRIADS[part]) if len(parts) == 1 else None
            else:
                myriad, place = _MYRIADS[part], 10**4
                total += (section + (number or 0)) * myriad
            section, number = Fraction(0), None
        elif part in _PLACES:
            if _PLACES[part] >= place or (number is None and last and last not in "零〇" and _PLACES[part] > 10):
                return None
            place = _PLACES[part]
            section += place * (1 if number is None else number)
            number = None
        elif part in "零〇" and number is None:
            place = min(place, 1000)
        elif number is not None and number != 0:
            return None
        else:
            read = Number(Fraction(_CHINESE[part])) if part in _CHINESE else literal(part)
            if read is None:
                return None
            number = read.value
        last = part
    if number is not None and len(parts) > 1 and parts[-2] not in "零〇十拾" and number < 10:
        return None
    return total + section + (number or 0)


def _multiplied(number: Number, rest: str, language: str | None, gold: bool) -> tuple[Number, str]:
    """The number with the number words behind it: 1 million 200 thousand."""
    total, last, value, changed = Fraction(0), None, number.value, False
    if re.fullmatch(r"[kK]", rest) and number.value < 10 and not number.places:
        return number, rest  # 2k is a formula
    while found := _scale(rest, language):
        factor, rest = found
        while further := _scale(rest, language):
            factor, rest = factor * further[0], further[1]
        if last is not None and factor >= last:
            break
        total, last, changed = total + value * factor, factor, True
        follows = re.match(r"\s*(?:and|und|y|et|и|na|,)?\s*(?=\d)", rest)
        literal_ = _LITERAL.match(rest, follows.end()) if follows and factor > 1 else None
        if literal_ is None or (read := literal(literal_[0].rstrip(".,"), language, gold)) is None:
            return replace(number, value=total, places=0), rest
        if read.value >= last:
            break
        value, rest = read.value, rest[literal_.start() + len(literal_[0].rstrip(".,")) :]
        if _scale(rest, language) is None:
            return Number(total + value), rest
    return (number, rest) if not changed else (Number(total), rest)


def _words_first(text: str, language: str | None) -> tuple[Number, str] | None:
    """A number whose words come before its digits, as in Swahili: elfu 70, elfu 5 na mia 3; or that has no digits."""
    scales = _scales()["sw"]
    total, last, rest = Fraction(0), None, text
    while (word := re.match(r"\s*(?:na\s+)?([a-z]+)\s+(?=\d)", rest, re.IGNORECASE)) and word[1].lower() in scales:
        factor = scales[word[1].lower()]
        found = _LITERAL.match(rest, word.end())
        read = literal(found[0].rstrip(".,"), language) if found else None
        if found is None or read is None or factor < 1 or (last is not None and factor >= last):
            break
        total, last = total + factor * read.value, factor
        rest = rest[found.start() + len(found[0].rstrip(".,")) :]
        if (small := re.match(r"\s*na\s+(\d+)(?![\d.,]*\d)", rest)) and int(small[1]) < factor:
            return Number(total + int(small[1])), rest[small.end() :]
    return (Number(total), rest) if last is not None else None


@lru_cache(maxsize=4096)
def _scale(rest: str, language: str | None) -> tuple[Fraction, str] | None:
    """A number word at the beginning of what stands behind a number."""
    stripped = re.sub(r"^(?:[\s~]+|-(?=[^\W\d_]{2}))", "", rest)
    if not stripped or stripped[0].isdigit() or _NO_NUMBER.match(stripped):
        return None
    tables = _scales()
    known = [language] if language in tables else []
    attached = rest == stripped
    # A known language is spoken, or English.
    others = ("en", *_SCRIPTS_WITHOUT_BLANKS) if known else tables
    for name in [*known, *(other for other in others if other != language)]:
        if name in _SCRIPTS_WITHOUT_BLANKS:
            for word, factor in tables[name].items():
                if stripped.startswith(word) and not re.match("[米克瓦卡赫焦帕]|分[之の]", stripped[len(word) :]):
                    return factor, stripped[len(word) :]
            continue
        word = _first_word(stripped)
        if not word or (foreign := tables[name].get(word.lower())) is None:
            continue
        if len(word) == 1 and word in "kK" and not attached:
            continue  # 5 K is a temperature
        if _OWN_ONLY.get(word.lower(), language) != language and not stripped.startswith("miles de"):
            continue
        if word == "mil" and name == "en" and language != "en":
            continue  # in Spanish a thousand
        return foreign, stripped[len(word) :].removeprefix(".")
    return None


def _first_word(text: str) -> str:
    """The letters, with their vowel signs, that a text begins with."""
    end = 0
    while end < len(text) and (text[end].isalpha() or "\u0980" <= text[end] <= "\u0dff"):
        end += 1
    return text[:end]


@cache
def _scales() -> dict[str, dict[str, Fraction]]:
    tables = tomllib.loads(read((resources.files("tertulia.answers") / "number_words.toml").read_text("utf-8")))
    return {
        language: {word: Fraction(value) for word, value in sorted(words.items(), key=lambda item: -len(item[0]))}
        for language, words in tables.items()
    }


def _plain(text: str) -> Number | None:
    if not re.fullmatch(r"\d*\.?\d+", text):
        return None
    return Number(Fraction(text), len(text.partition(".")[2]))


def _digits(text: str) -> Fraction | None:
    return Fraction(text) if text.isdecimal() else None


def _mixed(match: re.Match[str]) -> Fraction | None:
    whole, top, bottom = (int(re.sub("[, ]", "", part)) for part in match.groups() if part is not None)
    return whole + Fraction(top, bottom) if 0 <= top < bottom else None


def _fraction(match: re.Match[str]) -> Fraction | None:
    if match[0].startswith("(") != match[0].endswith(")"):
        return None
    top, bottom = (int(part) for part in match.groups() if part is not None)
    return Fraction(top, bottom) if bottom else None


def _scientific(match: re.Match[str]) -> Fraction | None:
    power = int(next(part for part in match.groups()[1:] if part is not None))
    if abs(power) > _LARGEST_POWER:
        return None
    return Fraction((match[1] or "1").replace(",", ".")) * Fraction(10) ** power


def _scientific_places(match: re.Match[str]) -> int:
    """Digits behind the mark when written out: 2.5e-3 has four."""
    if match[1] is None:
        return 0
    power = int(next(part for part in match.groups()[1:] if part is not None))
    digits = len(re.split("[.,]", match[1])[1]) if re.search("[.,]", match[1]) else 0
    return max(0, digits - power) if digits else 0


def _repeating(match: re.Match[str]) -> Fraction | None:
    whole, fixed = match[1] or "0", match[2]
    again = match[3] or match[4] or match[5] or match[6] or match[8] or match[9]
    if match["seen"]:
        fixed += match["seen"]
    value = Fraction(int(whole)) + (Fraction(int(fixed), 10 ** len(fixed)) if fixed else 0)
    return value + Fraction(int(again), (10 ** len(again) - 1) * 10 ** len(fixed))
