"""docs/invariants.md: the tests that it names are there, and the sentences stand in the docstrings that it names."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "invariants.md").read_text("utf-8")
SECTIONS = {title: text for title, text in re.findall(r"^## (\d+\. .+)\n((?:(?!## ).*\n?)*)", PAGE, re.MULTILINE)}


@cache
def docstrings(file: Path) -> str:
    """All docstrings of a module, blanks made single."""
    definitions = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    nodes = [node for node in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(node, definitions)]
    return " ".join(" ".join((ast.get_docstring(node) or "").split()) for node in nodes)


@cache
def names_in(file: Path) -> set[str]:
    functions = ast.FunctionDef | ast.AsyncFunctionDef
    tree = ast.parse(file.read_text("utf-8"))
    return {node.name for node in tree.body if isinstance(node, functions) and node.name.startswith("test_")}


def test_there_are_twelve() -> None:
    assert [int(title.split(".")[0]) for title in SECTIONS] == list(range(1, 13))


@pytest.mark.parametrize("title", SECTIONS)
def test_each_is_guarded_by_tests_that_exist(title: str) -> None:
    named = re.findall(r"`(test_\w+\.py)::(\w+)`", SECTIONS[title])
    assert named
    assert [test for file, test in named if test not in names_in(ROOT / "tests" / file)] == []


@pytest.mark.parametrize("title", SECTIONS)
def test_each_stands_in_the_docstrings_that_are_named(title: str) -> None:
    text = " ".join(SECTIONS[title].split())
    said = re.findall(r'in `([\w/]+\.py)`: "([^"]+)"', text)
    assert said and text.count(".py`:") == len(said)
    assert [words for file, words in said if words not in docstrings(ROOT / "src" / "tertulia" / file)] == []
