"""Problems of reasoning-gym: drawn by name, judged by the library, for evaluation and for training."""

from __future__ import annotations

import sys
import types
from dataclasses import dataclass
from typing import Any

import pytest

from tertulia.errors import TertuliaError
from tertulia.tasks import gym as gym_module
from tertulia.tasks import gym_judge, load

LEGS = "rg:leg_counting?size=5&seed=3&max_animals=4"


@pytest.fixture
def gym() -> None:
    pytest.importorskip("reasoning_gym", reason="needs the extra gym")


def refused(data: str | None, task: str = "gym", **arguments: Any) -> str:
    with pytest.raises(TertuliaError) as caught:
        load(task, data=data, **arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_name_and_a_seed_are_always_the_same_problems(gym: None) -> None:
    found = load("gym", data=LEGS)
    assert [question.id for question in found] == [f"leg_counting-3-{number}" for number in range(5)]
    assert load("gym", data=LEGS) == found
    assert load("gym", data=LEGS, limit=2) == found[:2]
    other = load("gym", data=LEGS.replace("seed=3", "seed=1000"))
    assert {question.text for question in other}.isdisjoint(question.text for question in found)
    assert len(load("gym", data="rg:leg_counting")) == 200


def test_the_librarys_whole_score_is_right_and_a_part_of_it_is_not(gym: None) -> None:
    question = load("gym", data=LEGS, limit=1)[0]
    assert question.right(question.gold)
    assert question.right(f"\\text{{{question.gold}}}")
    assert not question.right(f"{question.gold} or {question.gold}0")  # scored 0.4 by the library: it holds the answer
    assert not question.right(None) and not question.right("")


def test_another_answer_that_the_library_takes_is_right_too(gym: None) -> None:
    question = load("gym", data="rg:countdown?min_numbers=2&max_numbers=2&size=1", limit=1)[0]
    assert question.right(f"({question.gold})") and question.right(f"1*({question.gold}) - 0") is False


def test_an_answer_cannot_run_a_program_or_run_for_ever(gym: None, tmp_path: Any) -> None:
    question = load("gym", data="rg:n_queens?size=1", limit=1)[0]
    assert question.right(question.gold)
    mark = tmp_path / "ran"
    for hostile in (f"open('{mark}', 'w')", f"__import__('pathlib').Path('{mark}').touch()", "[" * 9000, "9**9**9"):
        assert not question.right(hostile)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (None, "the task gym reads generators of reasoning-gym, not nothing: give --data 'rg:NAME?size=200&seed=1'"),
        ("q.json", "the task gym reads generators of reasoning-gym, not q.json: "),
        ("rg:leg_cuonting", "reasoning-gym has no generator 'leg_cuonting': use one of its"),
        ("rg:leg_counting?size=0", "rg:leg_counting?size=0: size is 0, expected a whole number, at least 1"),
        ("rg:leg_counting?size=true", "rg:leg_counting?size=true: size is True, expected a whole number"),
        ("rg:leg_counting?legs=2", "rg:leg_counting?legs=2: leg_counting has no option legs: use some of max_animals,"),
        ("rg:leg_counting?size", "rg:leg_counting?size: expected options as NAME=VALUE with & between them"),
        ("rg:leg_counting?seed=1&seed=1", "rg:leg_counting?seed=1&seed=1: the option seed is there twice"),
        ("rg:leg_counting?max_animals=0", "rg:leg_counting?max_animals=0: leg_counting makes no problem of these opti"),
    ],
)
def test_what_the_library_does_not_have_is_said_in_one_line(gym: None, data: str | None, said: str) -> None:
    assert refused(data).startswith(said)


def test_problems_of_the_gym_are_of_no_other_task() -> None:
    assert refused(LEGS, "gsm8k") == f"{LEGS} names problems of the task gym, not of gsm8k: ask for gym"


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("reasoning_gym", "reasoning_gym.factory"):
        monkeypatch.setitem(sys.modules, name, None)
    assert refused(LEGS) == f"{LEGS} needs the extra gym: pip install 'tertulia[gym]'"


@dataclass
class Config:
    size: int = 1
    seed: int = 0


@dataclass
class ConfigOfTheFork(Config):
    languages: str = "en"


class Sums:
    """A generator as the multilingual fork has them; it knows no Thai, and asks in English then."""

    def __init__(self, config: ConfigOfTheFork) -> None:
        self.language = {"de": "de", "th": "en"}.get(config.languages, "en")

    def __getitem__(self, index: int) -> dict[str, Any]:
        text = {"de": "Was ist {} + 1?", "en": "What is {} + 1?"}[self.language].format(index)
        return {"question": text, "answer": str(index + 1), "metadata": {"language": self.language}}

    def score_answer(self, answer: str, entry: dict[str, Any]) -> float:
        return 1.0 if answer == entry["answer"] else 0.5 * (entry["answer"] in answer)


@pytest.fixture(autouse=True)
def forgotten() -> None:
    gym_module.dataset.cache_clear()
    gym_judge.judged.cache_clear()


def stand_in(monkeypatch: pytest.MonkeyPatch, config: type[Config]) -> None:
    library: Any = types.ModuleType("reasoning_gym")
    factory: Any = types.ModuleType("reasoning_gym.factory")
    factory.DATASETS = {"sums": (Sums, config)}
    library.create_dataset = lambda name, **options: Sums(config(**options))  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "reasoning_gym", library)
    monkeypatch.setitem(sys.modules, "reasoning_gym.factory", factory)


def test_the_multilingual_fork_asks_in_the_language_of_the_question(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, ConfigOfTheFork)
    question = load("gym", data="rg:sums?size=2", language="de")[1]
    assert (question.text, question.language, question.id) == ("Was ist 1 + 1?", "de", "sums-de-1-1")
    assert question.right("2") and not question.right("12")
    assert refused("rg:sums", language="th") == (
        "rg:sums: sums asks in en, not in th: choose another generator or language"
    )


def test_a_generator_that_takes_any_answer_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, ConfigOfTheFork)
    monkeypatch.setattr(Sums, "score_answer", lambda self, answer, entry: 1.0)
    said = "rg:sums?seed=2: reasoning-gym calls any answer to sums right: choose another generator"
    assert refused("rg:sums?seed=2") == said


def test_the_plain_library_asks_in_english_only(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, Config)
    assert refused("rg:sums", language="de").startswith("the reasoning-gym that is installed asks sums in English only")


def test_a_circle_in_training_is_rewarded_by_the_librarys_score(gym: None) -> None:
    pytest.importorskip("trl", reason="training needs the extra train")
    from tertulia.circle.path import Path
    from tertulia.training.leap_rl import Data
    from tertulia.training.parallel_run import judged
    from tertulia.training.rollouts import Circle, rewards

    data = Data(task="gym", file=LEGS)
    assert data.file is not None
    question = load(data.task, data=data.file)[0]
    assert judged(f"So it is \\boxed{{{question.gold}}}.", question)
    assert not judged(f"So it is \\boxed{{{question.gold} legs}}.", question)
    paths = [Path(0, "p0"), Path(1, "p1")]
    paths[0].answer, paths[1].answer = question.gold, f"{question.gold} legs"
    result: Any = types.SimpleNamespace(answer=f"{question.gold} legs", paths=paths)
    found = rewards(Circle(question, result, [], {}, {}, []))
    assert (found["own"], found["verdict"]) == ([1.0, 0.0], [0.0, 0.0])
