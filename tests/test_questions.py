"""A question judges its own answers: by its gold answer, or by a scorer of its own."""

from __future__ import annotations

import pytest

from tertulia.circle.path import Path
from tertulia.errors import TertuliaError
from tertulia.evaluation.records import path_records
from tertulia.tasks.question import Question


def any_even_number(answer: str, question: Question) -> bool:
    return question.id == "even" and answer.isdigit() and int(answer) % 2 == 0


def test_an_answer_is_right_when_it_means_what_the_gold_answer_means() -> None:
    question = Question("half", "What is 1 / 2?", "0.5", "math")
    assert question.right("1/2")
    assert not question.right("2")
    assert not question.right(None)


def test_a_scorer_of_its_own_stands_in_place_of_the_gold_answer() -> None:
    question = Question("even", "Name an even number.", "2", "math", scorer="test_questions:any_even_number")
    assert question.right("14")
    assert not question.right("7")
    assert not question.right(None)


@pytest.mark.parametrize("scorer", ["test_questions:nobody", "no_such_module_at_all:right", ":"])
def test_a_scorer_that_is_not_there_is_said_in_one_line(scorer: str) -> None:
    with pytest.raises(TertuliaError, match="cannot be found") as caught:
        Question("x", "x", "1", "math", scorer=scorer).right("1")
    assert "\n" not in str(caught.value)


def test_the_record_of_a_path_is_judged_by_the_question() -> None:
    path = Path(0, "p0")
    path.answer = "14"
    question = Question("even", "Name an even number.", "2", "math", scorer="test_questions:any_even_number")
    assert [record.right for record in path_records([path], [0], question)] == [True]
