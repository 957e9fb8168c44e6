"""Which language a thought about the world is in: exact, for the words of its traces are known."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache

from tertulia.world.language import LANGUAGES, Language

_WORD = re.compile(r"[^\W\d_][^\s\d();:：\[\]]*")


@cache
def _vocabulary() -> dict[str, frozenset[str]]:
    """Which languages each word of the traces belongs to."""
    owners: dict[str, set[str]] = {}
    for code in LANGUAGES:
        for phrase in Language.load(code).data["trace"].values():
            for word in _WORD.findall(str(phrase).replace("{n}", " ")):
                owners.setdefault(word, set()).add(code)
    return {word: frozenset(codes) for word, codes in owners.items()}


def spoken(thought: str) -> Counter[str]:
    """How many words of a thought belong to each language; a word of several languages counts for each.

    Args:
        thought: what a path wrote itself, without the sentence that tells it how to think.
    """
    found: Counter[str] = Counter()
    for word in _WORD.findall(thought):
        found.update(_vocabulary().get(word, ()))
    return found


def off_target(thought: str, language: str) -> bool | None:
    """Whether more of a thought's words are of some other language than of this one; None where it has none."""
    found = spoken(thought)
    if not found:
        return None
    return found[language] < max(found.values())
