"""A journal whose lines are whole, but whose records are of something else, is refused in one line."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from circles import PEBBLE, tell
from tertulia.api import solve
from tertulia.engines.scripted import ScriptedEngine
from tertulia.errors import TertuliaError
from tertulia.model import Profile

Change = Callable[[dict[str, Any]], Any]
PLAIN = Profile(name="plain", summary_tokens=40, answer_tokens=40)


def rewrite(journal: Path, kind: str, change: Change) -> None:
    """Changes the first record of a kind, and gives it the checksum that it then has."""
    lines = journal.read_bytes().splitlines(keepends=True)
    for at, line in enumerate(lines[1:], 1):
        record = json.loads(line)
        record.pop("crc32")
        if record["kind"] == kind:
            change(record)
            encoded = json.dumps(record, ensure_ascii=False).encode()
            lines[at] = encoded[:-1] + b', "crc32": "%08x"}\n' % zlib.crc32(encoded)
            journal.write_bytes(b"".join(lines))
            return
    raise AssertionError(f"no record of the kind {kind}")


def put(name: str, value: Any) -> Change:
    return lambda record: record.update({name: value})


def drop(name: str) -> Change:
    return lambda record: record.pop(name)


def in_span(name: str, value: Any) -> Change:
    return lambda record: record["spans"][0].update({name: value})


CHANGES: list[tuple[str, Change]] = [
    ("thought", drop("place")),
    ("thought", put("place", "asleep")),
    ("thought", put("place", None)),
    ("thought", put("kind", "dream")),
    ("thought", drop("kind")),
    ("thought", put("spans", "text")),
    ("thought", put("spans", [7])),
    ("thought", in_span("kind", "song")),
    ("thought", in_span("ids", ["a"])),
    ("thought", in_span("ids", 3)),
    ("thought", in_span("text", 3)),
    ("thought", in_span("count", "many")),
    ("thought", lambda record: record["spans"][0].pop("text")),
    ("thought", put("held", {})),
    ("thought", put("release", "maybe")),
    ("thought", put("prompt_tokens", "long")),
    ("summary", drop("text")),
    ("summary", put("text", 5)),
    ("summary", drop("outcome")),
    ("answer", put("answer", 5)),
    ("meeting", drop("heard")),
    ("meeting", put("heard", {})),
    ("meeting", put("heard", [])),
    ("meeting", lambda record: record["heard"].update({"0": "text"})),
    ("meeting", lambda record: record["heard"]["0"].update({"text": 5})),
    ("meeting", lambda record: record["heard"]["0"].update({"peers": "all"})),
    ("meeting", lambda record: record["heard"]["0"].pop("finding")),
    ("verdict", drop("answer")),
    ("verdict", put("votes", 3)),
    ("verdict", put("of", "all")),
    ("verdict", drop("settled")),
]


@pytest.mark.parametrize(("kind", "change"), CHANGES)
async def test_a_record_that_is_none_is_refused_in_one_line_that_names_it(
    tmp_path: Path, kind: str, change: Change
) -> None:
    journal = tmp_path / "run.jsonl"
    asked: dict[str, Any] = {"profile": PEBBLE, "journal": journal, "paths": 3, "every": 16}
    await tell(**asked)
    rewrite(journal, kind, change)
    with pytest.raises(TertuliaError, match=r"the journal's record 'q0/c0/.*' is none of this program") as caught:
        await tell(**asked)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


@pytest.mark.parametrize("change", [drop("claim"), drop("sure"), put("claim", 5), put("sure", "very")])
async def test_what_was_answered_in_a_side_branch_is_checked_too(tmp_path: Path, change: Change) -> None:
    journal = tmp_path / "run.jsonl"
    asked: dict[str, Any] = {"profile": PLAIN, "journal": journal, "paths": 2, "every": 0, "last_call": 1}
    await tell(**asked)
    rewrite(journal, "asked", change)
    with pytest.raises(TertuliaError, match="is none of this program"):
        await tell(**asked)


@pytest.mark.parametrize("change", [drop("path"), put("path", 9), put("path", "best"), put("path", [])])
async def test_the_survivor_of_leap_single_is_one_of_the_paths_that_waited(tmp_path: Path, change: Change) -> None:
    journal = tmp_path / "run.jsonl"
    asked: dict[str, Any] = {"method": "leap-single", "paths": 3, "every": 12, "journal": journal}
    await tell(**asked)
    rewrite(journal, "survivor", change)
    with pytest.raises(TertuliaError, match="'q0/c0/survivor' is none of this program"):
        await tell(**asked)


@pytest.mark.parametrize("change", [drop("every"), put("every", "often"), put("every", None)])
def test_a_plan_that_is_no_number_is_refused(tmp_path: Path, change: Change) -> None:
    journal = tmp_path / "run.jsonl"

    def run() -> None:
        solve("2 + 5?", engine=ScriptedEngine(), profile=PLAIN, paths=2, every="auto", name="q", journal=journal)

    run()
    rewrite(journal, "plan", change)
    with pytest.raises(TertuliaError, match="'q/plan' is none of this program"):
        run()
