"""One longer path: it doubts its own result at every end, until the tokens that a circle spent are spent."""

from __future__ import annotations

import pytest

from circles import tell
from tertulia.circle.thinker import LED_TOKENS
from tertulia.engines.scripted import ScriptedEngine
from tertulia.errors import TertuliaError
from tertulia.evaluation.arms import arm, arms
from tertulia.evaluation.evaluate import budgets_of
from tertulia.evaluation.records import CircleRecord, PathRecord
from tertulia.model import Dialect, Profile
from tertulia.wording import Wording

PLAIN = Profile(name="any", answer_tokens=12, tail_tokens=4)
DOUBT = Wording.load("plain", "en").plain_self.strip()


def at_every_end(context: str, path: str, seed: int) -> str:
    """A thinker that has another result each time it is asked to think again."""
    result = context.count(DOUBT)
    return f"This comes to \\boxed{{{result}}}, as I see it.\n</think>The answer is \\boxed{{{result}}}.<|end|>"


async def test_a_path_doubts_at_every_end_until_its_budget_is_spent_and_its_last_answer_counts() -> None:
    told = await tell(ScriptedEngine(at_every_end), profile=PLAIN, method="longer", budget=400)
    (path,) = told.outcome.paths
    doubts = path.text.count(DOUBT)
    assert doubts > 2 and told.outcome.verdict.answer == str(doubts)
    assert 400 - 64 - 40 < path.tokens.generated <= 400
    assert [span.kind for span in path.spans].count("heard") == doubts


async def test_where_answers_stand_in_the_thought_nothing_is_kept_for_another() -> None:
    def aloud(context: str, path: str, seed: int) -> str:
        return f"{'I add. ' * 4}It comes to \\boxed{{{context.count(DOUBT)}}}.<|end|>"

    without = Profile(name="any", answer_tokens=256, prompt="{question}\n", think_open="", think_close="")
    engine = ScriptedEngine(aloud)
    dialect = await Dialect.probe(engine, without)
    told = await tell(engine, profile=without, dialect=dialect, method="longer", budget=700)
    (path,) = told.outcome.paths
    assert 700 - 64 - 2 * LED_TOKENS - 60 < path.tokens.generated <= 700
    assert told.outcome.verdict.answer == str(path.text.count(DOUBT))


async def test_with_nothing_left_it_is_a_plain_path() -> None:
    told = await tell(ScriptedEngine(at_every_end), profile=PLAIN, method="longer", budget=80)
    assert told.outcome.verdict.answer == "0" and DOUBT not in told.outcome.paths[0].text


async def test_it_begins_as_the_first_path_of_a_circle() -> None:
    circle, alone = [await tell(profile=PLAIN, method=method, budget=300) for method in ("independent", "longer")]
    first, only = circle.outcome.paths[0], alone.outcome.paths[0]
    assert only.text.startswith(first.text.partition("</think>")[0])


async def test_a_path_that_repeats_itself_comes_to_an_end() -> None:
    told = await tell(ScriptedEngine(lambda *_: "again " * 600), profile=PLAIN, method="longer", budget=9000)
    assert told.outcome.paths[0].finished and told.outcome.paths[0].loops == 2


def test_it_has_the_tokens_that_the_first_arm_with_meetings_generated_on_the_question() -> None:
    def circle(question: str, tokens: int) -> CircleRecord:
        return CircleRecord(question, 0, "1", "1", True, (PathRecord("1", True, True, tokens, 3, 0, None),) * 2)

    wanted = arms(["longer", "leap", "self", "leap:settle=0.6", "independent"])
    assert [one.name for one in wanted] == ["leap", "leap", "longer", "self", "independent"]
    records = {"leap": [circle("a", 10), circle("a", 20), circle("b", 7)], "leap:settle=0.6": [circle("a", 1)]}
    assert budgets_of(wanted, records) == {"a": 30.0, "b": 14.0}


def test_without_a_circle_it_wants_a_budget() -> None:
    with pytest.raises(TertuliaError, match="name a method with meetings too, such as leap, or give it a budget"):
        arms(["longer", "independent", "self"])
    assert arm("longer:budget=400").asked({"every": 9}) == {"method": "longer", "budget": 400}
    assert len(arms(["longer:budget=400", "independent"])) == 2
