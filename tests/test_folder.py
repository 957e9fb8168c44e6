"""The folder of a run: one run's, one command's at a time."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tertulia.errors import TertuliaError
from tertulia.training.folder import mark_folder, working_in

HOLDER = """
import sys, time
from pathlib import Path
from tertulia.training.folder import working_in
with working_in(Path(sys.argv[1])):
    print("there", flush=True)
    time.sleep(60)
"""


def test_a_second_command_is_kept_out_until_the_first_has_ended_or_was_killed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "there\n"
        with (
            pytest.raises(TertuliaError, match=r"another command is at work in .*: wait for it to end"),
            working_in(tmp_path),
        ):
            pytest.fail("two were let in")
        other.send_signal(signal.SIGKILL)
    with working_in(tmp_path):
        pass
    with working_in(tmp_path):
        pass


def test_the_processes_of_one_run_share_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with working_in(tmp_path):
        monkeypatch.setenv("RANK", "1")
        with working_in(tmp_path):
            pass


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("kept")
    with pytest.raises(TertuliaError, match="is a file, and a folder is wanted"), working_in(file):
        pass
    assert file.read_text() == "kept"
    with pytest.raises(TertuliaError, match=r"cannot write in .*: Not a directory"), working_in(file / "below"):
        pass


def test_the_folder_of_another_run_is_refused_and_what_differs_is_said(tmp_path: Path) -> None:
    mine = {"seed": 1, "training": {"steps": None, "learning_rate": 0.001}}
    mark_folder(tmp_path, mine)
    mark_folder(tmp_path, mine)
    with pytest.raises(TertuliaError, match=r"another run \(training.learning_rate: 0.001 there, 0.002 here\)"):
        mark_folder(tmp_path, mine | {"training": {"steps": None, "learning_rate": 0.002}})
    with pytest.raises(TertuliaError, match=r"\(verb: null there, \"collect\" here\)"):
        mark_folder(tmp_path, {"verb": "collect"})
    (tmp_path / "run.json").write_text('{"seed": 1, "tr')
    mark_folder(tmp_path, {"verb": "collect"})
