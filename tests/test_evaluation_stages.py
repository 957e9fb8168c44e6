"""An evaluation goes on in its folder: with the same questions, more of them or fewer, and with nothing else."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from circles import Recorder, TextServer
from tertulia.cli import main
from tertulia.cli.groups import Shared
from tertulia.errors import TertuliaError
from tertulia.evaluation import bench
from tertulia.evaluation.where import Where
from tertulia.model import PROFILE

pytest.importorskip("inspect_ai", reason="evaluations need the extra eval")

from tertulia.evaluation.evaluate import Evaluation, Outcome, from_logs, run

PLACE = Where(engine="scripted", model="scripted")
SETTINGS = {"paths": 3, "every": 20}
ROWS = [{"problem": f"Ana has {n} shells, gets 80, finds 8 and buys 21. How many?", "answer": n + 109} for n in (5, 7)]


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> list[Recorder]:
    """The engines of all evaluations of a test."""
    made: list[Recorder] = []

    def engine(*arguments: Any, **named: Any) -> Recorder:
        made.append(Recorder())
        return made[-1]

    monkeypatch.setattr(bench, "engine_for", engine)
    return made


def told(_: str) -> None:
    """Nobody reads what an evaluation tells."""


def asked(**more: Any) -> Evaluation:
    methods = ("leap", "independent")
    return Evaluation(**{"task": "world", "methods": methods, "where": PLACE, "settings": SETTINGS} | more)


def rows_in(file: Path, rows: list[dict[str, Any]]) -> Path:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def contents(folder: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


# --- other questions ---------------------------------------------------------------------------------


@pytest.mark.parametrize("change", [{"answer": 0}, {"problem": "What is 3 + 4?"}])
def test_a_changed_file_of_questions_is_refused_before_anything_is_told_or_written(
    change: dict[str, Any], tmp_path: Path
) -> None:
    data, folder = rows_in(tmp_path / "rows.jsonl", ROWS), tmp_path / "out"
    wanted = asked(task="math500", methods=("independent",), options={"data": str(data)})
    run(wanted, folder, tell=told)
    before = contents(folder)
    rows_in(data, [ROWS[0], ROWS[1] | change])
    lines: list[str] = []
    with pytest.raises(TertuliaError, match=r"out holds answers to other questions: .* is not what it was; give") as no:
        run(wanted, folder, tell=lines.append)
    assert "\n" not in str(no.value) and lines == []
    assert contents(folder) == before
    rows_in(data, ROWS)
    assert isinstance(run(wanted, folder, tell=told), Outcome)


def test_a_sweep_refuses_a_changed_file_of_questions_too(tmp_path: Path) -> None:
    from tertulia.studies import sweep

    data, out = rows_in(tmp_path / "rows.jsonl", ROWS), tmp_path / "out"
    file = tmp_path / "run.toml"
    file.write_text(
        'study = "eval"\ntask = "math500"\nengine = "scripted"\nmodel = "scripted"\nmethods = ["independent"]\n'
        f"[options]\ndata = {json.dumps(str(data))}\n[settings]\npaths = 2\n[grid]\ntemperature = [0.5]\n"
    )
    sweep.run(sweep.load(file), out, tell=told)
    rows_in(data, [row | {"answer": 0} for row in ROWS])
    with pytest.raises(TertuliaError, match="holds answers to other questions"):
        sweep.run(sweep.load(file), out, tell=told)


# --- another model -----------------------------------------------------------------------------------


@pytest.mark.parametrize("change", ["model", "mode", "profile"])
def test_another_model_mode_or_profile_at_the_same_place_is_refused(
    change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Recorder] = [Recorder(), Recorder()]
    monkeypatch.setattr(bench, "engine_for", lambda *_, **__: made[-1])
    wanted = asked(methods=("independent",), options={"limit": 1})
    run(wanted, tmp_path / "out", tell=told)
    before = contents(tmp_path / "out")
    if change == "model":
        made.append(Recorder())
        made[-1].info = replace(made[-1].info, model="another")
    elif change == "mode":
        made.append(TextServer())
    else:
        profile = tmp_path / "own.toml"
        profile.write_text('prompt = "Question: {question}\\nAnswer:"\n')
        monkeypatch.setenv(PROFILE, str(profile))
    with pytest.raises(
        TertuliaError, match=rf"out belongs to another evaluation \({change}: .* there, .* here\): "
    ) as no:
        run(wanted, tmp_path / "out", tell=told)
    assert "\n" not in str(no.value) and contents(tmp_path / "out") == before


# --- more questions, or fewer ------------------------------------------------------------------------


def plain(outcome: Outcome) -> dict[str, Any]:
    """The comparison without the clock, and without what an engine that is started anew has not in its cache."""
    found = outcome.comparison.to_json()
    arms = {name: {**arm, "cached_share": None} for name, arm in found["arms"].items()}
    return {name: value for name, value in found.items() if name != "seconds_a_circle"} | {"arms": arms}


def work(engines: list[Recorder]) -> int:
    """How many tokens were generated so far."""
    return sum(generation.count for engine in engines for _, generation in engine.answered)


@pytest.mark.parametrize("place", [PLACE, PLACE.at(at_once=3)])
def test_a_higher_limit_goes_on_with_the_new_questions_alone_and_comes_to_the_same(
    place: Where, tmp_path: Path, engines: list[Recorder]
) -> None:
    more, fewer = asked(options={"limit": 4}, circles=2), asked(options={"limit": 2}, circles=2)
    whole = run(more, tmp_path / "at once", tell=told)
    at_once = work(engines)
    first = run(fewer, tmp_path / "stages", tell=told)
    assert work(engines) > at_once and first.comparison.questions == whole.comparison.questions[:2]
    second = run(replace(more, where=place), tmp_path / "stages", tell=told)
    assert work(engines) == 2 * at_once, "nothing was generated twice"
    assert plain(second) == plain(whole)
    again = run(fewer, tmp_path / "stages", tell=told)
    assert plain(again) == plain(first) and work(engines) == 2 * at_once
    assert plain(run(more, tmp_path / "stages", tell=told)) == plain(whole) and work(engines) == 2 * at_once


def test_false_markers_at_the_rate_of_more_questions_are_another_run(tmp_path: Path, engines: list[Recorder]) -> None:
    asks = [asked(methods=("leap", "false"), options={"limit": limit}) for limit in (2, 4)]
    whole = run(asks[1], tmp_path / "at once", tell=told)
    first = run(asks[0], tmp_path / "stages", tell=told)
    second = run(asks[1], tmp_path / "stages", tell=told)
    assert second.failed == (0, "") and plain(second) == plain(whole)
    before = work(engines)
    assert plain(run(asks[0], tmp_path / "stages", tell=told)) == plain(first) and work(engines) == before


def test_a_limit_that_is_raised_over_changed_questions_is_refused(tmp_path: Path) -> None:
    data, folder = rows_in(tmp_path / "rows.jsonl", ROWS), tmp_path / "out"
    wanted = asked(task="math500", methods=("independent",), options={"data": str(data), "limit": 1})
    run(wanted, folder, tell=told)
    rows_in(data, [ROWS[0] | {"answer": 0}, ROWS[1]])
    with pytest.raises(TertuliaError, match="out holds answers to other questions"):
        run(replace(wanted, options={"data": str(data), "limit": 2}), folder, tell=told)


@pytest.mark.parametrize("change", [{"answer": 0}, {"problem": "What is 3 + 4?"}])
def test_logs_of_other_questions_under_the_same_ids_are_not_compared(change: dict[str, Any], tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "other"]
    for folder, rows in zip(folders, ([*ROWS], [ROWS[0], ROWS[1] | change]), strict=True):
        data = rows_in(tmp_path / "rows.jsonl", rows)
        run(asked(task="math500", methods=("independent",), options={"data": str(data)}), folder, tell=told)
    with pytest.raises(TertuliaError, match=r"in .*other.*\.eval is another question than in") as no:
        from_logs(folders)
    assert "\n" not in str(no.value)
    assert len(from_logs([folders[0], folders[0]]).questions) == 2


# --- prices ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
def test_a_price_that_is_none_is_refused_before_anything_runs(
    weight: float, tmp_path: Path, engines: list[Recorder]
) -> None:
    for go in (lambda: run(asked(weight=weight), tmp_path / "out"), lambda: from_logs([tmp_path], weight=weight)):
        with pytest.raises(TertuliaError, match=f"the weight of an injected token is {weight}: expected 0 or more"):
            go()
    assert engines == [] and not (tmp_path / "out").exists()


# --- the command -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["world", "--set", "paths=2", "--paths", "3"], "paths is 2 by --set and 3 by --paths: give it once"),
        (["world", "--set", "preset=paper", "--preset", "tertulia"], "preset is paper by --set and tertulia by"),
        (["world", "--set", "heard=2", "--set", "heard=3"], "heard is there twice in .*, as 2 and 3: give it once"),
        (["--quick", "--paths", "1"], "1 path meets nobody: give --paths 2 or more"),
        (["--quick", "--set", "paths=1"], "1 path meets nobody: give --paths 2 or more"),
        (["--quick", "--method", "self"], "--quick holds meetings against independent paths: leave out --method, or"),
        (["--quick", "--method", "leap"], "leave out --method, or name leap and independent too"),
        (["--quick", "--method", "self", "--method", "independent"], "leave out --method, or name leap and"),
        (["world", "--method", "leap:heard=2,heard=3"], "heard is there twice in 'leap:heard=2,heard=3', as 2 and 3"),
    ],
)
def test_what_a_command_cannot_mean_is_refused_at_its_start(
    words: list[str], said: str, tmp_path: Path, engines: list[Recorder], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["eval", *words, "--engine", "scripted", "--limit", "1", "--log-dir", str(tmp_path / "out")]) == 2
    told = capsys.readouterr()
    assert re.search(said, told.err) and len(told.err.strip().splitlines()) == 1 and not told.out
    assert engines == [] and not (tmp_path / "out").exists()


def test_a_setting_may_be_given_twice_with_one_value() -> None:
    assert Shared(set_=["paths=2", "paths=2,heard=1"]).given(paths=2) == {"paths": 2, "heard": 1}
