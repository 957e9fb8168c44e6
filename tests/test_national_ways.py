"""Whole numbers as people of eleven languages write them."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from tertulia.answers import equivalent, group_answers

SPEC = importlib.util.spec_from_file_location("rewritings", Path(__file__).parents[1] / "benchmarks" / "rewritings.py")
assert SPEC is not None and SPEC.loader is not None
rewritings = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(rewritings)

NUMBERS = [0, 3, 11, 26, 104, 615, 1350, 2047, 40_000, 40_306, 128_000, 7_250_000, 60_400_020]
WAYS = [(language, way) for language, table in rewritings.WAYS.items() for way in table["ways"]]


def test_there_are_105_ways_in_eleven_languages() -> None:
    assert len(set(WAYS)) == 105 and len(rewritings.WAYS) == 11


@pytest.mark.parametrize(("language", "way"), WAYS)
def test_a_number_in_a_national_way_is_that_number_and_no_other(language: str, way: str) -> None:
    for number in NUMBERS:
        answer = rewritings.written(number, way, language)
        right = [gold for gold in NUMBERS if equivalent(str(gold), answer, language)]
        assert right == [number], answer


@pytest.mark.parametrize("language", sorted(rewritings.WAYS))
def test_votes_count_all_ways_of_a_language_together(language: str) -> None:
    ways = rewritings.WAYS[language]["ways"]
    answers = [rewritings.written(number, way, language) for number in (40_000, 26) for way in ways]
    assert group_answers(answers, language) == [0] * len(ways) + [len(ways)] * len(ways)


@pytest.mark.parametrize("language", sorted(rewritings.SCALES))
def test_a_number_word_of_no_language_is_a_unit(language: str) -> None:
    for word in rewritings.SCALES[language]:
        for answer in (f"26 {word}", rf"26\text{{ {word}}}", f"$26$ {word}"):
            assert not equivalent("26", answer, language) and not equivalent("26", answer)
