"""The hand-written cases of grading, right and wrong, in eleven languages; and the command that grades."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tertulia.answers.extract import extract_answer, is_correct
from tertulia.evaluation.transcripts import own_words

CASES: list[dict[str, Any]] = tomllib.loads(Path(__file__).with_name("grading_cases.toml").read_text("utf-8"))["case"]


@pytest.mark.parametrize("case", CASES, ids=[f"{place}-{case['why']}" for place, case in enumerate(CASES)])
def test_case(case: dict[str, Any]) -> None:
    own = own_words(case["text"], [case["heard"]] if "heard" in case else [])
    extracted = None if own is None else extract_answer(own, case["kind"])
    assert (extracted or "") == case["extracted"]
    assert is_correct(extracted, case["gold"], case["kind"]) is case["correct"]


def test_there_are_enough_cases_right_and_wrong_in_both_kinds() -> None:
    assert len(CASES) >= 300
    for kind in ("math", "choice"):
        rights = [case["correct"] for case in CASES if case["kind"] == kind]
        assert 0.3 < sum(rights) / len(rights) < 0.7


@pytest.mark.parametrize("language", ["de", "es", "fr", "ru", "sw", "ja", "zh", "th", "bn", "te"])
def test_every_language_has_letters_that_are_stated_and_letters_that_are_not(language: str) -> None:
    of = [case["extracted"] for case in CASES if re.match(rf"{language}\b|another letter, {language}$", case["why"])]
    assert sum(map(bool, of)) >= 2 and "" in of


def grade(transcript: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tertulia", "grade", *arguments]
    return subprocess.run(command, input=transcript, capture_output=True, text=True, timeout=120)


def test_the_command_prints_one_object(tmp_path: Path) -> None:
    heard = tmp_path / "heard.txt"
    heard.write_text("A peer is sure of \\boxed{7}.")
    transcript = "Mine is \\boxed{5}.\nA peer is sure of \\boxed{7}."
    done = grade(transcript, "--kind", "math", "--answer", "7", "--heard", str(heard))
    assert json.loads(done.stdout) == {"extracted": "5", "correct": False}
    assert done.returncode == 0 and done.stderr == ""


def test_the_command_reads_letters_and_says_null_where_there_is_no_answer() -> None:
    done = grade("\\boxed{\\text{B}}", "--kind", "choice", "--answer", "(b)")
    assert json.loads(done.stdout) == {"extracted": "B", "correct": True}
    done = grade("<think>It is \\boxed{5}", "--kind", "math", "--answer", "5")
    assert json.loads(done.stdout) == {"extracted": None, "correct": False} and done.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--kind", "maths", "--answer", "5"), "--kind is 'maths': use one of math, choice"),
        (("--kind", "math", "--answer", " "), "--answer is empty"),
        (("--kind", "choice", "--answer", "42"), "--answer is '42': a choice is a letter, A to J"),
        (("--kind", "math", "--answer", "5", "--heard", "no-such-file"), "cannot read what was heard, no-such-file"),
    ],
)
def test_bad_usage_gets_one_line(arguments: tuple[str, ...], said: str) -> None:
    done = grade("\\boxed{5}", *arguments)
    assert done.returncode == 2 and said in done.stderr and done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1


def rows_of(folder: Path, *rows: object) -> str:
    file = folder / "answers.jsonl"
    file.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows), "utf-8")
    return str(file)


def test_a_file_gets_a_line_for_each_row_and_a_summary(tmp_path: Path) -> None:
    file = rows_of(
        tmp_path,
        {"id": "pens", "text": "It is \\boxed{31}.", "gold": 31},
        {"response": "<think>\\boxed{30}", "answer": "30"},
        "",
        {"answer": "Answer: Option D", "gold": "(D)", "kind": "choice", "language": "en"},
        {"text": "\\boxed{5}\nA peer has \\boxed{6}", "gold": "6", "heard": "A peer has \\boxed{6}"},
    )
    done = grade("", "--file", file)
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"row": 1, "id": "pens", "extracted": "31", "correct": True},
        {"row": 2, "extracted": None, "correct": False},
        {"row": 4, "extracted": "D", "correct": True},
        {"row": 5, "extracted": "5", "correct": False},
    ]
    assert done.returncode == 0 and done.stderr == "4 graded: 2 correct (50.0 %), 1 without an answer\n"


def test_what_a_row_does_not_say_comes_from_the_options(tmp_path: Path) -> None:
    file = rows_of(tmp_path, {"text": "Answer: B", "gold": "B"}, {"text": "Answer: 5", "gold": 5, "kind": "math"})
    done = grade("", "--file", file, "--kind", "choice", "--language", "en")
    assert [json.loads(line)["extracted"] for line in done.stdout.splitlines()] == ["B", "5"]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("{", "answers.jsonl, row 2 is no JSON"),
        ("[1]", "answers.jsonl, row 2 is '[1]': write one object a line"),
        ({"gold": "5"}, "row 2: 'text' is None: give the text to grade as text or response"),
        ({"answer": "5"}, "row 2: 'text' is None"),
        ({"text": 5, "gold": "5"}, "row 2: 'text' is 5"),
        ({"text": "5"}, "row 2: 'gold' is None: give the right answer as gold or answer"),
        ({"text": "5", "gold": ["5"]}, "row 2: 'gold' is ['5']"),
        ({"text": "5", "gold": " "}, "row 2: 'gold' is empty"),
        ({"text": "5", "gold": "5", "kind": "essay"}, "row 2: 'kind' is 'essay': use one of math, choice"),
        ({"text": "5", "gold": "5", "language": "tlh"}, "row 2: 'language' is 'tlh': use one of en"),
        ({"text": "5", "gold": "5", "kind": "choice"}, "row 2: 'gold' is '5': a choice is a letter, A to J"),
        ({"text": "5", "gold": "5", "heard": [1]}, "row 2: 'heard' is [1]"),
    ],
)
def test_a_row_that_cannot_be_graded_is_named_before_any_is_graded(tmp_path: Path, row: object, said: str) -> None:
    done = grade("", "--file", rows_of(tmp_path, {"text": "5", "gold": "5"}, row))
    assert done.returncode == 2 and said in done.stderr and done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "--answer is missing: give the right answer, or --file with many"),
        (("--file", "no-such-file"), "cannot read no-such-file"),
        (("--file", "x.jsonl", "--answer", "5"), "--answer and --heard belong to one transcript"),
        (("--answer", "5", "--language", "tlh"), "--language is 'tlh': use one of en"),
    ],
)
def test_options_that_do_not_fit_get_one_line(arguments: tuple[str, ...], said: str) -> None:
    done = grade("\\boxed{5}", *arguments)
    assert done.returncode == 2 and said in done.stderr and done.stdout == ""
