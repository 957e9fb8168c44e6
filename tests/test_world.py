"""The problem world: exact, parallel by construction, its splits apart, its mistakes where they should be."""

import itertools
import random
import re

import pytest

from tertulia.errors import TertuliaError
from tertulia.world.language import LANGUAGES, Language, plural_category
from tertulia.world.problems import Operation, problem, run, settings
from tertulia.world.traces import read, trace

DIFFICULTIES = ("easy", "default", "long")


def numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", text)]


@pytest.mark.parametrize("difficulty", DIFFICULTIES)
def test_a_seed_always_gives_the_same_problem_and_its_dials_hold(difficulty):
    least, most = settings()["difficulty"][difficulty]["steps"]
    for seed in range(100):
        drawn = problem(seed, difficulty)
        assert drawn == problem(seed, difficulty)
        assert least <= len(drawn.steps) <= most
        assert all(2 <= state <= settings()["numbers"]["largest"] for state in drawn.states)
        assert drawn.answer == drawn.states[-1]


def test_the_answer_follows_from_the_operations():
    operations = [
        Operation("add", 80),
        Operation("take", 8),
        Operation("double"),
        Operation("half"),
        Operation("triple"),
    ]
    assert run(13, operations) == (93, 85, 170, 85, 255)
    assert Operation("add", 80).equation(13) == "13+80=93"
    assert Operation("half").apply(7) == 3


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_tells_the_same_numbers_in_the_same_order(language):
    for seed in range(60):
        drawn = problem(seed, "long")
        assert numbers(drawn.question(language)) == numbers(drawn.question("en"))
        assert "{" not in drawn.question(language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_file_has_the_keys_of_english(language):
    def keys(value, prefix=""):
        if not isinstance(value, dict):
            return {prefix}
        return set().union(
            *(keys(inner, f"{prefix}.{key}") for key, inner in value.items() if key != "count")
        )

    assert keys(Language.load(language).data) == keys(Language.load("en").data)
    assert len(Language.load(language).data["names"]) == 6


def test_russian_counts_agree_with_their_number():
    assert [plural_category("ru", n) for n in (2, 5, 11, 12, 14, 21, 22, 25, 111)] == [
        "few", "many", "many", "many", "many", "one", "few", "many", "many",
    ]  # fmt: skip
    tongue = Language.load("ru")
    assert "21 билет" in tongue.sentence("buy", 0, "ticket", 21) + " "
    assert "22 билета" in tongue.sentence("buy", 0, "ticket", 22)


def test_no_test_problem_is_in_the_training_split():
    keys = {
        split: {problem(seed, "easy", split).key for seed in range(2000)}
        for split in ("train", "dev", "test")
    }
    assert not keys["train"] & keys["test"]
    assert not keys["train"] & keys["dev"]
    assert not keys["dev"] & keys["test"]


def test_the_key_sees_what_is_calculated_and_not_how_it_is_told():
    from dataclasses import replace

    drawn = problem(3, "default")
    assert (
        replace(drawn, name=(drawn.name + 1) % 6, distractors=(), item="pen", reversed_pairs=()).key
        == drawn.key
    )
    assert replace(drawn, start=drawn.start + 1).key != drawn.key


def test_a_step_told_before_the_one_done_first_is_told_so():
    drawn = next(
        p for p in (problem(seed, "long") for seed in range(100)) if p.reversed_pairs and not p.distractors
    )
    place = drawn.reversed_pairs[0]
    told = drawn.question("en").split("But just before that: ")
    assert len(told) == len(drawn.reversed_pairs) + 1
    first = Language.load("en").sentence(
        drawn.steps[place].verb, drawn.name, drawn.item, drawn.steps[place].operation.operand
    )
    assert told[1].lower().startswith(first.lower())


@pytest.mark.parametrize(
    ("name", "expected"), [("difficulty", "easy, default, long"), ("split", "train, dev, test")]
)
def test_unknown_names_get_one_clear_line(name, expected):
    with pytest.raises(TertuliaError, match=expected):
        problem(1, **{name: "nonsense"})
    with pytest.raises(TertuliaError, match="en, bn, de"):
        problem(1).question("xx")


def test_reading_again_is_as_noisy_as_reading_first():
    draw = random.Random(0)
    drawn = [problem(seed, "long", "train") for seed in range(150)]
    places = [at for p in drawn for at in range(len(p.steps))]

    def wrong(whole: bool) -> float:
        count = 0
        for p in drawn:
            every = list(range(len(p.steps)))
            if whole:
                taken = read(p, every, draw)
            else:  # a step at a time; a reversed pair is read together, as a path does
                taken = {}
                for at in every:
                    if at - 1 not in p.reversed_pairs:
                        taken |= read(p, [at, at + 1] if at in p.reversed_pairs else [at], draw)
            count += sum(taken[at] != p.steps[at].operation for at in every)
        return count / len(places)

    first = sum(wrong(whole=True) for _ in range(12)) / 12
    again = sum(wrong(whole=False) for _ in range(12)) / 12
    assert 0.1 < first < 0.4
    assert abs(first - again) < 0.02


@pytest.mark.parametrize("language", LANGUAGES)
def test_traces_end_in_the_state_they_calculated(language):
    draw = random.Random(language)
    for seed in range(40):
        drawn = trace(problem(seed, "long", "train"), language, draw, meet=seed % 2 == 0)
        thought = "".join(span.text for span in drawn.spans if span.kind == "thought")
        equations = re.findall(r"(?m)^\d+\) (\d+)([-+*/])(\d+)=(\d+)$", thought)
        for left, sign, right, result in equations:
            exact = {"+": int(left) + int(right), "-": int(left) - int(right), "*": int(left) * int(right)}
            assert int(result) == exact.get(sign, int(left) // int(right))
        assert int(equations[-1][3]) == drawn.answer
        assert drawn.spans[-1].text == f"\n\\boxed{{{drawn.answer}}}<|end|>"
        assert thought.startswith(Language.load(language).word("plan"))
        assert (drawn.meetings > 0) >= any(span.kind == "cue" for span in drawn.spans)


def test_most_mistakes_of_a_trace_lie_in_its_first_line():
    draw = random.Random(5)
    wrong = early = 0
    for seed in range(300):
        p = problem(seed, "default", "train")
        drawn = trace(p, "en", draw, meet=False)
        if drawn.answer != p.answer:
            wrong += 1
            first = drawn.spans[1].text.split("\n")[0]
            tongue = Language.load("en")
            right = [tongue.word(s.operation.kind, s.operation.number) for s in p.steps]
            early += [part.split(") ", 1)[1] for part in first.split("; ")[1:]] != right
    assert wrong > 60
    assert early / wrong > 0.9


def test_a_marked_step_is_always_read_again():
    draw = random.Random(9)
    marked = 0
    for seed in range(100):
        spans = trace(problem(seed, "long", "train"), "en", draw, meet=True).spans
        for heard, after in itertools.pairwise(spans):
            if heard.kind == "heard" and "no difference" not in heard.text:
                step = re.search(r"step (\d+)", heard.text)[1]
                assert after.text.startswith(f"Again: {step}) ")
                marked += 1
    assert marked > 50
