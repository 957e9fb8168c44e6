"""Choices: options in every form, their letters and their order. All questions are invented."""

import json
from collections import Counter

import pytest

from task_files import COLOURS, METAL, parquet, refused, write
from tertulia.answers.extract import extract_answer
from tertulia.seeds import draw
from tertulia.tasks import load
from tertulia.wording import Wording
from tertulia.world.language import LANGUAGES


def choices(count: int) -> list[dict]:
    return [{**METAL, "Record ID": f"rec{n}", "Question": f"Which melts first, in oven {n}?"} for n in range(count)]


def test_a_choice_shows_its_options_in_letters_and_asks_for_the_letter(tmp_path):
    question = load("gpqa-diamond", data=write(tmp_path, "q.json", [METAL]))[0]
    in_row = ["wax", "iron", "glass", "stone"]
    assert sorted(question.order) == [0, 1, 2, 3]
    assert question.options == tuple(in_row[place] for place in question.order)
    assert question.options["ABCD".index(question.gold)] == "wax"
    shown = "\n".join(f"{letter}) {option}" for letter, option in zip("ABCD", question.options, strict=True))
    end = "Answer with the letter of the correct option."
    assert question.text == f"Which of these melts first?\n\n{shown}\n\n{end}"
    assert (question.kind, question.id, question.data) == ("choice", "recMetal", {"subdomain": "Kitchen"})
    assert extract_answer(f"It is \\boxed{{{question.gold}) wax}}", "choice") == question.gold


def test_the_right_letter_is_not_always_the_same_and_follows_from_the_seed(tmp_path):
    path = write(tmp_path, "q.json", choices(400))
    first = load("gpqa-diamond", data=path)
    counts = Counter(question.gold for question in first)
    assert set(counts) == set("ABCD")
    assert min(counts.values()) > 65  # 100 each on average, standard deviation 8.7
    assert load("gpqa-diamond", data=path) == first
    other = load("gpqa-diamond", data=path, seed=2)
    assert 0.1 < sum(a.order == b.order for a, b in zip(first, other, strict=True)) * 24 / 400 < 3
    order = [0, 1, 2, 3]
    draw(1, "gpqa-diamond", "rec7").shuffle(order)
    assert first[7].order == tuple(order)


def test_a_question_keeps_its_letters_wherever_it_stands_and_in_every_language(tmp_path):
    rows = choices(20)
    order = {question.id: question.order for question in load("gpqa-diamond", data=write(tmp_path, "q.json", rows))}
    turned = write(tmp_path, "p.json", rows[::-1])
    texts = set()
    for language in LANGUAGES:
        found = load("gpqa-diamond", data=turned, language=language)
        assert {question.id: question.order for question in found} == order
        texts.add(found[0].text.splitlines()[-1])
    assert len(texts) == len(LANGUAGES)


@pytest.mark.parametrize(
    ("options", "answer", "right"),
    [
        (COLOURS, "C", "blue"),
        (COLOURS, "(c)", "blue"),
        (COLOURS, "blue", "blue"),
        (COLOURS, 2, "blue"),
        (COLOURS, "2", "blue"),
        (COLOURS, "\\boxed{C}", "blue"),
        (dict(zip("ABCD", COLOURS, strict=True)), "B", "green"),
        ({"B": "green", "a": "red", "E": None}, "b", "green"),
        (json.dumps(COLOURS), "D", "grey"),
        ([2, 4.0, 6], "4", "4"),
        (["A", "B"], "B", "B"),
    ],
)
@pytest.mark.parametrize("name", ["options", "Choices"])
def test_the_answer_of_a_choice_is_a_letter_an_index_or_a_text(tmp_path, name, options, answer, right):
    path = write(tmp_path, "q.json", [{"question": "Which?", name: options, "answer": answer}])
    question = load("gpqa-diamond", data=path)[0]
    assert question.options["ABCDEFGHIJ".index(question.gold)] == right


def test_options_of_a_csv_or_parquet_file(tmp_path):
    cell = json.dumps(COLOURS).replace('"', '""')
    path = write(tmp_path, "q.csv", f'question,options,answer\nWhich?,"{cell}",D\n')
    question = load("gpqa-diamond", data=path)[0]
    assert question.options["ABCD".index(question.gold)] == "grey"
    rows = [
        {"question": "Which?", "choices": {"A": "red", "B": "green"}, "answer": "A"},
        {"question": "Which now?", "choices": {"A": "red", "B": "green", "C": "blue"}, "answer": "C"},
    ]
    two, three = load("gpqa-diamond", data=parquet(tmp_path, rows))
    assert (set(two.options), two.options["ABC".index(two.gold)]) == ({"red", "green"}, "red")
    assert three.options["ABC".index(three.gold)] == "blue"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (
            {"options": COLOURS, "answer": "E"},
            "the answer 'E' is no option: expected a letter, an index from 0, or an ",
        ),
        ({"options": COLOURS, "answer": 4}, "the answer '4' is no option: "),
        ({"options": COLOURS, "answer": "pink"}, "the answer 'pink' is no option: "),
        ({"options": [2, 3, 4], "answer": "2"}, "the answer '2' can mean more than one option: write its letter, such"),
        ({"options": ["B", "A"], "answer": "A"}, "the answer 'A' can mean more than one option: "),
        ({"options": ["x", "x"], "answer": "x"}, "the answer 'x' can mean more than one option: "),
        (
            {"options": COLOURS},
            "the answer (one of answer, gold, answer_key, correct, correct_option) is missing",
        ),
        ({"answer": "A"}, "the options (one of options, choices, or Correct Answer and Incorrect Answer 1..3) is miss"),
        ({"options": ["x"], "answer": "A"}, "the field 'options' has 1 options, expected 2 to 10"),
        ({"options": list("klmnopqrstu"), "answer": "A"}, "the field 'options' has 11 options, expected 2 to 10"),
        ({"options": ["x", ""], "answer": "A"}, "option 2 of 'options' is empty"),
        ({"options": ["x", None], "answer": "A"}, "option 2 of 'options' is None, expected a text or a number"),
        ({"options": "x or y", "answer": "A"}, "the field 'options' is 'x or y', expected a list of options or an obj"),
        ({"options": "[x, y]", "answer": "A"}, "the field 'options' is not JSON (Expecting value: line 1 column 2 "),
        ({"options": {"A": "x", "C": "y"}, "answer": "A"}, "the field 'options' has the letters A, C, expected A, B, "),
        ({"Correct Answer": "x", "Incorrect Answer 1": "y"}, "the option 'incorrect answer 2' is missing; "),
        ({**METAL, "Incorrect Answer 2": ""}, "the field 'Incorrect Answer 2' is empty"),
    ],
)
def test_a_wrong_choice_is_named_by_its_number_and_field(tmp_path, row, said):
    path = write(tmp_path, "q.json", [METAL, row if "Question" in row else {"question": "Which?", **row}])
    assert refused(path, "gpqa-diamond").startswith(f"FILE, row 2: {said}")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_prompt_of_a_choice_asks_once_for_the_box(tmp_path, language):
    question = load("gpqa-diamond", data=write(tmp_path, "q.json", [METAL]), language=language)[0]
    prompt = Wording.load("paper", language).question.replace("{question}", question.text)
    assert prompt.count("\\boxed{}") == 1
    assert "\n\n\n" not in prompt


# Forms of well-known sets


@pytest.mark.parametrize(
    ("row", "right"),
    [
        ({"options": ["A)21", "B)21.5", "C)22"], "correct": "B"}, "21.5"),
        ({"options": ["(A)21", "(B) 21.5", "(C)22"], "label": "C"}, "22"),
        ({"options": ["A. red", "B. green"], "answer": "B. green"}, "green"),
        ({"options": ["B. green", "A. red"], "answer": "A"}, "red"),
        ({"options": ["E. coli", "B. subtilis"], "answer": "E. coli"}, "E. coli"),
        ({"choices": {"text": ["red", "green"], "label": ["A", "B"]}, "answerKey": "B"}, "green"),
        ({"choices": {"text": ["red", "green"], "label": ["1", "2"]}, "answerKey": "1"}, "red"),
        ({"choices": ["1", "2", "3", "4"], "answer": 2}, "3"),
        ({"A": "red", "B": "green", "C": "blue", "D": "grey", "Answer": "C"}, "blue"),
        ({"option_a": "red", "option_b": "green", "answer_idx": "B"}, "green"),
        ({"options": COLOURS, "correct_answer": "grey"}, "grey"),
    ],
)
@pytest.mark.parametrize("task", ["aqua", "gpqa-diamond"])
def test_options_and_their_answer_are_read_as_well_known_sets_have_them(tmp_path, row, right, task):
    question = load(task, data=write(tmp_path, "q.json", [{"question": "Which?", **row}]))[0]
    assert question.options["ABCD".index(question.gold)] == right
    assert question.text.count(right) == 1


def test_aqua_shows_its_options_once_lettered_and_in_their_order(tmp_path):
    row = {"question": "How many?", "options": ["A)31", "B)40", "C)42", "D)None of these"], "correct": "C"}
    question = load("aqua", data=write(tmp_path, "q.json", [row]))[0]
    assert question.text.startswith("How many?\n\nA) 31\nB) 40\nC) 42\nD) None of these\n\n")
    assert (question.gold, question.order) == ("C", (0, 1, 2, 3))


@pytest.mark.parametrize("last", ["All of the above", "both A and C", "(A) or (B)"])
def test_options_that_speak_of_others_are_not_moved(tmp_path, last):
    rows = [{"id": n, "question": "Which?", "options": ["x", "y", "z", last], "answer": "D"} for n in range(20)]
    for question in load("gpqa-diamond", data=write(tmp_path, "q.json", rows)):
        assert (question.gold, question.order) == ("D", (0, 1, 2, 3))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"options": [1, 2, 3, 4], "answer": 2}, "the answer '2' can mean more than one option: write its letter"),
        ({"options": ["1", "2", "3"], "answer": "2"}, "the answer '2' can mean more than one option: write its let"),
        ({"options": ["1", "2", "3"], "answer": 3}, "the answer '3' is no option: "),
        ({"options": ["x", "y"], "answer": "B. z"}, "the answer 'B. z' is no option: "),
        ({"choices": {"text": ["x", "y"], "label": ["A"]}, "answer": "A"}, "the field 'choices' has not one label "),
        ({"choices": {"text": ["x", "y"], "label": None}, "answer": "A"}, "the field 'choices' has not one label "),
        ({"options": ["x", "y"], "passage": "Read this.", "answer": "A"}, "the field 'passage' is a part of the que"),
    ],
)
def test_an_answer_that_can_be_two_options_or_none_is_refused(tmp_path, row, said):
    path = write(tmp_path, "q.json", [{"question": "Which?", **row}])
    assert refused(path, "aqua").startswith(f"FILE, row 1: {said}")
