"""What of a circle is told while it goes on: the leading path's thought, and meetings in a line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tertulia.circle.events import Event
from tertulia.errors import fit

LONGEST_ANSWER = 40  # characters of an answer in the line of a meeting
MOST_TOLD = 4  # answers, and groups of hearers, in it
ENDS = ("finished", "stopped", "failed")


class Marks:
    """Leaves the marks of a thought out of a text that comes in pieces.

    Args:
        opening: What opens a thought.
        closing: What closes it; empty for a model that does not think aloud.
    """

    def __init__(self, opening: str, closing: str) -> None:
        self._opening, self._closing = opening, closing
        self._begun = False
        self._kept = ""

    def feed(self, piece: str) -> str:
        """As much of the text as can be no mark."""
        text = self._kept + piece
        if not self._begun and self._opening.startswith(text.lstrip()):
            self._kept = text
            return ""
        if not self._begun:
            text = text.lstrip().removeprefix(self._opening) if self._opening else text
            self._begun = True
        text = text.replace(self._closing, "") if self._closing else text
        held = next((n for n in range(len(self._closing) - 1, 0, -1) if text.endswith(self._closing[:n])), 0)
        self._kept = text[len(text) - held :]
        return text[: len(text) - held]


class Voice:
    """Puts the events of one circle into the text of its reasoning.

    The path that first says something leads; where it comes to its end, another that still thinks goes on from where
    it is.

    Args:
        opening: What opens a thought.
        closing: What closes it.
    """

    def __init__(self, opening: str, closing: str) -> None:
        self._marks = (opening, closing)
        self._texts: dict[int, Marks] = {}
        self._paths, self._board = 1, False
        self._lead: int | None = None
        self._spoke: int | None = None
        self._ended: set[int] = set()

    def of(self, event: Event) -> str:
        """What an event adds; empty for most."""
        data, path = event.data, event.path
        if event.kind == "start":
            self._paths, self._board = data["settings"]["paths"], data["settings"]["mode"] == "board"
        elif event.kind == "tokens" and path is not None and data["of"] == "thought":
            told = self._texts.setdefault(path, Marks(*self._marks)).feed(data["text"])
            if self._lead is None and told.strip():
                self._lead = self._spoke = path
            return self._leading(told) if path == self._lead and told else ""
        elif event.kind == "meeting":
            return f"\n[{line}]\n" if (line := self._meeting(data)) else ""
        elif event.kind == "heard" and path == self._lead:
            return "".join(span["text"] for span in data.get("spans", ()) if span["kind"] == "heard")
        if path is not None and data.get("place") in ENDS:
            self._ended.add(path)
            if self._lead in self._ended:
                self._lead = min(set(range(self._paths)) - self._ended, default=self._lead)
        return ""

    def _leading(self, text: str) -> str:
        """Text of the path that leads; who it is is said where it is another one."""
        last, self._spoke = self._spoke, self._lead
        return text if last == self._lead else f"\n[path {last} has ended; path {self._lead} goes on]\n{text}"

    def _meeting(self, record: Mapping[str, Any]) -> str:
        """A meeting in one line: who has what, and who hears whom."""
        heard = {path: told["peers"] for path, told in record["heard"].items() if told["peers"] and told["text"]}
        if self._board and not heard:
            return ""
        held = Counter(claim["answer"] for claim in record["claims"].values() if claim.get("answer"))
        most = [(answer, count) for answer, count in held.most_common(MOST_TOLD)]
        parts = [f"{count} of {self._paths} paths have {fit(answer, longest=LONGEST_ANSWER)}" for answer, count in most]
        whom: dict[str, list[int]] = {}
        for path, peers in heard.items():
            everybody = len(peers) == self._paths - 1 > 1
            whom.setdefault("all others" if everybody else _paths(peers), []).append(int(path))
        groups = sorted(whom.items(), key=lambda group: group[1])
        parts += [f"{_paths(who)} {'hears' if len(who) == 1 else 'hear'} {peers}" for peers, who in groups[:MOST_TOLD]]
        parts += [f"{len(groups) - MOST_TOLD} more hear others"] if len(groups) > MOST_TOLD else []
        return "; ".join(parts)


class Said:
    """An answer as it is written, by a single path that does not think aloud.

    Args:
        stops: Strings before which it is cut.
    """

    def __init__(self, stops: Sequence[str] = ()) -> None:
        self._stops = stops
        self._text = self.told = ""

    def feed(self, piece: str) -> str:
        """What is to be told now: nothing that a stop string, or the end, may take away again."""
        self._text = (self._text + piece).lstrip()
        ends = [at for stop in self._stops if (at := self._text.find(stop)) >= 0]
        new = (self._text[: min(ends)] if ends else self._sure())[len(self.told) :]
        self.told += new
        return new

    def end(self, answer: str) -> str:
        """What is left of the whole answer."""
        return "" if self.told.startswith(answer) else answer.removeprefix(self.told)

    def _sure(self) -> str:
        text = self._text.rstrip()
        begun = (n for stop in self._stops for n in range(1, len(stop)) if self._text.endswith(stop[:n]))
        return text[: min(len(text), len(self._text) - max(begun, default=0))]


def _paths(numbers: Sequence[int]) -> str:
    named = ", ".join(map(str, sorted(numbers)))
    return f"path {named}" if len(numbers) == 1 else f"paths {named}"


def shown(event: Event) -> dict[str, Any] | None:
    """An event of any path as the extra field of a chunk has it, without token ids; None where it is none's concern."""
    if event.kind == "tokens":
        return {"kind": "tokens", "path": event.path, **event.data}
    if event.kind == "start":
        return None
    left_out = ("ids", "spans", "held", "fork", "mode", "prompt_tokens", "cached")
    return {"kind": event.kind, "path": event.path, **{k: v for k, v in event.data.items() if k not in left_out}}
