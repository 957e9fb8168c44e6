"""What circles came to, as OpenAI's clients read it: the words of the answer, and every token counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from tertulia.circle.path import TokenCounts
from tertulia.result import Result

FinishReason = Literal["stop", "length"]


def content(result: Result, stops: Sequence[str] = ()) -> str:
    """The answer in the words of the path that is quoted for it, up to the first of these strings."""
    words = result.words.strip()
    ends = [at for stop in stops if (at := words.find(stop)) >= 0]
    return words[: min(ends)] if ends else words


def finish_reason(result: Result) -> FinishReason:
    """Why it ends there: "length" where a budget left no answer, or cut the one that is quoted."""
    spent = any(
        path.index == result.quoted and not path.led and path.tokens.generated >= result.settings.budget
        for path in result.paths
    )
    return "stop" if result.words and not spent else "length"


def told(name: str, result: Result) -> dict[str, Any]:
    """What one circle is said to have come to.

    Args:
        name: Its id.
        result: What it came to.
    """
    return {
        "circle": name,
        "answer": result.answer,
        "quoted": result.quoted,
        "votes": result.votes,
        "spoke": result.verdict.spoke,
        "tie": result.verdict.tie,
        "note": result.verdict.note,
    }


def usage(results: Sequence[Result]) -> dict[str, Any]:
    """The tokens of all paths of these circles.

    Prompt tokens are those of every request that was made to the engine, for cached ones are a part of these; the
    question's own, once a path, are `tertulia.prompt`.
    """
    tokens = sum((result.tokens for result in results), TokenCounts())
    quoted = [result.paths[result.quoted] for result in results if result.quoted is not None]
    # All that a path wrote which does not think aloud is its answer.
    shown = sum(path.count("answer") or path.count("thought") for path in quoted)
    return {
        "prompt_tokens": tokens.sent,
        "completion_tokens": tokens.generated,
        "total_tokens": tokens.sent + tokens.generated,
        "prompt_tokens_details": {"cached_tokens": tokens.cached or 0},
        "completion_tokens_details": {"reasoning_tokens": max(0, tokens.generated - shown)},
        "tertulia": {
            "paths": sum(len(result.paths) for result in results),
            "prompt": tokens.prompt,
            "injected": tokens.injected,
            "forked": tokens.forked,
            "discarded": tokens.discarded,
            "cached": tokens.cached,
            "votes": results[0].votes,
            "note": results[0].verdict.note,
        },
    }
