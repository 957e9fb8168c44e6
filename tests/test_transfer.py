"""Transfer is right where the truth is known, and says what it cannot say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from refusals import refused, written
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


def by_question(accuracy: dict[str, dict[str, float]]) -> dict[str, Measured]:
    return {code: Measured(float(np.mean(list(r.values()))), len(r), r) for code, r in accuracy.items()}


def test_only_questions_that_both_answered_are_compared() -> None:
    base = by_question({"en": {"a": 1.0, "b": 0.0, "c": 0.0}, "de": {"a": 0.5, "b": 0.5}})
    post = by_question({"en": {"a": 1.0, "b": 1.0}, "de": {"a": 1.0, "b": 0.5}})
    found = transfer(base, post, ["en"])
    rows = {row["language"]: row for row in found["languages"]}
    assert (rows["en"]["base"], rows["en"]["post"]) == (0.5, 1.0), "question c was asked on one side only"
    assert found["unpaired"] == 1 and "Left out: 1 questions that only one" in found["note"]
    with pytest.raises(TertuliaError, match="base and post have no question in de in common"):
        transfer(base, by_question({"en": {"a": 1.0}, "de": {"z": 1.0}}), ["en"])


def test_paths_of_a_question_are_one_cluster() -> None:
    """A hundred answers to each of eight questions tell no more of new questions than these eight."""
    draw = np.random.default_rng(3)
    hits = wide = 0
    for seed in range(60):
        chance = draw.beta(0.5, 0.5, 8)
        right = {str(at): float(draw.binomial(100, p) / 100) for at, p in enumerate(chance)}
        gain = {name: float(draw.binomial(100, 0.5) / 100) for name in right}
        base = {code: Measured(float(np.mean(list(right.values()))), 800, right) for code in ("en", "de")}
        post = {code: Measured(float(np.mean(list(gain.values()))), 800, gain) for code in ("en", "de")}
        found = transfer(base, post, ["en"], seed=seed)
        low, high = found["languages"][0]["interval"]
        hits += low <= 0 <= high  # the truth: both are right half of the time
        wide += high - low > 0.2
    assert hits >= 52 and wide >= 55, "as if answers were independent it would be 0.1 wide and miss half the time"


def test_few_questions_widen_the_intervals_of_the_index_too() -> None:
    def measured(values: list[float]) -> dict[str, Measured]:
        return by_question({code: {str(at): value for at, value in enumerate(values)} for code in ("en", "de")})

    base, post = [0.2, 0.4, 0.6, 0.8], [0.4, 0.5, 0.9, 0.8]
    few = transfer(measured(base), measured(post), ["en"])["intervals"]["gen"]
    many = transfer(measured(base * 10), measured(post * 10), ["en"])["intervals"]["gen"]
    assert few[1] - few[0] > 10**0.5 * 1.15 * (many[1] - many[0])


def test_questions_that_all_stay_as_they_were_do_not_prove_that_others_would() -> None:
    same = by_question({code: {str(at): 1.0 for at in range(10)} for code in ("en", "de")})
    low, high = transfer(same, same, ["en"])["languages"][0]["interval"]
    assert low < -0.2 and high > 0.2


def test_an_index_over_a_gain_that_may_be_nothing_says_so() -> None:
    found = transfer(of(BASE, 20), of(POST | {"en": 0.55}, 20), ["en"])
    assert found["mti"] is not None and "MTI says little" in found["note"]
    assert "MTI says little" not in transfer(of(BASE, 400), of(POST, 400), ["en"])["note"]


def test_a_floor_of_nothing_still_leaves_out_a_base_of_zero() -> None:
    assert transfer(of(BASE), of(POST), ["en"], floor=0.0)["left_out"] == ["th"]
    with pytest.raises(TertuliaError, match="the floor is 5: expected a base accuracy, 0 to 1"):
        transfer(of(BASE), of(POST), ["en"], floor=5)


def test_rates_of_the_language_of_thought_are_told_with_the_interval_of_their_change() -> None:
    names = [str(at) for at in range(40)]
    right = {name: float(at % 2) for at, name in enumerate(names)}
    off = ({name: 1.0 for name in names}, {name: float(at % 4 == 0) for at, name in enumerate(names)})
    sides = [{code: Measured(0.5, 40, right, float(np.mean(list(o.values()))), 0.1, o, o) for code in ("en", "de")}
             for o in off]  # fmt: skip
    row = transfer(*sides, ["en"])["languages"][1]
    assert (row["base_off_target"], row["post_off_target"]) == (1.0, 0.25)
    low, high = row["off_target_interval"]
    assert low < -0.75 < high < -0.5
    assert row["base_switched"] == 0.1


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("language,accuracy\nen,45", "line 2: accuracy is 45, expected 0 to 1: divide by 100"),
        ("language,accuracy\nen,-0.1", "line 2: accuracy is '-0.1'"),
        ("language,accuracy\nen,x", "line 2: accuracy is 'x'"),
        ("language,accuracy\nen,0.4\nen,0.5", "line 3: en is there twice"),
        ("language,accuracy,n\nen,0.4,1.5", "line 2: n is '1.5'"),
        ("language,accuracy,off_target\nen,0.4,30", "line 2: off_target is 30, expected 0 to 1: divide by 100"),
        ("language,accuracy,switched\nen,0.4,much", "line 2: switched is 'much'"),
        ("language,accuracy\nen,0,4", "line 2: has more cells than the header"),
        ("tongue,accuracy\nen,0.4", "no rows with the columns language and accuracy"),
    ],
)
def test_a_wrong_table_is_said_in_one_line(tmp_path: Path, text: str, line: str) -> None:
    with refused(line):
        read_accuracies(written(tmp_path, text))


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_tables_are_read_with_any_of_three_separators_and_a_mark(tmp_path: Path, separator: str) -> None:
    file = tmp_path / "table.csv"
    file.write_text("\ufefflanguage,accuracy,n\nen,0.5,10\nde,0.25,20".replace(",", separator), "utf-8")
    assert read_accuracies(file) == {"en": Measured(0.5, 10), "de": Measured(0.25, 20)}


def test_languages_that_are_missing_are_said() -> None:
    with pytest.raises(TertuliaError, match="fr was trained on, and is not in both tables"):
        transfer(of(BASE), of(POST), ["fr"])
    with pytest.raises(TertuliaError, match="every language that is in both tables was trained on"):
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


def test_given_tables_may_tell_off_target_rates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, rates in (("base", (0.9, "")), ("post", (0.1, 0.2))):
        rows = [f"en,0.5,100,{rates[0]}", f"de,0.4,100,{rates[1]}"]
        (tmp_path / f"{name}.csv").write_text("\n".join(["language,accuracy,n,off_target", *rows]))
    command = ["transfer", "--from", str(tmp_path / "base.csv"), str(tmp_path / "post.csv"), "--trained", "en"]
    assert main([*command, "--json"]) == 0
    rows = {row["language"]: row for row in json.loads(capsys.readouterr().out)["languages"]}
    assert (rows["en"]["base_off_target"], rows["de"]["base_off_target"], rows["de"]["post_off_target"]) == (
        0.9,
        None,
        0.2,
    )
    assert main(command) == 0
    out = capsys.readouterr().out
    assert "off-target %, base to post" in out and "| 90.0 to 10.0 |" in out and "| - to 20.0 |" in out
    assert "switched" not in out


def test_an_unknown_way_of_thinking_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("inspect_ai", reason="needs the extra eval")
    command = ["transfer", "--base", "pebble", "--post", "pebble", "--languages", "en,sw", "--trained", "en"]
    assert main([*command, "--thinking", "aloud", "--log-dir", str(tmp_path)]) != 0
    assert "unknown thinking 'aloud': use one of free, prompt, sentence" in capsys.readouterr().err


def test_two_models_are_asked_and_asked_no_more_than_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("inspect_ai", reason="needs the extra eval")
    command = ["transfer", "--base", "pebble", "--post", "pebble", "--languages", "en,sw", "--trained", "en", "--json"]
    command += ["--limit", "3", "--difficulty", "easy", "--log-dir", str(tmp_path / "log")]
    assert main(command) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["language"] for row in found["languages"]] == ["en", "sw"]
    assert all(row["gain"] == 0 for row in found["languages"]), "the same model with the same seed"
    assert all(row["base_off_target"] == row["post_off_target"] is not None for row in found["languages"])
    logs = sorted((tmp_path / "log").rglob("*.eval"))
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out) == found
    assert sorted((tmp_path / "log").rglob("*.eval")) == logs


def test_a_language_on_one_side_only_is_named() -> None:
    base = {"en": Measured(0.5), "de": Measured(0.4), "fr": Measured(0.3)}
    post = {"en": Measured(0.6), "de": Measured(0.5), "sw": Measured(0.1)}
    assert "On one side only, so not compared: fr, sw." in transfer(base, post, ["en"])["note"]
    assert "On one side only" not in transfer(post, post, ["en"])["note"]


def test_what_cannot_be_compared_is_refused_before_anybody_is_asked(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pytest.importorskip("inspect_ai", reason="needs the extra eval")
    asked = ["transfer", "--base", "pebble", "--post", "pebble", "--log-dir", str(tmp_path / "out")]
    for trained, languages in (("de", "en,sw"), ("en", "en")):
        assert main([*asked, "--trained", trained, "--languages", languages]) != 0
        assert "ask in both sorts" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
