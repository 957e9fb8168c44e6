"""Which language a thought is in: identified sentence by sentence, without formulas, digits and code."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import Any

from tertulia.errors import TertuliaError
from tertulia.world import spoken as world
from tertulia.world.language import LANGUAGES

_CODE = re.compile(r"```.*?(?:```|$)|`[^`\n]*`", re.DOTALL)
_FORMULA = re.compile(r"\$\$.*?\$\$|\\\[.*?\\\]|\\\(.*?\\\)|\$[^$\n]*\$|\\[A-Za-z]+(?:\{[^{}]*\})*", re.DOTALL)
_SYMBOLS = re.compile(r"[\d_=+*/^<>|\\{}\[\]()%~#&-]+")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|[\u3002\uff01\uff1f\u0964\n]+")
_LEAST = 6
"""Letters that a sentence needs to be judged; a character of a script without spaces weighs two."""


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
    pieces = thought.split("\n") if world else [piece for piece in sentences(thought) if _weight(piece) >= _LEAST]
    found = [one for one in (_of_world(p, language) if world else _identified(p) for p in pieces) if one]
    if not found:
        return Tongue(None, None, 0.0, 0)
    if world:
        whole = _of_world(thought, language)
    else:
        weights: Counter[str] = Counter()
        for piece in pieces:
            if one := _identified(piece):
                weights[one] += _weight(piece)
        whole = weights.most_common(1)[0][0]
    switched = sum(one != language for one in found) / len(found)
    return Tongue(whole, whole != language, switched, len(found))


def sentences(text: str) -> list[str]:
    """The sentences of a text without code, formulas, digits and signs."""
    plain = _SYMBOLS.sub(" ", _FORMULA.sub(" ", _CODE.sub(" ", text)))
    return [piece for piece in (" ".join(part.split()) for part in _SENTENCE.split(plain)) if piece]


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
    codes = [getattr(IsoCode639_1, code.upper()) for code in LANGUAGES]
    return LanguageDetectorBuilder.from_iso_codes_639_1(*codes).build()


@cache
def _identified(text: str) -> str | None:
    found = _detector().detect_language_of(text)
    return None if found is None else str(found.iso_code_639_1.name).lower()
