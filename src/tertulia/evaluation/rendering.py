"""A circle in words, for Inspect's viewer: each path with what it heard, each meeting, the verdict."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tertulia.api import Result
from tertulia.circle.path import Path, Span
from tertulia.evaluation.records import CircleRecord

_TITLES = {"thought": "", "summary": "Summary", "heard": "Heard", "answer": "", "cue": "", "prompt": ""}


def paths(result: Result, record: CircleRecord) -> Iterator[str]:
    """Each path as Markdown: its own words plain, summaries and what it heard as quotations."""
    for path, kept in zip(result.paths, record.paths, strict=True):
        mark = "right" if kept.right else "wrong" if kept.answer is not None else "no answer"
        spent = f"{kept.generated:,} tokens generated, {kept.injected:,} injected"
        head = f"**Path {path.index + 1}**: {kept.answer or '-'} ({mark}); {spent}"
        if path.error:
            head += f"; failed: {path.error}"
        yield "\n\n".join([head, *(_span(span) for span in path.spans if span.kind not in ("prompt", "cue"))])


def _span(span: Span) -> str:
    title = _TITLES[span.kind]
    text = span.text.strip()
    if not title:
        return _literal(text)
    return f"> **{title}:** " + _literal(text).replace("\n", "\n> ")


def _literal(text: str) -> str:
    """Text whose tags a viewer must not take for markup."""
    return text.replace("<", "&lt;").replace("\n", "  \n")


def verdict(result: Result, record: CircleRecord) -> str:
    """The verdict in one line."""
    votes = ", ".join(f"{answer} ({count})" for answer, count in result.votes.items()) or "nobody answered"
    return f"Verdict: {record.verdict or 'none'} ({'right' if record.correct else 'wrong'}). Votes: {votes}"


def meetings(result: Result, record: CircleRecord) -> list[tuple[str, str]]:
    """Each meeting as a title and a Markdown table: who heard whom, what was found, and what it did."""
    happened: dict[tuple[int, int], Any] = {(effect.meeting, effect.path): effect for effect in record.effects}
    told = []
    for meeting in result.meetings:
        if all(heard is None for heard in meeting.heard):
            continue
        rows = ["| path | claims | heard | finding | effect |", "| --- | --- | --- | --- | --- |"]
        for index, heard in enumerate(meeting.heard):
            if heard is None:
                continue
            effect = happened.get((meeting.index, index))
            peers = ", ".join(f"{peer + 1}" for peer in heard) or "-"
            finding, category = (effect.finding, effect.category) if effect else ("", "")
            summary = _summary(result.paths[index], meeting.index)
            rows.append(f"| {index + 1} | {summary} | {peers} | {finding} | {category} |")
        told.append((f"Meeting {meeting.index + 1}", "\n".join(rows)))
    return told


def _summary(path: Path, meeting: int) -> str:
    """What the path wrote at a meeting, as a cell of a table."""
    written = [span.text for span in path.spans if span.kind == "summary"]
    if meeting >= len(written):
        return ""
    text = " ".join(written[meeting].partition("</summarize>")[0].split())
    return _literal(text if len(text) <= 120 else text[:119] + "…").replace("|", "\\|")


def tell(result: Result, record: CircleRecord) -> None:
    """Puts the meetings and the verdict into the transcript of the sample that Inspect is at."""
    from inspect_ai.log import transcript

    for title, table in meetings(result, record):
        transcript().info(table, source=title)
    transcript().info(verdict(result, record), source="Verdict")
