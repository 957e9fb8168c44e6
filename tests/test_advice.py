"""What a quick evaluation says at its end, a sentence a rule, on made-up records."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tertulia.evaluation.advice import QUICK, advice
from tertulia.evaluation.comparison import compare
from tertulia.evaluation.records import CircleRecord, PathRecord


def circles(
    right: list[int], tokens: int = 100, votes: list[bool] | None = None, copied: int = 0, paths: int = 8
) -> list[CircleRecord]:
    """A circle a question: how many of its paths are right, and whether its vote is, by default with most of them."""
    found = []
    for number, count in enumerate(right):
        kept = [
            PathRecord("1" if path < count else "2", path < count, True, tokens, 0, 0, 1.0, said=1, copied=copied)
            for path in range(paths)
        ]
        vote = votes[number] if votes else count * 2 > paths or (count * 2 == paths and number % 2 == 0)
        found.append(CircleRecord(f"q{number}", 0, "1", "1", vote, tuple(kept), shared=True))
    return found


ALONE = [(number * 5) % 9 for number in range(50)]
"""Right paths of eight, by question."""


def more(by: int, every: int = 1) -> list[int]:
    return [min(8, max(0, count + (by if number % every == 0 else 0))) for number, count in enumerate(ALONE)]


def told(**arms: list[CircleRecord]) -> list[str]:
    names = {"settle": "leap:settle=0.375"}
    return advice(compare({names.get(name, name): made for name, made in arms.items()}))


def test_meetings_that_raise_pass_at_1_are_told_with_what_they_cost() -> None:
    (sentence,) = told(leap=circles(more(1), 130), independent=circles(ALONE))
    assert re.fullmatch(
        r"meetings raise Pass@1 by 11\.\d \[\d+\.\d, \d+\.\d\] points at 1\.3 times the tokens; "
        r"the vote at equal tokens: [+-]\d+\.\d \[[+-]\d+\.\d, [+-]\d+\.\d\](, not told from nothing)?",
        sentence,
    )


def test_a_gain_that_doubt_alone_has_too_is_not_put_down_to_peers() -> None:
    gained, alone = circles(more(1), 130), circles(ALONE)
    (sentence,) = told(leap=gained, self=circles(more(1)), independent=alone)
    assert "over doubt without peers it is" in sentence and "not told from nothing" in sentence
    (sentence,) = told(leap=gained, self=circles(ALONE), independent=alone)
    assert "of them over doubt without peers; the vote at equal tokens: " in sentence


def test_meetings_that_change_next_to_nothing_bring_nothing() -> None:
    (sentence,) = told(leap=circles(more(1, 25)), independent=circles(ALONE))
    assert re.fullmatch(
        r"meetings bring nothing here \(Pass@1 \+0\.\d \[.*\] points\): use --method independent", sentence
    )


def test_meetings_below_independent_paths_do_harm() -> None:
    (sentence,) = told(leap=circles(more(-2)), independent=circles(ALONE))
    assert sentence.startswith("meetings do harm here (Pass@1 -") and sentence.endswith("use --method independent")


def test_what_cannot_be_told_is_said_with_what_could_have_been_shown() -> None:
    chance = random.Random(2)
    noisy = [min(8, max(0, count + chance.choice([-5, 5]))) for count in ALONE]
    (sentence,) = told(leap=circles(noisy), independent=circles(ALONE))
    assert re.fullmatch(r"cannot tell, n = 50 could show \d+ points", sentence)


def test_few_questions_tell_nothing_however_clear_they_look() -> None:
    first, second = told(leap=circles([8] * 9), settle=circles([8] * 9, 10), independent=circles([0] * 9))
    assert first == "cannot tell whether meetings pay from fewer than 10 questions: give more"
    assert second == "cannot tell what settling does from fewer than 10 questions: give more"


@pytest.mark.parametrize(
    ("tokens", "lost", "begins"),
    [
        (69, 0, r"settling saves 31 % of the tokens of independent at the same vote \(.*\): --settle 0\.375$"),
        (95, 0, r"settling saves no tokens of independent to speak of \(5 %\)$"),
        (69, 20, r"settling costs 40\.0 points of the vote of independent \(.*\): leave it out$"),
        (69, 3, r"settling saves 31 % .* cannot be told \(.*\), n = 50 could show \d+ points$"),
    ],
)
def test_settling_is_judged_by_tokens_and_vote(tokens: int, lost: int, begins: str) -> None:
    right = [True] * 50
    (sentence,) = told(
        settle=circles(ALONE, tokens, [number >= lost for number in range(50)]), independent=circles(ALONE, 100, right)
    )
    assert re.match(begins, sentence)


def test_where_few_votes_are_right_losing_a_part_of_them_is_not_the_same_vote() -> None:
    few, fewer = ([number < right for number in range(100)] for right in (12, 9))
    alone = circles([1] * 100, 100, few)
    (sentence,) = told(settle=circles([1] * 100, 69, fewer), independent=alone)
    assert "what it does to the vote cannot be told (-3.0 [" in sentence


def test_where_meetings_gain_settling_is_held_against_the_circle_that_goes_on() -> None:
    gained = circles(more(2), 200)
    first, second = told(leap=gained, settle=circles(more(2), 120), independent=circles(ALONE))
    assert first.startswith("meetings raise Pass@1")
    assert second.startswith("settling saves 40 % of the tokens of leap at the same vote")


def test_who_copies_is_warned_of() -> None:
    assert told(leap=circles(ALONE, copied=1), independent=circles(ALONE))[-1].startswith("100 % of what paths wrote")


def test_without_independent_paths_there_is_no_advice() -> None:
    assert told(leap=circles(ALONE)) == []


def quick(*more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tertulia", "eval", *more, "--engine", "scripted", "--model", "scripted"]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env={**os.environ, "COLUMNS": "200"})


def test_the_command_runs_the_right_few_methods_and_ends_with_the_sentences(tmp_path: Path) -> None:
    pytest.importorskip("inspect_ai", reason="evaluations need the extra eval")
    done = quick("--quick", "--limit", "2", "--paths", "3", "--log-dir", str(tmp_path / "q"), "--json")
    assert done.returncode == 0, done.stderr
    table = json.loads(done.stdout)
    assert tuple(table["arms"]) == QUICK and len(table["advice"]) == 2


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        ([], "there is no task: name one of"),
        (["--quick", "--data", "x.json"], "--data has a file, but no task says how to read it"),
        (["--quick", "--set", "settle=0.5"], "--quick says what settling does: leave out settle"),
    ],
)
def test_a_command_that_does_not_say_what_is_asked_gets_one_line(asked: list[str], line: str) -> None:
    pytest.importorskip("inspect_ai", reason="evaluations need the extra eval")
    done = quick(*asked)
    assert done.returncode != 0 and line in done.stderr and "Traceback" not in done.stderr
