"""Benchmarks as questions: files of every form, what is wrong with them, the hub at its commits, the world.

All questions here are invented; none is from a benchmark.
"""

import json
import re
import sys
import types
from collections import Counter
from pathlib import Path

import pytest

from tertulia.answers.extract import extract_answer
from tertulia.errors import TertuliaError
from tertulia.seeds import draw
from tertulia.tasks import BENCHMARKS, Question, load
from tertulia.wording import Wording
from tertulia.world.language import LANGUAGES
from tertulia.world.problems import problem

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SUMS = [{"problem": f"What is {n} + {n}?", "answer": str(2 * n), "id": f"sum-{n}"} for n in range(1, 6)]
SUM_TEXTS = [(row["id"], row["problem"], row["answer"]) for row in SUMS]
METAL = {
    "Record ID": "recMetal",
    "Question": "Which of these melts first?\n",
    "Correct Answer": "wax\n",
    "Incorrect Answer 1": "iron",
    "Incorrect Answer 2": "glass",
    "Incorrect Answer 3": "stone",
    "Subdomain": "Kitchen",
}
COLOURS = ["red", "green", "blue", "grey"]


def write(tmp_path: Path, name: str, content: object) -> Path:
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
        path.write_text(text, "utf-8")
    return path


def parquet(tmp_path: Path, rows: list[dict], name: str = "q.parquet") -> Path:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow.parquet import write_table

    write_table(pyarrow.Table.from_pylist(rows), tmp_path / name)
    return tmp_path / name


def lines(rows: list[dict]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def table(rows: list[dict]) -> str:
    return ",".join(rows[0]) + "\n" + "".join(",".join(f'"{cell}"' for cell in row.values()) + "\n" for row in rows)


def triples(questions: list[Question]) -> list[tuple[str, str, str]]:
    return [(question.id, question.text, question.gold) for question in questions]


def refused(path: Path | str | None, task: str = "math500", **arguments) -> str:
    """What is said when a task cannot be loaded: one line, and it begins with what is wrong."""
    with pytest.raises(TertuliaError) as caught:
        load(task, data=path, **arguments)
    said = str(caught.value)
    assert "\n" not in said
    return said.replace(str(path), "FILE")


# Files of every form


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("q.json", json.dumps(SUMS)),
        ("q.json", json.dumps({"data": SUMS})),
        ("q.json", json.dumps({"version": 1, "rows": SUMS}, indent=2)),
        ("q.json", json.dumps({"questions": SUMS})),
        ("q.json", json.dumps({"examples": SUMS})),
        ("q.json", lines(SUMS)),
        ("q.jsonl", lines(SUMS)),
        ("q.NDJSON", "\n" + lines(SUMS).replace("\n", "\n\n")),
        ("q.csv", table(SUMS)),
        ("q", json.dumps(SUMS)),
        ("q.txt", lines(SUMS)),
        ("q.data", table(SUMS)),
    ],
)
@pytest.mark.parametrize("dressed", [lambda text: text, lambda text: "\ufeff" + text.replace("\n", "\r\n")])
def test_a_file_is_read_whatever_its_form_with_or_without_a_byte_order_mark(tmp_path, name, content, dressed):
    path = write(tmp_path, name, dressed(content).encode())
    assert triples(load("math500", data=path)) == SUM_TEXTS
    assert triples(load("math500", data=str(path), limit=2)) == SUM_TEXTS[:2]


@pytest.mark.parametrize("name", ["q.parquet", "q.bin"])
def test_parquet_is_known_by_its_suffix_or_by_its_first_bytes(tmp_path, name):
    assert triples(load("aime2025", data=parquet(tmp_path, SUMS, name))) == SUM_TEXTS


def test_a_line_separator_inside_a_text_does_not_end_a_json_line(tmp_path):
    row = {"problem": "Two lines:\u2028what is 2 + 3?", "answer": 5}
    path = write(tmp_path, "q.jsonl", json.dumps(row, ensure_ascii=False) + "\n")
    assert load("aime2024", data=path)[0].text == row["problem"]


def test_a_csv_cell_may_hold_commas_quotes_and_lines(tmp_path):
    path = write(tmp_path, "q.csv", 'id,problem,answer\na,"Add ""one"",\nthen two.",3\n')
    assert triples(load("aimo2025", data=path)) == [("a", 'Add "one",\nthen two.', "3")]


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
    ],
)
def test_answers_are_numbers_texts_or_what_is_in_the_box(tmp_path, answer, gold):
    path = write(tmp_path, "q.json", [{"problem": "How many?", "answer": answer, "solution": "\\boxed{7}"}])
    assert load("math500", data=path)[0].gold == gold


def test_a_solution_is_read_only_for_its_box_and_only_without_an_answer(tmp_path):
    row = {"problem": "What is 2 + 3?", "solution": "Two \\boxed{2}, no: \\boxed{5}."}
    assert load("aime2024", data=write(tmp_path, "q.json", [row]))[0].gold == "5"
    said = refused(write(tmp_path, "p.json", [{**row, "solution": "It is 5."}]), "aime2024")
    assert said == (
        "FILE, row 1: the answer (one of answer, gold, or a solution with \\boxed{...}) is missing; "
        "the fields there are problem, solution"
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
        "FILE has no row in the language 'fr': its rows are in de, en"
    )


def test_a_row_that_is_there_twice_counts_once(tmp_path):
    rows = [*SUMS, {**SUMS[1], "level": 3}]
    assert triples(load("math500", data=write(tmp_path, "q.json", rows))) == SUM_TEXTS


def test_facts_of_a_row_are_kept(tmp_path):
    path = write(tmp_path, "q.json", [{**SUMS[0], "Subject": "Sums", "level": 2, "url": "https://example.org"}])
    assert load("math500", data=path)[0].data == {"subject": "Sums", "level": 2}
    odd = parquet(tmp_path, [{**SUMS[0], "subject": ["Sums"], "level": float("nan")}])
    assert load("math500", data=odd)[0].data == {}


# What is wrong with a file


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("q.json", "", "FILE is empty: expected at least one question"),
        ("q.json", " \n", "FILE is empty: expected at least one question"),
        ("q.json", "[]", "FILE holds no rows: expected at least one question"),
        ("q.csv", "id,problem,answer\n", "FILE holds no rows: expected at least one question"),
        (
            "q.json",
            '[{"problem": "x"},\n{"problem"]',
            "FILE, line 2: is not JSON (Expecting ':' delimiter); correct it",
        ),
        ("q.json", "[1]\n[2]", "FILE, line 2: is not JSON (Extra data); correct it"),
        (
            "q.json",
            '[{"problem": "x", "answer": NaN}]',
            "FILE is not JSON that can be read (NaN is no JSON value); correct it",
        ),
        ("q.jsonl", lines(SUMS) + "\n{broken\n", "FILE, line 7: is not JSON (Expecting property name enclosed in "),
        ("q.jsonl", '{"problem": "x", "answer": -Infinity}', "FILE, line 1: is not JSON (-Infinity is no JSON value)"),
        (
            "q.json",
            '"text"',
            "FILE holds a text: expected a list of questions, or an object with that list under data, ",
        ),
        ("q.json", {"items": SUMS}, "FILE holds an object: expected a list of questions, or an object with that list "),
        ("q.json", [SUMS[0], ["x", "y"]], "FILE, row 2: is a list, expected an object with a question's fields"),
        ("q.JSONL", "[7]", "FILE, row 1: is a list, expected an object with a question's fields"),
        ("q.jsonl", "{}\n7", "FILE, row 2: is a number, expected an object with a question's fields"),
        ("q.csv", b"problem,answer\nx,1\n\xff\xfe,2\n", "FILE, line 3: is not UTF-8; save the file as UTF-8"),
        ("q.csv", 'problem,answer\nw,0\n"x,1\ny,2\n', "FILE, row 2: is not CSV (unexpected end of data); correct it"),
        ("q.csv", '"problem,answer\nx,1\n', "FILE, the header: is not CSV (unexpected end of data); correct it"),
        ("q.csv", "problem,answer\nx, y,2\n", "FILE, row 1: has more cells than the header; put quotes around commas"),
        ("q.csv", "problem,answer,answer\nx,1,2\n", "FILE: the column 'answer' is there twice; rename one"),
    ],
)
def test_a_file_that_cannot_be_read_is_said_to_be_so_in_one_line(tmp_path, name, content, said):
    assert refused(write(tmp_path, name, content)).startswith(said)


def test_a_file_that_is_not_there_or_a_directory_or_closed_to_us(tmp_path, monkeypatch):
    assert refused(tmp_path / "no.json") == "the data file FILE does not exist: give the path of a file of questions"
    assert refused(tmp_path) == "FILE is a directory: give the path of a file of questions in it"
    path = write(tmp_path, "q.json", SUMS)

    def closed(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", closed)
    assert refused(path) == "FILE cannot be read: Permission denied; give a file that can be"


def test_a_parquet_file_that_is_cut_off_or_that_nobody_can_read_here(tmp_path, monkeypatch):
    path = parquet(tmp_path, SUMS)
    path.write_bytes(path.read_bytes()[:-20])
    assert refused(path).startswith("FILE is not parquet that can be read (")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert refused(path) == (
        "FILE is parquet, which needs the extra eval: pip install 'tertulia[eval]', or give JSON or CSV"
    )


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"answer": 5}, "the question (one of problem, question, prompt) is missing; the fields there are answer"),
        ({"problem": None, "answer": 5}, "the question (one of problem, question, prompt) is missing; "),
        ({"problem": " ", "answer": 5}, "the field 'problem' is empty"),
        ({"problem": ["x"], "answer": 5}, "the field 'problem' is ['x'], expected a text"),
        ({"problem": 7, "answer": 5}, "the field 'problem' is 7, expected a text"),
        ({"problem": "x"}, "the answer (one of answer, gold) is missing; the fields there are problem"),
        ({"Problem": "x", "Answer": ""}, "the field 'Answer' is empty"),
        ({"problem": "x", "answer": True}, "the field 'answer' is True, expected a text or a number"),
        ({"problem": "x", "answer": {"n": 5}}, "the field 'answer' is {'n': 5}, expected a text or a number"),
        ({"problem": "x", "answer": "\\boxed{}"}, "the field 'answer' has a \\boxed{...} without an answer in it"),
        ({"problem": "x", "answer": 5, "id": ""}, "the field 'id' is empty"),
        ({"problem": "x", "answer": 5, "id": [1]}, "the field 'id' is [1], expected a text or a number"),
        ({"problem": "x", "answer": 5, "Answer": 6}, "the fields 'answer' and 'Answer' say different things; remove "),
        ({**SUMS[0], "answer": "3"}, "the id 'sum-1' is that of row 1 too, which is another question"),
    ],
)
def test_a_wrong_row_is_named_by_its_number_and_field(tmp_path, row, said):
    path = write(tmp_path, "q.json", [SUMS[0], row])
    assert refused(path).startswith(f"FILE, row 2: {said}")
    assert refused(path, limit=1).startswith("FILE, row 2: ")


def test_a_parquet_answer_that_is_no_number_is_refused(tmp_path):
    path = parquet(tmp_path, [{"problem": "x", "answer": 5.0}, {"problem": "y", "answer": float("nan")}])
    assert refused(path) == "FILE, row 2: the field 'answer' is nan, expected a text or a number"


# Choices


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
        ({"options": COLOURS}, "the answer (one of answer, gold) is missing; the fields there are question, options"),
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


# The hub


class Hub:
    """Stands in for `datasets`: gives rows, or raises, and keeps what it was asked for."""

    def __init__(self, monkeypatch, result):
        self.asked = None
        self.result = result
        module = types.ModuleType("datasets")
        module.load_dataset = self.load_dataset
        monkeypatch.setitem(sys.modules, "datasets", module)

    def load_dataset(self, name, config=None, *, split, revision):
        self.asked = (name, config, split, revision)
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


@pytest.mark.parametrize(
    ("task", "asked"),
    [
        ("aime2024", ("HuggingFaceH4/aime_2024", "default", "train", "2fe88a2f1091d5048c0f36abc874fb997b3dd99a")),
        ("aime2025", ("math-ai/aime25", "default", "test", "563bb8404243c5f09de6ec262f2db674fe5bce9b")),
        ("math500", ("HuggingFaceH4/MATH-500", "default", "test", "6e4ed1a2a79af7d8630a6b768ec859cb5af4d3be")),
        ("gpqa-diamond", ("Idavidrein/gpqa", "gpqa_diamond", "train", "633f5ee89ab8ad4522a9f850766b73f62147ffdd")),
    ],
)
def test_the_hub_is_asked_for_a_pinned_commit_or_for_the_one_that_is_named(monkeypatch, task, asked):
    hub = Hub(monkeypatch, [METAL] if task == "gpqa-diamond" else SUMS)
    assert load(task)[0].text.startswith("Wh")
    assert hub.asked == asked
    load(task, revision=COMMIT)
    assert hub.asked == (*asked[:3], COMMIT)


@pytest.mark.parametrize("language", [language for language in LANGUAGES if language != "en"])
def test_aime_2024_is_there_in_every_language_at_a_commit_that_has_to_be_named(monkeypatch, language):
    column = "zh-cn" if language == "zh" else language
    # Here "id" is Indonesian.
    rows = [{"en": f"ask {n}", "id": "tanya", column: f"{language} {n}", "answer": 7} for n in range(3)]
    hub = Hub(monkeypatch, rows)
    assert refused(None, "aime2024", language=language) == (
        "no commit of amphora/MCLM is pinned for aime2024: give revision=COMMIT, or --data FILE"
    )
    assert hub.asked is None
    found = load("aime2024", language=language, revision=COMMIT)
    assert hub.asked == ("amphora/MCLM", "MT-AIME2024", "test", COMMIT)
    assert triples(found) == [(str(n + 1), f"{language} {n}", "7") for n in range(3)]


def test_a_column_that_the_hub_does_not_have_is_named(monkeypatch):
    Hub(monkeypatch, [{"en": "ask", "answer": 7}])
    assert refused(None, "aime2024", language="th", revision=COMMIT).startswith(
        "amphora/MCLM, row 1: the question (one of problem, question, prompt) is missing; the fields there are answer"
    )


@pytest.mark.parametrize("revision", ["main", "2fe88a2", COMMIT.upper(), 7])
def test_a_branch_is_no_commit(monkeypatch, revision):
    hub = Hub(monkeypatch, SUMS)
    said = refused(None, "aime2025", revision=revision)
    assert said.startswith(f"revision is {revision!r}: expected a commit of math-ai/aime25, 40 hex digits")
    assert hub.asked is None


def test_a_hub_that_cannot_be_reached_sends_to_a_file(monkeypatch):
    Hub(monkeypatch, ConnectionError("Couldn't reach 'x' on the Hub\n(offline)"))
    assert refused(None, "math500") == (
        "math500 could not be loaded from the hub (HuggingFaceH4/MATH-500 at 6e4ed1a2: Couldn't reach 'x' on the Hub "
        "(offline)): give the questions with --data FILE"
    )
    assert "gated" not in refused(None, "gpqa-diamond")


def test_a_gated_set_says_where_to_accept_its_terms(monkeypatch):
    Hub(monkeypatch, FileNotFoundError("Dataset 'x' is a gated dataset on the Hub. " + "Ask. " * 100))
    said = refused(None, "gpqa-diamond")
    assert said.startswith("gpqa-diamond could not be loaded from the hub (Dataset 'x' is a gated dataset on the Hub.")
    assert said.endswith(
        "Idavidrein/gpqa is gated, so accept its terms at https://huggingface.co/datasets/Idavidrein/gpqa and log in "
        "(hf auth login), or give --data FILE"
    )
    assert len(said) < 400


def test_without_the_extra_the_hub_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert refused(None, "aime2024") == (
        "aime2024 from the hub needs the extra eval: pip install 'tertulia[eval]', or give --data FILE"
    )


def test_what_is_not_on_the_hub_says_where_a_file_comes_from(monkeypatch):
    hub = Hub(monkeypatch, SUMS)
    assert refused(None, "aimo2025") == (
        "aimo2025 has no set on the hub: give --data FILE (reference.csv of the AIMO Progress Prize 2, from Kaggle)"
    )
    assert refused(None, "math500", language="sw") == (
        "no set of math500 in the language 'sw' is known: give translated questions, --data FILE"
    )
    assert hub.asked is None


def test_every_pinned_commit_is_a_commit():
    for benchmark in BENCHMARKS.values():
        for hub in [benchmark.hub, *benchmark.translations.values()]:
            assert hub is None or hub.revision is None or re.fullmatch("[0-9a-f]{40}", hub.revision)


# The world


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_world_asks_the_same_problems_in_every_language(language):
    found = load("world", language=language, limit=3, first=15)
    for seed, question in zip(range(15, 18), found, strict=True):
        drawn = problem(seed)
        assert question.id == f"{language}-default-{seed}"
        assert (question.text, question.gold) == (drawn.question(language), str(drawn.answer))
        assert question.data == {
            "seed": seed,
            "difficulty": "default",
            "split": "test",
            "steps": [str(state) for state in drawn.states],
        }
        assert json.loads(json.dumps(question.data)) == question.data


def test_the_world_has_200_questions_of_any_difficulty_and_split():
    found = load("world", difficulty="easy")
    assert [question.data["seed"] for question in found] == list(range(200))
    dev = load("world", difficulty="long", split="dev", limit=2)
    assert [question.id for question in dev] == ["en-long-dev-0", "en-long-dev-1"]
    assert [question.text for question in dev] == [problem(seed, "long", "dev").question() for seed in range(2)]


# Arguments


@pytest.mark.parametrize(
    ("task", "arguments", "said"),
    [
        ("aime2023", {}, "unknown task 'aime2023': expected one of aime2024, aime2025, aimo2025, gpqa-diamond, math50"),
        ("world", {"language": "it"}, "unknown language 'it': expected one of en, bn, de"),
        ("world", {"limit": 0}, "limit is 0: expected a number of questions, at least 1"),
        ("world", {"limit": "5"}, "limit is '5': expected a number of questions, at least 1"),
        ("world", {"revision": COMMIT}, "unknown option 'revision' of world: use one of difficulty, split, first"),
        ("world", {"difficulty": "hard"}, "unknown difficulty 'hard': expected one of "),
        ("world", {"split": "all"}, "unknown split 'all': expected one of train, dev, test"),
        ("world", {"first": "a"}, "first is 'a': expected the first seed, a whole number"),
        ("world", {"data": "q.json"}, "world makes its questions and reads no file: leave out --data q.json"),
        ("math500", {"difficulty": "easy"}, "unknown option 'difficulty' of math500: use one of revision"),
        ("aimo2025", {"revision": COMMIT}, "unknown option 'revision' of aimo2025: it has none"),
        (
            "math500",
            {"data": "q.json", "revision": COMMIT},
            "revision is for the hub, and q.json is a file: leave one ",
        ),
    ],
)
def test_a_wrong_argument_is_said_in_one_line(task, arguments, said):
    with pytest.raises(TertuliaError) as caught:
        load(task, **arguments)
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


def test_tasks_need_nothing_heavy():
    import subprocess

    code = "import sys, tertulia.tasks; print([m for m in ('datasets', 'pyarrow', 'math_verify') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
