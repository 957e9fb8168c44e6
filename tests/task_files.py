"""What the tests of tasks share: files of invented questions, and what is said when one is refused."""

import json
from pathlib import Path

import pytest

from tertulia.errors import TertuliaError
from tertulia.tasks import Question, load

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SUMS = [{"problem": f"What is {n} + {n}?", "answer": str(2 * n), "id": f"sum-{n}"} for n in range(1, 6)]
SUM_TEXTS = [(row["id"], row["problem"], row["answer"]) for row in SUMS]
METAL = {
    "Record ID": "recMetal",
    "Question": "Which of these melts first?\n",
    "Correct Answer": "wax\n",
    "Incorrect Answer 1": "iron",
    "Incorrect Answer 2": "glass",
    "Incorrect Answer 3": "stone",
    "Subdomain": "Kitchen",
}
COLOURS = ["red", "green", "blue", "grey"]


def write(tmp_path: Path, name: str, content: object) -> Path:
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
        path.write_text(text, "utf-8")
    return path


def parquet(tmp_path: Path, rows: list[dict], name: str = "q.parquet") -> Path:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow.parquet import write_table

    write_table(pyarrow.Table.from_pylist(rows), tmp_path / name)
    return tmp_path / name


def lines(rows: list[dict]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def table(rows: list[dict]) -> str:
    return ",".join(rows[0]) + "\n" + "".join(",".join(f'"{cell}"' for cell in row.values()) + "\n" for row in rows)


def triples(questions: list[Question]) -> list[tuple[str, str, str]]:
    return [(question.id, question.text, question.gold) for question in questions]


def refused(path: Path | str | None, task: str = "math500", **arguments) -> str:
    """What is said when a task cannot be loaded: one line, and it begins with what is wrong."""
    with pytest.raises(TertuliaError) as caught:
        load(task, data=path, **arguments)
    said = str(caught.value)
    assert "\n" not in said
    return said.replace(str(path), "FILE")
