"""The end of a run in words: the verdict with its votes, and what was spent on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tertulia.cli.lines import counted
from tertulia.cli.screen import fit


def verdict_line(result: Mapping[str, Any]) -> str:
    """The verdict and its votes.

    Args:
        result: What `Result.to_json` returns.
    """
    votes: Mapping[str, int] = result["votes"]
    paths = len(result["paths"])
    if result["verdict"] is None:
        return f"No verdict: none of {counted(paths, 'path')} came to an answer."
    ranked = sorted(votes.items(), key=lambda vote: -vote[1])
    others = ", ".join(f"{answer} ({count})" for answer, count in ranked if answer != result["verdict"])
    if not votes:
        return f"Verdict: the answer of path {result['quoted']}, {result['spoke']} of {counted(paths, 'path')} spoke"
    support = votes.get(result["verdict"], 0)
    line = f"Verdict: {result['verdict']}, {support} of {counted(paths, 'path')}"
    if result["spoke"] < paths:
        line += f", {result['spoke']} spoke"
    if result["tie"] and not result.get("note"):
        line += ", drawn among equals"
    return f"{line}; the others: {others}" if others else line


def right_line(result: Mapping[str, Any], answer: object | None = None) -> str | None:
    """Whether the verdict is right, None where nobody knows the answer.

    Args:
        result: What `Result.to_json` returns.
        answer: The right answer, said where the verdict is wrong.
    """
    if result["correct"] is None:
        return None
    if result["verdict"] is None:
        return None if answer is None else f"The answer is {answer}."
    if result["correct"]:
        return "The verdict is right."
    return "The verdict is wrong." if answer is None else f"The verdict is wrong: the answer is {answer}."


def token_line(result: Mapping[str, Any], *, resumed: bool = False) -> str:
    """Tokens generated, injected, discarded and cached, each counted apart, and the speed.

    Args:
        result: What `Result.to_json` returns.
        resumed: Whether part of the tokens come from a journal, so that there is no speed to tell.
    """
    tokens, seconds = result["tokens"], result["seconds"]
    parts = [f"{tokens[kind]:,} {kind}" for kind in ("generated", "injected", "discarded")]
    if tokens.get("forked"):
        parts[0] += f" ({tokens['forked']:,} in side branches)"
    parts.append("cached unknown" if tokens["cached"] is None else f"{tokens['cached']:,} cached")
    if tokens["saved"]:
        parts.append(f"{tokens['saved']:,} saved")
    counts = f"Tokens: {', '.join(parts)}"
    if resumed or not seconds:
        return f"{counts}; gone on from the journal." if resumed else f"{counts}."
    return f"{counts}; {tokens['generated'] / seconds:,.0f} tokens/s, {seconds:.1f} s."


def engine_line(result: Mapping[str, Any]) -> str | None:
    """A warning where the engine offers only text, so that tokens are not exact; else None."""
    if result.get("mode") != "text":
        return None
    return "Text mode: this server takes and returns no token ids, so spans are text and counts the server's."


def meeting_line(result: Mapping[str, Any]) -> str | None:
    """What to say of a run that was to have meetings and had none; else None."""
    settings = result.get("settings") or {}
    every = settings.get("every")
    if result.get("method") != "leap" or result["meetings"] or not every or settings.get("paths") == 1:
        return None
    if result.get("settled"):
        return "No meeting was held: enough paths agreed before."
    if every == "auto":
        return "No meeting was held: no path that was about to end was outvoted."
    return (
        f"No meeting was held: one is due every {every:,} tokens, and no path thought so long; "
        "with a smaller --every they meet."
    )


def lines(result: Mapping[str, Any], answer: object | None = None, *, resumed: bool = False) -> list[str]:
    """The whole report.

    Args:
        result: What `Result.to_json` returns.
        answer: The right answer, said where the verdict is wrong.
        resumed: Whether the run went on from a journal.
    """
    tokens = token_line(result, resumed=resumed)
    note = f"The vote: {result['note']}." if result.get("note") else None
    told = [verdict_line(result), note, right_line(result, answer), tokens, meeting_line(result), engine_line(result)]
    free = (result.get("settings") or {}).get("answer_kind") == "free"
    words = result.get("words") or result["verdict"] if free else None
    said = [*fit(words, one_line=False).split("\n"), ""] if words else []
    return said + [fit(line) for line in told if line is not None]
