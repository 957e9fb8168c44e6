"""Benchmarks as files in eleven languages, through transfer and eval: accuracy, letters, and the language of thoughts.

Two scripted models answer. The one before thinks in English and knows half of the questions, the one after thinks in
the language of the question and knows three of four. All questions are invented.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("inspect_ai", reason="evaluations need the extra eval")
pytest.importorskip("lingua", reason="needs the extra study")

from tertulia import tasks
from tertulia.cli import main
from tertulia.engines.scripted import ScriptedEngine
from tertulia.evaluation import bench
from tertulia.wording import Wording
from tertulia.world.language import LANGUAGES
from test_tongues import THOUGHTS

QUESTIONS = {
    "en": "How many shells are {a} shells and {b} shells?",
    "bn": "{a}টি ঝিনুক আর {b}টি ঝিনুক মিলে কয়টি ঝিনুক?",
    "de": "Wie viele Muscheln sind {a} Muscheln und {b} Muscheln?",
    "es": "¿Cuántas conchas son {a} conchas y {b} conchas?",
    "fr": "Combien de coquillages font {a} coquillages et {b} coquillages ?",
    "ja": "貝殻{a}個と貝殻{b}個で何個ですか。",
    "ru": "Сколько ракушек будет, если взять {a} и ещё {b}?",
    "sw": "Makombe {a} na makombe {b} ni mangapi?",
    "te": "{a} గవ్వలు, {b} గవ్వలు కలిపితే ఎన్ని?",
    "th": "เปลือกหอย {a} อันกับ {b} อันรวมเป็นกี่อัน",
    "zh": "{a}个贝壳加{b}个贝壳是多少个?",
}
SUMS = [(2, 11), (3, 12), (4, 13), (5, 14)]
RIGHT = {"base": {2, 4}, "post": {2, 3, 4}}
"""First numbers of the questions that a model knows."""


def rows(language: str, task: str) -> list[dict[str, Any]]:
    made = []
    for a, b in SUMS:
        row: dict[str, Any] = {"id": f"sum-{a}", "problem": QUESTIONS[language].format(a=a, b=b), "answer": str(a + b)}
        if task == "gpqa-diamond":
            row |= {"options": [str(a + b), str(a * b), str(b - a), str(a + b + 100)]}
        made.append(row)
    return made


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for task in ("math500", "aime2024", "aime2025", "gpqa-diamond"):
        for code in LANGUAGES:
            lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows(code, task)]
            (tmp_path / f"{task}.{code}.jsonl").write_text("".join(lines), "utf-8")
    return tmp_path


def asked(context: str) -> tuple[str, int, int]:
    """The language of a question and its numbers."""
    for code, template in QUESTIONS.items():
        pattern = re.escape(template).replace(r"\{a\}", r"(\d+)").replace(r"\{b\}", r"(\d+)")
        if found := re.search(pattern, context):
            return code, int(found[1]), int(found[2])
    raise AssertionError(f"no question in {context}")


def model(name: str) -> ScriptedEngine:
    """One of the two models; it thinks as its name says, and answers a choice by the letter shown."""

    def write(context: str, path: str, seed: int) -> str:
        if "<|user|>" not in context or not any(str(b) in context for _, b in SUMS):
            return "</think><|end|>"
        language, a, b = asked(context)
        value = str(a + b) if a in RIGHT[name] else str(a * b)
        letter = re.search(rf"(?m)^([A-D])\) {value}$", context)
        thought = THOUGHTS["en" if name == "base" else language]
        return f"{thought}</think>\\boxed{{{letter[1] if letter else value}}}<|end|>"

    return ScriptedEngine(write)


@pytest.fixture(autouse=True)
def models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "engine_for", lambda engine, name, *more, **named: model(str(name)))


def transfer(
    files: Path, capsys: pytest.CaptureFixture[str], task: str, languages: str, *more: str
) -> dict[str, dict[str, Any]]:
    command = ["transfer", "--base", "base", "--post", "post", "--task", task, "--languages", languages]
    command += ["--trained", "en,de", "--data", str(files / f"{task}.{{language}}.jsonl"), "--json"]
    assert main([*command, "--log-dir", str(files / "out"), *more]) == 0
    found = json.loads(capsys.readouterr().out)
    return {row["language"]: row for row in found["languages"]} | {"": found}


@pytest.mark.parametrize(
    ("task", "languages", "thinking"),
    [("math500", "all", "sentence"), ("gpqa-diamond", "all", "prompt"), ("aime2024", "de,en,sw", "free"),
     ("aime2025", "de,en,zh", "sentence")],
)  # fmt: skip
def test_translated_benchmarks_are_asked_in_each_language(
    files: Path, capsys: pytest.CaptureFixture[str], task: str, languages: str, thinking: str
) -> None:
    more = ["--thinking", thinking, "--circles", "2", "--paths", "2", "--set", "temperature=0.25"]
    found = transfer(files, capsys, task, languages, *more)
    whole = found.pop("")
    assert set(found) == (set(LANGUAGES) if languages == "all" else set(languages.split(",")))
    for code, row in found.items():
        assert (row["base"], row["post"]) == (0.5, 0.75)
        assert (row["base_off_target"], row["post_off_target"]) == (float(code != "en"), 0.0)
        assert (row["base_switched"], row["post_switched"]) == (float(code != "en"), 0.0)
    assert whole["mti"] == pytest.approx(1.0) and whole["gen"] == pytest.approx(0.5) and whole["unpaired"] == 0
    led = {"sentence": "thinking", "prompt": "think_in", "free": None}[thinking]
    journals = {code: "".join(file.read_text("utf-8") for file in (files / "out" / "post" / code).rglob("*.jsonl"))
                for code in found}  # fmt: skip
    for code, journal in journals.items():
        own = Wording.load("paper", code)
        for name in ("thinking", "think_in"):
            said = json.dumps(getattr(own, name).strip(), ensure_ascii=False)[1:-1]
            assert (said in journal) == (name == led), f"{code} is led by {led}"
        assert '"temperature":0.25' in journal.replace(" ", "")


def test_without_translated_questions_nobody_is_asked(
    files: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "fetch", lambda hub, task, **more: rows("en", task))
    for name, told in (("plain", {}), ("english", {"language": "en"})):
        lines = [json.dumps(row | told) + "\n" for row in rows("en", "math500")]
        (files / f"{name}.jsonl").write_text("".join(lines))
    command = ["transfer", "--base", "base", "--post", "post", "--languages", "en,sw,de", "--trained", "en"]
    own = "brings questions in en only, none in sw, de: give translated ones with --data "
    for task, data, line in (
        ("math500", None, f"math500 {own}math500.{{language}}.jsonl"),
        ("aime2024", None, f"aime2024 {own}aime2024.{{language}}.jsonl"),  # translations without a pinned commit
        ("math500", "plain.jsonl", "row 1: names no language, and would be asked as it stands in en, sw, de: put"),
        ("math500", "english.jsonl", "english.jsonl has no row in the language 'sw'"),
        ("math500", "{language}.jsonl", "en.jsonl does not exist"),
    ):
        given = [] if data is None else ["--data", str(files / data)]
        assert main([*command, "--task", task, *given, "--log-dir", str(files / "none")]) != 0
        said = capsys.readouterr().err
        assert line in said and len(said.strip().splitlines()) == 1
    assert not (files / "none").exists()
    asked = [*command, "--task", "math500", "--data", str(files / "all.jsonl"), "--log-dir", str(files / "some")]
    lines = [
        json.dumps(row | {"Language": code}) + "\n" for code in ("en", "sw", "de") for row in rows(code, "math500")
    ]
    (files / "all.jsonl").write_text("".join(lines))
    assert main(asked) == 0


def test_more_circles_of_the_same_questions_tell_no_more_of_new_questions(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The models answer a question always alike, so that more answers to it are worth nothing."""
    once = transfer(files, capsys, "aime2024", "de,en,sw", "--log-dir", str(files / "once"))
    more = transfer(files, capsys, "aime2024", "de,en,sw", "--circles", "3", "--log-dir", str(files / "more"))
    for code in ("de", "en", "sw"):
        assert once[code]["interval"] == more[code]["interval"] is not None
        assert once[code]["off_target_interval"] == more[code]["off_target_interval"] is not None
    assert once[""]["intervals"] == more[""]["intervals"]


def test_eval_asks_a_translated_file_and_keeps_the_language_of_each_thought(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["eval", "math500", "--data", str(files / "math500.sw.jsonl"), "--language", "sw", "--model", "post"]
    command += ["--method", "independent:thinking_language=sw", "--method", "independent:tongues=sw+en"]
    assert main([*command, "--paths", "2", "--log-dir", str(files / "eval"), "--json"]) == 0
    from tertulia.evaluation.evaluate import read

    table = json.loads(capsys.readouterr().out)
    shares = {label.partition("=")[2]: arm["thinking"]["off_target"]["mean"] for label, arm in table["arms"].items()}
    assert shares == {"sw": 0.0, "sw+en": 0.5}
    assert main(["compare", str(files / "eval")]) == 0
    assert "Language of thoughts" in capsys.readouterr().out
    logs = table["logs"]
    said = {}
    for label, log in logs.items():
        paths = [path.spoken for circle in read(Path(log)).circles for path in circle.paths]
        said[label.partition(":")[2]] = [(one.target, one.language) for one in paths if one is not None]
    assert said["thinking_language=sw"] == [("sw", "sw")] * 8
    assert said["tongues=sw+en"] == [("sw", "sw"), ("en", "sw")] * 4
