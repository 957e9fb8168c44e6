"""Votes that ask: weighted by how sure paths are, and after a judgement between the two best-held answers."""

from __future__ import annotations

import re
from pathlib import Path as FilePath
from typing import Any

import pytest

from circles import Told, tell
from tertulia import solve
from tertulia.cli.report import lines
from tertulia.engines.scripted import Fault, ScriptedEngine
from tertulia.errors import TertuliaError
from tertulia.methods.judge import read
from tertulia.model import Profile
from tertulia.settings import resolve
from tertulia.wording import Wording, languages

PLAIN = Profile(name="any", answer_tokens=12, tail_tokens=4)
ANSWERS = ("7", "7", "72", "72")
LEAD = Wording.load("plain", "en").lead
JUDGE = Wording.load("plain", "en").judge_lead
Sure = dict[str, float]


def number(path: str) -> int:
    return int(path.rpartition("p")[2])


def script(answers: tuple[str, ...], right: str = "", asked: dict[int, str] | None = None) -> Any:
    """Each path thinks and answers; in side branches it says its answer again, or which working has the right one."""

    def write(context: str, path: str, seed: int) -> str:
        own = answers[number(path)]
        if context.endswith(JUDGE):
            return "2." if f"comes to {right}." in context.partition("Solution 2:")[2] else "1."
        if context.endswith(LEAD):
            return (asked or {}).get(number(path), own) + "}."
        return f"This comes to {own}.\n</think>\\boxed{{{own}}}<|end|>"

    return write


async def voted(
    rule: str, answers: tuple[str, ...] = ANSWERS, *, engine: dict[str, Any] | None = None, **more: Any
) -> Told:
    known = {"right", "asked"}
    written = script(answers, **{name: value for name, value in more.items() if name in known})
    settings = {"method": "independent", "budget": 600} | {k: v for k, v in more.items() if k not in known}
    return await tell(ScriptedEngine(written, **engine or {}), profile=PLAIN, paths=len(answers), vote=rule, **settings)


def sure(**by_answer: float) -> dict[str, Any]:
    """An engine whose paths are as sure as their answer says."""

    def logprob(path: str, text: str) -> float:
        return by_answer["p" + ANSWERS[number(path)]]

    return {"logprob": logprob}


async def test_the_surer_answer_wins_and_what_was_asked_is_counted_as_forked() -> None:
    for one, other, winner in ((-0.1, -2.0, "7"), (-2.0, -0.1, "72")):
        told = await voted("sure", engine=sure(p7=one, p72=other))
        assert told.outcome.verdict.answer == winner and told.outcome.verdict.votes == {"7": 2, "72": 2}
        assert "weighted by how sure 4 of 4 paths are" in told.outcome.verdict.note
        for path in told.outcome.paths:
            assert 0 < path.tokens.forked < path.tokens.generated and path.finished
            assert not any(span.text == LEAD for span in path.spans), "a path never contains its side branches"


async def test_it_is_asked_at_the_end_of_the_thought_and_never_after_the_end_of_text() -> None:
    told = await voted("sure", engine=sure(p7=-0.1, p72=-0.1))
    engine = told.engine
    asked = [call for call in engine.calls if call.logprobs]
    assert len(asked) == 4 and all(not set(call.ids) & set(engine.info.end_ids) for call in asked)
    assert all("boxed{7" not in call.text.removesuffix(LEAD) for call in asked)


async def test_who_says_another_answer_weighs_what_is_left() -> None:
    """Both holders of 7 are very sure, of 72: so much the less of 7."""
    told = await voted("sure", asked={0: "72", 1: "72"}, engine=sure(p7=-0.01, p72=-1.2))
    assert told.outcome.verdict.answer == "72"


async def test_without_probabilities_every_path_weighs_as_much_and_the_verdict_says_so() -> None:
    told = await voted("sure", ("7", "72", "72"), engine={"logprob": lambda path, text: None})
    assert told.outcome.verdict.answer == "72"
    assert told.outcome.verdict.note == "every path weighs 1: the engine gives no probabilities"
    told = await voted("sure", ("7", "72", "72"), engine=sure(p7=-0.1, p72=-0.1), forks=False, method="leap")
    assert "nobody can be asked" in told.outcome.verdict.note and not any(p.tokens.forked for p in told.outcome.paths)


@pytest.mark.parametrize("right", ["7", "72"])
async def test_the_judge_decides_between_close_answers_in_both_orders(right: str) -> None:
    told = await voted("judged", right=right)
    assert told.outcome.verdict.answer == right and told.outcome.verdict.votes == {"7": 2, "72": 2}
    assert re.fullmatch(r"judged: .* (4 to 0|0 to 4) of 4 judgements", told.outcome.verdict.note)
    steps = [event.data for event in told.events if event.kind == "judged"]
    assert len(steps) == 4 and sum(path.tokens.forked for path in told.outcome.paths) > 0
    assert {tuple(step["shown"]) for step in steps} == {tuple(reversed(step["shown"])) for step in steps}


async def test_who_always_takes_the_first_decides_nothing() -> None:
    told = await voted("judged", right="nothing at all")
    plain = await voted("majority")
    assert told.outcome.verdict.answer == plain.outcome.verdict.answer
    assert "2 to 2 of 4 judgements" in told.outcome.verdict.note


@pytest.mark.parametrize("answers", [("7", "72", "72", "72"), ("7", "7")])
async def test_nobody_is_asked_where_one_answer_has_the_majority(answers: tuple[str, ...]) -> None:
    told = await voted("judged", answers, right="7")
    assert told.outcome.verdict.note.startswith("not judged") and not any(p.tokens.forked for p in told.outcome.paths)
    assert told.outcome.verdict.answer == answers[-1]


async def test_no_side_branch_goes_beyond_the_budget_or_costs_a_vote() -> None:
    first = await voted("majority")
    spent = max(path.tokens.generated for path in first.outcome.paths)
    for rule in ("sure", "judged"):
        for budget in range(spent + 1, spent + 30, 4):
            told = await voted(rule, right="72", budget=budget, asked={2: "72" * 40}, engine=sure(p7=-0.1, p72=-0.1))
            assert all(path.tokens.generated <= budget for path in told.outcome.paths)
        assert told.outcome.verdict.spoke == 4
        calls = [call.path for call in first.engine.calls]
        faults = {name: [None] * calls.count(name) + [Fault("error")] * 9 for name in calls}
        told = await voted(rule, right="72", engine={"faults": faults})
        assert told.outcome.verdict.spoke == 4 and not any(path.error for path in told.outcome.paths)


@pytest.mark.parametrize("rule", ["sure", "judged"])
async def test_a_vote_is_read_again_from_its_journal(rule: str, tmp_path: FilePath) -> None:
    file = tmp_path / "one.journal.jsonl"
    more = {"right": "72", "journal": file, "engine": sure(p7=-1.0, p72=-0.1)}
    first = await voted(rule, **more)
    again = await voted(rule, **more)
    assert again.engine.calls == [] and again.outcome.verdict == first.outcome.verdict
    assert [p.tokens for p in again.outcome.paths] == [p.tokens for p in first.outcome.paths]


def test_the_report_says_how_the_verdict_came_about() -> None:
    result = solve("What is 2 + 3?", engine="scripted", profile=PLAIN, method="independent", vote="sure", paths=2)
    told = result.to_json()
    assert told["note"] == result.verdict.note != ""
    assert f"The vote: {told['note']}." in lines(told)
    assert not any("drawn among equals" in line for line in lines(told | {"tie": True}))


def test_a_judgement_is_its_first_number_in_any_digits() -> None:
    said = {"1": 1, " 2.": 2, "Solution 2 is": 2, "12": None, "neither": None, "3": None, "২": 2, "๑": 1}
    assert {text: read(text) for text in said} == said


@pytest.mark.parametrize("language", languages("plain"))
def test_the_question_for_the_judge_shows_both_workings_in_every_language(language: str) -> None:
    words = Wording.load("plain", language)
    order = [words.judge.index(name) for name in ("{question}", "{first}", "{second}")]
    assert order == sorted(order) and "1" in words.judge and "2" in words.judge and words.judge_lead


def test_the_judge_needs_the_plain_words() -> None:
    with pytest.raises(TertuliaError, match="the vote judged is worded in the words plain only, not paper"):
        resolve(PLAIN, {"vote": "judged", "words": "paper"})
