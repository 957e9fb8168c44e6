"""docs/architecture.md: its tree is the tree, the names in its walks are there, and its examples run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "tertulia"
PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
EXAMPLES = dict(re.findall(r"^## Add an? (\w+)\n.*?^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
EXPECTED: dict[str, Any] = {
    "method": {"answer": "9", "voters": 2},
    "frame": {"heard": True},
    "router": {"heard": True},
    "task": {"answer": "7", "correct": True},
    "engine": {"answer": "4"},
}


def test_the_tree_has_every_room_and_every_file_that_is_in_none() -> None:
    tree = PAGE.split("```")[1]
    named = set(re.findall(r"(?:^  |(?<=\.py ))(\w+(?:/|\.py))", tree, re.MULTILINE))
    rooms = {f"{room.parent.name}/" for room in PACKAGE.glob("*/__init__.py")}
    files = {file.name for file in PACKAGE.glob("*.py") if not file.name.startswith("_")}
    assert named == rooms | files


def test_what_the_walks_name_is_where_they_say() -> None:
    walks = re.findall(r"^( *)([\w.*]+)(?:[,(\[][^\n]*?)? +(\w+/(?:\w+\.py)?|\w+\.py) ", PAGE, re.MULTILINE)
    assert len(walks) > 10
    for _, name, place in walks:
        files = [PACKAGE / place] if place.endswith(".py") else sorted((PACKAGE / place).glob("*.py"))
        last = name.rpartition(".")[2]
        text = "".join(file.read_text("utf-8") for file in files)
        assert last in ("py", "*") or re.search(rf"\b(?:def|class) {last}\b|^{last}\b", text, re.MULTILINE), name


@pytest.mark.parametrize("what", EXPECTED)
def test_an_example_runs_and_is_no_longer_than_a_screen(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = EXAMPLES[what]
    assert len(code.splitlines()) <= 30
    space: dict[str, Any] = {"__name__": "example"}
    exec(compile(code, f"the example of a {what}", "exec"), space)
    result = space["result"]
    found = {
        "answer": result.answer,
        "correct": result.correct,
        "voters": len(result.voters),
        "heard": any(peers for meeting in result.meetings for peers in meeting.heard),
    }
    assert found | EXPECTED[what] == found
    assert capsys.readouterr().out
