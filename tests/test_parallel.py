"""Training in parallel languages: what is asked, what is rewarded, and a study that goes on after a kill."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tertulia.errors import TertuliaError
from tertulia.studies.parallel_law import COLUMNS, Study, cells, run_of
from tertulia.training.parallel import Data, Model, Reward, Run, Training, prompt_of, questions_of, reward_parts
from tertulia.world.language import LANGUAGES
from tertulia.world.problems import problem
from tertulia.world.spoken import off_target, spoken
from tertulia.world.traces import trace


def a_run(steps: int = 3, prompts: int = 4, reward: Reward | None = None, **data: Any) -> Run:
    training = Training(steps=steps, prompts=prompts, learning_rate=1e-4)
    return Run(training=training, data=Data(**data), reward=reward or Reward())


def numbers(run: Run) -> dict[str, Counter[int]]:
    """Which problems each language has, and how often."""
    found: dict[str, Counter[int]] = {}
    for question in questions_of(run):
        found.setdefault(question.language, Counter())[question.data["seed"]] += 1
    return found


def test_grown_adds_a_copy_of_the_problems_for_each_language() -> None:
    run = a_run(languages=["en", "de", "sw"])
    got = numbers(run)
    assert run.steps == 9 and set(got) == {"en", "de", "sw"}
    assert got["en"] == got["de"] == got["sw"] and len(got["en"]) == 12
    alone = numbers(a_run(languages=["en"]))
    assert alone["en"] == got["en"], "the source has the same problems with and without company"


def test_fixed_splits_the_steps_of_one_language() -> None:
    run = a_run(languages=["en", "de", "sw"], budget="fixed")
    got = numbers(run)
    assert run.steps == 3 and sum(count.total() for count in got.values()) == 12
    assert {code: count.total() for code, count in got.items()} == {"en": 4, "de": 4, "sw": 4}
    assert got["en"] == got["de"]


def test_more_of_the_source_begins_as_less_of_it_does() -> None:
    short, long = (questions_of(a_run(languages=["en"], times=times)) for times in (1, 3))
    assert len(long) == 3 * len(short)
    assert [q.id for q in long[: len(short)]] == [q.id for q in short]
    assert len({q.id for q in long}) == len(long), "further steps are on further problems"


def test_without_parallel_problems_each_language_has_its_own() -> None:
    got = numbers(a_run(languages=["en", "de"], parallel=False))
    assert not set(got["en"]) & set(got["de"]) and len(got["de"]) == 12


def test_seeds_have_problems_of_their_own() -> None:
    one, two = (a_run(languages=["en"]).model_copy(update={"seed": seed}) for seed in (1, 2))
    assert not {q.id for q in questions_of(one)} & {q.id for q in questions_of(two)}


@pytest.mark.parametrize(
    ("data", "line"),
    [
        ({"languages": ["en", "tlh"]}, "unknown language 'tlh' in data.languages: use some of"),
        ({"languages": ["en", "en"]}, "data.languages names en twice"),
        ({"languages": ["en", "de"], "times": 2}, "data.times is 2, which is for the source alone"),
    ],
)
def test_languages_that_do_not_go_together_are_refused(data: dict[str, Any], line: str) -> None:
    with pytest.raises(TertuliaError, match=line):
        a_run(**data).check()


def test_a_run_without_reward_is_refused() -> None:
    with pytest.raises(TertuliaError, match="every weight in reward is 0"):
        a_run(languages=["en"], reward=Reward(accuracy=0)).check()


class Bytes:
    """A tokenizer whose ids are characters."""

    def decode(self, ids: list[int], skip_special_tokens: bool) -> str:
        assert not skip_special_tokens, "the end of the thought is a control token"
        return "".join(map(chr, ids))


def test_each_part_of_the_reward_pays_for_its_own() -> None:
    run = a_run(languages=["de"], reward=Reward(accuracy=1, format=1, consistency=1))
    question = questions_of(run)[0]
    gold = question.gold
    texts = [
        f"1) dazu 3\n</think>\n\\boxed{{{gold}}}",  # right, German
        f"1) add 3\n</think>\n\\boxed{{{gold}}}",  # right, English
        f"1) dazu 3\n\\boxed{{{gold}}}",  # never closed
        f"1) dazu 3\n\\boxed{{{gold}}}</think>\n\\boxed{{{int(gold) + 1}}}",  # right in the thought only
        f"1) dazu 3</think>\\boxed{{1}}\\boxed{{{gold}}}",  # two boxes
    ]
    accuracy, form, consistency = reward_parts(run, {"p": question}, Bytes())
    ids = [list(map(ord, text)) for text in texts]
    given: dict[str, Any] = {"prompts": ["p"] * len(ids), "completion_ids": ids, "completions": [""] * len(ids)}
    assert accuracy(**given) == [1, 1, 0, 0, 1]
    assert form(**given) == [1, 1, 0, 1, 0]
    assert consistency(**given) == [1, 0, 1, 1, 1]


def test_only_accuracy_pays_unless_asked() -> None:
    run = a_run(languages=["de"])
    assert [part.__name__ for part in reward_parts(run, {}, Bytes())] == ["accuracy"]


def test_a_prompt_may_tell_the_language_of_the_thought() -> None:
    run = a_run(languages=["sw"])
    question, profile = questions_of(run)[0], Model().known
    free, asked, begun = (prompt_of(question, profile, how, None).text for how in ("free", "prompt", "sentence"))
    assert free.endswith("<think>\n") and "Kiswahili" not in free
    assert asked == free.replace("<|assistant|>", " [Kiswahili]<|assistant|>")
    assert begun == free + "Kiswahili:\n"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_language_of_a_thought_is_told_from_its_words(language: str) -> None:
    import random

    drawn = trace(problem(7, "long", "train"), language, random.Random(1), meet=False)
    thought = next(span.text for span in drawn.spans if span.kind == "thought")
    assert off_target(thought, language) is False
    others = [code for code in LANGUAGES if code != language and off_target(thought, code) is False]
    assert not others, f"{others} have the same words: {spoken(thought)}"


def test_a_thought_of_numbers_has_no_language() -> None:
    assert off_target("1) 13+80=93\n", "en") is None


STUDY = """
seeds = [1]
source = "en"
pool = ["de"]
held_out = ["sw"]
sizes = [1, 2]
difficulty = "easy"
[training]
steps = 1
prompts = 1
group = 2
length = 60
learning_rate = 1e-4
save_every = 1
[evaluation]
questions = 2
difficulty = "easy"
"""


def study(tmp_path: Path, **changed: str) -> Path:
    text = STUDY
    for name, value in changed.items():
        before = next(line for line in STUDY.splitlines() if line.startswith(f"{name} ="))
        text = text.replace(before, f"{name} = {value}", 1)
    file = tmp_path / "study.toml"
    file.write_text(text)
    return file


def test_a_study_has_each_run_once(tmp_path: Path) -> None:
    wanted = Study.load(study(tmp_path, seeds="[1, 2]", pool='["de", "es"]', sizes="[1, 2, 3]"))
    names = [cell.name for cell in cells(wanted)]
    assert len(names) == len(set(names)) == 2 * 6  # base, more, and fixed and grown at 2 and 3
    more = next(cell for cell in cells(wanted) if cell.arm == "more")
    assert more.stops == ((1, 1), (2, 2), (3, 3)) and run_of(wanted, more, 3).steps == 3
    grown = [cell for cell in cells(wanted) if cell.arm == "grown" and cell.seed == 1]
    assert [len(cell.languages) for cell in grown] == [2, 3] and grown[1].languages[:2] == grown[0].languages
    assert not any("sw" in cell.languages for cell in cells(wanted))


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"held_out": '["de"]'}, "de is there twice in source, pool and held_out"),
        ({"sizes": "[1, 3]"}, "a size is 3, and source and pool have 2 languages"),
        ({"pool": '["tlh"]'}, "unknown language 'tlh'"),
        ({"seeds": "[]"}, "seeds in .*"),
    ],
)
def test_a_study_that_cannot_be_is_refused(tmp_path: Path, changed: dict[str, str], line: str) -> None:
    with pytest.raises(TertuliaError, match=line):
        Study.load(study(tmp_path, **changed))


def test_a_study_goes_on_after_a_kill(tmp_path: Path) -> None:
    pytest.importorskip("trl", reason="needs the extra train")
    out = tmp_path / "out"
    command = [sys.executable, "-m", "tertulia", "study", "law", str(study(tmp_path)), "--out", str(out)]
    quiet = {**os.environ, "OMP_NUM_THREADS": "1"}
    first = subprocess.Popen(command, start_new_session=True, env=quiet, stdout=subprocess.DEVNULL)
    base = out / "cells" / "base-0-1" / "rows-0.json"
    until = time.monotonic() + 200
    while not base.exists() and time.monotonic() < until:
        time.sleep(0.1)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    assert base.exists() and not (out / "cells" / "grown-2-1" / "rows-2.json").exists()
    was = base.stat().st_mtime_ns
    subprocess.run(command, check=True, env=quiet, stdout=subprocess.DEVNULL, timeout=400)
    assert base.stat().st_mtime_ns == was, "what is done is not done again"
    with (out / "table.csv").open() as table:
        rows = list(csv.DictReader(table))
    assert tuple(rows[0]) == COLUMNS
    cases = Counter((row["arm"], row["languages"]) for row in rows)
    wanted = [("base", "0"), *((arm, size) for arm in ("grown", "fixed", "more") for size in ("1", "2"))]
    assert cases == dict.fromkeys(wanted, 3)  # a row for each of three languages
    assert {row["trained"] for row in rows if row["held_out"] == "1"} == {"0"}
    steps = {(row["arm"], row["languages"]): int(row["steps"]) for row in rows}
    assert (steps["grown", "2"], steps["fixed", "2"], steps["more", "2"], steps["more", "1"]) == (2, 1, 2, 1)
    kept = json.loads((out / "cells" / "grown-2-1" / "rows-2.json").read_text())
    assert all(row["accuracy"] == sum(row["right"]) / row["n"] for row in kept)
