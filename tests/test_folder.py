"""The folder of a run: one run's, one command's at a time."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tertulia.cli import main
from tertulia.errors import TertuliaError
from tertulia.evaluation.where import Where
from tertulia.files import mark_folder, working_in

HOLDER = """
import sys, time
from pathlib import Path
from tertulia.files import working_in
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
    with pytest.raises(TertuliaError, match=r"holds another run: give another --out$"):
        mark_folder(tmp_path, {"verb": "collect"})
    (tmp_path / "run.json").write_text('{"seed": 1, "tr')
    mark_folder(tmp_path, {"verb": "collect"})


SCRIPTED = ["--engine", "scripted", "--model", "scripted"]
ENGINE = 'engine = "scripted"\nmodel = "scripted"\n'
TRAINING = "[training]\nsteps = 1\nprompts = 1\nlearning_rate = 1e-4\n"
LAW = 'seeds = [1]\nsizes = [1]\npool = ["de"]\nheld_out = ["sw"]\n' + TRAINING + "[evaluation]\nquestions = 1"
FILES = {
    "sweep": ENGINE + '[options]\nlimit = 1\n[settings]\npaths = 2\nsummaries = "written"',
    "trap": ENGINE + 'study = "trap"',
    "tongues": ENGINE + 'languages = ["en"]\ntongues = ["en", "sw"]',
    "law": LAW,
    "tuned": "[data]\nquestions = 1",
    "rewarded": TRAINING + "[circle]\npaths = 2",
    "parallel": TRAINING + '[data]\nlanguages = ["en", "de"]',
}
"""Run files, by the name of the verb that they are for."""


@pytest.mark.parametrize(
    ("module", "command"),
    [
        ("inspect_ai", ["eval", "world", "--limit", "1", *SCRIPTED, "--log-dir", "OUT"]),
        ("scipy", ["trap", *SCRIPTED, "--log-dir", "OUT"]),
        ("inspect_ai", ["sweep", "sweep.toml", "--out", "OUT"]),
        ("inspect_ai", ["sweep", "trap.toml", "--out", "OUT"]),
        ("inspect_ai", ["study", "tongues", "tongues.toml", "--out", "OUT"]),
        ("trl", ["study", "law", "law.toml", "--out", "OUT"]),
        ("numpy", ["train", "leap-t", "collect", "tuned.toml", *SCRIPTED, "--out", "OUT"]),
        ("trl", ["train", "leap-t", "sft", "tuned.toml", "--data", "traces.jsonl", "--out", "OUT"]),
        ("trl", ["train", "leap-rl", "rewarded.toml", "--out", "OUT"]),
        ("trl", ["train", "parallel", "parallel.toml", "--out", "OUT"]),
    ],
    ids=lambda given: " ".join(given[:4]) if isinstance(given, list) else "",
)
def test_every_verb_is_kept_out_and_writes_nothing(
    module: str, command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip(module, reason="needs an extra")
    for name, text in FILES.items():
        (tmp_path / f"{name}.toml").write_text(text)
    (tmp_path / "traces.jsonl").touch()
    out, file = tmp_path / "out", tmp_path / "file"
    file.touch()
    given = [str(tmp_path / word) if word.endswith((".toml", ".jsonl")) else word for word in command]
    with working_in(out):
        assert main([str(out) if word == "OUT" else word for word in given]) == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert told[-1] == f"tertulia: another command is at work in {out}: wait for it to end, or give another folder"
    assert [one.name for one in out.rglob("*")] == [".lock"]
    assert main([str(file) if word == "OUT" else word for word in given]) == 2
    assert "file is a file, and a folder is wanted" in capsys.readouterr().err


def test_a_model_is_asked_by_one_command_at_a_time(tmp_path: Path) -> None:
    pytest.importorskip("inspect_ai", reason="needs the extra eval")
    from tertulia.studies.measured import measure

    with working_in(tmp_path / "base"), pytest.raises(TertuliaError, match="another command is at work in"):
        measure(Where(engine="scripted"), "world", ["en"], tmp_path / "base", options={"limit": 1})
    assert [one.name for one in (tmp_path / "base").iterdir()] == [".lock"]
