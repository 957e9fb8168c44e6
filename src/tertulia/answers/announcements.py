"""How a text announces its answer, and takes it back: shared by letters and by values. The words stand in `words.toml`.

What is read must be stated. What is denied, only supposed, asked, or taken back is no answer: a right answer missed
costs less trust than a wrong one counted as right.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from functools import cache
from importlib import resources

LANGUAGES = ("en", "bn", "de", "es", "fr", "ja", "ru", "sw", "te", "th", "zh")

WINDOW = 200
"""Characters before and after an announcement that can take it back."""

MENTIONS = 64
"""Announcements that are looked at, from the end: a text that goes round in circles has thousands."""

# A letter of such a word may not stand beside a word; in scripts without blanks one may follow at once: 答えはAです.
LETTER = "A-Za-zÀ-ɏЀ-ӿ"
# Bounded, so that no text is slow to read.
OPEN = r"[\s(\[{\"'“”‘«「『*_`$]{0,12}"
CLOSE = r"(?:[)\]}\"'”’」』*_`$]|\s?»){0,12}"

_CLAUSE = re.compile(r"[.!?。！？।\n,;:，、；：—–()]")
_SENTENCE = re.compile(r"[.!?。！？।\n]+")
_QUESTION = re.compile(r"[\s)\]*_$\"'”’」』]*[?？]")
_BETWEEN = r"[\s,;.:…*_)\]\"'”’」』，、；—–-]{0,12}"


def read(text: str) -> str:
    """The text in the form in which the words of `words.toml` are written: one code for each accented letter."""
    return unicodedata.normalize("NFC", text)


def tries(language: str | None) -> tuple[tuple[str, ...], ...]:
    """Whose words to try, one after the other: of a known language and English, then of all eleven."""
    return ((*dict.fromkeys((language, "en")),), LANGUAGES) if language in LANGUAGES else (LANGUAGES,)


@cache
def words(name: str, languages: tuple[str, ...] = LANGUAGES) -> str:
    """The alternatives of a table of `words.toml` in these languages, as one group; upper and lower case are alike."""
    table = _table()[name]
    found = [one for language in ("all", *languages) for one in table.get(language, ())]
    return f"(?i:{'|'.join(found)})" if found else "(?!)"


@cache
def announcement(languages: tuple[str, ...]) -> str:
    """What announces an answer, as the group `phrase`."""
    return rf"(?<![{LETTER}])(?P<phrase>{words('announced', languages)})"


@cache
def _table() -> dict[str, dict[str, list[str]]]:
    loaded: dict[str, dict[str, list[str]]] = tomllib.loads(
        read((resources.files("tertulia.answers") / "words.toml").read_text("utf-8"))
    )
    return loaded


def names_only(phrase: str) -> bool:
    """Whether an announcement only names an answer when nothing stands between the two: "answer B says 5"."""
    return _compiled("bare").fullmatch(phrase) is not None


def supposed(before: str, rest: str) -> bool:
    """Whether an announcement is a question, or a condition: decided by its own clause."""
    clause = _compiled("then").split(_CLAUSE.split(before)[-1])[-1]
    return _QUESTION.match(rest) is not None or _compiled("unsure").search(clause) is not None


def taken_back(rest: str) -> bool:
    """Whether what follows an answer takes it back: later in its sentence, or where the next one begins."""
    ends = _SENTENCE.search(rest)
    same, after = (rest[: ends.start()], rest[ends.end() :]) if ends else (rest, "")
    if _compiled("taken_back").search(same) or _compiled("doubt").match(same):
        return True
    return bool(_compiled("doubt").match(after) or _compiled("next").match(after))


@cache
def _compiled(name: str) -> re.Pattern[str]:
    patterns = {
        "bare": rf"(?s:.*)(?<![{LETTER}]){words('bare')}",
        "then": rf"{words('then')}|(?<!\w){words('so')}(?!\w)",
        "unsure": words("unsure"),
        "taken_back": rf"(?<![{LETTER}]){words('taken_back')}",
        "doubt": rf"{_BETWEEN}{words('doubt')}",
        "next": rf"{_BETWEEN}(?:[^\W\d]{{1,12}}[\s,，]{{1,2}}){{0,2}}{words('taken_back')}",
    }
    return re.compile(patterns[name])
