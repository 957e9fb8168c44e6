"""The law is found where it is known, intervals cover it, and nothing is said that a table cannot tell."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("scipy", reason="needs the extra study")

from tertulia.cli import main
from tertulia.errors import TertuliaError
from tertulia.studies.law import Point, law, read_table

SIZES = (1, 2, 3, 4, 6, 8)


def runs(seeds: int, noise: float = 0.0, seed: int = 0, sizes: tuple[int, ...] = SIZES) -> list[Point]:
    """Points of 2 X^0.3, and another value at X = 1."""
    draw = np.random.default_rng(seed)
    return [
        Point(size, (1.5 if size == 1 else 2 * size**0.3) + noise * draw.normal(), (str(run), ""))
        for run in range(seeds)
        for size in sizes
    ]


def table(tmp_path: Path, points: list[Point]) -> Path:
    file = tmp_path / "table.csv"
    lines = [f"{point.languages:g},{point.value!r},{point.cluster[0]}" for point in points]
    file.write_text("\n".join(["languages,value,seed", *lines]))
    return file


def test_a_law_without_noise_is_found_exactly() -> None:
    found = law(runs(3))
    assert found["alpha"] == pytest.approx(2, abs=1e-6) and found["beta"] == pytest.approx(0.3, abs=1e-6)
    assert found["r2"] == pytest.approx(1)
    assert found["leap"] == pytest.approx(2 * 2**0.3 - 1.5) and found["gap"] == pytest.approx(0.5, abs=1e-6)
    assert found["verdict"].startswith("By AICc the form is power.")
    power = found["models"][0]
    assert power["name"] == "power" and abs(power["heldout_error"]) < 1e-6
    others = {model["name"]: abs(model["heldout_error"]) for model in found["models"][2:]}
    assert others["logarithmic"] > 0.01 and others["saturating"] > 0.01


def test_intervals_cover_what_is_true() -> None:
    truth = {"alpha": 2.0, "beta": 0.3, "leap": 2 * 2**0.3 - 1.5, "gap": 0.5}
    hits = dict.fromkeys(truth, 0)
    tries = 60
    for seed in range(tries):
        found = law(runs(4, noise=0.1, seed=seed), seed=seed)
        for name, value in truth.items():
            low, high = found["intervals"][name]
            hits[name] += low <= value <= high
    for name, hit in hits.items():
        assert 0.88 * tries <= hit, f"{name} covered {hit} of {tries} times"
    assert sum(hits.values()) < 4 * tries, "intervals that never miss are too wide"


def test_one_run_has_no_intervals_and_says_so() -> None:
    found = law(runs(1))
    assert found["intervals"] == dict.fromkeys(("alpha", "beta", "leap", "gap"))
    assert "One run only" in found["verdict"] and found["alpha"] == pytest.approx(2, abs=1e-6)


def test_forms_that_noise_hides_are_not_told_apart() -> None:
    verdict = law(runs(3, noise=0.3, seed=1))["verdict"]
    assert verdict.startswith("The data cannot tell ") and "power" in verdict.partition(" apart")[0]


def test_few_points_leave_large_forms_unjudged() -> None:
    found = law(runs(1))
    unjudged = {model["name"] for model in found["models"] if model["aicc"] is None}
    assert unjudged == {"shifted power", "saturating"} and "Too few points to judge" in found["verdict"]


def test_two_numbers_of_languages_are_refused() -> None:
    with pytest.raises(TertuliaError, match=r"has 2 numbers of languages from 2 on \(2, 3\): give at least 3"):
        law(runs(3, sizes=(1, 2, 3)))


def test_without_monolingual_runs_there_is_neither_leap_nor_gap() -> None:
    found = law(runs(3, sizes=SIZES[1:]))
    assert found["leap"] is None and found["gap"] is None and found["intervals"]["gap"] is None


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("languages,value\n2,x", "line 2: value is 'x', expected a number"),
        ("languages,value\n2,1\n-3,1", "line 3: languages is '-3', expected a number from 1 on"),
        ("languages,value\n2,nan", "line 2: value is 'nan'"),
        ("x,value\n2,1", "has no column languages"),
        ("languages,value\n", "has no rows"),
    ],
)
def test_a_wrong_table_is_said_in_one_line(tmp_path: Path, text: str, line: str) -> None:
    file = tmp_path / "table.csv"
    file.write_text(text)
    with pytest.raises(TertuliaError, match=line) as caught:
        read_table(file)
    assert "\n" not in str(caught.value)


STUDY = "arm,order,seed,languages,language,accuracy,off_target,n,tokens,steps,trained,held_out"


def study(tmp_path: Path) -> Path:
    """A base of en 0.5, de 0.4, sw 0.2 and th 0.01 (held out: sw, th); training adds by X."""
    file = tmp_path / "study.csv"
    rows = [STUDY]
    for arm, size, en, de, sw, th in (
        ("base", 0, 0.5, 0.4, 0.2, 0.01),
        ("grown", 1, 0.6, 0.4, 0.22, 0.01),
        ("grown", 2, 0.75, 0.6, 0.3, 0.05),
        ("fixed", 1, 0.6, 0.4, 0.22, 0.01),
    ):
        for code, got in (("en", en), ("de", de), ("sw", sw), ("th", th)):
            trained = int(bool(size) and (code == "en" or (code == "de" and size == 2)))
            rows.append(f"{arm},1,1,{size},{code},{got},0,100,1,1,{trained},{int(code in ('sw', 'th'))}")
    file.write_text("\n".join(rows))
    return file


def values(points: list[Point]) -> list[float]:
    return [round(point.value, 6) for point in points]


def test_a_studys_table_is_read_in_three_ways(tmp_path: Path) -> None:
    file = study(tmp_path)
    assert values(read_table(file, "accuracy", "grown")) == [0.115, 0.175]
    # sw alone: th is under the floor. Trained gains: en 20 %; en and de 50 % both.
    assert values(read_table(file, "mti", "grown")) == [0.5, 1.0]
    assert values(read_table(file, "gen", "grown")) == [
        round(0.02 / 0.8 / 2, 6),
        round((0.1 / 0.8 + 0.04 / 0.99) / 2, 6),
    ]
    assert values(read_table(file, "accuracy", "grown", "all"))[0] == pytest.approx(0.3075)
    with pytest.raises(TertuliaError, match="has the arms fixed, grown: choose one with --arm"):
        read_table(file)
    with pytest.raises(TertuliaError, match="has no arm 'more': it has fixed, grown"):
        read_table(file, arm="more")


def test_the_command_prints_what_was_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = table(tmp_path, runs(2))
    assert main(["law", str(file), "--json", "--plot", str(tmp_path / "law")]) == 0
    found = json.loads(capsys.readouterr().out)
    keys = {"alpha", "beta", "r2", "leap", "gap", "intervals", "models", "verdict", "points", "runs"}
    assert set(found) == keys and found["runs"] == 2
    assert {"name", "parameters", "aicc", "heldout_error"} <= set(found["models"][0])
    assert (tmp_path / "law.svg").exists() and (tmp_path / "law.png").exists()
    assert main(["law", str(file)]) == 0
    assert "alpha X^beta" in capsys.readouterr().out


def test_the_command_refuses_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = table(tmp_path, runs(2, sizes=(1, 2, 3)))
    assert main(["law", str(file)]) != 0
    told = capsys.readouterr().err
    assert "give at least 3" in told and len(told.strip().splitlines()) == 1
