"""`tertulia show`: plays a run again from its journal. No engine and no model is needed for it."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tertulia.cli import options
from tertulia.cli.screen import say
from tertulia.errors import TertuliaError

if TYPE_CHECKING:
    from tertulia.circle.events import Event
    from tertulia.circle.path import Step
    from tertulia.cli.watching import View

File = Annotated[FilePath, typer.Argument(metavar="JOURNAL", help="What --journal kept, or a file under a log folder.")]
Name = Annotated[str | None, typer.Option(help="Which circle, where the journal holds several; such as q0/c0.")]
AsLines = Annotated[bool, typer.Option("--lines", help="Plain lines, on a terminal too.")]
Otlp = Annotated[FilePath | None, typer.Option(metavar="FILE", help="Write it as OpenTelemetry traces, OTLP as JSON.")]

_KEY = re.compile(r"(.+)/(?:p\d+/\d+|meeting/\d+(?:/\d+)?|plan|survivor|verdict)")
LONGEST = 5.0  # seconds that a terminal takes to show a run
PAUSE = 0.1  # seconds between two records of a short run


def show(
    journal: File, circle: Name = None, as_lines: AsLines = False, json_: options.Json = False, otlp: Otlp = None
) -> None:
    """Play a run again from its journal, as it was seen or in plain lines."""
    from tertulia.journal import reading

    story = read(journal, circle)
    with reading(story.name):
        if otlp is not None:
            _export(story, otlp)
        else:
            _tell(story, as_lines, json_)


def _export(story: Story, file: FilePath) -> None:
    from tertulia.cli.otlp import traces
    from tertulia.files import write_json

    if file.resolve() == story.file.resolve():
        raise TertuliaError(f"the traces would take the place of the journal {file}: give another file to --otlp")
    write_json(file, traces(story, story.file.stat().st_mtime_ns))
    say(f"traces: {file}")


def _tell(story: Story, as_lines: bool, json_: bool) -> None:
    if json_:
        print(json.dumps(story.to_json(), ensure_ascii=False))
        return
    live = sys.stdout.isatty() and not as_lines
    if live:
        import asyncio

        asyncio.run(_played(story))
    else:
        from tertulia.cli.lines import Lines

        words = Lines()
        for event in story.events():
            for line in words.of(event):
                print(line)
    _say_end(story)


@dataclass
class Story:
    """One circle as its journal tells it.

    Attributes:
        file: The journal.
        name: Identity of the circle.
        header: What the run was asked to do.
        records: Of this circle, in the order in which they were written.
    """

    file: FilePath
    name: str
    header: Mapping[str, Any]
    records: Sequence[dict[str, Any]] = field(default_factory=list)

    def events(self) -> Iterator[Event]:
        """What an observer of the run was told, tokens a step at a time.

        Raises:
            TertuliaError: A record is none of this program. One line.
        """
        from tertulia.circle.events import Event

        asked = {"question": self.question, "settings": self.settings, "model": self.header.get("model", "a model")}
        mode = next((record["mode"] for record in self.records if "mode" in record), "ids")
        yield Event("start", None, {**asked, "mode": mode, "engine": "", "notes": []}, live=False)
        for record in self.records:
            value = {name: item for name, item in record.items() if name != "key"}
            index = value.get("path") if "place" in value else None
            for told in step_of(record).told if index is not None else ():
                yield Event("tokens", index, told, live=False)
            yield Event(str(value.get("kind")), index, value, live=False)

    @property
    def question(self) -> str:
        """The question; what the first path was asked, where the journal is of several circles."""
        spans = next((record["spans"] for record in self.records if record.get("kind") == "prompt"), [{"text": ""}])
        return str(self.header.get("question") or spans[0]["text"])

    @property
    def settings(self) -> dict[str, Any]:
        """What the run did, as far as the journal says so."""
        paths = 1 + max((record["path"] for record in self.records if "place" in record), default=-1)
        known = {"paths": paths, "budget": 0, "method": "unknown", "mode": "sync", "seed": "unknown"}
        return known | dict(self.header.get("settings") or {})

    @property
    def verdict(self) -> Mapping[str, Any] | None:
        """The record of the verdict; None where the run has not come to it."""
        return next((record for record in self.records if record.get("kind") == "verdict"), None)

    def to_json(self) -> dict[str, Any]:
        """What `tertulia solve --json` prints, as far as a journal tells it."""
        from tertulia.circle.path import Path, TokenCounts
        from tertulia.result import path_json, saved_by

        paths: dict[int, Path] = {}
        for record in self.records:
            if "place" in record:
                index, name = record["path"], record["key"].rpartition("/")[0]
                paths.setdefault(index, Path(index, name, exact=record["mode"] == "ids")).apply(step_of(record))
        told = [paths[index] for index in sorted(paths)]
        ends = self.settings.get("consensus_stop") or self.settings.get("settle")
        verdict = self.verdict or {"answer": None, "votes": {}, "spoke": 0, "tie": False, "settled": False}
        tokens = sum((path.tokens for path in told), TokenCounts()).to_json()
        return {
            "circle": self.name,
            "question": self.question,
            "over": self.verdict is not None,
            "verdict": verdict["answer"],
            **{name: verdict[name] for name in ("votes", "spoke", "tie", "settled")},
            "note": verdict.get("note", ""),
            "quoted": verdict.get("quoted"),
            "paths": [path_json(path) for path in told],
            "meetings": [_meeting(record) for record in self.records if record.get("kind") == "meeting"],
            "tokens": tokens | {"saved": saved_by(told, self.settings["paths"]) if ends else 0},
            **{name: self.header[name] for name in ("model", "mode", "settings") if name in self.header},
        }


def read(file: FilePath, name: str | None = None) -> Story:
    """One circle of a journal.

    Args:
        file: The journal; it may be one that is being written.
        name: Which circle; None for the only one.

    Raises:
        TertuliaError: The file is no journal, is damaged or not whole, or holds no such circle. One line.
    """
    from tertulia.journal import read_journal

    header, records = read_journal(file)
    circles: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        if found := _KEY.fullmatch(str(record.get("key", ""))):
            circles.setdefault(found[1], []).append(record)
    names = ", ".join(list(circles)[:5]) + (", ..." if len(circles) > 5 else "")
    if not circles:
        raise TertuliaError(f"the journal {file} holds no step of a circle: give one that a run has begun")
    if name is None and len(circles) > 1:
        raise TertuliaError(f"the journal {file} holds {len(circles)} circles: choose one with --circle ({names})")
    if name is not None and name not in circles:
        raise TertuliaError(f"the journal {file} holds no circle {name!r}: use one of {names}")
    chosen = name or next(iter(circles))
    _check_order(file, circles[chosen])
    return Story(file, chosen, header, circles[chosen])


def _check_order(file: FilePath, records: Sequence[Mapping[str, Any]]) -> None:
    """Refuses a journal from which a step of a path is gone."""
    taken: Counter[str] = Counter()
    for key in [record["key"] for record in records if "place" in record]:
        path, _, step = key.rpartition("/")
        if step != str(taken[path]):
            raise TertuliaError(f"the journal {file} has {key} where {path}/{taken[path]} must stand: give a whole one")
        taken[path] += 1


def step_of(record: Mapping[str, Any]) -> Step:
    """The step that a record of a path holds.

    Raises:
        TertuliaError: It holds none. One line.
    """
    from tertulia.circle.path import Step

    try:
        return Step.from_json({name: item for name, item in record.items() if name != "key"})
    except (KeyError, TypeError, ValueError) as error:
        raise TertuliaError(
            f"the record {record['key']!r} is no step of this program ({error!r}): give another journal"
        ) from None


def _meeting(record: Mapping[str, Any]) -> dict[str, Any]:
    return {"index": record["index"], "heard": {path: told["peers"] for path, told in record["heard"].items()}}


async def _played(story: Story) -> None:
    """Shows the run on the terminal, faster than it was."""
    import asyncio

    from tertulia.cli.live import LiveView

    view: View = LiveView(pace=False)
    pause = min(PAUSE, LONGEST / (1 + len(story.records)))
    try:
        for event in story.events():
            view.observe(event)
            await asyncio.sleep(pause if event.kind != "tokens" else 0)
    finally:
        view.close()


def _say_end(story: Story) -> None:
    """The verdict and what was spent; of a run that is not over, how far it is."""
    from tertulia.cli import report

    value = story.to_json()
    if value["over"]:
        for line in (report.verdict_line(value), report.token_line(value | {"seconds": 0})):
            say(line)
        return
    ended = sum(path["place"] in ("finished", "stopped", "failed") for path in value["paths"])
    print(
        f"No verdict yet: {ended} of {len(value['paths'])} paths have ended; the command of the run goes on from here."
    )
