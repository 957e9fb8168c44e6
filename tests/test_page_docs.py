"""What docs/view.md says of the page is what the page does."""

from __future__ import annotations

import re
from pathlib import Path

from tertulia.cli import app, main
from tertulia.server.page import script

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "docs" / "view.md").read_text("utf-8")


def test_every_effect_is_explained() -> None:
    effects = re.search(r"const EFFECTS = \{(.*?)\};", script(), re.DOTALL)
    assert effects
    rows = re.findall(r"^\| ([a-z, ]+) \|", TEXT, re.MULTILINE)
    assert {name for row in rows for name in row.split(", ")} >= set(re.findall(r"(\w+): \"", effects[1]))


def test_every_option_that_is_shown_is_one() -> None:
    verbs = app.command().commands
    for verb, rest in re.findall(r"^tertulia (\w+)(.*?)(?:\s#.*)?$", TEXT, re.MULTILINE):
        known = {name for parameter in verbs[verb].params for name in parameter.opts}
        assert set(re.findall(r"(?<=\s)--?[a-z]+", rest)) <= known


def test_the_demo_opens_without_an_engine(tmp_path: Path) -> None:
    demo = ROOT / "docs" / "demo.journal.jsonl"
    assert demo.stat().st_size < 200_000
    assert main(["view", str(demo), "--gold", "13", "-o", str(tmp_path / "demo.html")]) == 0
    assert "Lena buys 3 boxes" in (tmp_path / "demo.html").read_text("utf-8")


def test_the_modules_are_plain_and_short() -> None:
    files = sorted((ROOT / "src" / "tertulia" / "server" / "page").glob("*.js"))
    assert len(files) > 5
    for file in files:
        lines = file.read_text("utf-8").splitlines()
        assert len(lines) <= 400 and max(map(len, lines)) <= 120, file.name
        assert lines[0].startswith("// "), f"{file.name} does not say what it is"
