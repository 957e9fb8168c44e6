"""Transfer is right where the truth is known, and says what it cannot say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tertulia.cli import main
from tertulia.errors import TertuliaError
from tertulia.studies.transfer import Measured, read_accuracies, transfer

BASE = {"en": 0.5, "de": 0.4, "sw": 0.2, "th": 0.0}
POST = {"en": 0.75, "de": 0.5, "sw": 0.25, "th": 0.3}


def of(table: dict[str, float], n: int | None = None) -> dict[str, Measured]:
    return {code: Measured(value, n) for code, value in table.items()}


def test_the_index_is_right_and_a_base_of_zero_leaves_it() -> None:
    found = transfer(of(BASE), of(POST), ["en"])
    assert found["gain_trained"] == pytest.approx(0.5) and found["gain_unseen"] == pytest.approx(0.25)
    assert found["mti"] == pytest.approx(0.5)
    assert found["gen"] == pytest.approx((0.1 / 0.6 + 0.05 / 0.8 + 0.3) / 3), "headroom needs no floor"
    assert found["gen_trained"] == pytest.approx(0.5)
    assert found["left_out"] == ["th"] and "th" in found["note"] and "No intervals" in found["note"]
    assert found["intervals"]["mti"] is None


def test_two_trained_languages_are_averaged() -> None:
    found = transfer(of(BASE), of(POST), ["en", "de"])
    assert found["gain_trained"] == pytest.approx(0.375) and found["mti"] == pytest.approx(0.25 / 0.375)


def test_an_index_over_nothing_is_not_defined() -> None:
    found = transfer(of(BASE), of(POST | {"en": 0.5}), ["en"])
    assert found["mti"] is None and "MTI is not defined" in found["note"]


def test_the_floor_may_be_raised() -> None:
    assert transfer(of(BASE), of(POST), ["en"], floor=0.3)["left_out"] == ["sw", "th"]


def test_intervals_cover_the_truth() -> None:
    draw = np.random.default_rng(0)
    hits = 0
    for seed in range(100):
        drawn = [{code: draw.binomial(400, p) / 400 for code, p in side.items()} for side in (BASE, POST)]
        found = transfer(of(drawn[0], 400), of(drawn[1], 400), ["en"], seed=seed)
        low, high = found["intervals"]["gen"]
        hits += low <= (0.1 / 0.6 + 0.05 / 0.8 + 0.3) / 3 <= high
    assert 88 <= hits <= 99


def test_outcomes_by_question_are_paired() -> None:
    """Base and post agree on all questions but for a tenth: paired, the gain is far surer than from n alone."""
    names = [str(at) for at in range(200)]
    base = {name: float(at % 2) for at, name in enumerate(names)}
    post = {name: 1.0 if at % 10 == 0 else base[name] for at, name in enumerate(names)}
    gain = {"en": post, "de": post}

    def measured(right: dict[str, float], known: bool) -> Measured:
        return Measured(float(np.mean(list(right.values()))), 200, right if known else None)

    widths = []
    for known in (True, False):
        found = transfer(
            {code: measured(base, known) for code in gain},
            {code: measured(r, known) for code, r in gain.items()},
            ["en"],
        )
        low, high = found["languages"][0]["interval"]
        widths.append(high - low)
    assert widths[0] < 0.6 * widths[1]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("language,accuracy\nen,45", "line 2: accuracy is 45, expected 0 to 1: divide by 100"),
        ("language,accuracy\nen,-0.1", "line 2: accuracy is '-0.1'"),
        ("language,accuracy\nen,x", "line 2: accuracy is 'x'"),
        ("language,accuracy\nen,0.4\nen,0.5", "line 3: en is there twice"),
        ("language,accuracy,n\nen,0.4,1.5", "line 2: n is '1.5'"),
        ("tongue,accuracy\nen,0.4", "no rows with the columns language and accuracy"),
    ],
)
def test_a_wrong_table_is_said_in_one_line(tmp_path: Path, text: str, line: str) -> None:
    file = tmp_path / "table.csv"
    file.write_text(text)
    with pytest.raises(TertuliaError, match=line):
        read_accuracies(file)


def test_languages_that_are_missing_are_said() -> None:
    with pytest.raises(TertuliaError, match="fr was trained on, and is not in both tables"):
        transfer(of(BASE), of(POST), ["fr"])
    with pytest.raises(TertuliaError, match="every language of the tables was trained on"):
        transfer(of({"en": 0.5}), of({"en": 0.6}), ["en"])


def test_the_command_takes_two_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = []
    for name, table in (("base", BASE), ("post", POST)):
        file = tmp_path / f"{name}.csv"
        file.write_text("\n".join(["language,accuracy,n", *(f"{code},{value},100" for code, value in table.items())]))
        files.append(str(file))
    assert main(["transfer", "--from", *files, "--trained", "en", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["mti"] == pytest.approx(0.5) and found["intervals"]["mti"]
    assert main(["transfer", "--from", *files, "--trained", "en"]) == 0
    assert "MTI: 0.500 [" in capsys.readouterr().out
    assert main(["transfer", "--trained", "en"]) != 0
    assert "there is nothing to compare" in capsys.readouterr().err


def test_two_models_are_asked_and_asked_no_more_than_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("inspect_ai", reason="needs the extra eval")
    command = ["transfer", "--base", "pebble", "--post", "pebble", "--languages", "en,sw", "--trained", "en", "--json"]
    command += ["--limit", "3", "--difficulty", "easy", "--log-dir", str(tmp_path / "log")]
    assert main(command) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["language"] for row in found["languages"]] == ["en", "sw"]
    assert all(row["gain"] == 0 for row in found["languages"]), "the same model with the same seed"
    logs = sorted((tmp_path / "log").rglob("*.eval"))
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out) == found
    assert sorted((tmp_path / "log").rglob("*.eval")) == logs
