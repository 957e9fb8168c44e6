"""The view of a run where there is no terminal: plain lines, one for each thing that happened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tertulia.cli.scene import one_line, without_tags

if TYPE_CHECKING:
    from tertulia.api import Event


def line(event: Event) -> str | None:
    """What there is to say about an event, None for nothing."""
    data = event.data
    match event.kind:
        case "start":
            return f"question: {one_line(str(data['question']))}"
        case "meeting":
            return f"meeting {data['index']}: {who_heard_whom(data['heard'])}"
        case "heard":
            return f"  path {event.path}: {without_tags(str(data['text']))}"
        case "answer":
            return f"path {event.path} finished: {'no answer' if data['answer'] is None else data['answer']}"
        case "failed":
            return f"path {event.path} failed: {one_line(str(data['error']))}"
    return None


def who_heard_whom(heard: Sequence[Sequence[int]]) -> str:
    """A meeting in one line; paths that heard the same peers are told together.

    Args:
        heard: The peers that each path heard.
    """
    groups: dict[str, list[int]] = {}
    for path, peers in enumerate(heard):
        if peers:
            everybody = len(peers) == len(heard) - 1 > 1
            whom = "everybody else" if everybody else ", ".join(map(str, peers))
            groups.setdefault(whom, []).append(path)
    told = [f"{ranges(paths)} heard {whom}" for whom, paths in groups.items()]
    return "; ".join(told) or "nobody heard anybody"


def ranges(numbers: Sequence[int]) -> str:
    """Rising numbers, three and more consecutive ones as a range: [0, 1, 2, 5] is "0-2, 5"."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs)
