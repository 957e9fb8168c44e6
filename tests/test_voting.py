"""From the paths' answers to one verdict."""

from __future__ import annotations

import random
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circles import tell
from tertulia.answers import voting
from tertulia.answers.voting import Verdict, vote
from tertulia.errors import TertuliaError

answers = st.lists(st.none() | st.sampled_from(["1", "2", "2.0", "4/2", "3", " ", "", "x"]), max_size=12)


def test_the_majority_wins_and_the_verdict_says_how_many_spoke() -> None:
    assert vote(["7", None, "8", "7", " "], seed=0) == Verdict("7", {"7": 2, "8": 1}, spoke=3, of=5, tie=False)


def test_nobody_spoke() -> None:
    assert vote([None, ""], seed=0) == Verdict(None, {}, spoke=0, of=2, tie=False)
    assert vote([], seed=0) == Verdict(None, {}, spoke=0, of=0, tie=False)


def test_equivalent_answers_vote_together_in_their_usual_form() -> None:
    given_ = ["0.5", r"\frac{1}{2}", "3", "1/2", "3", r"\frac12", r"\frac{1}{2}"]
    assert vote(given_, seed=0) == Verdict(r"\frac{1}{2}", {r"\frac{1}{2}": 5, "3": 2}, 7, 7, tie=False)


def test_equivalence_goes_beyond_plain_numbers() -> None:
    assert vote([r"\sqrt{2}/2", "3", r"\frac{1}{\sqrt{2}}"], seed=0).votes == {r"\sqrt{2}/2": 2, "3": 1}


@settings(max_examples=150, deadline=None)
@given(answers, st.integers(0, 9))
def test_every_vote_is_counted_once_and_the_winner_has_most(given_: list[str | None], seed: int) -> None:
    verdict = vote(given_, seed=seed)
    spoke = [answer for answer in given_ if answer and answer.strip()]
    assert verdict.spoke == len(spoke) == sum(verdict.votes.values())
    assert verdict.of == len(given_)
    counts = list(verdict.votes.values())
    assert counts == sorted(counts, reverse=True)
    if spoke:
        assert verdict.answer == next(iter(verdict.votes))
        assert verdict.votes[verdict.answer] == max(counts)
        assert verdict.answer in spoke
    assert verdict.tie == (counts.count(max(counts, default=0)) > 1)


@settings(max_examples=60, deadline=None)
@given(answers, st.integers(0, 9), st.randoms(use_true_random=False))
def test_the_order_of_the_paths_does_not_decide(given_: list[str | None], seed: int, draw: random.Random) -> None:
    plain = [answer for answer in given_ if answer not in ("2.0", "4/2")]
    shuffled = draw.sample(plain, len(plain))
    assert vote(shuffled, seed=seed) == vote(plain, seed=seed)


def test_a_tie_is_decided_by_the_seed_and_by_nothing_else() -> None:
    winners = {vote(["1", "2", "3"], seed=seed).answer for seed in range(40)}
    assert winners == {"1", "2", "3"}
    assert all(vote(["1", "2", "3"], seed=5) == vote(["3", "1", "2"], seed=5) for _ in range(3))
    assert vote(["1", "2"], seed=0).tie


def test_sure_paths_weigh_more_than_many() -> None:
    for seed in range(10):
        verdict = vote(["1", "2", "2"], weights=[0.9, 0.3, 0.4], rule="sure", seed=seed)
        assert verdict.answer == "1" and verdict.votes == {"2": 2, "1": 1}
        assert vote(["1", "2", "2"], weights=[1.0, 1.0, 1.0], rule="sure", seed=seed).answer == "2"


def test_shortest_majority_prefers_the_shorter_of_equal_groups() -> None:
    for seed in range(10):
        verdict = vote(["1", "1", "2", "2"], lengths=[900, 700, 300, 1200], rule="shortest-majority", seed=seed)
        assert verdict.answer == "2" and verdict.tie and verdict.votes == {"2": 2, "1": 2}


def test_shortest_majority_weighs_votes_against_the_logarithm_of_length() -> None:
    # 3 / ln 20000 = 0.303, 2 / ln 500 = 0.322, 2 / ln 1000 = 0.290
    given_ = ["1", "1", "1", "2", "2"]
    assert vote(given_, lengths=[20_000] * 3 + [500] * 2, rule="shortest-majority", seed=0).answer == "2"
    assert vote(given_, lengths=[20_000] * 3 + [1000] * 2, rule="shortest-majority", seed=0).answer == "1"
    assert vote(["1", "2", "2"], lengths=[0, 1, 1], rule="shortest-majority", seed=0).answer == "2"


async def test_a_circle_votes_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[threading.Thread] = []
    group = voting.group_answers

    def watched(given_: list[str | None], language: str | None = None) -> list[int | None]:
        used.append(threading.current_thread())
        return group(given_, language)

    monkeypatch.setattr(voting, "group_answers", watched)
    told = await tell()
    assert told.outcome.verdict.answer == "161"
    assert used and threading.main_thread() not in used


def test_wrong_arguments_get_one_line() -> None:
    with pytest.raises(TertuliaError, match="unknown vote rule 'best': use one of majority, shortest-majority"):
        vote(["1"], rule="best", seed=0)  # type: ignore[arg-type]
    with pytest.raises(TertuliaError, match="needs the length of every path"):
        vote(["1"], rule="shortest-majority", seed=0)
    with pytest.raises(TertuliaError, match="1 lengths for 2 answers"):
        vote(["1", "2"], lengths=[1], seed=0)
    with pytest.raises(TertuliaError, match="3 weights for 2 answers"):
        vote(["1", "2"], weights=[1, 2, 3], seed=0)
    with pytest.raises(TertuliaError, match="'sure' needs how sure every path is: give weights"):
        vote(["1", "2"], rule="sure", seed=0)
