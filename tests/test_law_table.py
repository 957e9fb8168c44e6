"""Tables of the law are read as they were meant, or refused in a line that says where they are wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("scipy", reason="needs the extra study")

from refusals import refused, written
from tertulia.cli import main
from tertulia.errors import TertuliaError
from tertulia.studies.law_table import read_table
from test_law import SMALL, Rows, accuracies, runs, study, table, values


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("languages,value\n2,x", "line 2: value is 'x', expected an accuracy or a gain, a number from -100 to 100"),
        ("languages,value\n2,1\n-3,1", "line 3: languages is '-3', expected a number from 1 to 10000"),
        ("languages,value\n1e300,1", "line 2: languages is '1e300', expected a number from 1 to 10000"),
        ("languages,value\n2,nan", "line 2: value is 'nan'"),
        ("languages,value\n2,1e200", "line 2: value is '1e200', expected an accuracy"),
        ("languages,value\n2,-101", "line 2: value is '-101', expected an accuracy"),
        ("languages,value\n2,0,45", "line 2: has more cells than the header: write decimals with a point"),
        ("languages,value\n2,0.1\n3,0.2\n2.0,0.3", "line 4: X = 2 is in line 2 already: remove one, or tell two runs"),
        ("languages,value,seed,order\n2,0.1,1,9\n2,0.1,1,8\n2,0.1,1,9", "line 4: order 9, seed 1, X = 2 is in line 2"),
        ("languages,value,arm\n2,0.1,a\n2,0.1,b\n2,0.1,b", "line 4: arm b, X = 2 is in line 3 already"),
        ("languages,value,arm\n2,0.1,a\n2,0.1,b", "has the arms a, b: choose one with --arm"),
        ("x,value\n2,1", "has no column languages"),
        ("languages,value\n", "has no rows"),
    ],
)
def test_a_wrong_table_is_said_in_one_line(tmp_path: Path, text: str, line: str) -> None:
    with refused(line):
        read_table(written(tmp_path, text))


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_table_may_have_any_of_three_separators_and_a_mark(tmp_path: Path, separator: str, mark: str) -> None:
    file = table(tmp_path, runs(2))
    plain = read_table(file)
    file.write_text(mark + file.read_text().replace(",", separator), "utf-8")
    assert read_table(file) == plain and len(plain.points) == 12
    file = study(tmp_path, SMALL)
    whole = read_table(file, arm="grown")
    file.write_text(mark + file.read_text().replace(",", separator), "utf-8")
    assert read_table(file, arm="grown") == whole


def test_a_plain_table_may_name_arms_and_one_of_them_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "arms.csv"
    file.write_text("languages,value,arm\n2,0.1,a\n2,0.2,b\n3,0.3,b")
    assert values(read_table(file, arm="b")) == [0.2, 0.3]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--value", "mti"], "--value would choose from a study's"),
        (["--value", "accuracy"], "--value would choose"),
        (["--arm", "grown"], "--arm would choose"),
        (["--value", "gen", "--arm", "grown", "--all-languages"], "--value and --arm and --all-languages would choose"),
    ],
)
def test_what_a_plain_table_has_no_use_for_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], named: str
) -> None:
    file = table(tmp_path, runs(2))
    assert main(["law", str(file), *options]) != 0
    said = capsys.readouterr()
    assert named in said.err and "or give the study's table" in said.err
    assert not said.out and len(said.err.strip().splitlines()) == 1


def test_an_accuracy_of_a_study_is_a_share(tmp_path: Path) -> None:
    rows: Rows = [("grown", 1, 1, accuracies(60.0, 40.0, 22.0, 1.0), ("en",))]
    with pytest.raises(TertuliaError, match=r"line 2: accuracy is '60.0', expected a number from 0 to 1: correct it"):
        read_table(study(tmp_path, rows))
