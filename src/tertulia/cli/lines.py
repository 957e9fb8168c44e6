"""The view of a run where there is no terminal: plain lines, one for each thing that happened."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tertulia.cli.scene import BESIDE, paths, shortened, without_tags
from tertulia.cli.screen import fit
from tertulia.cli.watching import View
from tertulia.engines.progress import duration

if TYPE_CHECKING:
    from tertulia.circle.events import Event

ENDS = ("finished", "stopped", "failed")
THOUGHT = (*ENDS, "last call")  # where a path has its thought behind it, but for what it may hear
PACE = 5.0  # seconds between two lines about how far a run is; later twice as many


class LineView(View):
    """Prints a line for each thing that happens, and on standard error every few seconds how far the run is."""

    def __init__(self) -> None:
        self._lines = Lines()
        self._pace = Pace()
        self._task: asyncio.Task[None] | None = None

    def observe(self, event: Event) -> None:
        """Prints what there is to say about an event."""
        super().observe(event)
        self._pace.observe(event, time.monotonic())
        for line in self._lines.of(event):
            print(line, flush=True)
        if event.kind == "start":
            self._task = asyncio.get_running_loop().create_task(self._tell_often())

    def close(self) -> None:
        """Ends the lines about how far the run is."""
        if self._task is not None and not self._task.get_loop().is_closed():
            self._task.cancel()

    async def _tell_often(self) -> None:
        for times in count(1):
            await asyncio.sleep(PACE if times <= 6 else 2 * PACE)
            print(self._pace.line(time.monotonic()), file=sys.stderr, flush=True)


class Pace:
    """How far a run is, how fast, and how long it may still take."""

    def __init__(self) -> None:
        self._tokens: Counter[int] = Counter()
        self._ended: set[int] = set()
        self._lengths: dict[int, int] = {}  # of those that have come as far as their last call
        self._paths, self._budget, self._began = 0, 0, 0.0

    def observe(self, event: Event, now: float) -> None:
        """Takes in one event.

        Args:
            event: Of the run.
            now: Seconds of a clock.
        """
        if event.kind == "start":
            self._began = now
            self._paths, self._budget = paths(event.data["settings"]), event.data["settings"]["budget"]
        elif event.kind == "tokens" and event.path is not None:
            self._tokens[event.path] += event.data["count"]
        elif event.data.get("place") in THOUGHT and event.path is not None:
            self._lengths[event.path] = self._tokens[event.path]
            if event.data["place"] in ENDS:
                self._ended.add(event.path)

    def line(self, now: float) -> str:
        """How far it is, in one line.

        Args:
            now: Seconds of the same clock.
        """
        total = self._tokens.total()
        if not total or now <= self._began:
            return "no token yet: the model reads the question, then writes its first tokens"
        # Not since the first of them: tokens come in stretches, and the first one would look like a flash.
        rate = total / (now - self._began)
        most, word = (max(self._lengths.values()), "about") if self._lengths else (self._budget, "at most")
        owed = sum(max(0, most - self._tokens[path]) for path in range(self._paths) if path not in self._lengths)
        done = f"{total:,} tokens, {rate:.0f} tokens/s, {len(self._ended)} of {self._paths} paths done"
        return f"{done}, {word} {duration(owed / rate)} left" if owed else done


class Lines:
    """Puts events into words."""

    def __init__(self) -> None:
        self._board = False
        self._paths = 0

    def of(self, event: Event) -> list[str]:
        """The lines for an event, none for most; a meeting's first line says who heard whom."""
        data = event.data
        if event.kind == "start":
            self._board, self._paths = data["settings"]["mode"] == "board", data["settings"]["paths"]
            return [f"question: {shortened(fit(data['question']))}", self.set_out(data)]
        if event.kind == "meeting":
            return self.meeting(data)
        match None if event.kind in BESIDE else data.get("place"):
            case "finished":
                answer = "no answer" if data.get("answer") is None else fit(data["answer"])
                return [f"path {event.path} finished: {answer}"]
            case "stopped":
                return [f"path {event.path} stopped"]
            case "failed":
                return [f"path {event.path} failed: {fit(data['error'])}"]
        return []

    def set_out(self, start: Mapping[str, Any]) -> str:
        """What is about to run, in one line.

        Args:
            start: Data of the start event.
        """
        settings, model = start["settings"], str(start["model"])
        model = Path(model).name if model.endswith(".gguf") else model
        exact = "" if start["mode"] == "ids" else ", text mode: no token ids"
        on = f" on {start['engine']}" if start["engine"] else ""
        return fit(
            f"{counted(paths(settings), 'path')} of {model}{on}{exact}; "
            f"method {settings['method']}, at most {settings['budget']:,} tokens a path, seed {settings['seed']}"
        )

    def meeting(self, record: Mapping[str, Any]) -> list[str]:
        """Who heard whom, and what; nothing in board mode, where paths meet one by one, if nobody was heard."""
        told = {int(path): heard for path, heard in record["heard"].items()}
        heard = [
            told[path]["peers"] if path in told else [] for path in range(max([self._paths, *(p + 1 for p in told)]))
        ]
        if self._board and not any(heard):
            return []
        texts = [f"  path {path}: {text}" for path, what in told.items() if (text := without_tags(what["text"]))]
        return [f"meeting {record['index']}: {who_heard_whom(heard)}", *texts]


def counted(number: int, noun: str) -> str:
    """A number of things: 1 path, 8 paths."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


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
