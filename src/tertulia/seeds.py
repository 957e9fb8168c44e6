"""Every random draw of a run, derived from the run's seed and from what it is for.

No draw depends on the order in which paths come to a place, so the same seed tells the same story.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Sequence


def derive(*parts: object) -> int:
    """A seed from 0 to 2**31 - 1 for these parts, the same on every machine."""
    digest = hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 33


def draw(*parts: object) -> random.Random:
    """A source of random numbers for these parts."""
    return random.Random("\x1f".join(map(str, parts)))


def story_of(question: str, history: Sequence[tuple[str, str]] = ()) -> str:
    """Names a question for random draws: the same one, after the same chat, is drawn the same way wherever it is asked.

    Args:
        question: The question.
        history: Role and words of each turn before it.
    """
    told = json.dumps([*history, question]) if history else question
    return hashlib.blake2b(told.encode(), digest_size=8).hexdigest()
