"""Intervals on synthetic circles whose truth is known: they cover, and paths taken as independent would not."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter

import numpy as np
import pytest

from tertulia.errors import TertuliaError
from tertulia.evaluation import statistics as stats
from tertulia.evaluation.equal_tokens import Pool, vote_at
from tertulia.evaluation.gates import share_of_cases
from tertulia.evaluation.statistics import (
    Estimate,
    detectable,
    mean_of_these_questions,
    mean_over_questions,
    paired_difference,
    pass_at_k,
    paths_as_independent,
    ratio_of_means,
    verdict,
)
from tertulia.evaluation.stepwise import stepwise_vote

SIMULATIONS = 1000
SHAPES = [(60, 4, 8), (30, 2, 8)]


def circles(draw: np.random.Generator, questions: np.ndarray, count: int, paths: int) -> np.ndarray:
    """Right paths of circles, shape (..., questions, circles, paths): the paths of a circle agree much of the time.

    Each path is right with its question's chance; with chance 0.6 it only repeats what the circle came to.
    """
    shape = (*questions.shape, count, paths)
    chance = questions[..., None, None]
    together = draw.random((*questions.shape, count, 1)) < chance
    alone = draw.random(shape) < chance
    return np.where(draw.random(shape) < 0.6, together, alone)


@pytest.mark.parametrize(("questions", "count", "paths"), SHAPES)
def test_intervals_for_new_questions_cover_and_those_of_independent_paths_do_not(
    questions: int, count: int, paths: int
) -> None:
    draw = np.random.default_rng(1)
    truth, clustered, naive = 0.5, 0, 0
    for _ in range(SIMULATIONS):
        right = circles(draw, draw.beta(1.0, 1.0, questions), count, paths)
        found = mean_over_questions(right.mean(axis=2).tolist(), seed=int(draw.integers(1 << 30)))
        clustered += found.low <= truth <= found.high
        low, high = paths_as_independent(int(right.sum()), right.size)
        naive += low <= truth <= high
    assert 0.93 <= clustered / SIMULATIONS <= 0.97
    assert naive / SIMULATIONS < 0.75


@pytest.mark.parametrize(("questions", "count", "paths"), SHAPES)
def test_intervals_of_paired_differences_cover(questions: int, count: int, paths: int) -> None:
    draw = np.random.default_rng(2)
    truth, covered, unpaired = 0.1, 0, 0.0
    for _ in range(SIMULATIONS):
        chance = draw.uniform(0.0, 0.9, questions)
        better = circles(draw, chance + truth, count, paths).mean(axis=2)
        worse = circles(draw, chance, count, paths).mean(axis=2)
        found = paired_difference(better.tolist(), worse.tolist(), seed=int(draw.integers(1 << 30)))
        covered += found.low <= truth <= found.high
        unpaired += (better.mean(axis=1).var() + worse.mean(axis=1).var()) / questions > found.se**2
    assert 0.93 <= covered / SIMULATIONS <= 0.97
    assert unpaired / SIMULATIONS > 0.9, "pairing takes out what the questions share"


def test_votes_that_are_all_right_are_not_told_from_a_reference_that_seldom_is_not() -> None:
    draw = np.random.default_rng(4)
    covered = 0
    for seed in range(200):
        chance = draw.uniform(0.97, 0.999, 50)
        votes = (draw.random(50) < chance).astype(float)
        found = paired_difference(votes[:, None].tolist(), chance[:, None].tolist(), seed=seed)
        covered += found.low <= 0 <= found.high
    assert covered >= 0.95 * 200
    never = paired_difference([[0.0]] * 30, [[0.01 + 0.01 * (q % 3)] for q in range(30)])
    assert never.high > 0 and never.low < -0.1, "nor from one that seldom is"


def test_intervals_for_the_same_questions_cover_and_are_narrower() -> None:
    draw = np.random.default_rng(3)
    chance = draw.beta(1.0, 1.0, 40)
    covered = narrower = 0
    for _ in range(SIMULATIONS):
        values = circles(draw, chance, 4, 8).mean(axis=2).tolist()
        these, new = mean_of_these_questions(values), mean_over_questions(values)
        assert these is not None
        covered += these.low <= chance.mean() <= these.high
        narrower += these.se < new.se
    assert 0.93 <= covered / SIMULATIONS <= 0.97
    assert narrower / SIMULATIONS > 0.95


def test_circles_of_a_question_are_one_cluster() -> None:
    once = [[float(q % 2)] for q in range(20)]
    often = [row * 50 for row in once]
    assert mean_over_questions(often).se == mean_over_questions(once).se


def test_a_bootstrap_draws_clusters_and_gives_a_row_of_figures_for_each_draw() -> None:
    values = np.arange(25.0)

    def figures(drawn: np.ndarray) -> np.ndarray:
        assert drawn.shape == (500, 25) and drawn.min() == 0 and drawn.max() == 24
        return np.stack((values[drawn].mean(axis=1), values[drawn].max(axis=1)), axis=1)

    found = stats.bootstrap(25, figures, seed=4, resamples=500)
    assert found.shape == (500, 2) and (found == stats.bootstrap(25, figures, seed=4, resamples=500)).all()
    low, high = stats.ends(found[:, 0], 25)
    narrow = stats.ends(found[:, 0], None)
    assert low < narrow[0] < 12 < narrow[1] < high, "few clusters widen the interval"


def test_one_question_has_no_interval_and_one_circle_each_none_for_the_same_questions() -> None:
    found = mean_over_questions([[0.25, 0.75]])
    assert found.mean == 0.5 and math.isnan(found.low) and math.isnan(found.se)
    assert found.points() == "50.0 (no interval from one question)"
    assert found.to_json()["low"] is None
    assert mean_of_these_questions([[1.0], [0.0, 1.0]]) is None


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_all_right_or_all_wrong_is_no_certainty(value: float) -> None:
    found = mean_over_questions([[value]] * 20)
    assert found.mean == value and found.high - found.low > 0.1 and 0 <= found.low <= found.high <= 1


def test_what_a_fraction_of_a_vote_leaves_over_is_no_variation() -> None:
    votes = [[1.0 - 1e-4 * (question % 3)] for question in range(50)]
    found = mean_over_questions(votes)
    assert found.low < 0.96, "as wide as where all fifty are right"


def test_numbers_that_differ_by_rounding_only_are_alike() -> None:
    found = mean_over_questions([[0.1, 0.2]] * 7)
    assert np.std([np.mean([0.1, 0.2])] * 7) > 0, "the mean of seven equal numbers is not the number here"
    assert found.high - found.low > 0.1


def test_circles_that_agree_on_every_question_are_no_certainty_about_these_questions() -> None:
    found = mean_of_these_questions([[1.0, 1.0], [0.0, 0.0]] * 10)
    again = mean_of_these_questions([[1.0] * 8, [0.0] * 8] * 10)
    assert found is not None and again is not None
    assert found.mean == 0.5 and found.low < 0.46 < 0.54 < found.high and found.se > 0
    assert 0.5 < again.high < found.high, "more circles that agree say more"


def test_quantiles_of_students_t_are_those_of_the_tables() -> None:
    table = {1: 12.7062, 2: 4.3027, 3: 3.1824, 5: 2.5706, 10: 2.2281, 30: 2.0423, 120: 1.9799}
    for freedom, quantile in table.items():
        assert stats.t_quantile(0.975, freedom) == pytest.approx(quantile, abs=5e-5)
        assert stats.t_quantile(0.025, freedom) == pytest.approx(-quantile, abs=5e-5)


def test_no_difference_on_any_question_is_no_certainty_either() -> None:
    found = paired_difference([[1.0]] * 20, [[1.0]] * 20)
    assert found.low < -0.1 < 0.1 < found.high
    assert "no difference seen" in verdict(found) and "could show 0 points" not in verdict(found)
    assert paired_difference([[1.0]] * 20, [[0.0]] * 20).low > 0.8


def test_what_cannot_be_gets_one_line() -> None:
    with pytest.raises(TertuliaError, match="no circle"):
        mean_over_questions([[], []])
    with pytest.raises(TertuliaError, match="not a number"):
        mean_over_questions([[0.5], [math.nan]])
    with pytest.raises(TertuliaError, match="not a number"):
        mean_of_these_questions([[0.5, math.nan]])
    with pytest.raises(TertuliaError, match="0 right paths of 0"):
        paths_as_independent(0, 0)
    with pytest.raises(TertuliaError, match="2 questions against 1"):
        paired_difference([[1.0], [0.0]], [[1.0]])
    with pytest.raises(TertuliaError, match="on one side only"):
        paired_difference([[1.0], [0.0]], [[1.0], []])


def test_an_estimate_survives_json() -> None:
    for found in (mean_over_questions([[0.5], [0.25]]), mean_over_questions([[0.5]])):
        again = Estimate.from_json(found.to_json())
        assert again.to_json() == found.to_json()


@pytest.mark.parametrize("n", range(1, 8))
def test_pass_at_k_is_the_share_of_subsets_with_a_right_path(n: int) -> None:
    for right, k in itertools.product(range(n + 1), range(1, n + 1)):
        subsets = list(itertools.combinations(range(n), k))
        share = sum(min(subset) < right for subset in subsets) / len(subsets)
        assert pass_at_k(n, right, k) == pytest.approx(share)
    with pytest.raises(TertuliaError, match="cannot be"):
        pass_at_k(n, 0, n + 1)


def test_the_verdict_in_words() -> None:
    assert verdict(Estimate(0.041, 0.012, 0.07, 0.0148, 200, 800)) == (
        "better by 4.1 points, 95 % interval 1.2 to 7.0, at equal tokens"
    )
    worse = Estimate(-0.041, -0.07, -0.012, 0.0148, 200, 800)
    assert verdict(worse).startswith("worse by 4.1 points, 95 % interval 1.2 to 7.0")
    assert verdict(Estimate(0.005, -0.042, 0.052, 0.0214, 200, 800)) == (
        "no difference seen (+0.5 points, 95 % interval -4.2 to 5.2, at equal tokens); n = 200 could show 6 points"
    )
    assert "one question" in verdict(mean_over_questions([[1.0]]))


def test_a_detectable_difference_is_detected_with_its_power() -> None:
    draw = np.random.default_rng(5)
    estimates = draw.normal(detectable(1.0), 1.0, 20_000)
    assert np.mean(np.abs(estimates) > 1.96) == pytest.approx(0.8, abs=0.01)


def test_intervals_of_shares_of_cases_cover_although_cases_of_a_question_are_alike() -> None:
    draw = np.random.default_rng(6)
    covered = naive = 0
    # Questions with more cases have more of what happens: the mean of the questions' shares would be another figure.
    truth = (0.5 * 2 * 0.2 + 0.5 * 20 * 0.6) / (0.5 * 2 + 0.5 * 20)
    for _ in range(SIMULATIONS):
        many = draw.random(60) < 0.5
        chance = np.where(many, 0.6, 0.2) + np.where(draw.random(60) < 0.5, 0.2, -0.2)
        values = [(draw.random(20 if more else 2) < p).tolist() for more, p in zip(many, chance, strict=True)]
        found = share_of_cases(values, seed=int(draw.integers(1 << 30)))
        assert found is not None
        covered += found.low <= truth <= found.high
        happened, cases = sum(map(sum, values)), sum(map(len, values))
        assert found.mean == pytest.approx(happened / cases) and found.circles == cases
        low, high = paths_as_independent(happened, cases)
        naive += low <= truth <= high
    assert 0.92 <= covered / SIMULATIONS <= 0.97
    assert naive / SIMULATIONS < 0.75


def test_shares_without_variation_or_cases_are_no_certainty() -> None:
    never = share_of_cases([[False] * 9, [False], []] + [[False, False]] * 8)
    assert never is not None and never.mean == 0 and never.high > 0.2 and never.questions == 10
    assert share_of_cases([[], []]) is None
    alone = share_of_cases([[True, False]])
    assert alone is not None and alone.mean == 0.5 and math.isnan(alone.low)


# --- equal tokens ----------------------------------------------------------------------------------


LONG, SHORT = (100.0, 300.0), (20.0, 60.0)


def path(draw: random.Random, right: tuple[float, float], wrong: tuple[float, float]) -> tuple[int | None, float]:
    """Answer and cost of a path: right with chance 0.4, else one of three wrong answers or none."""
    group = 0 if draw.random() < 0.4 else draw.choice((1, 2, 3, None))
    return group, draw.uniform(*(right if group == 0 else wrong))


def pool(size: int, seed: int, right: tuple[float, float] = (50, 150), wrong: tuple[float, float] = (50, 150)) -> Pool:
    draw = random.Random(seed)
    groups, costs = zip(*(path(draw, right, wrong) for _ in range(size)), strict=True)
    return Pool(groups, tuple(group == 0 for group in groups), costs)


def test_what_is_bought_costs_what_the_budget_is() -> None:
    many = pool(200, 1)
    for budget in (130.0, 500.0, 1234.0):
        found = vote_at(many, budget, draws=20_000)
        assert found.enough and found.tokens == pytest.approx(budget, rel=0.02)
    assert vote_at(many, 10.0).paths == 1.0, "there is no vote without a path"


def test_a_pool_that_is_too_small_is_taken_whole_and_said_to_be() -> None:
    few = pool(5, 2)
    found = vote_at(few, 1e9)
    assert not found.enough and found.paths == 5 and found.tokens == pytest.approx(sum(few.cost))


@pytest.mark.parametrize(("right", "wrong"), [(LONG, SHORT), (SHORT, LONG)])
def test_short_paths_are_not_preferred(right: tuple[float, float], wrong: tuple[float, float]) -> None:
    many = pool(200, 3, right, wrong)
    found = vote_at(many, 900.0, draws=20_000)
    assert found.pass_at_1 == pytest.approx(np.mean(many.right), abs=0.005)
    assert found.paths == pytest.approx(900.0 / np.mean(many.cost), rel=0.001)


@pytest.mark.parametrize(("right", "wrong"), [(LONG, SHORT), (SHORT, LONG)])
def test_votes_from_a_pool_are_those_of_fresh_paths(right: tuple[float, float], wrong: tuple[float, float]) -> None:
    paths = 7.5
    budget = paths * (0.4 * np.mean(right) + 0.6 * np.mean(wrong))
    from_pools = np.mean([vote_at(pool(64, n, right, wrong), budget, draws=20, seed=n).vote for n in range(1500)])
    draw, fresh, spent = random.Random(1), 0.0, 0.0
    for _ in range(20_000):
        sampled = [path(draw, right, wrong) for _ in range(7 + (draw.random() < 0.5))]
        counts = Counter(group for group, _ in sampled if group is not None)
        winners = [group for group, count in counts.items() if count == max(counts.values())]
        fresh += (0 in winners) / max(1, len(winners)) / 20_000
        spent += sum(cost for _, cost in sampled) / 20_000
    assert spent == pytest.approx(budget, rel=0.01)
    assert from_pools == pytest.approx(fresh, abs=0.015)


def test_ties_are_shared_and_paths_without_an_answer_do_not_vote() -> None:
    tied = Pool((0, 1, None, None), (True, False, False, False), (1.0, 1.0, 1.0, 1.0))
    assert vote_at(tied, 4.0).vote == 0.5 and vote_at(tied, 4.0).pass_at_1 == 0.25
    silent = Pool((None, None), (False, False), (1.0, 1.0))
    assert vote_at(silent, 2.0).vote == 0.0


def test_more_tokens_do_not_make_the_vote_of_a_mostly_right_pool_worse() -> None:
    draw = random.Random(7)
    groups = tuple(0 if draw.random() < 0.6 else draw.choice((1, 2, 3)) for _ in range(60))
    good = Pool(groups, tuple(group == 0 for group in groups), (100.0,) * 60)
    votes = [vote_at(good, budget, draws=3000).vote for budget in (100.0, 700.0, 2900.0)]
    assert votes[0] < votes[1] <= votes[2] == pytest.approx(1.0, abs=0.02)


def test_pools_and_budgets_that_cannot_be_are_refused() -> None:
    with pytest.raises(TertuliaError, match="2 answers, 1 marks and 2 costs"):
        vote_at(Pool((0, 1), (True,), (1.0, 1.0)), 5.0)
    for cost in (math.nan, math.inf, -1.0):
        with pytest.raises(TertuliaError, match=r"a path that cost .* cannot be: expected a number from 0"):
            vote_at(Pool((0, 1), (True, False), (1.0, cost)), 5.0)
    with pytest.raises(TertuliaError, match="0 draws"):
        vote_at(Pool((0,), (True,), (1.0,)), 5.0, draws=0)
    with pytest.raises(TertuliaError, match="no independent path to draw from"):
        vote_at(Pool((), (), ()), 5.0)
    for budget in (-1.0, math.nan):
        with pytest.raises(TertuliaError, match=r"a budget of .* cannot be: expected a number from 0"):
            vote_at(Pool((0,), (True,), (1.0,)), budget)


def test_a_path_that_failed_before_its_first_token_is_bought_like_any_other_and_is_wrong() -> None:
    one_failed = Pool((0, 0, 0, None), (True, True, True, False), (40.0, 40.0, 40.0, 0.0))
    found = vote_at(one_failed, 60.0, draws=20_000)
    assert found.paths == 2.0 and found.tokens == pytest.approx(60.0, rel=0.02)
    assert found.pass_at_1 == pytest.approx(0.75, abs=0.01) and found.vote == 1.0
    all_failed = vote_at(Pool((None, None), (False, False), (0.0, 0.0)), 60.0)
    assert (all_failed.vote, all_failed.paths, all_failed.tokens, all_failed.enough) == (0.0, 2.0, 0.0, False)
    assert vote_at(one_failed, 0.0).paths == 1.0, "a circle that cost nothing is held against one path"


def test_a_ratio_of_means_is_of_means_and_its_interval_covers() -> None:
    assert ratio_of_means([[1.0], [0.0], [0.5]], [[1.0], [1.0], [1.0]]).mean == pytest.approx(0.5)  # type: ignore[union-attr]
    assert ratio_of_means([[1.0], [0.0]], [[0.0], [0.0]]) is None, "there is nothing to be a share of"
    one = ratio_of_means([[0.3]], [[0.6]])
    assert one is not None and one.mean == pytest.approx(0.5) and math.isnan(one.low)
    draw, covered = np.random.default_rng(5), 0
    for _ in range(200):
        under = draw.uniform(0.2, 1.0, 60)
        over = 0.7 * under + draw.normal(0, 0.2, 60)
        found = ratio_of_means([[value] for value in over], [[value] for value in under])
        assert found is not None
        covered += found.low <= 0.7 <= found.high
    assert 0.9 <= covered / 200 <= 0.99


# --- the vote step by step ---------------------------------------------------------------------------


def way(*steps: int, answer: int | None = -1, times: int = 1) -> list[tuple[tuple[str, ...], int | None]]:
    """Paths with these steps, and with the last as their answer unless another is given."""
    return [(tuple(map(str, steps)), steps[-1] if answer == -1 else answer)] * times


def stepwise(*ways: list[tuple[tuple[str, ...], int | None]], right: int = 9) -> tuple[float, float]:
    """Chance that the plain vote of all these paths is right, and that the vote step by step is."""
    paths = [path for same in ways for path in same]
    answers = [answer for _, answer in paths]
    many = Pool(
        tuple(answers),
        tuple(answer == right for answer in answers),
        (1.0,) * len(paths),
        tuple(steps for steps, _ in paths),
    )
    found = vote_at(many, float(len(paths)), draws=4000)
    assert found.stepwise is not None
    return found.vote, found.stepwise


def test_a_vote_step_by_step_follows_the_most_frequent_step_and_not_the_most_frequent_answer() -> None:
    early = [*way(2, 8, 1), *way(2, 6, 3)]
    assert stepwise(way(2, 7, 9, times=2), early, way(3, 4, 4, times=3)) == (0.0, 1.0)
    assert stepwise(way(2, 7, 9, times=3), way(3, 4, 5, times=2), way(3, 4, 6, times=2)) == (1.0, 0.0)


def test_a_path_counts_again_where_its_step_is_the_winner_by_whatever_way_it_came() -> None:
    assert stepwise(way(2, 7, 9), way(2, 7, 8), way(2, 5, 5), way(3, 7, 9)) == (1.0, 1.0)
    assert stepwise(way(2, 7, 9), way(2, 7, 8, times=2), way(3, 7, 9, times=2), way(2, 1, 1))[1] == 1.0


def test_the_answer_is_the_last_vote_and_a_shorter_way_may_win() -> None:
    tied = stepwise(way(2, 7, answer=9, times=2), way(2, 7, 8), way(3, 8, times=3))
    assert tied[1] == pytest.approx(0.5, abs=0.03), "the first step is tied"
    assert stepwise(way(2, 7, answer=9, times=3), way(2, 7, 8, times=2))[1] == 1.0
    assert stepwise(way(2, 7, 9, answer=8, times=2), way(2, 7, 9))[1] == 0.0, "a step's value is not yet the answer"


def test_ties_are_broken_evenly_in_a_vote_step_by_step() -> None:
    assert stepwise(way(2, 9), way(3, 8))[1] == pytest.approx(0.5, abs=0.03)
    assert stepwise(way(2, 9), way(3, 8), way(4, 7))[1] == pytest.approx(1 / 3, abs=0.03)


def test_where_steps_lead_to_no_answer_the_plain_vote_stands() -> None:
    lost = way(2, 7, answer=None, times=3)
    assert stepwise(lost, way(3, 9, times=2), way(3, 8)) == (1.0, 1.0)
    assert stepwise(way(2, 7, answer=None)) == (0.0, 0.0)
    assert stepwise([((), 9)], [((), 8)], [((), 9)]) == (1.0, 1.0), "paths without steps vote with their answers"


def test_a_step_that_is_not_stated_is_no_value() -> None:
    assert stepwise([(("", "8"), 8)] * 3, way(2, 9, times=2)) == (0.0, 1.0)


def test_only_the_paths_that_are_bought_vote_step_by_step() -> None:
    paths = [*way(2, 9), *way(3, 8, times=3)]
    right = tuple(answer == 9 for _, answer in paths)
    many = Pool(tuple(answer for _, answer in paths), right, (1.0,) * 4, tuple(steps for steps, _ in paths))
    one = vote_at(many, 1.0, draws=4000)
    assert one.stepwise == one.vote == pytest.approx(0.25, abs=0.03)
    without = vote_at(Pool(many.groups, many.right, many.cost), 1.0, draws=4000)
    assert without.stepwise is None and without.vote == one.vote


def test_steps_of_other_paths_than_the_pool_has_are_refused() -> None:
    with pytest.raises(TertuliaError, match="2 answers and steps of 1 paths"):
        vote_at(Pool((0, 1), (True, False), (1.0, 1.0), (("1",),)), 2.0)
    with pytest.raises(TertuliaError, match="steps of 1 paths, 2 answers and 2 marks for 2 paths"):
        stepwise_vote([()], [0, 1], [True, False], np.ones((1, 2), dtype=bool), np.random.default_rng(0))
