"""The house stays small: how many lines a room, a file and a function may have."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "src" / "tertulia"
FILE, FUNCTION = 400, 60
TOKEN = "base client generation wire answer pieces slots patience embedded servers"
DIALECTS = "llama vllm sglang openai"


def lines(file: Path) -> int:
    return len(file.read_text("utf-8").splitlines())


def engines(names: str) -> list[Path]:
    return [PACKAGE / "engines" / f"{name}.py" for name in names.split()]


ROOMS = {
    "the machine": (2400, sorted((PACKAGE / "circle").glob("*.py"))),
    # A server speaks one dialect.
    "a token's way": (1800, [*engines(TOKEN), max(engines(DIALECTS), key=lines)]),
}
"""Lines at most, and the files that they are in."""
STILL_OVER: dict[str, int] = {}
"""What is above its budget today, and how far it may be: this list only ever gets shorter."""


def functions() -> Iterator[tuple[str, int]]:
    """Every function of the package with its lines, docstring included."""
    for file in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{file.relative_to(PACKAGE).as_posix()}: {node.name}", node.end_lineno - node.lineno + 1  # type: ignore[operator]


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_is_read_in_one_sitting(room: str) -> None:
    budget, files = ROOMS[room]
    assert len(files) > 5, "the room has moved"
    assert sum(map(lines, files)) <= STILL_OVER.get(room, budget)


def test_no_file_is_longer_than_a_reader_holds_in_mind() -> None:
    long = {file.relative_to(PACKAGE).as_posix(): lines(file) for file in PACKAGE.rglob("*.py") if lines(file) > FILE}
    assert long == {}, f"more than {FILE} lines: make two of it"


def test_no_function_is_longer_than_a_screen() -> None:
    long = {name: count for name, count in functions() if count > STILL_OVER.get(name, FUNCTION)}
    assert long == {}, f"more than {FUNCTION} lines: give its parts names"


def test_what_is_within_its_budget_again_leaves_the_list() -> None:
    over = {name for name, count in functions() if count > FUNCTION}
    over |= {room for room, (budget, files) in ROOMS.items() if sum(map(lines, files)) > budget}
    assert set(STILL_OVER) <= over, "take what fits out of STILL_OVER"
