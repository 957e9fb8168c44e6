"""`tertulia serve` as it is typed: what it says where it cannot be, and that its options reach the circles."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

import serving  # noqa: F401  (skips where the extra is not installed)
from tertulia.circle.frames import CONTROLS
from tertulia.cli import main
from tertulia.cli.serve import settings_of
from tertulia.server.serving import Served


def test_without_the_extra_it_says_in_a_line_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert main(["serve"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "pip install 'tertulia[serve]'" in line


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--host", "0.0.0.0"], "there are no keys"),
        (["--keys", "nowhere"], "cannot be read"),
        (["--port", "99999"], "65535"),
        (["--at-once", "0"], "at-once"),
        (["--drain", "-1"], "drain"),
        (["--paths", "0"], "paths is 0"),
        (["--paths", "65"], "raise --max-paths too"),
        (["--engine", "scripted", "--every", "-3"], "every"),
        (["--journal-dir", "/dev/null/x"], "cannot be used"),
    ],
)
def test_what_cannot_be_served_is_said_in_a_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--engine", "scripted", "--port", "0", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


def test_a_port_that_is_taken_is_said_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["serve", "--engine", "scripted", "--port", str(taken.getsockname()[1])]) == 2
    assert "give another --host or --port" in capsys.readouterr().err


def test_options_are_settings_of_all_circles(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[Served] = []

    async def serve(wanted: Served, **_: object) -> None:
        asked.append(wanted)

    monkeypatch.setattr("tertulia.server.serving.serve", serve)
    options = ["--paths", "4", "--every", "64", "--meet-at", "8,16", "--wording", "w.toml", "--preset", "paper"]
    assert main(["serve", "--engine", "embedded", "--journal-dir", str(tmp_path), *options]) == 0
    (wanted,) = asked
    assert wanted.engine is None and wanted.journals == tmp_path and wanted.at_once == 8
    assert wanted.settings == {
        "paths": 4,
        "every": 64,
        "meet_at": (8, 16),
        "wording": "w.toml",
        "preset": "paper",
    }
    assert settings_of({"every": "auto"}) == {"every": "auto"}


def test_a_control_is_known_where_it_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    async def serve(wanted: Served, **_: object) -> None:
        assert CONTROLS and wanted.settings == {"control": "echo"}

    monkeypatch.setattr("tertulia.server.serving.serve", serve)
    assert main(["serve", "--engine", "scripted", "--control", "echo"]) == 0
