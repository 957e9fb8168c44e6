"""What the public tests of other graders judge, against ours."""

from __future__ import annotations

import importlib
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
TABLES: dict[str, Any] = tomllib.loads((BENCHMARKS / "public_tables.toml").read_text("utf-8"))


@pytest.fixture
def grading(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.delitem(sys.modules, "grading", raising=False)
    return importlib.import_module("grading")


@pytest.mark.parametrize("source", TABLES)
def test_every_pair_on_which_we_differ_says_who_is_right_and_no_other(source: str, grading: Any) -> None:
    _, misses = grading.compared(TABLES[source])
    differing = [(miss["gold"], miss["answer"]) for miss in misses]
    assert differing == [(row["gold"], row["answer"]) for row in TABLES[source]["disputed"]]
    assert all(miss["right"] in ("ours", "theirs", "open") and miss["why"] for miss in misses)


def test_a_pair_on_which_we_differ_and_nobody_has_judged_is_counted_as_unknown(grading: Any) -> None:
    count, misses = grading.compared({"same": [["5", "6"], ["5", "5.0"]], "different": [], "disputed": []})
    assert count == 2 and [(miss["answer"], miss["right"]) for miss in misses] == [("6", "unknown")]


def test_no_pair_stands_twice_in_a_source() -> None:
    for table in TABLES.values():
        pairs = [tuple(pair) for pair in table["same"] + table["different"]]
        pairs += [(row["gold"], row["answer"]) for row in table["disputed"]]
        assert len(pairs) == len(set(pairs))
