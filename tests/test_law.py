"""The law is found where it is known, intervals cover it, and nothing is said that a table cannot tell."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("scipy", reason="needs the extra study")

import tertulia.studies.law as laws
from tertulia.cli import main
from tertulia.errors import TertuliaError
from tertulia.studies.law import Point, estimate, law
from tertulia.studies.law_forms import FORMS, fit, power_fits
from tertulia.studies.law_table import Table, read_table

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
    tries = 200
    for seed in range(tries):
        found = estimate(runs(4, noise=0.1, seed=seed), seed)
        for name, value in truth.items():
            low, high = found["intervals"][name]
            hits[name] += low <= value <= high
    for name, hit in hits.items():
        assert 0.9 * tries <= hit, f"{name} covered {hit} of {tries} times"
    assert sum(hits.values()) < 4 * tries, "intervals that never miss are too wide"


def test_one_run_has_no_intervals_and_says_so() -> None:
    found = law(runs(1))
    assert found["intervals"] == dict.fromkeys(("alpha", "beta", "leap", "gap"))
    assert "One run only" in found["verdict"] and found["alpha"] == pytest.approx(2, abs=1e-6)


def test_many_weighted_fits_at_once_are_the_fits_one_by_one() -> None:
    draw = np.random.default_rng(3)
    x = np.array([2.0, 3, 4, 6, 8] * 3)
    for sign in (1, -1):
        y = sign * 2 * x**0.3 + 0.1 * draw.normal(size=len(x))
        counts = draw.integers(0, 4, (20, len(x))).astype(float)
        alphas, betas = power_fits(x, y, counts, (sign * 1.5, 0.5))
        for weights, alpha, beta in zip(counts, alphas, betas, strict=True):
            chosen = np.repeat(np.arange(len(x)), weights.astype(int))
            one = fit(FORMS[0], x[chosen], y[chosen])
            assert one is not None and (alpha, beta) == pytest.approx(one[0], abs=1e-5)


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


def test_runs_that_lack_a_number_of_languages_are_named() -> None:
    points = [point for point in runs(3) if (point.cluster[0], point.languages) not in (("0", 3), ("1", 4), ("1", 8))]
    found = law(points)
    told = "that means over X are of different runs: seed 0 lacks X = 3; seed 1 lacks X = 4, 8."
    assert found["notes"] == [f"Not every run has every X, so {told}"] and told in found["verdict"]
    # As many runs at each X, and yet not the same ones.
    turned = [point for point in runs(6) if SIZES.index(int(point.languages)) != int(point.cluster[0])]
    assert len(set(one["runs"] for one in law(turned)["points"])) == 1
    assert "seed 0 lacks X = 1; seed 1 lacks X = 2; seed 2" in law(turned)["notes"][0]
    assert law(runs(3))["notes"] == []
    orders = [Point(x, x**0.3, ("1", order)) for order in "ab" for x in (1, 2, 3, 4) if (order, x) != ("b", 3)]
    assert "different runs: seed 1, order b lacks X = 3." in law(orders)["verdict"]


def test_what_a_fit_warns_of_does_not_reach_the_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = laws.fit

    def noisy(*asked: Any) -> Any:
        warnings.warn("overflow encountered in multiply", RuntimeWarning, stacklevel=1)
        return whole(*asked)

    monkeypatch.setattr(laws, "fit", noisy)
    with warnings.catch_warnings(record=True) as leaked:
        warnings.simplefilter("always")
        assert main(["law", str(table(tmp_path, runs(2, noise=0.1)))]) == 0
    assert leaked == []


STUDY = "arm,order,seed,languages,language,accuracy,off_target,n,tokens,steps,trained,held_out"
HELD = ("sw", "th")
Rows = list[tuple[str, int, int, dict[str, float], tuple[str, ...]]]
"""Arm, seed, number of languages, accuracies, and languages trained on."""


def study(tmp_path: Path, rows: Rows, held: tuple[str, ...] = HELD) -> Path:
    """A study's table; with seeds as orders, as studies have them."""
    file = tmp_path / "study.csv"
    lines = [STUDY]
    for arm, seed, size, accuracy, trained in rows:
        for code, got in accuracy.items():
            lines.append(
                f"{arm},{seed},{seed},{size},{code},{got!r},0,9,1,1,{int(code in trained)},{int(code in held)}"
            )
    file.write_text("\n".join(lines))
    return file


def accuracies(en: float, de: float, sw: float, th: float) -> dict[str, float]:
    return {"en": en, "de": de, "sw": sw, "th": th}


# Held out: sw, and th, where the base knows next to nothing.
SMALL: Rows = [
    ("base", 1, 0, accuracies(0.5, 0.4, 0.2, 0.01), ()),
    ("grown", 1, 1, accuracies(0.6, 0.4, 0.22, 0.01), ("en",)),
    ("grown", 1, 2, accuracies(0.75, 0.6, 0.3, 0.05), ("en", "de")),
    ("fixed", 1, 1, accuracies(0.6, 0.4, 0.22, 0.01), ("en",)),
]


def values(table: Table) -> list[float]:
    return [round(point.value, 6) for point in table.points]


def test_a_studys_table_is_read_in_three_ways(tmp_path: Path) -> None:
    file = study(tmp_path, SMALL)
    assert values(read_table(file, "accuracy", "grown")) == [0.115, 0.175]
    # sw alone: th is under the floor. Trained gains: en 20 %; en and de 50 % both.
    mti = read_table(file, "mti", "grown")
    assert values(mti) == [0.5, 1.0]
    assert mti.notes == ["Without th in the ratios: a base accuracy there is below 0.05."]
    assert values(read_table(file, "gen", "grown")) == [
        round(0.02 / 0.8 / 2, 6),
        round((0.1 / 0.8 + 0.04 / 0.99) / 2, 6),
    ]
    assert values(read_table(file, "accuracy", "grown", "all"))[0] == pytest.approx(0.3075)
    with pytest.raises(TertuliaError, match="has the arms fixed, grown: choose one with --arm"):
        read_table(file)
    with pytest.raises(TertuliaError, match="has no arm 'more': it has fixed, grown"):
        read_table(file, arm="more")


def of_law(value: str, seeds: int = 3) -> Rows:
    """A study in which the value follows 2 X^0.3 / 10 exactly, but for X = 1, where it is 0.15."""
    base = accuracies(0.4, 0.4, 0.25, 0.0)  # th has a base of zero
    rows: Rows = [("base", seed, 0, base, ()) for seed in range(1, seeds + 1)]
    for seed in range(1, seeds + 1):
        for size in SIZES:
            wanted = 0.15 if size == 1 else 0.2 * size**0.3
            sw, th = {
                "accuracy": (wanted + 0.1, wanted - 0.1),
                "mti": (0.25 * (1 + 0.5 * wanted), 0.3),  # en gains a half
                "gen": (0.25 + 0.75 * wanted, wanted),
            }[value]
            # Another arm in the same table is of no account.
            rows.append(("grown", seed, size, accuracies(0.6, 0.6, sw, th), ("en", "de")[:size]))
            rows.append(("fixed", seed, size, accuracies(0.5, 0.5, 0.25, 0.0), ("en", "de")[:size]))
    return rows


@pytest.mark.parametrize("value", ["accuracy", "mti", "gen"])
def test_the_law_of_a_study_is_found_exactly_in_each_value(tmp_path: Path, value: str) -> None:
    read = read_table(study(tmp_path, of_law(value)), value, "grown")  # type: ignore[arg-type]
    found = law(read.points, notes=read.notes)
    assert found["runs"] == 3 and len(read.points) == 18
    assert found["alpha"] == pytest.approx(0.2, abs=1e-6) and found["beta"] == pytest.approx(0.3, abs=1e-5)
    assert found["leap"] == pytest.approx(0.2 * 2**0.3 - 0.15) and found["gap"] == pytest.approx(0.05, abs=1e-6)
    assert ("Without th in the ratios" in found["verdict"]) == (value == "mti")


def test_a_base_of_zero_leaves_the_ratio_in_all_runs_if_it_is_low_in_one(tmp_path: Path) -> None:
    rows: Rows = [
        ("base", 1, 0, accuracies(0.5, 0.4, 0.2, 0.0), ()),
        ("base", 2, 0, accuracies(0.5, 0.4, 0.2, 0.2), ()),
        *(("grown", seed, 1, accuracies(0.75, 0.4, 0.3, 0.9), ("en",)) for seed in (1, 2)),
    ]
    assert values(read_table(study(tmp_path, rows), "mti")) == [1.0, 1.0], "th would make it 4 in the second"
    with pytest.raises(TertuliaError, match=r"no held-out language has a base accuracy of at least 0.05 in every run"):
        read_table(study(tmp_path, rows, held=("th",)), "mti")


def test_a_run_whose_trained_languages_did_not_gain_has_no_mti_and_is_named(tmp_path: Path) -> None:
    rows = of_law("mti")
    losing = next(at for at, row in enumerate(rows) if row[:3] == ("grown", 2, 3))
    barely = next(at for at, row in enumerate(rows) if row[:3] == ("grown", 3, 8))
    for at, (en, de) in {losing: (0.36, 0.4), barely: (0.404, 0.404)}.items():
        arm, seed, size, accuracy, trained = rows[at]
        rows[at] = (arm, seed, size, accuracy | {"en": en, "de": de}, trained)
    read = read_table(study(tmp_path, rows), "mti", "grown")
    assert len(read.points) == 16
    found = law(read.points, notes=read.notes)
    assert found["alpha"] == pytest.approx(0.2, abs=1e-6), "ratios of -1.1 or 50 would have moved it"
    said = found["verdict"]
    assert "2 of 18 runs have no MTI" in said and "seed 2 at X = 3 (-5.0%), seed 3 at X = 8 (+1.0%)" in said
    assert "Not every run has every X" in said and "different runs: seed 2 lacks X = 3; seed 3 lacks X = 8." in said


def test_a_law_of_losses_says_that_it_says_nothing() -> None:
    found = law([Point(size, -0.1 * size**0.3, (str(run), "")) for run in (1, 2) for size in SIZES])
    assert "A power law with a positive factor is above 0 everywhere" in found["verdict"]
    assert "X = 2, 3, 4, 6, 8" in found["verdict"] and "A power law with" not in law(runs(2))["verdict"]


def test_gains_lost_in_every_run_leave_too_little_to_fit_and_the_line_says_why(tmp_path: Path) -> None:
    rows = [(arm, seed, size, accuracy | {"en": 0.4, "de": 0.4}, trained)
            for arm, seed, size, accuracy, trained in of_law("mti")]  # fmt: skip
    read = read_table(study(tmp_path, rows), "mti", "grown")
    with pytest.raises(TertuliaError, match=r"has 0 numbers .* 18 of 18 runs have no MTI.* and 12 more") as caught:
        law(read.points, notes=read.notes)
    assert "\n" not in str(caught.value)


def test_a_language_that_the_base_has_all_right_leaves_the_headroom(tmp_path: Path) -> None:
    rows: Rows = [
        ("base", 1, 0, accuracies(0.5, 0.4, 0.2, 1.0), ()),
        ("grown", 1, 1, accuracies(0.75, 0.4, 0.4, 0.9), ("en",)),
    ]
    read = read_table(study(tmp_path, rows), "gen")
    assert values(read) == [0.25] and read.notes == ["Without th: the base is all right there."]


@pytest.mark.parametrize(
    ("rows", "value", "line"),
    [
        (SMALL[1:3], "mti", "no row of the arm base for seed 1 in de: add it"),
        ([("base", 1, 0, {"en": 0.5}, ()), SMALL[1]], "gen", "no row of the arm base for seed 1 in de"),
        ([("base", 2, 0, *SMALL[0][3:]), SMALL[1]], "gen", "no row of the arm base for seed 1"),
        ([SMALL[1], SMALL[1]], "accuracy", "line 6: seed 1 at X = 1 of grown has en twice: remove one"),
        ([SMALL[1], ("grown", 1, 2, {"en": 0.5, "sw": 0.2}, ("en",))], "accuracy",
         r"seed 1 at X = 2 has other held out languages than seed 1 at X = 1 \(th\), so a trend over X"),
    ],
)  # fmt: skip
def test_a_study_that_would_mislead_is_refused(tmp_path: Path, rows: Rows, value: str, line: str) -> None:
    with pytest.raises(TertuliaError, match=line) as caught:
        read_table(study(tmp_path, rows), value)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_a_studys_table_without_a_column_is_refused(tmp_path: Path) -> None:
    file = study(tmp_path, SMALL)
    file.write_text(file.read_text().replace(",held_out", ",other"))
    with pytest.raises(TertuliaError, match="has no column held_out, which a study's table has"):
        read_table(file, arm="grown")


def test_a_heat_map_is_drawn_of_a_study_and_of_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra study")
    file = study(tmp_path, SMALL)
    # The map comes even where there is too little for a fit.
    assert main(["law", str(file), "--arm", "grown", "--heat", str(tmp_path / "heat")]) != 0
    assert "give at least 3" in capsys.readouterr().err
    drawn = (tmp_path / "heat.svg").read_text()
    assert (tmp_path / "heat.png").stat().st_size > 1000
    for told in ("base", "grown", "fixed", "sw (held out)", "accuracy %"):
        assert f"<!-- {told} -->" in drawn, told
    assert "<!-- 75 -->" in drawn and "<!-- 30 -->" in drawn
    plain = table(tmp_path, runs(2))
    assert main(["law", str(plain), "--heat", str(tmp_path / "none")]) != 0
    assert "has no arms, which a heat map is of" in capsys.readouterr().err and not (tmp_path / "none.png").exists()


@pytest.mark.parametrize(
    ("value", "label"),
    [("accuracy", "accuracy in the languages held out"), ("mti", "MTI: relative gain held out / trained on")],
)
def test_a_plot_says_what_is_drawn(tmp_path: Path, value: str, label: str) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra study")
    file = study(tmp_path, of_law(value))
    assert main(["law", str(file), "--arm", "grown", "--value", value, "--plot", str(tmp_path / "law")]) == 0
    drawn = (tmp_path / "law.svg").read_text()
    for told in (label, "training languages X", "arm grown", "0.2 X^0.3", "leap 0.0962", "95 % band"):
        assert f"<!-- {told} -->" in drawn, told
    assert (tmp_path / "law.png").stat().st_size > 1000


def test_an_ending_is_not_written_twice(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra study")
    file = str(study(tmp_path, of_law("accuracy", seeds=1)))
    out = tmp_path / "drawn"
    for plot, heat in (("a.png", "b.svg"), ("c.v2", "d")):
        command = ["law", file, "--arm", "grown", "--plot", str(out / plot), "--heat", str(out / heat)]
        assert main(command) == 0
    names = ("a", "b", "c.v2", "d")
    assert {one.name for one in out.iterdir()} == {f"{name}.{ending}" for name in names for ending in ("png", "svg")}


def test_an_mti_of_all_languages_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["law", str(study(tmp_path, SMALL)), "--value", "mti", "--all-languages"]) != 0
    assert "leave out --all-languages" in capsys.readouterr().err


def test_the_command_prints_what_was_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = table(tmp_path, runs(2))
    assert main(["law", str(file), "--json", "--plot", str(tmp_path / "law")]) == 0
    found = json.loads(capsys.readouterr().out)
    keys = {"alpha", "beta", "r2", "leap", "gap", "intervals", "models", "verdict", "points", "runs", "notes"}
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


def test_one_run_alone_at_one_language_gives_no_interval_of_leap_and_gap() -> None:
    whole = [Point(x, 2 * x**0.3 + off, (str(seed), "")) for seed, off in ((1, 0.0), (2, 0.1)) for x in (2, 4, 8)]
    found = law([*whole, Point(1, 1.5, ("1", ""))])
    assert found["intervals"]["beta"] is not None
    assert found["leap"] is not None and found["intervals"]["leap"] is None and found["intervals"]["gap"] is None
    assert "leap is clear" not in found["verdict"]
    both = law([*whole, Point(1, 1.5, ("1", "")), Point(1, 1.6, ("2", ""))])
    assert both["intervals"]["leap"] is not None and both["intervals"]["gap"] is not None


def test_what_a_table_cannot_say_is_null_and_no_word_outside_of_json() -> None:
    found = law([Point(x, 2 * x**0.3, ("1", "")) for x in (1, 2, 4, 8)])
    assert json.loads(json.dumps(found["points"], allow_nan=False))[0]["sd"] is None
