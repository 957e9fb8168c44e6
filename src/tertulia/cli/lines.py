"""The view of a run where there is no terminal: plain lines, one for each thing that happened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tertulia.cli.scene import heard_by_path, one_line

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
        case "answer":
            return f"path {event.path} finished: {'no answer' if data['answer'] is None else data['answer']}"
        case "failed":
            return f"path {event.path} failed: {one_line(str(data['error']))}"
    return None


def who_heard_whom(heard: object) -> str:
    """The meeting in one line: path, arrow, the peers it heard; paths that heard the same peers together."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for path, peers in heard_by_path(heard):
        groups.setdefault(tuple(peers), []).append(path)
    return (
        "; ".join(
            f"{', '.join(map(str, paths))} heard {', '.join(map(str, peers))}"
            for peers, paths in groups.items()
        )
        or "nobody heard anybody"
    )
