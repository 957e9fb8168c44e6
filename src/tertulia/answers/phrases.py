"""Words around a value that say nothing of it: "The answer is 5", "Total Cost = 11", "n + 1 for all integers n"."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib import resources

from tertulia.answers.announcements import read
from tertulia.answers.numerals import number_word
from tertulia.answers.quantities import changes_value
from tertulia.answers.typesetting import commands, comparable

_LABEL = re.compile(
    r"(?P<label>[^\d=:<>\\^_+*/{}()\[\],;]*[^\W\d_]{2}[^\d=:<>\\^_+*/{}()\[\],;]*?)\s*(?P<mark>[=:])\s*(?P<rest>.+)",
    re.DOTALL,
)
_TOTAL = re.compile(
    r"\b(?:total|amount|cost|price|profit|average|age|length|distance|area|volume|maximum|minimum|importe|precio|coste?|"
    r"prix|coût|montant)\s+(?:of|de|von)\s*$",
    re.IGNORECASE,
)
_COUNT = re.compile(
    r"\b(?:number|amount|sum|cost|price|count|número|nombre|anzahl|zahl)\s+(?:of|de|von|der)\b", re.IGNORECASE
)
# A second label: "radius: 4, center: (1, 2)" is a list.
_LABELLED = re.compile(r"[,;]\s*[^\W\d_]{2,}[^,;:=<>\\()]*[:=]")
_SENTENCE = re.compile(
    r"(?P<words>[^\d=<>\\^_+*/{}()\[\]]*[^\W\d_][\u0980-\u0dff]?[^\W\d_][^\d=<>\\^_+*/{}()\[\]]*?)(?P<rest>(?:\W*-)?\W*\d.*)",
    re.DOTALL,
)


def announced_off(text: str) -> str:
    """The text without the announcement of an answer: "Answer: 5" is 5 on either side."""
    patterns = _patterns()
    for found in (patterns["announced"].match(text), patterns["announced_after"].search(text)):
        rest = "" if found is None else (text[: found.start()] + text[found.end() :]).strip()
        if rest:
            return rest
    return text


def label_off(text: str) -> tuple[str, str] | None:
    """A value, and its name in words: "Total Cost = 11", "radius: 1"; None where there is no such name."""
    found = _LABEL.fullmatch(text)
    if found is None or _LABELLED.search(found["rest"]):
        return None
    if not commands()["functions"].isdisjoint(found["label"].lower().split()):
        return None
    label = found["label"].strip()
    if changes_value(_COUNT.sub("", label), before=True) or (
        found["mark"] == "=" and re.fullmatch("[a-z]{2}|[b-df-hj-np-tv-z]{3}", label)
    ):
        return None  # not the product in xy = 1
    return found["rest"], comparable(label).casefold()


def sentence_end(text: str) -> str | None:
    """What a sentence ends in, from its only number on: "Adam loses 16 dollars"; None where words change its value."""
    found = _SENTENCE.fullmatch(text)
    if found is None:
        return None
    signs = re.match(r"[\u0980-\u0dff]*", found["rest"])  # vowel signs of the last word
    words, rest = found["words"] + (signs[0] if signs else ""), found["rest"][signs.end() if signs else 0 :]
    if not commands()["functions"].isdisjoint(words.lower().split()) or re.fullmatch(r"\s*[A-Za-z]{1,3}\s*", words):
        return None
    copula = _patterns()["is"].search(words)
    bare = words[: copula.start()] if copula else _TOTAL.sub("", words)
    if changes_value(bare, before=not copula) or (copula and changes_value(words)):
        return None
    if (place := number_word(words)) is not None:
        return words[place:] + rest  # Swahili: shilingi elfu 70
    return rest.strip()


def qualifier_off(text: str) -> tuple[str, str] | None:
    """A value, and for whom it holds; None where nothing is said of that."""
    patterns = _patterns()
    if found := patterns["for_all"].search(text):
        value = text[: found.start()].strip().rstrip(",;. ")
        if value:
            return value, comparable(found[0]).casefold()
    if (found := patterns["of_all"].match(text)) and re.search(r"[<>=]|\\(?:[lg]e|in)", text[found.end() :]):
        return text[found.end() :].strip(), comparable(found[0]).casefold()
    return None


@cache
def _patterns() -> dict[str, re.Pattern[str]]:
    words = tomllib.loads(read((resources.files("tertulia.answers") / "phrases.toml").read_text("utf-8")))
    joined = {name: "|".join(patterns) for name, patterns in words.items()}
    before = rf"\s*(?:{joined['announced']})\s*(?:[,:=]\s*|\s(?=\S)|(?=[\d\\]))|\s*(?:=|\\approx(?![a-z]))\s*"
    behind = {
        "announced_after": rf"(?<=\S)\s*(?:{joined['announced_after']})$",
        "is": rf"(?:{joined['is']})\s*$",
        "for_all": rf"(?:^|[\s,;(])(?:{joined['for_all']})$|(?:{joined['for_all_anywhere']})$",
        "of_all": rf"(?:{joined['of_all']})\s*",
    }
    return {name: re.compile(text, re.IGNORECASE | re.DOTALL) for name, text in {"announced": before, **behind}.items()}
