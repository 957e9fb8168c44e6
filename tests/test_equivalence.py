"""When two answers are one; and that no answer, however hostile, stops the program."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tertulia.answers import equivalent, group_answers
from tertulia.answers.typesetting import tidy

KINDS: dict[str, Any] = tomllib.loads(Path(__file__).with_name("equality.toml").read_text("utf-8"))
PAIRS = [
    pytest.param(*pair[:2], pair[2] if len(pair) > 2 else None, verdict == "same", id=f"{kind}-{verdict}-{place}")
    for kind, verdicts in KINDS.items()
    for verdict, pairs in verdicts.items()
    for place, pair in enumerate(pairs)
]
HOSTILE = [
    "1." + "0" * 950 + "M",
    "{a \\over " * 90 + "b" + "}" * 90,
    r"\prod_{k=1}^{10^{8}} k",
    "9^{9^{9^{9}}}",
    "(x+1)^{10^{9}}",
    "100000!!!",
    r"\sin(10^{10^{10}})",
    "(" * 400 + "x" + ")" * 400,
    "{" * 499 + "}" * 499,
    r"\frac" * 190,
    "x^" * 400 + "2",
    "1," * 400 + "1",
    "(1,2)" * 190,
    "-" * 900 + "1",
    r"\text{" * 160 + "}" * 160,
    "a=" * 400 + "b",
    "5000!" * 190,
    r"\sqrt{" * 140 + "2" + "}" * 140,
    "1 thousand " * 90,
    "一万" * 400,
    "2 and " * 160,
    r"\pm 1," * 160,
    r"\sum_{k=1}^{3900} k^{5000}",
    r"\sum_{k=1}^{900} (k+x)!",
    r"\sum_{k=1}^{3000} \frac{1}{k^{300}}",
    "5000!/4999!" * 80,
]


@pytest.mark.parametrize(("a", "b", "language", "same"), PAIRS)
def test_pair(a: str, b: str, language: str | None, same: bool) -> None:
    assert equivalent(a, b, language) is same
    assert equivalent(b, a, language) is same


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("0.5", "1/2"),
        (".5", r"\frac12"),
        (r"-\frac{1}{2}", "-0.50"),
        (r"\dfrac{-1}{2}", "\N{MINUS SIGN}1/2"),
        ("1,234,567", "1234567"),
        ("1{,}234", r"1\,234"),
        ("1 234", "1234"),
        ("+7", "007"),
        ("3.", "3"),
        ("$3$", r"\(3\)"),
        (r"\boxed{3}", "3"),
        ("१२", "12"),
        ("x + 1", "x  + 1"),
        ("b", "B"),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_plainly_the_same(a: str, b: str) -> None:
    assert equivalent(a, b) and equivalent(b, a)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("12", "13"),
        ("1/2", "1/3"),
        ("A", "1"),
        ("", ""),
        (" ", "1"),
        ("$$", "$$"),
        ("x" * 2000, "1"),
        ("0.5", "0.4999"),
    ],
)
def test_plainly_not_the_same(a: str, b: str) -> None:
    assert not equivalent(a, b) and not equivalent(b, a)


@settings(max_examples=200, deadline=None)
@given(st.integers(-(10**20), 10**20), st.integers(1, 10**6))
def test_every_way_to_write_a_number_is_the_same_number(top: int, bottom: int) -> None:
    assert equivalent(str(top), f"{top:,}")
    assert equivalent(f"{top}/{bottom}", rf"\frac{{{top}}}{{{bottom}}}")
    assert equivalent(f"{top}/{bottom}", str(Fraction(top, bottom)))
    assert not equivalent(str(top), str(top + 1))


@settings(deadline=None)
@example("\\text{.}..}")
@given(
    st.lists(
        st.sampled_from(["\\text{", "}", "\\", ",", "$", ".", " ", "a", "\\left", "{,}", "~", "1", "\\color{", "「"])
    ).map("".join)
)
def test_tidying_twice_changes_no_more(text: str) -> None:
    assert tidy(tidy(text)) == tidy(text)


@settings(max_examples=300, deadline=None)
@given(st.text("0123456789/.,{}()[]-+=<>^_!%|:; \\frac abxi万元และ", max_size=20))
def test_no_text_is_too_strange_to_compare(text: str) -> None:
    assert equivalent(text, "17") is equivalent("17", text)
    assert equivalent(text, text) is bool(tidy(text))


def test_files_group_by_commas_in_every_language_and_answers_do_not() -> None:
    assert equivalent("1350", "1.350", "de") and equivalent("1,350", "1.350", "de")
    assert equivalent("1.35", "1,350", "de") and not equivalent("1350", "1,350", "de")


def test_answers_longer_than_python_reads_are_texts() -> None:
    long = "9" * 5000
    assert group_answers([long, rf"\frac{{{long}}}{{2}}", f"{long}/2", long]) == [0, 1, 2, 0]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_hostile_answer_is_given_up_and_equals_nothing(hostile: str) -> None:
    # In a process of its own: a comparison that never ended would end the test and not the whole run.
    code = (
        "import sys; from tertulia.answers import equivalent;"
        "print(equivalent(sys.argv[1], 'x+17'), equivalent('17', sys.argv[1]))"
    )
    done = subprocess.run([sys.executable, "-c", code, hostile], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "False False\n")


def test_answers_are_compared_on_any_thread_at_once() -> None:
    pairs = [(f"x+{n}", f"{n}+x" if n % 2 else f"{n}+y") for n in range(40)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda pair: equivalent(*pair), pairs))
    assert found == [bool(n % 2) for n in range(40)]


def test_plain_numbers_load_nothing_heavy() -> None:
    code = (
        "import sys, tertulia.answers; early = 'tertulia.answers.equivalence' in sys.modules;"
        "assert tertulia.answers.equivalent('12', '12.0');"
        "print(early, [name for name in ('mpmath', 'sympy', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "False []\n"


# --- groups ---------------------------------------------------------------------------------------


def test_groups_are_named_by_their_first_member() -> None:
    answers = ["3", "1/2", None, "0.5", "x+1", " ", "3.0", "1+x"]
    assert group_answers(answers) == [0, 1, None, 1, 4, None, 0, 4]


def test_an_answer_joins_the_group_of_its_first_equal() -> None:
    # 50 % is 50 to some and 1/2 to others: which it is, here, depends on who came first.
    assert group_answers(["50", r"50\%", "0.5"]) == [0, 0, 2]
    assert group_answers(["0.5", "50", r"50\%"]) == [0, 1, 0]


def test_votes_know_number_words_and_the_language() -> None:
    assert group_answers(["40 thousand", "40", "40000", "40,000"]) == [0, 1, 0, 0]
    assert group_answers(["1.350", "1350", "1,35"], "de") == [0, 0, 2]
    assert group_answers(["1.350", "1350", "1.35"], "en") == [0, 1, 0]


def test_a_thousand_integers_are_grouped() -> None:
    assert group_answers([str(n % 1000) for n in range(2000)]) == [n % 1000 for n in range(2000)]
