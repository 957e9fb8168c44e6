"""A run is played again from its journal, without an engine; what is no journal is told in one line."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tertulia import Session, solve
from tertulia.api import Event
from tertulia.cli import main
from tertulia.cli.lines import Lines
from tertulia.cli.screen import fit
from tertulia.cli.show import read
from tertulia.engines.scripted import ScriptedEngine
from tertulia.journal import Journal

NOT_KEPT = {"seconds", "correct", "engine", "voters", "seed", "method", "words"}
"""What a journal does not know of a result, or has among its settings."""


def run_of(file: Path, **settings: Any) -> tuple[list[Event], dict[str, Any]]:
    """A circle with meetings, what was told of it, and its result."""
    told: list[Event] = []
    asked: dict[str, Any] = {"paths": 4, "every": 40, "seed": 7} | settings
    result = solve(world_seed=7, engine="scripted", journal=file, observer=told.append, **asked)
    return told, result.to_json()


def shown(capsys: pytest.CaptureFixture[str], *arguments: object) -> list[str]:
    assert main(["show", *map(str, arguments)]) == 0
    return capsys.readouterr().out.splitlines()


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main(["show", *map(str, arguments)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("tertulia: ") and said.count("\n") == 1
    return said


def several(file: Path, questions: list[str]) -> None:
    """Circles that share a journal."""

    async def ask() -> None:
        async with Journal.open(file, {"what": "several"}) as book, Session(ScriptedEngine(), paths=2) as session:
            for number, question in enumerate(questions):
                await session.solve(question, name=f"q{number}/c0", journal=book)

    asyncio.run(ask())


def _came(events: Iterable[Event]) -> dict[tuple[int | None, str], tuple[int, str]]:
    """How many tokens came of each kind for each path, and their text."""
    came: dict[tuple[int | None, str], tuple[int, str]] = {}
    for event in events:
        if event.kind == "tokens":
            count, text = came.get((event.path, event.data["of"]), (0, ""))
            came[event.path, event.data["of"]] = count + event.data["count"], text + event.data["text"]
    return came


@pytest.mark.parametrize("method", ["leap", "independent", "leap-single"])
def test_what_is_played_again_is_what_was_told(tmp_path: Path, method: str) -> None:
    more = {"every": None} if method == "independent" else {}
    told, _ = run_of(tmp_path / "run.jsonl", method=method, **more)
    again = list(read(tmp_path / "run.jsonl").events())
    for kind in {event.kind for event in told} - {"start", "tokens", "loading"}:
        assert [(e.path, e.data) for e in again if e.kind == kind] == [
            (e.path, e.data) for e in told if e.kind == kind
        ], kind
    assert _came(told) == _came(again)
    assert not any(event.live for event in again)


def test_the_lines_are_those_of_the_run_and_end_with_the_verdict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told, result = run_of(tmp_path / "run.jsonl")
    lines, words = shown(capsys, tmp_path / "run.jsonl", "--lines"), Lines()
    during = [line for event in told for line in words.of(event)]
    assert sorted(lines[2:-2]) == sorted(during[2:])
    assert lines[0] == during[0] and "seed 7" in lines[1]
    assert lines[-2].startswith(f"Verdict: {result['verdict']}, ")
    assert f"{result['tokens']['generated']:,} generated" in lines[-1]


@pytest.mark.parametrize("method", ["leap", "leap-single"])
def test_the_json_is_the_result_as_far_as_a_journal_knows_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], method: str
) -> None:
    _, result = run_of(tmp_path / "run.jsonl", method=method)
    (line,) = shown(capsys, tmp_path / "run.jsonl", "--json")
    value = json.loads(line)
    assert value.pop("circle") == "q0/c0" and value.pop("over") is True
    meetings = [
        {"index": m["index"], "heard": {str(p): peers for p, peers in enumerate(m["heard"]) if peers is not None}}
        for m in result["meetings"]
    ]
    assert value == {name: item for name, item in result.items() if name not in NOT_KEPT} | {"meetings": meetings}


def test_on_a_terminal_it_is_the_live_view_without_a_pace(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, result = run_of(tmp_path / "run.jsonl")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setattr("tertulia.cli.show.LONGEST", 0.0)
    out = "\n".join(shown(capsys, tmp_path / "run.jsonl"))
    assert "4 of 4 finished" in out and "doing" in out
    assert "tokens/s" not in out
    assert f"Verdict: {result['verdict']}" in out


def test_a_run_that_is_not_over_says_how_far_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "run.jsonl"
    run_of(file)
    whole = file.read_bytes().splitlines(keepends=True)
    first_end = next(at for at, line in enumerate(whole) if b'"place": "finished"' in line)
    file.write_bytes(b"".join(whole[: first_end + 1]) + whole[first_end + 1][:30])
    assert shown(capsys, file)[-1].startswith("No verdict yet: 1 of 4 paths have ended; ")
    assert json.loads(shown(capsys, file, "--json")[0])["over"] is False


def test_of_several_circles_one_is_chosen_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "all.jsonl"
    several(file, ["What is 2 + 3?", "What is 4 + 5?"])
    assert "holds 2 circles: choose one with --circle (q0/c0, q1/c0)" in refused(capsys, file)
    assert "holds no circle 'q9/c0': use one of q0/c0, q1/c0" in refused(capsys, file, "--circle", "q9/c0")
    lines = shown(capsys, file, "--circle", "q1/c0")
    assert "4 + 5" in lines[0] and lines[1].startswith("2 paths")
    assert lines[-2].startswith("Verdict: 9, ")


def test_what_cannot_be_shown_is_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "run.jsonl"
    run_of(file)
    whole = file.read_bytes()
    lines = whole.splitlines(keepends=True)
    other = tmp_path / "other"
    for data, said in (
        (b"", "is empty"),
        (b"Dear diary\n", "is not a Tertulia journal"),
        (whole[:40], "has an incomplete first line"),
        (b"".join(lines[:1] + lines[2:]), "must stand: give a whole one"),
        (whole + lines[-1], "records 'q0/c0/verdict' a second time: keep the lines before it (head -n"),
        (whole.splitlines(keepends=True)[0], "holds no step of a circle"),
        (whole.replace(b'"tertulia_journal": 2', b'"tertulia_journal": 1', 1), "has format 1"),
        (whole.replace(b'"kind": "thought"', b'"kind": "THOUGHT"', 1), "is damaged"),
    ):
        other.write_bytes(data)
        assert said in refused(capsys, other)
    assert "cannot be read" in refused(capsys, tmp_path / "nowhere")
    assert "cannot be read" in refused(capsys, tmp_path)


async def _append(file: Path, record: dict[str, Any]) -> None:
    async with Journal.open(file, {}) as book:
        await book.append(record)


def test_a_record_of_another_program_is_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "strange.jsonl"
    asyncio.run(_append(file, {"key": "q0/c0/p0/0", "kind": "thought", "place": "the moon", "path": 0, "mode": "ids"}))
    assert "is no step of this program" in refused(capsys, file)
    for name, record in {
        "no mode": {"key": "q0/c0/p0/0", "kind": "thought", "place": "thinking", "path": 0},
        "no path": {"key": "q0/c0/p0/0", "kind": "thought", "place": "thinking", "mode": "ids"},
        "no heard": {"key": "q0/c0/meeting/0", "kind": "meeting", "index": 0},
    }.items():
        asyncio.run(_append(file.with_name(name), record))
        for more in ((), ("--json",)):
            assert "is none of this program" in refused(capsys, file.with_name(name), *more)


def test_nothing_that_a_model_wrote_acts_on_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evil = "9\x1b[2J\u202e"
    talk = [f"So it is \\boxed{{{evil}}}.</think>", f"\\boxed{{{evil}}}<|end|>"]
    engine = ScriptedEngine({f"q0/c0/p{path}": talk for path in range(2)})
    solve("What?", engine=engine, name="q0/c0", paths=2, journal=tmp_path / "run.jsonl")
    out = "\n".join(shown(capsys, tmp_path / "run.jsonl"))
    assert fit(evil) in out
    assert "\x1b" not in out and "\u202e" not in out


def test_what_was_generated_in_side_branches_is_said_apart() -> None:
    from tertulia.cli.report import token_line

    counts = {"generated": 1200, "forked": 48, "injected": 0, "discarded": 0, "cached": 9, "saved": 0}
    assert token_line({"tokens": counts, "seconds": 0}).startswith("Tokens: 1,200 generated (48 in side branches), 0 ")


def test_of_a_server_that_never_tells_its_cache_the_cache_is_unknown() -> None:
    result = solve("What is 2 + 3?", engine=ScriptedEngine(cached=False), paths=2).to_json()
    from tertulia.cli.report import token_line

    assert "cached unknown" in token_line(result)
