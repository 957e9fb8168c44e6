"""The command with a real circle behind it, on the scripted engine, as a user starts it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tertulia.cli import main

SLOW = """
import sys
from tertulia.engines.scripted import ScriptedEngine
ScriptedEngine.__init__.__kwdefaults__["delay"] = 0.004
from tertulia.cli import main
sys.exit(main(sys.argv[1:]))
"""


def _json(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["solve", "--engine", "scripted", "--json", *arguments]) == 0
    value: dict[str, Any] = json.loads(capsys.readouterr().out)
    return value


def _story(value: dict[str, Any]) -> dict[str, Any]:
    return {name: value[name] for name in ("question", "verdict", "votes", "paths", "meetings", "tokens")}


def test_the_same_command_twice_tells_the_same_story(capsys: pytest.CaptureFixture[str]) -> None:
    first = _json(capsys, "--seed", "7", "--world-seed", "7", "--difficulty", "long")
    again = _json(capsys, "--seed", "7", "--world-seed", "7", "--difficulty", "long")
    assert _story(first) == _story(again)
    assert first["meetings"]
    assert {span["kind"] for path in first["paths"] for span in path["spans"]} > {
        "thought",
        "heard",
        "answer",
    }


def test_the_json_object_holds_what_it_is_said_to_hold(capsys: pytest.CaptureFixture[str]) -> None:
    value = _json(capsys, "What is 2 + 3 + 4?", "--seed", "7", "--method", "independent")
    wanted = {
        "question",
        "verdict",
        "votes",
        "correct",
        "paths",
        "meetings",
        "tokens",
        "seconds",
        "seed",
        "engine",
    }
    assert wanted | {"method", "mode"} <= value.keys()
    assert value["correct"] is None
    assert (value["seed"], value["method"], value["mode"]) == (7, "independent", "ids")
    path = value["paths"][0]
    assert {"id", "answer", "finished", "spans", "tokens"} <= path.keys()
    assert {"generated", "injected", "discarded", "cached"} <= path["tokens"].keys()
    for kind in ("generated", "injected", "discarded", "cached"):
        assert value["tokens"][kind] == sum(path["tokens"][kind] for path in value["paths"])


def test_a_run_killed_in_the_middle_goes_on_with_the_same_command(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    arguments = ["--seed", "3", "--difficulty", "long", "--journal", str(tmp_path / "killed.jsonl")]
    journal = tmp_path / "killed.jsonl"
    lengths = []
    for lines in (12, 40):
        _killed_after(lines, journal, arguments)
        lengths.append(len(_records(journal)))
    assert 0 < lengths[0] < lengths[1]
    value = _json(capsys, *arguments)
    whole = _json(capsys, *arguments[:-1], str(tmp_path / "whole.jsonl"))
    for told in (value, whole):  # an engine that was started anew has nothing in its cache
        for tokens in (told["tokens"], *(path["tokens"] for path in told["paths"])):
            del tokens["cached"]
    assert _story(value) == _story(whole)
    counted = Counter(record["key"] for record in _records(journal))
    assert set(counted.values()) == {1}
    assert counted == Counter(record["key"] for record in _records(tmp_path / "whole.jsonl"))


def test_a_journal_of_another_run_is_refused_with_what_differs(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    journal = str(tmp_path / "run.jsonl")
    _json(capsys, "--seed", "3", "--journal", journal)
    assert main(["solve", "--engine", "scripted", "--seed", "4", "--journal", journal]) == 2
    err = capsys.readouterr().err
    assert "seed: journal 3, now 4" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--router", "best"], ["router", "'best'", "dispersed"]),
        (["--router", "random", "--heard", "8"], ["heard is 8", "8 paths"]),
        (["--budget", "60"], ["budget of 60", "meeting"]),
        (["--paths", "0"], ["paths is 0"]),
        (["--language", "xx"], ["'xx'", "sw"]),
        (["--wording", "nothing.toml"], ["nothing.toml"]),
        (["--preset", "best"], ["'best'", "paper"]),
        (["--method", "independent", "--last-call"], ["last_call", "independent"]),
        (["--difficulty", "hard"], ["'hard'", "long"]),
        (["--journal", "no/such/folder/run.jsonl"], ["no/such/folder/run.jsonl"]),
        (["word " * 9000], ["question takes", "8192"]),
    ],
)
def test_bad_input_is_one_line_that_names_it(
    arguments: list[str], parts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["solve", "--engine", "scripted", "--json", *arguments]) == 2
    captured = capsys.readouterr()
    assert [part for part in parts if part not in captured.err] == []
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def test_a_server_that_is_not_there_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["solve", "q", "--engine", "http://127.0.0.1:9"]) == 2
    *waiting, error = capsys.readouterr().err.splitlines()
    assert "http://127.0.0.1:9" in error and "cannot be reached" in error
    assert all(line.startswith("waiting for ") for line in waiting), "told while it is tried again, and no more"


def _killed_after(lines: int, journal: Path, arguments: list[str]) -> None:
    """Starts the run and kills it as soon as the journal has so many lines."""
    command = [sys.executable, "-c", SLOW, "solve", "--engine", "scripted", "--json", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        while not journal.exists() or journal.read_bytes().count(b"\n") < lines:
            assert process.poll() is None, "the run ended before it could be killed"
            time.sleep(0.002)
    finally:
        process.kill()
        process.wait()


def _records(journal: Path) -> list[dict[str, Any]]:
    """The whole records of a journal; a torn last line is none."""
    lines = journal.read_text("utf-8").split("\n")[1:-1]
    return [json.loads(line) for line in lines]


def test_a_profile_given_says_how_the_model_is_asked(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERTULIA_PROFILE", "")
    profile, journal = tmp_path / "own.toml", tmp_path / "run.journal.jsonl"
    profile.write_text("wording = 'pebble'\nprompt = 'Frage: {question} Antwort:'")
    asked = ["solve", "2+2", "--method", "independent", "--paths", "1", "--budget", "300", "--engine", "scripted"]
    assert main([*asked, "--profile", str(profile), "--journal", str(journal), "--quiet"]) in (0, 1)
    assert "Frage: 2+2 Antwort:" in journal.read_text("utf-8")
    profile.unlink()
    assert main([*asked, "--profile", str(profile)]) == 2
    assert capsys.readouterr().err.strip().endswith("give one that can be")
