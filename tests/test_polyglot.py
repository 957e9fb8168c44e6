"""Circles of many tongues are told from circles of one, at equal cost too, and a killed study goes on."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tertulia.cli import main
from tertulia.engines.scripted import ScriptedEngine
from tertulia.errors import TertuliaError
from tertulia.evaluation import bench
from tertulia.evaluation.records import CircleRecord, PathRecord
from tertulia.studies.polyglot import Outcome, Study
from tertulia.studies.polyglot_rows import Asked, notes, rows, sentence, tables
from tertulia.wording import Wording

CHILD = Path(__file__).with_name("evaluation_child.py")
SHIPPED = Path(__file__).parent.parent / "runs" / "lab"
STUDY = """
languages = ["en", "de"]
tongues = ["own", "en", "sw"]
engine = "scripted"
model = "scripted"
[options]
limit = 4
[settings]
paths = 6
every = 16
summaries = "written"
doubt = 0.0
"""


def study_file(folder: Path, text: str = STUDY) -> Path:
    file = folder / "run.toml"
    file.write_text(text, "utf-8")
    return file


# --- what can be asked for --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('"de"]', '"xx"]'), "unknown language 'xx' in the study: use some of en, bn"),
        (('"sw"]', '"xx"]'), "unknown language 'xx' in the study"),
        (('["en", "de"]', '["en", "en"]'), "languages are en, en: name each once"),
        (("paths = 6", 'tongues = "en,de"'), "tongues is among the settings of the study, which gives it itself"),
        (('"en", "sw"]', '"en"]'), "the tongues own, en are one language for questions in en: name at least two"),
        (("limit = 4", "limit = 4\n[more]"), "unknown key more in"),
        (("engine =", "engines ="), "unknown key engines in .*: runs/lab/tongues_smoke.toml shows what there is"),
        (("[options]", "circles = 0\n[options]"), "circles in .* is 0, which cannot be"),
        (("[options]", "[options"), "is not TOML"),
    ],
)
def test_a_wrong_study_gets_one_line(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    with pytest.raises(TertuliaError, match=said) as caught:
        Study.load(study_file(tmp_path, STUDY.replace(*change)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("file", sorted(SHIPPED.glob("tongues*.toml")), ids=lambda file: file.stem)
def test_every_study_that_we_ship_can_be_read(file: Path) -> None:
    wanted = Study.load(file)
    assert all(len(wanted.mix(language)) > 1 for language in wanted.languages)
    command = f"# tertulia study tongues runs/lab/{file.name} --out out/{file.stem}"
    assert file.read_text("utf-8").splitlines()[0] == command


def test_questions_may_come_from_a_file_for_each_language(tmp_path: Path) -> None:
    study = Study.load(study_file(tmp_path, 'data = "q_{language}.jsonl"' + STUDY))
    assert study.evaluation("de").options == {"limit": 4, "language": "de", "data": "q_de.jsonl"}
    assert study.options == {"limit": 4}, "what the file says stays as it is"


def test_arms_are_own_pivot_and_many_with_meetings_and_without(tmp_path: Path) -> None:
    wanted = Study.load(study_file(tmp_path))
    assert wanted.arms("de") == {
        "meeting, own": "leap:thinking_language=de",
        "meeting, pivot": "leap:thinking_language=en",
        "meeting, many": "leap:tongues=de+en+sw",
        "independent, own": "independent:thinking_language=de",
        "independent, pivot": "independent:thinking_language=en",
        "independent, many": "independent:tongues=de+en+sw",
    }
    assert wanted.mix("en") == ("en", "sw"), "own stands for the question's language, and each tongue is there once"
    assert len(wanted.evaluation("en").methods) == 4, "no arm is run twice"


# --- what is measured ---------------------------------------------------------------------------------


def path(answer: str, generated: int = 10) -> PathRecord:
    return PathRecord(answer, answer == "1", True, generated, 0, 0, 1.0)


def circle(*paths: PathRecord, correct: bool = True) -> CircleRecord:
    return CircleRecord("q", 0, "1", "1" if correct else "2", correct, paths)


def arms(**changed: CircleRecord) -> dict[str, dict[str, list[CircleRecord]]]:
    """Five independent paths, of which three are right; one has 60 % of the vote right, all five have it right."""
    pool = circle(*(path(answer) for answer in "11123"))
    found = {f"{kind}, {shape}": pool for kind in ("meeting", "independent") for shape in ("own", "pivot", "many")}
    found |= {name.replace("_", ", "): what for name, what in changed.items()}
    return {name: {question: [what] for question in "ab"} for name, what in found.items()}


def outcome(**languages: dict[str, dict[str, list[CircleRecord]]]) -> Outcome:
    study = Study(languages=list(languages), tongues=["own", "sw"])
    return Outcome(study, languages, 0, (0, ""))


def value(found: list[dict[str, Any]], *wanted: str) -> float:
    (row,) = [row for row in found if (row["language"], row["arm"], row["against"], row["measure"]) == wanted]
    return float(row["mean"])


def test_a_dearer_circle_has_to_be_better_by_what_its_tokens_would_have_bought_anyway() -> None:
    cheap, dear = circle(path("1", 10)), circle(*(path("1", 10) for _ in range(5)))
    found = rows(outcome(de=arms(meeting_own=cheap, meeting_many=dear)))
    both = ("de", "meeting, many", "meeting, own")
    assert value(found, *both, "vote") == 0.0, "both votes are right"
    assert value(found, *both, "vote, cost adjusted") == pytest.approx(-0.4, abs=0.08), (
        "one path has 0.6, five have 1.0"
    )
    assert value(found, "de", "meeting, own", "independent of its sort", "vote at equal tokens") == pytest.approx(
        0.4, abs=0.08
    )
    assert value(found, *both, "vote over its own sort") == pytest.approx(-0.4, abs=0.08)


def test_what_meetings_bring_is_held_against_independent_paths_of_the_same_tongues() -> None:
    better = circle(*(path("1") for _ in range(5)))
    worse = circle(*(path("2") for _ in range(5)), correct=False)
    changed = {"independent_many": worse, "meeting_many": better, "meeting_own": better}
    found = rows(outcome(de=arms(**changed)))
    both = ("de", "meeting, many", "meeting, own")
    assert value(found, *both, "vote") == value(found, *both, "vote, cost adjusted") == 0.0
    assert value(found, *both, "vote over its own sort") == 1.0, "a mix without meetings is never right here"
    assert value(found, "de", "independent, many", "independent, own", "vote") == -1.0


def test_injected_tokens_count_at_their_weight_and_in_full() -> None:
    heavy = circle(PathRecord("1", True, True, 10, 40, 0, 1.0))
    asked = Asked("de", arms(meeting_many=heavy), 1)
    assert asked.over("meeting, many", "own", "full")["a"] == [pytest.approx(0.0)], "50 tokens buy five paths"
    assert 0.2 < asked.over("meeting, many", "own")["a"][0] < 0.45, "14 tokens buy 1.4 of them"


def test_over_all_languages_a_question_is_one_cluster() -> None:
    right, wrong = circle(*(path("1") for _ in range(5))), circle(*(path("2") for _ in range(5)), correct=False)
    found = rows(
        outcome(de=arms(meeting_many=right, meeting_own=wrong), sw=arms(meeting_many=wrong, meeting_own=right))
    )
    assert value(found, "de", "meeting, many", "meeting, own", "vote") == 1.0
    assert value(found, "sw", "meeting, many", "meeting, own", "vote") == -1.0
    assert value(found, "all", "meeting, many", "meeting, own", "vote") == 0.0
    whole = next(row for row in found if row["language"] == "all")
    assert (whole["questions"], whole["circles"]) == (2, 4)
    assert "all languages: no difference seen" in sentence(found)


def test_questions_in_the_pivot_have_no_row_twice() -> None:
    found = rows(outcome(en=arms()))
    assert not [row for row in found if "pivot" in row["arm"] + row["against"]]
    assert {row["paths"] for row in tables(found)[0][1]} == {
        "meeting, own", "meeting, many", "independent, own", "independent, many"
    }  # fmt: skip


def test_a_pool_that_is_too_small_is_said() -> None:
    large = circle(*(path("1", 100) for _ in range(5)))
    assert any(
        "For 2 circles there were fewer independent paths" in note
        for note in notes(outcome(de=arms(meeting_many=large)))
    )


# --- the command --------------------------------------------------------------------------------------


def speaker(context: str, path: str, seed: int) -> str:
    """Right where it thinks in English, wrong elsewhere; it thinks in the language it was led to."""
    led = next(code for code in ("en", "de", "sw") if Wording.load("pebble", code).thinking in context)
    word = {"en": "add", "de": "dazu", "sw": "ongeza"}[led]
    answer = GOLD[context.partition("<|assistant|>")[0]] if led == "en" else "-1"
    return f"1) {word} 1\n</think>\\boxed{{{answer}}}<|end|>"


GOLD: dict[str, str] = {}


def test_the_command_tells_arms_apart_by_language(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("inspect_ai", reason="needs the extra eval")
    from tertulia import tasks

    for code in ("en", "de"):
        GOLD.update({f"<|user|>{one.text}": one.gold for one in tasks.load("world", language=code, limit=4)})
    monkeypatch.setattr(bench, "engine_for", lambda *given, **named: ScriptedEngine(speaker))
    command = ["study", "tongues", str(study_file(tmp_path)), "--out", str(tmp_path / "out")]
    assert main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["rows"]
    assert value(found, "de", "meeting, own", "", "pass@1") == 0.0
    assert value(found, "de", "meeting, pivot", "", "pass@1") == 1.0
    assert value(found, "de", "meeting, many", "", "pass@1") == pytest.approx(1 / 3)
    assert value(found, "de", "meeting, many", "", "pass@1, paths in en") == 1.0
    assert value(found, "de", "meeting, many", "", "pass@1, paths in sw") == 0.0
    assert value(found, "en", "meeting, many", "", "pass@1") == 0.5
    assert value(found, "de", "meeting, many", "", "off_target") == 0.0
    assert value(found, "de", "meeting, many", "meeting, pivot", "pass@1") == pytest.approx(-2 / 3)
    with (tmp_path / "out" / "table.csv").open(encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert len(table) == len(found) and set(table[0]) == {
        "language", "arm", "against", "measure", "mean", "low", "high", "questions", "circles"
    }  # fmt: skip
    assert main(command) == 0
    told = capsys.readouterr().out
    assert "Many tongues against one" in told and "The vote of circles of many tongues against" in told
    assert main([*command, "--limit", "2"]) != 0
    assert "belongs to another study (options.limit: 4 there, 2 here): give another --out" in capsys.readouterr().err


def child(folder: Path, out: str) -> list[str]:
    return [
        sys.executable,
        str(CHILD),
        "study",
        "tongues",
        str(study_file(folder)),
        "--out",
        str(folder / out),
        "--json",
    ]


def finished(command: list[str]) -> list[dict[str, Any]]:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment())
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)["rows"]
    # What a killed server takes with it is its cache, and with it what injected tokens cost.
    return [row for row in found if "token" not in row["measure"] and "cost" not in row["measure"]]


def environment() -> dict[str, str]:
    return {**os.environ, "INSPECT_DISPLAY": "none"}


def test_a_killed_study_comes_to_the_same_table_by_the_same_command(tmp_path: Path) -> None:
    pytest.importorskip("inspect_ai", reason="needs the extra eval")
    killed = child(tmp_path, "killed")
    process = subprocess.Popen(
        killed, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment(), start_new_session=True
    )
    while len(list((tmp_path / "killed").rglob("*.journal.jsonl"))) < 6 and process.poll() is None:
        time.sleep(0.01)
    assert process.poll() is None, "it ended before it could be killed"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert finished(killed) == finished(child(tmp_path, "undisturbed"))
