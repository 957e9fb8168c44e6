"""What is printed never acts on a terminal, and what is read and written is told in one line where it cannot be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tertulia import api
from tertulia.api import Event
from tertulia.cli import main
from tertulia.cli.interrupt import how_to_go_on
from tertulia.cli.lines import Lines
from tertulia.cli.live import LiveView
from tertulia.cli.screen import fit
from tertulia.cli.starting import Starting
from tertulia.errors import TertuliaError

EVIL = "7\x1b[2J\x1b]0;owned\x07\x08\x9b31m\nVerdict: 999, 3 of 3 paths\r\u202e\u2028\u2066x\udc80"
ACTS = [*map(chr, range(32)), *map(chr, range(127, 160)), "\u202e", "\u2066", "\u2028", "\udc80"]
SETTINGS = {"paths": 2, "budget": 200, "method": "leap", "mode": "sync", "seed": 7}
START = {"question": EVIL, "settings": SETTINGS, "engine": f"http://{EVIL}", "model": EVIL, "mode": "ids"}
HEARD = {"1": {"text": f"<peers>{EVIL}</peers>", "peers": [0]}}
EVENTS = [
    Event("start", None, START),
    Event("summary", 0, {"text": EVIL, "place": "meeting"}),
    Event("meeting", None, {"index": 0, "claims": {"0": {"steps": {"1": EVIL}, "answer": EVIL}}, "heard": HEARD}),
    Event("answer", 0, {"answer": EVIL, "place": "finished"}),
    Event("failed", 1, {"error": f"HTTP 500: {EVIL}", "place": "failed"}),
]
VALUE = {
    "question": EVIL,
    "verdict": EVIL,
    "votes": {EVIL: 2, f"8{EVIL}": 1},
    "spoke": 1,
    "tie": False,
    "correct": None,
    "paths": [{"id": 0}, {"id": 1}],
    "meetings": [],
    "tokens": {"generated": 12, "injected": 3, "discarded": 4, "cached": 9, "saved": 0},
    "seconds": 2.0,
    "seed": 0,
    "engine": EVIL,
    "method": "independent",
    "mode": "ids",
}
AS_USERS_START_IT = [sys.executable, "-m", "tertulia"]


class _Result:
    answer = EVIL

    def to_json(self) -> dict[str, Any]:
        return VALUE


def _acting(text: str) -> list[str]:
    """Characters in a text of lines that act on a terminal."""
    return [character for character in ACTS if character != "\n" and character in text]


def _started(*arguments: str | bytes, shell: str = '"$@"', **environment: str) -> subprocess.CompletedProcess[bytes]:
    """The program as a shell starts it; `shell` says how, with "$@" for its command."""
    command = ["/bin/bash", "-c", shell, "bash", *AS_USERS_START_IT, *arguments]
    known = {"PATH": os.environ["PATH"], "PYTHONPATH": ":".join(sys.path), "PYTHONUTF8": "1"}
    return subprocess.run(command, capture_output=True, env=known | environment, timeout=60)


def _one_line(done: subprocess.CompletedProcess[bytes]) -> str:
    """What was said on standard error, which must be one line of ours."""
    said = done.stderr.decode()
    assert said.startswith("tertulia: ") and said.count("\n") == 1, said
    assert done.returncode == 2
    return said


def test_what_acts_is_shown_and_what_hides_is_dropped() -> None:
    assert fit("a\x1b[2J\tb\n\n c\x9b") == "a\\x1b[2J b c\\x9b"
    assert fit("a\u202eb\u2066\U000e0041\ufeffc") == "abc"
    assert fit("a \x07b\r\n  c\x0bd", one_line=False) == "a \\x07b\n  c\nd"
    assert fit("\ud800") == "\\ud800"
    for text in ("می\u200cخواهم", "二 + 三 = 五", r"\boxed{5}"):
        assert fit(text) == text


def test_plain_lines_hold_nothing_that_acts_and_no_forged_line() -> None:
    told = Lines()
    lines = [line for event in EVENTS for line in told.of(event)]
    assert len(lines) == 6
    assert [_acting(line) + ["\n"] * line.count("\n") for line in lines] == [[]] * 6


async def test_the_live_view_draws_nothing_that_acts() -> None:
    console = Console(file=StringIO(), force_terminal=True, width=300, height=30, color_system=None, markup=False)
    view = LiveView(console)
    for event in EVENTS:
        view.observe(event)
    view.close()
    drawn: str = console.file.getvalue()  # type: ignore[attr-defined]
    assert "[2J" in drawn, "the claim is shown"
    assert not [part for part in ("\x1b[2J", "\x1b]", "\x07", "\x08", "\x9b", "\u202e", "\udc80") if part in drawn]


@pytest.mark.parametrize("option", [[], ["--quiet"]])
def test_the_report_is_lines_of_ours_only(
    option: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def run(**_: Any) -> _Result:
        return _Result()

    monkeypatch.setattr(api, "solve_async", run)
    assert main(["solve", "q", *option]) == 0
    out = capsys.readouterr().out
    assert _acting(out) == []
    assert out.count("\n") == (1 if option else 2)
    assert not [line for line in out.splitlines() if line.startswith("Verdict: 999")]


def test_json_stays_exact(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    async def run(**_: Any) -> _Result:
        return _Result()

    monkeypatch.setattr(api, "solve_async", run)
    assert main(["solve", "q", "--json"]) == 0
    out = capsys.readouterr().out
    assert json.loads(out) == VALUE
    assert "\x1b" not in out and out.count("\n") == 1


def test_what_is_told_of_a_beginning_acts_on_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    starting = Starting()
    starting.show(f"load {EVIL}", 0.5)
    starting.show(f"plan for {EVIL}", None)
    told = capsys.readouterr().err
    assert _acting(told) == [] and told.count("\n") == 2


def test_an_error_message_acts_on_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def run(**_: Any) -> _Result:
        raise TertuliaError(f"the server said {EVIL}")

    monkeypatch.setattr(api, "solve_async", run)
    assert main(["solve", "q"]) == 2
    err = capsys.readouterr().err.removeprefix("note: ")
    assert _acting(err) == []
    assert err.splitlines()[-1].startswith("tertulia: the server said 7")


def test_a_question_that_is_not_utf8_is_one_line() -> None:
    done = subprocess.run(
        [*AS_USERS_START_IT, "solve", "-", "--engine", "scripted"],
        input="Wie viele Äpfel?".encode("latin-1"),
        capture_output=True,
        timeout=60,
    )
    assert "the question is not UTF-8: invalid" in _one_line(done) and "at byte 10" in _one_line(done)
    assert "the question is not UTF-8" in _one_line(_started("solve", b"\xff", "--engine", "scripted"))


def test_output_that_an_encoding_does_not_have_is_escaped_and_json_stays_json() -> None:
    ask = ("solve", "--engine", "scripted", "--language", "th", "--budget", "400")
    done = _started(*ask, "--json", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert (done.returncode, done.stderr) == (0, b"")
    whole = json.loads(_started(*ask, "--json").stdout)
    found = json.loads(done.stdout)
    assert found["question"] == whole["question"] and not whole["question"].isascii()
    told = _started(*ask, PYTHONIOENCODING="latin-1", PYTHONUTF8="0")
    assert (told.returncode, told.stderr) == (0, b"")
    assert b"Verdict" in told.stdout


@pytest.mark.parametrize(
    ("shell", "part"),
    [
        ('"$@" - <&-', "standard input, which is closed"),
        ('"$@" q > /dev/full', "standard output, or a file, cannot be"),
        ('"$@" q --json > /dev/full', "standard output, or a file, cannot be"),
        ('"$@" q --quiet > /dev/full', "standard output, or a file, cannot be"),
    ],
)
def test_streams_that_cannot_be_used_are_told_in_one_line(shell: str, part: str) -> None:
    if "/dev/full" in shell and not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    assert part in _one_line(_started("solve", "--engine", "scripted", shell=shell))


def test_an_error_that_cannot_be_told_keeps_its_exit_code() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    assert _started("solve", "--paths", "0", "--engine", "scripted", shell='"$@" 2> /dev/full').returncode == 2


def test_a_closed_output_loses_no_journal(tmp_path: Path) -> None:
    journal = tmp_path / "run.jsonl"
    done = _started("solve", "--engine", "scripted", "--journal", str(journal), shell='"$@" >&- 2>&-')
    assert done.returncode == 0
    lines = journal.read_text("utf-8").splitlines()
    assert len(lines) > 1 and all(isinstance(json.loads(line), dict) for line in lines)


def test_a_reader_who_leaves_is_told_apart_from_a_run_without_a_verdict() -> None:
    ended = 'set -o pipefail; (sleep 0.1; exec "$@") | true'
    for verb in ("doctor", "solve"):
        done = _started(verb, "--engine", "scripted", shell=ended)
        assert (done.returncode, done.stderr) == (141, b"")


def test_a_stopped_run_is_gone_on_with_as_it_was_started(monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Path("run.jsonl")
    monkeypatch.setattr(sys, "argv", ["/somewhere/tertulia/__main__.py"])
    told = how_to_go_on(journal, ["solve", "q", "--journal", "run.jsonl"])
    assert told.endswith(" -m tertulia solve q --journal run.jsonl")
    monkeypatch.setattr(sys, "argv", ["tertulia"])
    told = how_to_go_on(journal, ["solve", "-", "--journal", "run.jsonl"])
    assert told.endswith(", with the same question on standard input: tertulia solve - --journal run.jsonl")


@pytest.mark.parametrize("question", [EVIL, "it's\\ \x1b", "2 + 2\u202e?", "two\nlines", "\udcffx"])
def test_the_command_of_a_stopped_run_is_exact_and_acts_on_no_terminal(
    question: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["tertulia"])
    command = how_to_go_on(Path("j"), ["solve", question]).partition("tertulia solve ")[2]
    assert _acting(command) == []
    shell = subprocess.run(
        ["/bin/bash", "-c", f"printf %s {command}"], capture_output=True, env={"LC_ALL": "C.UTF-8"}, check=True
    )
    assert shell.stdout.decode(errors="surrogateescape") == question
