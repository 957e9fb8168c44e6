"""Training in parallel languages: what is asked, what is rewarded, and a study that goes on after a kill."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tertulia.engines.scripted import ScriptedEngine
from tertulia.errors import TertuliaError
from tertulia.files import mark_folder
from tertulia.model import Dialect, Profile
from tertulia.studies.parallel_law import COLUMNS, Study, cells, run_of, run_study
from tertulia.training.asking import Led, Prompt, dialect_of, prompts_of, text_for_trl
from tertulia.training.grpo import identity
from tertulia.training.parallel import reward_parts
from tertulia.training.parallel_run import Data, Model, Reward, Run, Training, questions_of
from tertulia.training.start import load_start
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


def thinking_as(close: str) -> Dialect:
    """How a model is asked whose thought closes like this."""
    profile = Profile(prompt="{question}", think_open=close.replace("/", ""), think_close=close)
    return asyncio.run(Dialect.probe(ScriptedEngine(), profile))


@pytest.mark.parametrize("close", ["[/THINK]", "</think>", "<|END_THINKING|>"])
def test_a_right_answer_is_paid_whatever_closes_the_thought(close: str) -> None:
    run = a_run(languages=["en"])
    question = questions_of(run)[0]
    (accuracy,) = reward_parts(run, {"p": question}, Bytes(), thinking_as(close))
    texts = [f"so{close}\\boxed{{{question.gold}}}", f"\\boxed{{{question.gold}}}{close}It is not clear."]
    ids = [list(map(ord, text)) for text in texts]
    assert accuracy(prompts=["p", "p"], completion_ids=ids, completions=["", ""]) == [1, 0]


def test_a_model_that_does_not_think_aloud_is_paid_for_all_it_says() -> None:
    run = a_run(languages=["en"])
    question = questions_of(run)[0]
    (accuracy,) = reward_parts(run, {"p": question}, Bytes(), thinking_as(""))
    ids = [list(map(ord, f"It is \\boxed{{{question.gold}}}."))]
    assert accuracy(prompts=["p"], completion_ids=ids, completions=[""]) == [1]


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
    accuracy, form, consistency = reward_parts(run, {"p": question}, Bytes(), thinking_as("</think>"))
    ids = [list(map(ord, text)) for text in texts]
    given: dict[str, Any] = {"prompts": ["p"] * len(ids), "completion_ids": ids, "completions": [""] * len(ids)}
    assert accuracy(**given) == [1, 1, 0, 0, 1]
    assert form(**given) == [1, 1, 0, 1, 0]
    assert consistency(**given) == [1, 0, 1, 1, 1]


def test_only_accuracy_pays_unless_asked() -> None:
    run = a_run(languages=["de"])
    assert [part.__name__ for part in reward_parts(run, {}, Bytes(), thinking_as("</think>"))] == ["accuracy"]


def test_a_prompt_may_tell_the_language_of_the_thought() -> None:
    run = a_run(languages=["sw"])
    asked, profile = questions_of(run)[:1], Model().known
    dialect = dialect_of(load_start(None, 0)[1], profile)
    ways: tuple[Led, ...] = ("free", "prompt", "sentence")
    free, told, begun = (prompts_of(asked, profile, how, dialect)[0].text for how in ways)
    assert free.endswith("<think>\n") and "Kiswahili" not in free
    assert told == free.replace("<|assistant|>", " [Kiswahili]<|assistant|>")
    assert begun == free + "Kiswahili:\n"


class Begins:
    """A tokenizer that begins, or does not begin, what it encodes with a token of its own."""

    bos_token = "<s>"

    def __init__(self, adds: bool):
        self.adds = adds

    def __call__(self, text: str) -> dict[str, list[int]]:
        return {"input_ids": [ord(letter) for letter in ("<s>" if self.adds else "") + text]}

    def decode(self, ids: list[int]) -> str:
        return "".join(map(chr, ids))


def test_trl_gets_a_prompt_that_it_encodes_to_what_a_run_asks() -> None:
    question = questions_of(a_run(languages=["en"]))[0]

    def asked(text: str) -> Prompt:
        return Prompt(question, (("prompt", tuple(map(ord, text)), text),), opened=False)

    assert text_for_trl(asked("<s>[INST]"), Begins(adds=True)) == "[INST]", "begun by the template, and not twice"
    assert text_for_trl(asked("<s>[INST]"), Begins(adds=False)) == "<s>[INST]"
    with pytest.raises(TertuliaError, match=r"reads otherwise where TRL encodes it"):
        text_for_trl(asked("[INST]"), Begins(adds=True))


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
        ({"held_out": "[]"}, "held_out is empty, and the law is about languages never trained on"),
        ({"held_out": '["de"]'}, "de is there twice in source, pool and held_out"),
        ({"sizes": "[1, 3]"}, "a size is 3, and source and pool have 2 languages"),
        ({"pool": '["tlh"]'}, "unknown language 'tlh'"),
        ({"seeds": "[]"}, "seeds in .*"),
        ({"seeds": "[-1]"}, "seeds.0 in .* is -1"),
        ({"difficulty": '"hard"'}, "unknown difficulty 'hard' in the study: use one of easy"),
    ],
)
def test_a_study_that_cannot_be_is_refused(tmp_path: Path, changed: dict[str, str], line: str) -> None:
    with pytest.raises(TertuliaError, match=line):
        Study.load(study(tmp_path, **changed))


ARMS = """
[[arms]]
name = "own_problems"
sizes = [2, 3]
parallel = false
[[arms]]
name = "from_german"
sizes = [1, 3]
source = "de"
[[arms]]
name = "near_first"
sizes = [3]
order = ["es", "fr"]
[[arms]]
name = "far_first"
sizes = [3]
order = ["zh", "ja"]
budget = "fixed"
[[arms]]
name = "language_paid"
sizes = [2]
reward = { accuracy = 1.0, consistency = 0.5 }
[[arms]]
name = "tuned"
sizes = [2]
paradigm = "sft"
learning_rate = 1e-3
"""


def with_arms(tmp_path: Path, arms: str, **changed: str) -> Study:
    wider = {"pool": '["de", "es", "fr", "zh", "ja"]', "sizes": "[1, 2, 3]", **changed}
    file = study(tmp_path, **wider)
    file.write_text(file.read_text() + arms)
    return Study.load(file)


def test_an_arm_does_what_it_says(tmp_path: Path) -> None:
    wanted = with_arms(tmp_path, ARMS, steps="2", prompts="3")
    planned = {(cell.arm, len(cell.languages)): cell for cell in cells(wanted)}
    runs = {key: run_of(wanted, cell, 1) for key, cell in planned.items() if cell.languages}
    grown = runs["grown", 3]
    for run in runs.values():
        run.check()
        assert not set(run.data.languages) & set(wanted.held_out)
    apart = numbers(runs["own_problems", 3])
    assert [len(set(a) & set(b)) for a, b in zip(apart.values(), list(apart.values())[1:], strict=False)] == [0, 0]
    together = numbers(grown)
    assert len({frozenset(problems) for problems in together.values()}) == 1
    assert runs["own_problems", 3].steps == grown.steps == 6
    assert runs["from_german", 1].data.languages == ["de"]
    assert runs["from_german", 3].data.languages[:2] == ["de", "en"], "English is the first that is added"
    assert runs["near_first", 3].data.languages == ["en", "es", "fr"]
    assert runs["far_first", 3].data.languages == ["en", "zh", "ja"]
    assert runs["far_first", 3].steps == 2 and runs["near_first", 3].steps == 6
    paid = runs["language_paid", 2]
    assert [part.__name__ for part in reward_parts(paid, {}, Bytes(), thinking_as("</think>"))] == [
        "accuracy",
        "consistency",
    ]
    assert paid.reward.consistency == 0.5 and grown.reward.consistency == 0
    assert paid == runs["grown", 2].model_copy(update={"reward": paid.reward}), "nothing else differs"


def test_an_arm_that_fine_tunes_has_the_questions_of_the_arm_that_is_rewarded(tmp_path: Path) -> None:
    wanted = with_arms(tmp_path, ARMS)
    tuned, grown = (
        run_of(wanted, next(cell for cell in cells(wanted) if cell.name == name), 1)
        for name in ("tuned-2-1", "grown-2-1")
    )
    assert tuned.training.paradigm == "sft" and grown.training.paradigm == "grpo"
    assert questions_of(tuned) == questions_of(grown) and tuned.steps == grown.steps
    assert (tuned.training.learning_rate, grown.training.learning_rate) == (1e-3, 1e-4)


def test_a_whole_study_may_fine_tune(tmp_path: Path) -> None:
    text = study(tmp_path).read_text().replace("group = 2\n", 'paradigm = "sft"\ntemperature = 0.7\n')
    file = tmp_path / "sft.toml"
    file.write_text(text)
    wanted = Study.load(file)
    assert wanted.training.length == 60 and wanted.training.temperature == 0.7, "the evaluation samples"
    for cell in cells(wanted):
        if cell.languages:
            run_of(wanted, cell, 1).check()
    file.write_text(text.replace("length = 60", "length = 60\ngroup = 2"))
    with pytest.raises(TertuliaError, match=r"training.group is for the rollouts of grpo"):
        Study.load(file)


def arm(**fields: Any) -> str:
    lines = [f"{name} = {json.dumps(value)}" for name, value in {"name": "a", "sizes": [2], **fields}.items()]
    return "\n".join(["", "[[arms]]", *lines])


@pytest.mark.parametrize(
    ("arms", "line"),
    [
        (arm(name="grown"), "an arm is called 'grown': give each a name of its own"),
        (arm() + arm(), "an arm is called 'a': give each a name of its own"),
        (arm(name="../a"), "an arm is called '../a'"),
        (arm(source="sw"), "the arm a trains on sw, which is held out"),
        (arm(source="te"), "the arm a trains on 'te': use some of en, de, es, fr, zh, ja"),
        (arm(order=["tlh"]), "the arm a trains on 'tlh'"),
        (arm(order=["de", "de"]), "the arm a adds de twice"),
        (arm(order=["en"]), "the arm a adds en twice"),
        (arm(sizes=[3], order=["de"]), "the arm a has a size 3, and its source and order are 2 languages"),
        (arm(paradigm="sft") + "\nreward = { accuracy = 1.0 }", "the arm a fine-tunes, which has no reward"),
    ],
)
def test_an_arm_that_cannot_be_is_refused(tmp_path: Path, arms: str, line: str) -> None:
    with pytest.raises(TertuliaError, match=line) as caught:
        with_arms(tmp_path, arms)
    assert "\n" not in str(caught.value)


def test_a_schedule_that_depends_on_the_end_does_not_go_with_more(tmp_path: Path) -> None:
    given = study(tmp_path).read_text().replace("save_every = 1", 'save_every = 1\nschedule = "linear"')
    file = tmp_path / "linear.toml"
    file.write_text(given)
    with pytest.raises(TertuliaError, match="the budget more goes on from size to size"):
        Study.load(file)
    file.write_text('budgets = ["grown", "fixed"]' + given)
    assert Study.load(file).training.schedule == "linear"


def test_an_arm_that_was_changed_is_not_taken_for_what_it_was(tmp_path: Path) -> None:
    out = tmp_path / "out"
    before, after = (with_arms(tmp_path, arm(order=order)) for order in (["de"], ["es"]))
    cell = next(cell for cell in cells(before) if cell.arm == "a")
    for done in cells(before):  # all is done, so that nothing is trained here
        (out / "cells" / done.name).mkdir(parents=True)
        for _, size in done.stops:
            (out / "cells" / done.name / f"rows-{size}.json").write_text("[]")
    mark_folder(out / "cells" / cell.name, identity(run_of(before, cell, 1)))
    run_study(before, out)
    with pytest.raises(TertuliaError, match="the cell a-2-1 was begun as another run: call the arm otherwise"):
        run_study(after, out)
    other = before.training.model_copy(update={"learning_rate": 1.0})
    with pytest.raises(TertuliaError, match=r"another study \(training.learning_rate: 0.0001 there, 1.0 here\)"):
        run_study(before.model_copy(update={"training": other}), out)


def test_the_second_update_on_a_batch_is_clipped_on_log_probabilities_of_before(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="needs the extra train")
    pytest.importorskip("trl", reason="needs the extra train")
    from tertulia.training.parallel import make_trainer

    torch.set_num_threads(1)
    training = Training(steps=1, prompts=1, group=4, length=60, updates=2, learning_rate=3e-3)
    trainer = make_trainer(Run(training=training, data=Data(languages=["de"], difficulty="easy")), tmp_path)
    # Halves of the group differ whatever they came to, so there is something to learn.
    trainer.reward_funcs = [lambda completion_ids, **more: [float(at < 2) for at in range(len(completion_ids))]]
    rollouts: list[Any] = []
    # TRL's name is private, and pinned by this test: nothing public tells how often it samples.
    honest = trainer._generate_and_score_completions

    def noted(inputs: Any) -> Any:
        with torch.no_grad():
            rollouts.append(honest(inputs))
        return rollouts[-1]

    trainer._generate_and_score_completions = noted
    trainer.train()
    told = [log for log in trainer.state.log_history if "clip_ratio/region_mean" in log]
    assert len(rollouts) == 1 and len(told) == 2, "two updates on one batch"
    assert told[0]["clip_ratio/region_mean"] == 0 < told[1]["clip_ratio/region_mean"]
    assert rollouts[0]["old_per_token_logps"] is not None


def test_the_run_files_of_the_repository_are_right() -> None:
    runs = Path(__file__).parent.parent / "runs"
    tuned, rewarded = (Run.load(runs / "train" / f"{name}.toml") for name in ("parallel_sft_smoke", "parallel_smoke"))
    assert questions_of(tuned) == questions_of(rewarded) and tuned.training.paradigm == "sft"
    large = Run.load(runs / "paper" / "parallel_7b.toml")
    assert large.model.engine and len(large.data.languages) > 1 and "{language}" in str(large.data.file)
    assert large.reward == Reward(), "the confound is off unless asked for"
    for name in ("law_smoke", "law"):
        planned = Study.load(runs / "lab" / f"{name}.toml")
        assert len(planned.held_out) >= 3 and cells(planned)


def alive(group: int) -> bool:
    """Whether a process of a group is still there."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_study_goes_on_after_a_kill(tmp_path: Path) -> None:
    pytest.importorskip("trl", reason="needs the extra train")
    out = tmp_path / "out"
    file = study(tmp_path)
    file.write_text(file.read_text() + arm(name="tuned", paradigm="sft"))
    command = [sys.executable, "-m", "tertulia", "study", "law", str(file), "--out", str(out)]
    quiet = {**os.environ, "OMP_NUM_THREADS": "1"}
    with (tmp_path / "err").open("w") as err:
        first = subprocess.Popen(command, start_new_session=True, env=quiet, stdout=subprocess.DEVNULL, stderr=err)
    base = out / "cells" / "base-0-1" / "rows-0.json"
    until = time.monotonic() + 200
    while not base.exists() and time.monotonic() < until:
        time.sleep(0.1)
    first.send_signal(signal.SIGKILL)  # the process alone: those that it started must end by themselves
    first.wait()
    until = time.monotonic() + 20
    while alive(first.pid) and time.monotonic() < until:
        time.sleep(0.1)
    assert not alive(first.pid), "a cell goes on alone, and would meet the one that a restart begins"
    assert base.exists() and not (out / "cells" / "grown-2-1" / "rows-2.json").exists()
    was = base.stat().st_mtime_ns
    with (tmp_path / "err").open("a") as err:
        subprocess.run(command, check=True, env=quiet, stdout=subprocess.DEVNULL, stderr=err, timeout=400)
    told = (tmp_path / "err").read_text()
    assert not re.search("leaked semaphore|missing keys|mtime", told), told
    assert base.stat().st_mtime_ns == was, "what is done is not done again"
    with (out / "table.csv").open() as table:
        rows = list(csv.DictReader(table))
    assert tuple(rows[0]) == COLUMNS
    cases = Counter((row["arm"], row["languages"]) for row in rows)
    wanted = [("base", "0"), *((name, size) for name in ("grown", "fixed", "more") for size in ("1", "2"))]
    wanted.append(("tuned", "2"))
    assert cases == dict.fromkeys(wanted, 3)  # a row for each of three languages
    assert {row["trained"] for row in rows if row["held_out"] == "1"} == {"0"}
    steps = {(row["arm"], row["languages"]): int(row["steps"]) for row in rows}
    assert (steps["grown", "2"], steps["fixed", "2"], steps["more", "2"], steps["more", "1"]) == (2, 1, 2, 1)
    assert steps["tuned", "2"] == 2 and (out / "cells" / "tuned-2-1" / "model" / "config.json").exists()
    kept = json.loads((out / "cells" / "grown-2-1" / "rows-2.json").read_text())
    assert all(row["accuracy"] == sum(row["right"]) / row["n"] for row in kept)
