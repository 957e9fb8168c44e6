"""Which language a thought is in: identified sentence by sentence, without formulas, digits and code.

A sentence is in another language than the one asked for only where there is enough of it and the verdict is sure:
"100 times 5 is 500" says nothing. Near languages outside the eleven are told from them; a script that none of the
eleven uses is told by its name.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from tertulia.errors import TertuliaError
from tertulia.world import spoken as world
from tertulia.world.language import LANGUAGES

NEIGHBOURS = ("pt", "it", "ca", "ro", "nl", "da", "sv", "pl", "tr", "vi", "id", "uk", "be", "bg", "sr", "mk", "kk")
"""Languages in the scripts of the eleven that a thought may be in instead."""

SURE = 0.5
"""The least probability of another language than the one asked for. Chosen on GSM8K's train file."""

ENOUGH = {"LATIN": 12, "CYRILLIC": 12}
"""Letters that a text needs to be judged, where many languages share its script."""

_ENOUGH = 6  # where the script tells; a character of a script without spaces weighs two

_KNOWN = frozenset({"CJK", "HIRAGANA", "KATAKANA", "BENGALI", "TELUGU", "THAI", *ENOUGH})
_CODE = re.compile(r"```.*?(?:```|$)|`[^`\n]*`", re.DOTALL)
_FORMULA = re.compile(r"\$\$.*?\$\$|\\\[.*?\\\]|\\\(.*?\\\)|\$[^$\n]*\$|\\[A-Za-z]+(?:\{[^{}]*\})*", re.DOTALL)
_SYMBOLS = re.compile(r"[\d_=+*/^<>|\\{}\[\]()%~#&-]+")
# What is left of formulas without dollars: functions, points of a figure, variables.
_NAMES = re.compile(
    r"\b(?:sin|cos|tan|cot|log|ln|lcm|gcd|mod|max|min|lim|det|exp|sqrt|arcsin|arccos|arctan|[A-Z]{2,}|[A-Zb-zΑ-ω])\b(?!['’])"
)
_SENTENCE = re.compile(r"(?<=[.!?])\s+|[\u3002\uff01\uff1f\u0964\u061f\n]+")
# Chinese words that Japanese does not write in Chinese characters; and Japanese knows no simplified character.
_CHINESE = re.compile("[了我你他她它们們这這那哪都没沒吗嗎呢把给給个您是]|所以|因此")


@dataclass(frozen=True)
class Tongue:
    """What language a thought is in.

    Attributes:
        language: Of most of its text; None where there is too little.
        off_target: Whether that is another than the one asked for; None where there is too little text.
        switched: Share of its sentences that are in another language than the one asked for.
        sentences: How many were judged.
    """

    language: str | None
    off_target: bool | None
    switched: float
    sentences: int


def off_target(thought: str, language: str, *, world: bool = False) -> Tongue:
    """Whether a thought is in the language asked for.

    Args:
        thought: What a path wrote itself, without what was put in: no cue, nothing heard, no steering sentence.
        language: Code of the language asked for, one of the eleven.
        world: Whether it is about the world, whose words are known; then nothing is guessed.

    Raises:
        TertuliaError: The language is not one of the eleven, or the extra ``study`` is missing. One line.
    """
    if language not in LANGUAGES:
        raise TertuliaError(f"unknown language {language!r}: expected one of {', '.join(LANGUAGES)}")
    if world:
        found = [one for piece in thought.split("\n") if (one := _of_world(piece, language))]
        whole = _of_world(thought, language)
    else:
        found, whole = _of_sentences(sentences(thought), language)
    if whole is None or not found:
        return Tongue(None, None, 0.0, 0)
    switched = sum(one != language for one in found) / len(found)
    return Tongue(whole, whole != language, switched, len(found))


def _of_sentences(pieces: Sequence[str], language: str) -> tuple[list[str], str | None]:
    """The languages of those sentences that can be judged, and of most of the text."""
    judged = [(one, piece) for piece in pieces if (one := _identified(piece, language))]
    if not judged and (one := _identified(" ".join(pieces), language)):
        # No sentence is long enough alone: all of them are one.
        judged = [(one, " ".join(pieces))]
    weights: Counter[str] = Counter()
    for one, piece in judged:
        weights[one] += _weight(piece)
    if weights.pop("han", 0):
        # Chinese characters alone are Chinese or Japanese: what the rest is in, or else what it should be in.
        clear = max(("ja", "zh"), key=lambda code: weights[code])
        han = clear if weights[clear] else language if language in ("ja", "zh") else "zh"
        judged = [(han if one == "han" else one, piece) for one, piece in judged]
        weights = Counter()
        for one, piece in judged:
            weights[one] += _weight(piece)
    return [one for one, _ in judged], weights.most_common(1)[0][0] if weights else None


def sentences(text: str) -> list[str]:
    """The sentences of a text without code, formulas, digits and signs."""
    plain = _SYMBOLS.sub(" ", _FORMULA.sub(" ", _CODE.sub(" ", text)))
    pieces = (" ".join(_NAMES.sub(" ", part).split()) for part in _SENTENCE.split(plain))
    return [piece for piece in pieces if any(letter.isalpha() for letter in piece)]


def _weight(text: str) -> int:
    return sum(2 if ord(letter) > 0x0DFF else 1 for letter in text if letter.isalpha())


def _of_world(text: str, language: str) -> str | None:
    found = world.spoken(text)
    if not found:
        return None
    most = max(found.values())
    return language if found[language] == most else next(code for code, count in found.items() if count == most)


@cache
def _detector() -> Any:
    try:
        from lingua import IsoCode639_1, LanguageDetectorBuilder
    except ModuleNotFoundError as error:
        raise TertuliaError("identifying languages needs the extra study: pip install 'tertulia[study]'") from error
    codes = [getattr(IsoCode639_1, code.upper()) for code in (*LANGUAGES, *NEIGHBOURS)]
    return LanguageDetectorBuilder.from_iso_codes_639_1(*codes).build()


def _identified(text: str, language: str) -> str | None:
    """What a text is in: a language, "han" for Chinese or Japanese, or a script of none of the eleven; None if unsure.

    Only what is held against the language asked for has to be sure: where that is the likeliest, it is the verdict.
    """
    scripts = Counter(_script(letter) for letter in text if letter.isalpha())
    if not scripts:
        return None
    script = scripts.most_common(1)[0][0]
    if _weight(text) < ENOUGH.get(script, _ENOUGH):
        return None
    if script not in _KNOWN:
        return script.lower()
    if script == "CJK" and not scripts["HIRAGANA"] and not scripts["KATAKANA"]:
        return "zh" if _CHINESE.search(text) or not _in_japanese(text) else "han"
    best = next(iter(_detector().compute_language_confidence_values(text)), None)
    if best is None:
        return None
    found = str(best.language.iso_code_639_1.name).lower()
    return found if best.value >= SURE or (found == language and best.value > 0) else None


def _script(letter: str) -> str:
    return unicodedata.name(letter, "?").split()[0].split("-")[0]


def _in_japanese(text: str) -> bool:
    """Whether Japanese has all these Chinese characters: those of JIS X 0208."""
    try:
        "".join(letter for letter in text if _script(letter) == "CJK").encode("shift_jis")
    except UnicodeEncodeError:
        return False
    return True
