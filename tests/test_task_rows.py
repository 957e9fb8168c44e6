"""Rows of questions: which field is what, right answers, and what is refused. All questions are invented."""

import re

import pytest

from task_files import SUM_TEXTS, SUMS, parquet, refused, triples, write
from tertulia.tasks import load


@pytest.mark.parametrize("text", ["problem", "Problem", "question", "Question", "PROMPT"])
@pytest.mark.parametrize("answer", ["answer", "Answer", "gold"])
def test_field_names_count_in_any_case(tmp_path, text, answer):
    path = write(tmp_path, "q.json", [{text: " What is 2 + 3? ", answer: "5"}])
    assert triples(load("math500", data=path)) == [("1", "What is 2 + 3?", "5")]


@pytest.mark.parametrize("name", ["id", "ID", "unique_id", "problem_idx", "Record ID"])
def test_ids_come_from_the_row_and_else_from_its_number(tmp_path, name):
    rows = [{"problem": "What is 1 + 1?", "answer": 2, name: 70}, {"problem": "What is 1 + 2?", "answer": 3}]
    assert [question.id for question in load("math500", data=write(tmp_path, "q.json", rows))] == ["70", "2"]


def test_ids_are_safe_in_file_names_and_stay_apart(tmp_path):
    raw = ["test/algebra/1.json", "test algebra/1.json", "../../etc/passwd", "x" * 300, "x" * 299 + "y", "প্রশ্ন ১", "?"]
    rows = [{"problem": f"What is {n} + 1?", "answer": n + 1, "id": name} for n, name in enumerate(raw)]
    path = write(tmp_path, "q.json", rows)
    ids = [question.id for question in load("math500", data=path)]
    assert ids[0] == "test-algebra-1.json"
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[\w][\w.-]{0,99}", name) for name in ids)
    assert ids[:3] == [question.id for question in load("math500", data=path, limit=3)]


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        (5, "5"),
        (5.0, "5"),
        (0.5, "0.5"),
        (-3, "-3"),
        (" 5 ", "5"),
        ("\\frac{5}{6}", "\\frac{5}{6}"),
        ("So it is \\boxed{\\frac{5}{6}}.", "\\frac{5}{6}"),
        ("So it is \\fbox{8}.", "8"),
    ],
)
def test_answers_are_numbers_texts_or_what_is_in_the_box(tmp_path, answer, gold):
    path = write(tmp_path, "q.json", [{"problem": "How many?", "answer": answer, "solution": "\\boxed{7}"}])
    assert load("math500", data=path)[0].gold == gold


def test_a_solution_is_read_only_for_its_box_and_only_without_an_answer(tmp_path):
    row = {"problem": "What is 2 + 3?", "solution": "Two \\boxed{2}, no: \\boxed{5}."}
    assert load("aime2024", data=write(tmp_path, "q.json", [row]))[0].gold == "5"
    framed = {**row, "solution": "Hence \\fbox{5}."}
    assert load("aime2024", data=write(tmp_path, "f.json", [framed]))[0].gold == "5"
    said = refused(write(tmp_path, "p.json", [{**row, "solution": "It is 5."}]), "aime2024")
    assert said == (
        "FILE, row 1: the answer (one of answer, gold, final_answer, expected_answer, answer_number, target, "
        "result, l_solutions, label, or a solution "
        "with \\boxed{...}) is missing; the fields there are problem, solution"
    )


def test_rows_of_other_languages_are_left_out(tmp_path):
    rows = [
        {"problem": "What is 1 + 1?", "answer": 2, "id": "a", "language": "EN"},
        {"problem": "Was ist 1 + 1?", "answer": 2, "id": "a", "language": "de"},
        {"problem": "1 + 2", "answer": 3, "id": "b"},
    ]
    path = write(tmp_path, "q.json", rows)
    german = load("aime2025", data=path, language="de")
    assert triples(german) == [("a", "Was ist 1 + 1?", "2"), ("b", "1 + 2", "3")]
    assert {question.language for question in german} == {"de"}
    assert refused(write(tmp_path, "p.json", rows[:2]), language="fr") == (
        "FILE has no row in the language 'fr': its rows are in de, en; ask in these"
    )


def test_a_row_that_is_there_twice_counts_once(tmp_path):
    rows = [*SUMS, {**SUMS[1], "level": 3}]
    assert triples(load("math500", data=write(tmp_path, "q.json", rows))) == SUM_TEXTS


def test_facts_of_a_row_are_kept(tmp_path):
    path = write(tmp_path, "q.json", [{**SUMS[0], "Subject": "Sums", "level": 2, "url": "https://example.org"}])
    assert load("math500", data=path)[0].data == {"subject": "Sums", "level": 2}
    odd = parquet(tmp_path, [{**SUMS[0], "subject": ["Sums"], "level": float("nan")}])
    assert load("math500", data=odd)[0].data == {}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (
            {"answer": 5},
            "the question (one of problem, question, prompt, input, query, question_stem, s_question) is m",
        ),
        (
            {"problem": None, "answer": 5},
            "the question (one of problem, question, prompt, input, query, question_stem, s_question) is missing; ",
        ),
        ({"problem": " ", "answer": 5}, "the field 'problem' is empty"),
        ({"problem": ["x"], "answer": 5}, "the field 'problem' is ['x'], expected a text"),
        ({"problem": 7, "answer": 5}, "the field 'problem' is 7, expected a text"),
        (
            {"problem": "x"},
            "the answer (one of answer, gold, final_answer, expected_answer, answer_number, target, result, l_",
        ),
        ({"Problem": "x", "Answer": ""}, "the field 'Answer' is empty"),
        ({"problem": "x", "answer": True}, "the field 'answer' is True, expected a text or a number"),
        ({"problem": "x", "answer": {"n": 5}}, "the field 'answer' is {'n': 5}, expected a text or a number"),
        ({"problem": "x", "answer": "\\boxed{}"}, "the field 'answer' has a \\boxed{...} without an answer in it"),
        ({"problem": "x", "answer": 5, "id": ""}, "the field 'id' is empty"),
        ({"problem": "x", "answer": 5, "id": [1]}, "the field 'id' is [1], expected a text or a number"),
        ({"problem": "x", "answer": 5, "Answer": 6}, "the fields 'answer' and 'Answer' say different things; remove "),
        ({"problem": "x", "answer": 4, "target": 3}, "the fields 'answer' and 'target' say different things; remove"),
        ({"problem": "x", "target": 3, "result": 4.5}, "the fields 'target' and 'result' say different things"),
        ({**SUMS[0], "answer": "3"}, "the id 'sum-1' is that of row 1 too, which is another question"),
    ],
)
def test_a_wrong_row_is_named_by_its_number_and_field(tmp_path, row, said):
    path = write(tmp_path, "q.json", [SUMS[0], row])
    assert refused(path).startswith(f"FILE, row 2: {said}")
    assert refused(path, limit=1).startswith("FILE, row 2: ")


def test_a_class_or_a_list_beside_an_answer_is_none(tmp_path):
    more = {"target": 5.0, "result": "five of them", "lSolutions": [1, 2], "label": 1}
    assert load("mawps", data=write(tmp_path, "q.json", [{"problem": "2 + 3", "answer": 5, **more}]))[0].gold == "5"


def test_a_parquet_answer_that_is_no_number_is_refused(tmp_path):
    path = parquet(tmp_path, [{"problem": "x", "answer": 5.0}, {"problem": "y", "answer": float("nan")}])
    assert refused(path) == "FILE, row 2: the field 'answer' is nan, expected a text or a number"


# Fields of well-known sets


@pytest.mark.parametrize("task", ["gsm8k", "mgsm", "svamp", "mawps", "math500", "aime2024"])
@pytest.mark.parametrize(
    ("row", "gold"),
    [
        ({"question": "How many?", "answer": "3 jars hold 3*14 = <<3*14=42>>42.\n42 - 5 is 37.\n#### 37"}, "37"),
        ({"question": "How many?", "answer": None, "answer_number": 37}, "37"),
        ({"question": "How many?", "answer": "First 42, then 5 less. The answer is 37.", "answer_number": 37}, "37"),
        ({"problem": "How many?", "expected_answer": "37"}, "37"),
        ({"problem": "How many?", "finalAnswer": "37"}, "37"),
        ({"question": "How many?", "final_answer": ["37"], "solution": "It is 37."}, "37"),
        ({"input": "How many?", "target": 37.0}, "37"),
        ({"sQuestion": "How many?", "lSolutions": [37.5]}, "37.5"),
        ({"prompt": "How many?", "label": "37"}, "37"),
        ({"question_stem": "How many?", "answer": 37}, "37"),
        ({"question": "How many?", "answer": "37", "options": None, "choices": []}, "37"),
        ({"question": "How many?", "answer": "37.0", "final_answer": 37, "context": ""}, "37"),
    ],
)
def test_questions_and_answers_have_the_names_that_well_known_sets_give_them(tmp_path, task, row, gold):
    question = load(task, data=write(tmp_path, "q.json", [row]))[0]
    assert question.text == "How many?"
    assert question.right(gold) and not question.right("9")


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        ("2,125", "2125"),
        ("$1,450,000", "1450000"),
        ("1_750.50", "1750.5"),
        ("-.5", "-0.5"),
        ("\u22127", "-7"),
        ("025", "25"),
        ("5/2", "5/2"),
        ("#### 60", "60"),
        ("\\boxed{8}", "8"),
    ],
)
def test_a_number_is_kept_without_groups_of_digits(tmp_path, answer, gold):
    assert load("svamp", data=write(tmp_path, "q.json", [{"question": "x", "answer": answer}]))[0].gold == gold


def test_the_story_of_svamp_stands_before_its_question(tmp_path):
    rows = [
        {"ID": "chal-1", "Body": "Ada has 3 jars", "Question": "How many?", "Answer": 3.0, "Type": "Addition"},
        {"ID": "chal-2", "Body": "Ada has 3 jars.", "Question": "How many?", "Answer": 3.0, "Type": "Addition"},
    ]
    found = load("svamp", data=write(tmp_path, "q.json", rows))
    assert {question.text for question in found} == {"Ada has 3 jars. How many?"}
    assert [(question.id, question.gold, question.data) for question in found] == [
        ("chal-1", "3", {"type": "Addition"}), ("chal-2", "3", {"type": "Addition"}),
    ]  # fmt: skip


def test_a_worked_solution_is_kept_for_who_asks_for_it_without_a_calculators_marks(tmp_path):
    row = {"question": "x", "answer": "3 jars hold <<3*14=42>>42.\n#### 42"}
    path = write(tmp_path, "q.json", [row])
    assert load("gsm8k", data=path, facts=("solution",))[0].data == {"solution": "3 jars hold 42."}
    assert load("gsm8k", data=path)[0].data == {}


@pytest.mark.parametrize("told", [{"lang": "de"}, {"Language": "de-AT"}, {"lang": "deu_Latn"}, {"lang": "DE"}])
def test_a_row_may_name_its_language_in_several_ways_and_its_group(tmp_path, told):
    rows = [{"gid": 7, "problem": "Was ist 1 + 1?", "answer": 2, **told}]
    rows += [{"gid": 7, "problem": "1 + 1 ni nini?", "answer": 2, "lang": "sw"}]
    path = write(tmp_path, "q.json", rows)
    assert triples(load("aime2025", data=path, language="de")) == [("7", "Was ist 1 + 1?", "2")]
    assert refused(path, "aime2025") == "FILE has no row in the language 'en': its rows are in de, sw; ask in these"


# What would load and measure something else


@pytest.mark.parametrize(
    ("task", "row", "said"),
    [
        ("math500", {"answer": "The answer is 7."}, "the field 'answer' is 'The answer is 7.', which is prose: give "),
        ("math500", {"answer": "First I add 3 and 4 and get seven"}, "the field 'answer' is 'First I add 3 and"),
        ("math500", {"answer": "3 + 4\nso 7"}, "the field 'answer' is '3 + 4\\nso 7', which is prose: "),
        ("math500", {"answer": "答案是7。"}, "the field 'answer' is '答案是7。', which is prose: "),
        ("math500", {"answer": "####"}, "the field 'answer' has nothing after ####"),
        ("gsm8k", {"answer": "seven"}, "the field 'answer' is 'seven', and gsm8k has numbers only: give the answer al"),
        ("gsm8k", {"answer": "\\frac{1}{2}"}, "the field 'answer' is '\\\\frac{1}{2}', and gsm8k has numbers only: "),
        ("aime2024", {"answer": "3 apples"}, "the field 'answer' is '3 apples', and aime2024 has numbers only: "),
        ("svamp", {"solution": "It is \\boxed{x}."}, "the box in 'solution' holds 'x', and svamp has numbers: give"),
        ("math500", {"answer": "7", "final_answer": "8"}, "the fields 'answer' and 'final_answer' say different thin"),
        ("math500", {"final_answer": ["7", "8"]}, "the field 'final_answer' holds 2 answers: give one"),
        (
            "math500",
            {"Body": "Ada has 3.", "answer": 3},
            "the field 'Body' is a part of the question that math500",
        ),
        ("gsm8k", {"passage": "Ada has 3.", "answer": 3}, "the field 'passage' is a part of the question that gsm8k "),
        ("svamp", {"context": "Ada has 3.", "answer": 3}, "the field 'context' is a part of the question that svamp "),
        ("math500", {"image": {"bytes": "x"}, "answer": 3}, "the field 'image' is a part of the question that math500"),
        ("math500", {"input": "3 and 4", "answer": 7}, "the field 'input' is a part of the question that math500"),
        ("math500", {"choices": ["3", "4"], "answer": 1}, "the row has options (the field 'choices'), which math500 w"),
        ("gsm8k", {"options": ["A)3", "B)4"], "answer": "B"}, "the row has options (the field 'options'), which gsm8k"),
        ("aime2025", {"A": "1", "B": "2", "C": "3", "D": "4", "answer": 2}, "the row has options (the field 'A'), whi"),
        ("math500", {"Correct Answer": "1", "Incorrect Answer 1": "2"}, "the row has options (the field 'Incorrect An"),
    ],
)
def test_a_row_that_would_measure_something_else_is_refused(tmp_path, task, row, said):
    path = write(tmp_path, "q.json", [{"question": "How many?", **row}])
    assert refused(path, task).startswith(f"FILE, row 1: {said}")


@pytest.mark.parametrize("text", ["Ada has N_00 jars and N_01 lids. How many?", "Ada has number0 jars. How many?"])
def test_a_question_with_gaps_for_its_numbers_is_refused(tmp_path, text):
    said = refused(write(tmp_path, "q.json", [{"Question": text, "Numbers": "3 4", "Answer": 7}]), "mawps")
    assert said.startswith("FILE, row 1: the question has N") or "has number0 in place of a number" in said


@pytest.mark.parametrize(
    ("task", "language", "answer"),
    [("mgsm", "de", "70.000"), ("mgsm", "es", "1.125"), ("math500", "de", "5,600"), ("math500", "ru", "1,250,000")],
)
def test_a_number_that_can_be_two_in_the_language_is_refused(tmp_path, task, language, answer):
    path = write(tmp_path, "q.json", [{"question": "x", "answer": answer}])
    said = f"FILE, row 1: the field 'answer' is '{answer}', in {language} one of two numbers: write it without groups"
    assert refused(path, task, language=language).startswith(said)
    assert load(task, data=path, language="en")[0].gold


@pytest.mark.parametrize(
    "answer",
    ["\\text{Evelyn}", "864 \\mbox{ inches}^2", "no real solutions", "12 square units", "x \\in [-2, 7]", "even",
     "\\begin{pmatrix} 1 \\\\\n 2 \\end{pmatrix}", "5 cm.", "(3, \\frac{\\pi}{2})", "p - q", "東"],
)  # fmt: skip
def test_expressions_and_short_words_are_answers(tmp_path, answer):
    assert load("math500", data=write(tmp_path, "q.json", [{"question": "x", "answer": answer}]))[0].gold == answer


def test_a_part_that_the_question_says_already_is_no_matter(tmp_path):
    row = {"context": "Ada has 3  jars.", "problem": "Ada has 3 jars.\nHow many?", "answer": 3}
    assert load("math500", data=write(tmp_path, "q.json", [row]))[0].text == row["problem"]
