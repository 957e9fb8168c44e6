"""The value that a text announces as its final answer, without a box: "The final answer is 7.", "答案是7", "#### 7".

Only an announcement in the last part of a text is read, never merely the last number. What is denied, supposed or
taken back is no answer.
"""

from __future__ import annotations

import re
from functools import cache

from tertulia.answers.announcements import (
    CLOSE,
    LETTER,
    MENTIONS,
    WINDOW,
    announcement,
    names_only,
    read,
    supposed,
    taken_back,
    tries,
    words,
)

LAST_PART = 400
"""Characters at the end of a text in which an answer may be announced: earlier ones are results on the way."""

LONGEST = 120
"""Characters of a value."""

_NUMERAL = r"\d|[零〇一二两兩三四五六七八九十百千万萬亿]"
# Dashes stand before the value only with a blank, or they are its sign.
_GAP = r"(?P<gap>(?:[\s*_`:：=→\]]|[\"”]\s*[:：]\s*[\"“]?|[—–-](?=\s))*)"
_VALUE = re.compile(
    rf"(?:[$€£¥￥₹฿₽(\[{{+−±≈√-]|\\[($€£¥₹(\[{{%]|US|Rs\.?|R|USD|EUR|\s){{0,6}}(?:{_NUMERAL}|\.\d|\\[A-Za-z]|π|∞)"
    r"|\$|\\[(\[]|[A-Za-z]\s?=\s?[^=\s]"
)
_MARKED = re.compile(r"(?:^|\n)[ \t]*####[ \t]*(?P<value>[^\n]{1,120})\s*$")
_HEADING = re.compile(r"\d+\s*[.)]\s+\S")
_ENDS = re.compile(r"[!?。！？।\n]|\.(?!\d)|[,;，；、](?!\s*(?:[$\\(\[]?[-+]?\d|\$?[A-Za-z]\s?=))")
_SENTENCE = re.compile(r"[!?。！？।\n]|\.(?!\d)")
_NUMBER = re.compile(r"(?:(?<![^\W\d])[-−+$€£¥₹]|(?<![A-Za-z_À-ɏЀ-ӿ\d]))\d(?:[\d.,]*\d)?")
_CHAIN = re.compile(r"(?P<before>[^,;<>≤≥≠]+)(?<![!\\])=(?P<result>[^=,;<>≤≥≠]*?)(?:\$|\\\)|\\\])?")
_SIGNS = re.compile(r"\\[A-Za-z]+|(?<=\d)\s*x\s*(?=\d)")
_LETTERS = re.compile(r"[^\W\d_]")
_CLOSERS = {"$$": "$$", "$": "$", r"\(": r"\)", r"\[": r"\]"}
_MATHS = re.compile(r"\$\$|\$|\\\(|\\\[")


def stated_value(text: str, language: str | None = None) -> str | None:
    """The value that a text announces last as its answer, as it is written; None where it announces none.

    Args:
        text: The path's own words.
        language: Of the text, where it is known: its words and the English ones are tried first.
    """
    part = read(text.rstrip()[-LAST_PART - WINDOW :])
    marked = _MARKED.search(part)
    if (
        marked
        and (value := marked["value"].strip(" \t*").rstrip("."))
        and _VALUE.match(value)
        and not _HEADING.match(value)
    ):
        return value
    return next((found for languages in tries(language) if (found := _announced(part, languages))), None)


def _announced(text: str, languages: tuple[str, ...]) -> str | None:
    last = None
    for match in [*_pattern("announced", languages).finditer(text)][-MENTIONS:]:
        if match.start() < len(text) - LAST_PART:
            continue
        value, end = _value(text, match.end(), languages)
        if value is None and ":" in match["gap"].replace("：", ":"):
            value, end = _only_number(text, match.end(), languages)
        rest = text[end : end + WINDOW]
        if match["denied"] or value is None or supposed(text[max(0, match.start() - WINDOW) : match.start()], rest):
            continue
        bare = names_only(match["phrase"]) and not match["gap"].strip(" ")
        if bare and not re.fullmatch(r"[-+]?\d[\d.,]*", value):
            continue  # "answer 2 is too small"
        last = None if taken_back(rest) else value
    return last


def _value(text: str, start: int, languages: tuple[str, ...]) -> tuple[str | None, int]:
    """The value that begins at a place, and where it ends; None where none begins there."""
    if not _VALUE.match(text, start):
        return None, start
    place, end = start, len(text)
    while found := re.compile(rf"{_MATHS.pattern}|{_ENDS.pattern}").search(text, place):
        if found[0] in _CLOSERS:
            close = text.find(_CLOSERS[found[0]], found.end())
            place = found.end() if close < 0 else close + len(_CLOSERS[found[0]])
        else:
            end = found.start()
            break
    tail = _pattern("tail", languages).search(text, start, end)
    denied = _pattern("denied_after", languages).search(text, start, end)
    if denied:
        return None, end
    value = text[start : tail.start() if tail else end].strip()
    value = re.sub(r"(?<![\w)])\*\*|\*\*(?![\w(])|[\"”]\s*\}?$", "", value)
    if value.endswith("}") and value.count("}") > value.count("{"):
        value = value[:-1]  # {"answer": 7}
    value = re.sub(rf"^[*_`]+|[*_`]+$|\s*{CLOSE}\s*{words('verb', languages)}$", "", value).strip()
    if (chain := _CHAIN.fullmatch(value)) and not _LETTERS.search(_SIGNS.sub("", chain["before"])):
        value = chain["result"].strip()  # "the answer is 3 + 4 = 7"
    return (value if 0 < len(value) <= LONGEST else None), end


def _only_number(text: str, start: int, languages: tuple[str, ...]) -> tuple[str | None, int]:
    """The value in a last sentence that has one number and compares it with nothing: "Answer: Tom has 7 apples."."""
    end = found.start() if (found := _SENTENCE.search(text, start)) else len(text)
    numbers = list(_NUMBER.finditer(text, start, end))
    if (
        len(numbers) != 1
        or _NUMBER.search(text, end)
        or end - start > LONGEST
        or _pattern("compares", languages).search(text, start, end)
    ):
        return None, end
    return _value(text, numbers[0].start(), languages)


@cache
def _pattern(name: str, languages: tuple[str, ...]) -> re.Pattern[str]:
    patterns = {
        "announced": rf"{announcement(languages)}{_GAP}(?P<denied>{words('denied', languages)}(?!\w))?",
        "tail": rf"\s+\(?(?:{words('because', languages)}(?!\w)|{words('goes_on', languages)}\s+(?=[^\W\d]))",
        "compares": rf"(?<![{LETTER}]){words('compares', languages)}(?![{LETTER}])",
        "denied_after": rf"(?<=[\d\w)}}$])\s*{words('denied_after', languages)}",
    }
    return re.compile(patterns[name])
