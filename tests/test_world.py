"""The problem world: exact, parallel by construction, its splits apart, its mistakes where they should be."""

import itertools
import random
import re
from collections import Counter
from collections.abc import Iterator

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
        return set().union(*(keys(inner, f"{prefix}.{key}") for key, inner in value.items() if key != "count"))

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
    keys = {split: {problem(seed, "easy", split).key for seed in range(2000)} for split in ("train", "dev", "test")}
    assert not keys["train"] & keys["test"]
    assert not keys["train"] & keys["dev"]
    assert not keys["dev"] & keys["test"]


def test_the_key_sees_what_is_calculated_and_not_how_it_is_told():
    from dataclasses import replace

    drawn = problem(3, "default")
    assert replace(drawn, name=(drawn.name + 1) % 6, distractors=(), item="pen", reversed_pairs=()).key == drawn.key
    assert replace(drawn, start=drawn.start + 1).key != drawn.key


def test_a_step_told_before_the_one_done_first_is_told_so():
    drawn = next(p for p in (problem(seed, "long") for seed in range(100)) if p.reversed_pairs and not p.distractors)
    place = drawn.reversed_pairs[0]
    told = drawn.question("en").split("But just before that: ")
    assert len(told) == len(drawn.reversed_pairs) + 1
    first = Language.load("en").sentence(
        drawn.steps[place].verb, drawn.name, drawn.item, drawn.steps[place].operation.operand
    )
    assert told[1].lower().startswith(first.lower())


@pytest.mark.parametrize(("name", "expected"), [("difficulty", "easy, default, long"), ("split", "train, dev, test")])
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
        assert re.match(r"1\) \S", thought), "a thought opens with its first operation"
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
            early += [part.split(") ", 1)[1] for part in first.split("; ")] != right
    assert wrong > 60
    assert early / wrong > 0.9


def heard_and_after(problems: int, draw: random.Random) -> Iterator[tuple[str, str]]:
    for seed in range(problems):
        spans = trace(problem(seed, "long", "train"), "en", draw, meet=True).spans
        yield from ((heard.text, after.text) for heard, after in itertools.pairwise(spans) if heard.kind == "heard")


def test_a_marked_step_is_always_read_again():
    draw = random.Random(9)
    marked = 0
    for heard, after in heard_and_after(100, draw):
        if step := re.search(r"step (\d+)", heard):
            assert after.startswith(f"Again: {step[1]}) ")
            marked += 1
    assert marked > 50


def test_a_third_value_is_not_held():
    draw = random.Random(10)
    back = 0
    for heard, after in heard_and_after(300, draw):
        marker = re.search(r"step (\d+): you (\d+), \d+ of \d+ have (\d+)", heard)
        if marker is None:
            continue
        step, mine, other = marker.groups()
        values = re.findall(rf"(?m)^{step}\) .*=(\d+)$", after)
        if values and values[0] not in (mine, other):
            assert values[1:2] == [mine], "it goes back to what it had"
            back += 1
    assert back > 20


def test_where_results_are_read_only_differences_are_heard():
    draw = random.Random(11)
    manners = set()
    for seed in range(200):
        spans = trace(problem(seed, "default", "train"), "en", draw, meet=True).spans
        heard = [span.text for span in spans if span.kind == "heard"]
        if any(span.kind == "summary" for span in spans):
            manners.add("quotes" if any(re.search(r"<peers>\d+: ", text) for text in heard) else "written")
        elif heard:
            manners.add("read")
            assert all("step" in text for text in heard)
    assert manners == {"read", "written", "quotes"}


def test_a_path_that_hears_quotes_reads_again_only_what_most_of_them_have_otherwise():
    draw = random.Random(12)
    again = kept = 0
    for seed in range(400):
        spans = trace(problem(seed, "default", "train"), "en", draw, meet=True).spans
        for own, heard, after in zip(spans, spans[1:], spans[2:], strict=False):
            if own.kind != "summary" or not re.search(r"<peers>\d+: \d", heard.text):
                continue
            mine = dict(pair.split("=") for pair in own.text.partition("<")[0].split())
            said_by = re.findall(r"\d+: ([\d= ]+)", heard.text)
            quoted = [dict(pair.split("=") for pair in words.split()) for words in said_by]
            differs = [
                step
                for step, value in mine.items()
                for other, count in [Counter(said[step] for said in quoted).most_common(1)[0]]
                if other != value and count > sum(said[step] == value for said in quoted) + 1
            ]
            assert after.text.startswith(f"Again: {differs[0]}) ") == bool(differs) if differs else True
            again += bool(differs)
            kept += not differs
    assert again > 20 and kept > 20


def test_beginnings_are_where_readers_err_most():
    draw = random.Random(13)
    drawn = [problem(seed, "long", "train") for seed in range(200)]
    wrong = [0, 0]
    for p in drawn:
        taken = read(p, list(range(6)), draw)
        for at in range(6):
            wrong[at >= 2] += taken[at] != p.steps[at].operation
    assert wrong[0] / 2 > 1.2 * wrong[1] / 4
