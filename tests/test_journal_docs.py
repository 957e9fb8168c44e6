"""docs/journal.md lists what is written: every key of every record, and no other."""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from circles import PEBBLE, Recorder, TextServer, random_script, tell
from tertulia import solve
from tertulia.circle.path import Span
from tertulia.engines.base import EngineError, Generation, OnTokens, Request
from tertulia.engines.scripted import Fault, ScriptedEngine
from tertulia.journal import read_journal
from tertulia.model import Dialect, Profile

PAGE = Path(__file__).resolve().parent.parent / "docs" / "journal.md"
OF_ALL = {"key", "kind"}
OF_PATHS = {"path", "mode", "place"}
PLAIN = Profile(name="plain", summary_tokens=30, answer_tokens=12)
PAPER = Profile(name="paper", wording="paper", summary_tokens=30, answer_tokens=12)
SORTS: list[dict[str, Any]] = [
    {"profile": PLAIN, "frame": "working", "every": 40, "last_call": 1},
    {"profile": PLAIN, "frame": "quotes", "every": 40, "last_call": 1},
    {"profile": PLAIN, "every": 30, "last_call": 1, "settle": 0.5},
    {"profile": PLAIN, "method": "moa"},
    {"profile": PAPER, "frame": "quotes", "every": 30, "last_call": 1, "self_opened": True},
    {"profile": PAPER, "frame": "digest", "every": 30, "mode": "board"},
    {"profile": PAPER, "every": 30, "method": "leap-single"},
    {"profile": PAPER, "every": 30, "last_call": 1, "consensus_stop": 1},
    {"profile": PEBBLE, "method": "independent"},
    {"profile": PLAIN, "method": "longer"},
    {"profile": PLAIN, "method": "independent", "vote": "sure"},
    {"profile": PLAIN, "method": "independent", "vote": "judged"},
    {"profile": PEBBLE},
]


class Uncounted(TextServer):
    """A server of text that tells neither how many tokens it wrote nor what was in its cache."""

    async def generate(self, request: Request, *, on_tokens: OnTokens | None = None) -> Generation:
        return replace(await super().generate(request, on_tokens=on_tokens), counted=False, cached_tokens=None)


async def circles() -> list[dict[str, Any]]:
    """The records of circles of each sort."""
    records: list[dict[str, Any]] = []
    fails = {"q0/c0/p1": [None, None, Fault("error")]}
    for story in range(10):
        for sort in SORTS:
            made = Uncounted if story % 2 else Recorder
            try:
                told = await tell(made(random_script(story), faults=fails), **{"paths": 4, "budget": 260, **sort})
            except EngineError:
                continue  # all of them failed: that is told in a line, and nothing is recorded
            records += told.records
    for told in (await repeats(), await full(285), await full(310), *await ends()):
        records += told.records
    return records


async def repeats() -> Any:
    return await tell(ScriptedEngine(lambda *_: "And so it goes on. " * 60), profile=PLAIN, paths=2, budget=900)


async def full(room: int) -> Any:
    """What an outvoted path hears at its last call finds no room in the context, or leaves none for the answer."""
    talk = {f"q0/c0/p{path}": [f"{'I think. ' * 20}So \\boxed{{5}}.</think>", "\\boxed{5}<|end|>"] for path in range(3)}
    talk["q0/c0/p0"] = ["I think. So \\boxed{4}.</think>", "\\boxed{4}<|end|>"]
    prompt = len((await tell(question="?", profile=PLAIN, paths=1)).outcome.paths[0].spans[0].ids)
    engine = ScriptedEngine(talk, context=prompt + room)
    return await tell(engine, question="?", profile=PLAIN, paths=3, every=0, last_call=1, budget=300)


async def ends() -> list[Any]:
    """Paths that come to their end in ways that are rare."""
    begin = {"q0/c0/p0": [Fault("stall", seconds=0.05)]}
    fast = ["So \\boxed{1}.</think>\\boxed{1}<|end|>"]
    slow = {"q0/c0/p0": fast, "q0/c0/p1": ["I think. " * 30, "so far"]}
    writes = ScriptedEngine(slow, faults=begin | {"q0/c0/p1": [None, Fault("stall", seconds=9)]})
    look = "I look. And I look at it once more, and then again"
    met = [look, "1}", *fast]  # the third begins when the others have met
    thinks = {"q0/c0/p0": met, "q0/c0/p1": met, "q0/c0/p2": ["I th"]}
    late = ScriptedEngine(thinks, faults=begin | {"q0/c0/p2": [Fault("stall", seconds=9)]})
    unread = ScriptedEngine({"q0/c0/p0": ["I think.</think>", "I do not know.<|end|>", "4}"]})
    going_on = {
        "q0/c0/p0": fast,
        "q0/c0/p2": fast,
        "q0/c0/p1": ["So it is \\boxed{4}. And then I look at it again, and on"],
    }
    aloud = ScriptedEngine(lambda *_: "It is \\boxed{4}.<|end|>")
    without = PLAIN.model_copy(update={"prompt": "{question}\n", "think_open": "", "think_close": ""})
    silent = await Dialect.probe(aloud, without)
    busy = ScriptedEngine({"q0/c0/p0": fast, "q0/c0/p1": ["I think. " * 60]}, delay=0.002)
    writes_in_a_fork = ScriptedEngine(slow, faults=begin | {"q0/c0/p1": [None, Fault("stall", seconds=9)]})
    lost = ScriptedEngine(slow, faults={"q0/c0/p1": [None, Fault("error")]})
    agree = [f"So \\boxed{{1}}.</think>{'I say so. ' * 9}", f"{'I say so. ' * 40}\\boxed{{1}}<|end|>"]
    first, at_length = [look, "It is 1.\n</summarize>", *agree], [look, "I have seen " * 90]
    summing_up = ScriptedEngine({"q0/c0/p0": first, "q0/c0/p1": first, "q0/c0/p2": at_length}, delay=0.002)
    ending: dict[str, Any] = {"mode": "board", "last_call": 0, "paths": 2}
    return [
        await tell(writes_in_a_fork, profile=PLAIN, frame="quotes", every=30, consensus_stop=1, **ending),
        await tell(lost, profile=PAPER, every=30, last_call=0, paths=2),
        await tell(
            summing_up,
            profile=PAPER.model_copy(update={"summary_tokens": 300}),
            every=20,
            settle=0.5,
            **ending | {"paths": 3},
        ),
        await tell(writes, profile=PAPER, every=30, consensus_stop=1, **ending),
        await tell(late, profile=PLAIN, every=30, settle=0.5, **ending | {"paths": 3}),
        await tell(ScriptedEngine(going_on), profile=PLAIN, every=30, last_call=1, settle=0.5, paths=3),
        await tell(busy, profile=PLAIN, every=0, last_call=0, consensus_stop=1, paths=2),
        await tell(unread, profile=PLAIN, paths=1),
        await tell(aloud, profile=without, dialect=silent, paths=2, last_call=1),
    ]


@cache
def written() -> dict[str, list[set[str]]]:
    """The keys of all records, and of what is inside them, by kind."""
    found: dict[str, list[set[str]]] = defaultdict(list)
    for record in asyncio.run(circles()):
        found[record["kind"]].append(set(record))
        for name, part in parts(record):
            found[name].append(set(part))
    return found


def parts(record: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """What stands inside a record."""
    spans = [*record.get("spans", ()), *(record[name] for name in ("held", "fork") if name in record)]
    yield from (("span", span) for span in spans)
    if record["kind"] == "meeting":
        yield from (("claims", claims) for claims in record["claims"].values())
        yield from (("heard by path", heard) for heard in record["heard"].values())


def documented() -> dict[str, tuple[set[str], set[str]]]:
    """Of each kind, and of each part: the keys that are always there, and all."""
    told: dict[str, tuple[set[str], set[str]]] = {}
    page = PAGE.read_text("utf-8")
    for kind, always, more in re.findall(r"^\| `(\w+)` \|[^|]*\|([^|]*)\|([^|]*)\|$", page, re.MULTILINE):
        own = names(always) | OF_ALL | (set() if kind in ("plan", "meeting", "survivor", "verdict") else OF_PATHS)
        told[kind] = own, own | names(more)
    for part, always, more in re.findall(r"^\| (\w+)(?: \([^|]*\))? \|([^|]*)\|([^|]*)\|$", page, re.MULTILINE):
        if names(always):
            told["heard by path" if part == "heard" else part] = names(always), names(always) | names(more)
    return told


def names(cell: str) -> set[str]:
    return set(re.findall(r"`(\w+)`", cell))


def meanings() -> set[str]:
    """The fields that the page explains."""
    page = PAGE.read_text("utf-8")
    return set().union(*map(names, re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|[^|]*\|$", page, re.MULTILINE)))


def union(sets: Iterable[set[str]]) -> set[str]:
    return set().union(*sets)


@pytest.mark.parametrize("kind", sorted(documented().keys() - {"plan", "header"}))
def test_the_page_has_every_key_that_is_written_and_no_other(kind: str) -> None:
    always, possible = documented()[kind]
    assert union(written()[kind]) == possible
    assert set.intersection(*written()[kind]) == always


def test_the_page_has_every_kind_that_is_written() -> None:
    assert set(written()) == documented().keys() - {"plan", "header"}


def test_the_page_explains_every_field() -> None:
    fields = union(possible for kind, (_, possible) in documented().items() if kind not in ("span", "header", "claims"))
    inside = documented()["heard by path"][1]
    assert fields - OF_ALL - OF_PATHS - inside - {"claims", "heard"} <= meanings()


def test_the_header_and_the_plan_are_as_the_page_says(tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    asked: dict[str, Any] = {"paths": 2, "every": "auto", "journal": file}
    asked["history"] = [{"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": "4"}]
    solve("2 + 3?", engine=ScriptedEngine(), beginnings=[Span("thought", (65,), "A", 1)], **asked)
    header, records = read_journal(file)
    (plan,) = (record for record in records if record["kind"] == "plan")
    assert (set(plan), set(plan)) == documented()["plan"]
    always, possible = documented()["header"]
    assert set(header) == possible == always | {"beginnings", "history"}
