"""Files of questions in every form, and what is wrong with one. All questions are invented."""

import json
import sys
from pathlib import Path

import pytest

from task_files import SUM_TEXTS, SUMS, lines, parquet, refused, table, triples, write
from tertulia.tasks import load


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


GERMAN = 'Ein Glas hat 3 Bohnen, ein Sack 1.125. Wie viele sind das?\t1,128\n„Wie viele?" fragt Ada: 2 + 3\t5\r\n\n'


def test_a_question_a_tab_and_a_number_need_no_header_and_a_name_says_the_language(tmp_path):
    path = write(tmp_path, "mgsm_de.tsv", GERMAN.encode())
    found = load("mgsm", data=path)
    assert [question.gold for question in found] == ["1128", "5"]
    assert [question.text[-7:] for question in found] == ["n. Wie viele sind das?"[-7:], "a: 2 + 3"[-7:]]
    assert {question.language for question in found} == {"de"}
    assert load("mgsm", data=path, language="de") == found
    assert refused(path, "mgsm", language="sw") == (
        "FILE has questions in de by its name: leave out --language sw, or rename it"
    )
    assert load("mgsm", data=write(tmp_path, "de.tsv", GERMAN))[0].language == "en"


def test_a_line_with_another_number_of_cells_is_refused_where_there_is_no_header(tmp_path):
    said = refused(write(tmp_path, "q.tsv", "What is 1 + 1?\t2\nWhat is\t1 + 2?\t3\n"), "mgsm")
    assert said.startswith("FILE, row 2: has 3 cells, expected a question, a tab and an answer")


@pytest.mark.parametrize("name", ["q.csv", "q.tsv", "q.txt", "q"])
@pytest.mark.parametrize("separator", [";", "\t", ","])
def test_semicolons_and_tabs_separate_cells_as_commas_do(tmp_path, name, separator):
    text = f'problem{separator}answer\n"One{separator} two, three; ""four""?"{separator}4\nWhat is 1 + 1?{separator}2\n'
    found = load("math500", data=write(tmp_path, name, text))
    assert [(question.text, question.gold) for question in found] == [
        (f'One{separator} two, three; "four"?', "4"),
        ("What is 1 + 1?", "2"),
    ]


def test_a_folder_that_datasets_saved_is_read_and_of_several_splits_the_one_for_testing(tmp_path):
    datasets = pytest.importorskip("datasets")
    rows = datasets.Dataset.from_list(SUMS)
    rows.save_to_disk(str(tmp_path / "one"))
    datasets.DatasetDict({"train": rows.select([4]), "test": rows}).save_to_disk(str(tmp_path / "two"))
    datasets.DatasetDict({"mine": rows}).save_to_disk(str(tmp_path / "three"))
    for name in ("one", "two", "three"):
        assert triples(load("math500", data=tmp_path / name)) == SUM_TEXTS
    (file,) = (tmp_path / "one").glob("*.arrow")
    assert triples(load("math500", data=file)) == SUM_TEXTS
    file.write_bytes(file.read_bytes()[:-200])
    assert refused(file).startswith("FILE is not arrow that can be read (")
    assert refused(tmp_path / "one").startswith("FILE cannot be read (")


@pytest.mark.parametrize("name", ["q.json", "q.jsonl"])
def test_half_of_a_surrogate_pair_is_refused_with_its_row_and_field(tmp_path, name):
    broken = {"problem": "What is \ud83d1 + 1?", "answer": "2"}
    path = write(tmp_path, name, (json.dumps(SUMS[0]) + "\n" + json.dumps(broken) + "\n").encode())
    assert refused(path) == "FILE, row 2: the field 'problem' has half of a surrogate pair; correct it"
    for options in (["a", "\ud83d"], {"A": "a", "B": "\ud83d"}):
        row = {"question": "Which?", "options": options, "answer": "A"}
        path = write(tmp_path, name, (json.dumps(row) + "\n").encode())
        assert refused(path, "aqua") == "FILE, row 1: the field 'options' has half of a surrogate pair; correct it"
    whole = write(tmp_path, name, (json.dumps({**broken, "problem": "What is \U0001f642 + 1?"}) + "\n").encode())
    assert load("math500", data=whole)[0].text == "What is \U0001f642 + 1?"


def test_a_byte_order_mark_inside_a_text_does_not_reach_the_model(tmp_path):
    path = write(tmp_path, "q.json", [{"problem": "\ufeffWhat is 1 + 1?", "answer": "\ufeff2"}])
    assert triples(load("math500", data=path)) == [("1", "What is 1 + 1?", "2")]
