"""What is read as a claim, and how claims compare."""

from __future__ import annotations

from circles import PEBBLE
from tertulia.circle.claims import AnswerClaims, AnswerReading, Difference, StepClaims, claims_of, read_claims
from tertulia.circle.path import Path, Place, Span, SpanKind, Step

PATTERNS = PEBBLE.claims


def path_of(*spans: tuple[SpanKind, str], place: Place = "thinking") -> Path:
    path = Path(0, "q0/c0/p0")
    path.apply(Step("thought", tuple(Span(kind, (1,), text, 1) for kind, text in spans), place=place))
    return path


def steps(*spans: tuple[SpanKind, str]) -> dict[int, str]:
    return dict(read_claims(path_of(*spans).spans, PATTERNS, "</think>").steps)


def test_steps_are_read_from_thought_and_summaries() -> None:
    thought = "Plan: start 13; 1) add 80; 2) take 8\n1) 13+80=93\n2) 93-8=85\n"
    assert steps(("thought", thought)) == {1: "93", 2: "85"}
    assert steps(("thought", "1) 13+80=93\n"), ("summary", "2=85 3=-4</summarize>")) == {
        1: "93",
        2: "85",
        3: "-4",
    }


def test_nothing_that_was_put_in_is_a_claim() -> None:
    heard = "\n<peers>step 1: you 93\n1) 1+1=99\n</peers>\n"
    assert steps(("prompt", "1) 1+1=5\n"), ("thought", "1) 13+80=93\n"), ("heard", heard)) == {1: "93"}
    assert steps(("summary", "1=93</summarize> 2=7")) == {1: "93"}


def test_a_step_written_again_drops_what_was_reached_from_it() -> None:
    first = "1) 13+80=93\n2) 93-8=85\n3) 85*2=170\n"
    assert steps(("thought", first + "Again: 2) take 4\n2) 93-4=89\n")) == {1: "93", 2: "89"}
    assert steps(("thought", first), ("summary", "2=89</summarize>")) == {1: "93", 2: "89"}


def test_a_summary_that_only_repeats_drops_nothing() -> None:
    assert steps(("thought", "1) 1+1=2\n2) 2+1=3\n"), ("summary", "1=2</summarize>")) == {1: "2", 2: "3"}


def test_a_line_that_is_still_being_written_claims_nothing() -> None:
    assert steps(("thought", "1) 13+80=93\n2) 93-8=8")) == {1: "93"}
    assert steps(("thought", "1) 13+80=93\n2) 93-8=8</think>")) == {1: "93", 2: "8"}


def test_the_answer_so_far_is_the_last_step_and_of_the_finished_their_own() -> None:
    path = path_of(("thought", "1) 1+1=2\n2) 2+1=3\n"))
    assert claims_of(path, PATTERNS, "</think>", AnswerReading()).answer == "3"
    path.apply(Step("answer", place="finished", data={"answer": "12"}))
    assert claims_of(path, PATTERNS, "</think>", AnswerReading()).answer == "12"
    assert read_claims(path_of(("summary", "so \\boxed{4}</summarize>")).spans, PATTERNS).answer == "4"


def test_fresh_steps_are_those_since_the_path_last_heard() -> None:
    path = path_of(("thought", "1) 1+1=2\n"), ("heard", "x"), ("thought", "2) 2+1=3\n3) 3+1=4\n"))
    found = read_claims(path.spans, PATTERNS)
    assert isinstance(found, StepClaims) and found.fresh == (2, 3)


def claims(*values: int) -> StepClaims:
    return StepClaims({step: str(value) for step, value in enumerate(values, 1)})


def first_difference(mine: StepClaims, peers: list[StepClaims], margin: int = 1) -> Difference:
    return mine.compare(dict(enumerate(peers, 1)), margin)


def marked(found: Difference) -> tuple[object, ...]:
    return found.step, found.mine, found.other, found.count, found.total


def test_the_marker_stands_where_another_value_has_more_holders_than_mine() -> None:
    peers = [
        claims(93, 89),
        claims(93, 89),
        claims(93, 89),
        claims(93, 85),
        claims(93),
        claims(93, 7),
        StepClaims(),
    ]
    found = first_difference(claims(93, 85), peers)
    assert found.outvoted and marked(found) == (2, "85", "89", 3, 5) and found.holders == {1, 2, 3}


def test_as_many_holders_as_mine_are_no_marker() -> None:
    assert first_difference(claims(85), [claims(89), claims(89), claims(85)]).finding == "agree"
    assert first_difference(claims(85), [claims(89)]).finding == "agree"


def test_without_a_margin_as_many_holders_as_mine_are_a_marker() -> None:
    assert marked(first_difference(claims(85), [claims(89), claims(89), claims(85)], 0)) == (1, "85", "89", 2, 3)
    assert first_difference(claims(85), [claims(89), claims(85)], 0).finding == "agree"
    assert first_difference(claims(85), [claims(89)] * 3, 3).finding == "agree"


def test_the_first_of_several_differences_is_marked() -> None:
    assert first_difference(claims(1, 2, 3), [claims(1, 9, 9)] * 2).step == 2


def test_equivalent_answers_are_counted_together() -> None:
    answers = {1: "0.5", 2: "1/2", 3: "4", 4: None}
    votes = AnswerClaims("\\frac{1}{2}").compare({path: AnswerClaims(a) for path, a in answers.items()}, 1)
    assert votes.votes == (("\\frac{1}{2}", 2), ("4", 1))
    assert votes.total == 3 and votes.dissenters == {3} and not votes.outvoted


def test_who_has_no_answer_is_outvoted_by_any() -> None:
    votes = AnswerClaims().compare({1: AnswerClaims("4")}, 1)
    assert votes.outvoted and votes.dissenters == {1}
