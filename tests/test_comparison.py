"""The comparison on made-up records: how paths ended, and what Pass@1 is held against."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tertulia.evaluation.comparison import compare
from tertulia.evaluation.records import CircleRecord, PathRecord
from tertulia.evaluation.report import tables

RIGHT = PathRecord("1", True, True, 10, 0, 0, 1.0)
WRONG = replace(RIGHT, answer="2", right=False)


def circle(
    question: str, *paths: PathRecord, further: tuple[PathRecord, ...] = (), shared: bool = True
) -> CircleRecord:
    correct = sum(path.right for path in paths) * 2 > len(paths)
    return CircleRecord(question, 0, "1", "1" if correct else "2", correct, paths, further, shared=shared)


def test_how_paths_ended_is_told_in_shares_of_paths() -> None:
    led, silent = replace(WRONG, led=True, forked=6), replace(WRONG, answer=None, loops=2)
    wrote = replace(RIGHT, said=3, copied=1, forked=2)
    found = compare({"leap": [circle("a", wrote, led, silent, RIGHT)]})
    ends = found.arms["leap"]["ends"]
    assert (ends["readable"], ends["led"], ends["none"], ends["loops"]) == (0.5, 0.25, 0.25, 0.25)
    assert ends["copied"] == pytest.approx(1 / 3) and found.arms["leap"]["per_path"]["forked"] == 2.0
    assert json.loads(json.dumps(found.to_json()))["arms"]["leap"]["ends"] == ends
    ((row,),) = [rows for title, rows in tables(found) if title == "How paths ended"]
    assert row["copied %"] == "33.3 (of 3)" and row["in side branches a path"] == "2.0"


def test_of_older_logs_nobody_knows_what_was_copied() -> None:
    assert compare({"leap": [circle("a", RIGHT)]}).arms["leap"]["ends"]["copied"] is None


def test_from_shared_beginnings_pass_at_1_is_paired_path_by_path() -> None:
    """Further paths, better by chance, are no part of what meetings changed."""
    lucky = (RIGHT,) * 6

    def difference(shared: bool) -> float:
        leap = [circle(question, RIGHT, RIGHT, shared=shared) for question in "abc"]
        alone = [circle(question, RIGHT, WRONG, further=lucky, shared=shared) for question in "abc"]
        against = compare({"leap": leap, "independent": alone}).arms["leap"]["against_independent"]
        assert against["shared_beginnings"] is shared
        return float(against["pass@1"].mean)

    assert difference(shared=True) == 0.5
    assert difference(shared=False) == pytest.approx(1 / 8)


def test_a_circle_that_began_fewer_paths_is_held_against_as_many() -> None:
    settled = [circle(question, RIGHT, RIGHT, shared=True) for question in "abc"]
    every = [circle(question, RIGHT, RIGHT, WRONG, WRONG, shared=True) for question in "abc"]
    arms = compare({"leap": every, "leap:settle=0.5": settled, "self": every, "independent": every}).arms
    against = arms["leap:settle=0.5"]
    assert against["against_independent"]["pass@1"].mean == 0.0
    assert against["against_placebos"]["self"]["pass@1"].mean == against["against_first"]["pass@1"].mean == 0.0


def test_pairing_is_what_makes_the_interval_narrow() -> None:
    """Questions are as different as can be, meetings turn one path of eight, and that is told all the same."""
    kinds = [(WRONG,) * 8, (RIGHT,) * 4 + (WRONG,) * 4, (RIGHT,) * 7 + (WRONG,)]
    alone = [circle(f"{number}", *kinds[number % 3]) for number in range(30)]
    leap = [circle(f"{number}", RIGHT, *kinds[number % 3][:-1]) for number in range(30)]
    found = compare({"leap": leap, "independent": alone})
    assert found.arms["leap"]["pass@1"].low < found.arms["independent"]["pass@1"].high, "each by itself shows nothing"
    assert found.arms["leap"]["against_independent"]["pass@1"].low > 0
