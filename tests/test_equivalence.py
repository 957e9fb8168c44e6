"""When two answers are one; and that no answer, however hostile, stops the program."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tertulia.answers import equivalence
from tertulia.answers.equivalence import equivalent, group_answers, tidy
from tertulia.errors import TertuliaError

HANGS = r"\prod_{k=1}^{10^{8}} k"


@pytest.fixture
def no_checker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking math-verify fails: what is decided here was decided without it."""

    def refuse(gold: str, answer: str) -> bool:
        raise AssertionError(f"math-verify was asked about {gold!r} and {answer!r}")

    monkeypatch.setattr(equivalence, "_math_verify", refuse)


@pytest.fixture
def checker(monkeypatch: pytest.MonkeyPatch) -> Iterator[equivalence._Checker]:
    """A checker of the test's own."""
    fresh = equivalence._Checker()
    equivalence._math_verify.cache_clear()
    monkeypatch.setattr(equivalence, "_CHECKER", fresh)
    yield fresh
    fresh.close()
    equivalence._math_verify.cache_clear()


# --- without math-verify --------------------------------------------------------------------------


@pytest.mark.usefixtures("no_checker")
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
        (r"\text{3}", "3"),
        (r"\boxed{3}", "3"),
        ("१२", "12"),
        ("x + 1", "x  + 1"),
        (r"\text{(A)}", "(A)"),
        ("b", "B"),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_plainly_the_same(a: str, b: str) -> None:
    assert equivalent(a, b) and equivalent(b, a)


@pytest.mark.usefixtures("no_checker")
@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("12", "13"),
        ("1/2", "1/3"),
        ("A", "B"),
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


@pytest.mark.usefixtures("no_checker")
@settings(max_examples=200, deadline=None)
@given(st.integers(-(10**20), 10**20), st.integers(1, 10**6))
def test_every_way_to_write_a_number_is_the_same_number(top: int, bottom: int) -> None:
    assert equivalent(str(top), f"{top:,}")
    assert equivalent(f"{top}/{bottom}", rf"\frac{{{top}}}{{{bottom}}}")
    assert equivalent(f"{top}/{bottom}", str(Fraction(top, bottom)))
    assert not equivalent(str(top), str(top + 1))


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(["\\text{", "}", "\\", ",", "$", ".", " ", "a", "\\left", "{,}", "~", "1"])).map("".join)
)
def test_tidying_twice_changes_no_more(text: str) -> None:
    assert tidy(tidy(text)) == tidy(text)


@settings(deadline=None)
@given(st.text("0123456789/.,{}-\\frac", max_size=20))
def test_no_text_is_too_strange_to_be_a_number_or_not(text: str) -> None:
    value = equivalence._number(text)
    assert value is None or isinstance(value, Fraction)


def test_numbers_too_long_for_python_to_read_are_texts() -> None:
    long = "9" * 5000
    assert group_answers([long, rf"\frac{{{long}}}{{2}}", f"{long}/2", long]) == [0, 1, 2, 0]


# --- with math-verify -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        (r"\sqrt{8}", r"2\sqrt{2}", True),
        ("x+1", "1+x", True),
        ("x+1", "x+2", False),
        (r"\{1,2\}", r"\{2,1\}", True),
        ("0.333333", "1/3", True),
        ("12.0000001", "12", False),
        ("2", "2ab", False),
        (r"r^2 h", r"r^2", False),
        (r"5\sqrt{2}\text{ cm}", r"5\sqrt{2}", True),
        (r"5\sqrt{2}\text{ cm}", r"5\sqrt{2}\text{ m}", False),
        ("1/0", "5", False),
        (r"\frac{1}{0}", "5", False),
        ("}{", "5", False),
    ],
)
def test_what_only_mathematics_can_tell(a: str, b: str, same: bool) -> None:
    assert equivalent(a, b) is same


def test_a_comparison_that_hangs_is_stopped_and_costs_its_time_once(checker: equivalence._Checker) -> None:
    checker.cpu_seconds = 1.0
    assert not equivalent(HANGS, "x+1")
    checker.cpu_seconds = 5.0
    start = time.perf_counter()
    assert not any(equivalent(HANGS, f"x+{n}") or equivalent(f"x+{n}", HANGS) for n in range(20))
    assert time.perf_counter() - start < 0.5, "the same expression was tried again"
    assert equivalent("x+1", "1+x"), "an innocent answer was given up with the hostile one"


def test_a_hanging_comparison_ends_although_nobody_is_there_to_stop_it(checker: equivalence._Checker) -> None:
    child = checker._start()
    assert child.stdin is not None
    child.stdin.write(json.dumps({"gold": HANGS, "answer": "1", "seconds": 0.5}) + "\n")
    child.stdin.flush()
    assert child.wait(60) == -signal.SIGPROF
    child.communicate()


def test_answers_are_compared_on_any_thread_at_once(checker: equivalence._Checker) -> None:
    pairs = [(f"x+{n}", f"{n}+x" if n % 2 else f"{n}+y") for n in range(40)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda pair: equivalent(*pair), pairs))
    assert found == [bool(n % 2) for n in range(40)]


def test_a_dead_checker_is_replaced(checker: equivalence._Checker) -> None:
    assert checker.equal("x+1", "1+x")
    assert checker._child is not None
    checker._child.kill()
    checker._child.wait()
    assert checker.equal("x+2", "2+x")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_process_starts_a_checker_of_its_own(checker: equivalence._Checker) -> None:
    assert checker.equal("x+1", "1+x")
    mine = checker._child
    child = os.fork()  # it must neither talk to the parent's checker, nor end it or wait for it
    if child == 0:
        other = checker.equal("x+2", "2+x") and checker._child is not mine
        checker.close()
        os._exit(0 if other else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert checker.equal("x+3", "3+x") and checker._child is mine


def test_a_checker_that_cannot_start_gets_one_line(
    checker: equivalence._Checker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(TertuliaError, match="cannot start the answer checker"):
        checker.equal("x+1", "1+x")


def test_the_checker_does_not_import_from_the_directory_a_user_works_in(
    checker: equivalence._Checker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "sympy.py").write_text("raise SystemExit")
    monkeypatch.chdir(tmp_path)
    assert checker.equal("x+1", "1+x")


# --- groups ---------------------------------------------------------------------------------------


def test_groups_are_named_by_their_first_member() -> None:
    assert group_answers(["3", "1/2", None, "0.5", "x+1", " ", "3.0", "1+x"]) == [
        0,
        1,
        None,
        1,
        4,
        None,
        0,
        4,
    ]


def test_an_answer_joins_the_group_of_its_first_equal() -> None:
    # 50 % is 50 to some and 1/2 to others: which it is, here, depends on who came first.
    assert group_answers(["50", r"50\%", "0.5"]) == [0, 0, 2]
    assert group_answers(["0.5", "50", r"50\%"]) == [0, 1, 0]


@pytest.mark.usefixtures("no_checker")
def test_a_thousand_integers_are_grouped_at_once() -> None:
    start = time.perf_counter()
    assert group_answers([str(n % 1000) for n in range(2000)]) == [n % 1000 for n in range(2000)]
    assert time.perf_counter() - start < 1
