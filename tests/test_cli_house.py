"""The house in order: the README's commands are what CI runs, and nothing of one machine is in the files."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Written in pieces, so that this file does not find itself.
OF_ONE_MACHINE = re.compile(
    "|".join(
        [
            r"(?<![\w.:/-])/(?:work|farm|opt|root|srv|mnt|home/\w+)" + "/",
            r"--?(?:extra-)?index" + "-url",
            r"--?find" + "-links",
            r"pypi" + r"\.org/simple",
            r"file:" + "///",
            r"download\.pytorch" + r"\.org",
            r"\+c" + r"pu\b",
        ]
    )
)


def _tracked() -> list[Path]:
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this is no git checkout: there is no list of tracked files")
    return [ROOT / name for name in listed.decode().split("\0") if name and (ROOT / name).is_file()]


def _of_one_machine(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if OF_ONE_MACHINE.search(line)]


def _shell_blocks(readme: str) -> list[str]:
    return [block.strip() for block in re.findall(r"```sh\n(.*?)```", readme, re.DOTALL)]


def test_ci_runs_the_second_command_of_the_readme_as_it_stands_there_and_last() -> None:
    commands = _shell_blocks((ROOT / "README.md").read_text("utf-8"))
    lines = (ROOT / ".ci" / "run").read_text("utf-8").splitlines()
    assert commands[1].startswith("python3 -m venv")
    assert commands[1].endswith(".venv/bin/pytest")
    assert lines[-1] == commands[1]


def test_the_first_command_of_the_readme_installs_without_extras_and_solves() -> None:
    first = _shell_blocks((ROOT / "README.md").read_text("utf-8"))[0]
    assert first == "python3 -m venv .venv && .venv/bin/pip install -q . && .venv/bin/tertulia solve"


@pytest.mark.parametrize("document", ["README.md", "docs/python.md"])
def test_the_python_in_the_documents_runs(document: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / document).read_text("utf-8")
    blocks = [block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "openai" not in block]
    for block in blocks:
        elsewhere = re.compile(r'(?:model="model.gguf"|engine="http://host:8000")')
        code = elsewhere.sub('engine="scripted"', block).replace("observer=", 'engine="scripted", observer=')
        exec(compile(code, document, "exec"), {})
        assert capsys.readouterr().out.strip(), f"this says nothing:\n{block}"
    assert len(blocks) == {"README.md": 1, "docs/python.md": 4}[document]


def test_no_tracked_file_knows_the_machine_it_was_written_on() -> None:
    found = {}
    for file in _tracked():
        try:
            lines = _of_one_machine(file.read_text("utf-8"))
        except UnicodeDecodeError:
            continue
        if lines:
            found[str(file.relative_to(ROOT))] = lines
    assert found == {}


@pytest.mark.parametrize(
    "line",
    [
        "model = '/" + "work/main/x.gguf'",
        "pip install --extra-index" + "-url https://host/simple torch",
        "see file:" + "///somewhere",
        "torch==2.13.0+" + "cpu",
    ],
)
def test_the_search_for_machine_paths_finds_them(line: str) -> None:
    assert _of_one_machine(line) == [line]


@pytest.mark.parametrize("line", ["https://host/work" + "/x", "cli/doctor.py", "a / b", "see docs/optional.md"])
def test_the_search_for_machine_paths_leaves_other_text_alone(line: str) -> None:
    assert _of_one_machine(line) == []


def test_no_module_needs_torch_before_it_is_used() -> None:
    """The base install has no torch; only the training code may import it, and its verbs when they run."""
    names = r"(?:import|from)\s+(?:torch|transformers|gguf|trl|tertulia\.engines\.transformers)\b"
    anywhere, at_once = re.compile(rf"^\s*{names}", re.MULTILINE), re.compile(rf"^{names}", re.MULTILINE)
    package = ROOT / "src" / "tertulia"
    itself = package / "engines" / "transformers.py"
    files = [file for file in package.rglob("*.py") if "training" not in file.parts and file != itself]
    assert len(files) > 20
    importing = [
        str(file.relative_to(ROOT))
        for file in files
        if (at_once if file.parent.name == "cli" and file.stem.startswith("train") else anywhere).search(
            file.read_text("utf-8")
        )
    ]
    assert importing == []
