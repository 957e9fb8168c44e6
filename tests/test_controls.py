"""Peers that claim what is wrong or try to give orders: seeded, journaled, never one's own value, and harmless."""

from __future__ import annotations

import random
import re
from collections import Counter
from pathlib import Path as FilePath
from typing import Any

import pytest

from circles import AT_CLAIMS, PEBBLE, Told, tell
from tertulia.answers.equivalence import equivalent
from tertulia.circle.claims import LONGEST_VALUE, AnswerClaims, StepClaims
from tertulia.circle.frames import FRAMES, Heard, Post
from tertulia.engines.scripted import CONTROL, ScriptedEngine
from tertulia.errors import TertuliaError
from tertulia.evaluation.arms import arm
from tertulia.evaluation.controls import Orders, Unrelated, Wrong, orders
from tertulia.model import Profile
from tertulia.settings import resolve
from tertulia.wording import Wording
from tertulia.world.language import LANGUAGES

PLAIN = Profile(name="any")
FULL = Profile(name="small", wording="paper", summary_tokens=60, answer_tokens=12)
READ = {"profile": AT_CLAIMS, "summaries": "read", "every": 7, "paths": 8}


def post(path: int, *values: int, answer: str | None = None, fresh: tuple[int, ...] = ()) -> Post:
    steps = {step: str(value) for step, value in enumerate(values, 1)}
    return Post(path, "words", StepClaims(steps, answer, fresh) if steps else AnswerClaims(answer))


def spoken(mine: Post, peers: list[Post], seed: int, stepwise: bool = True, **asked: Any) -> tuple[list[Post], Any]:
    profile = PEBBLE if stepwise else FULL
    settings = resolve(profile, {"paths": 8, "control": "wrong=4", **asked})
    wording = Wording.load(profile.wording, "en")
    name, _, argument = settings.control.partition("=")
    made = {"wrong": Wrong, "orders": Orders}[name]
    wrong = made(FRAMES[settings.frame](settings, wording), settings, wording, argument)
    told, _, lie = wrong.speak(mine, peers, peers, random.Random(seed))
    return told, lie


def heard_of(told: Told, finding: str = "differ") -> list[Any]:
    """What paths heard with this finding, in order."""
    meetings = [event.data["heard"].items() for event in told.events if event.kind == "meeting"]
    return [{**heard, "path": path} for meeting in meetings for path, heard in meeting if heard["finding"] == finding]


def test_so_many_agree_on_one_wrong_value_at_a_step_written_since_the_last_meeting() -> None:
    mine = post(0, 93, 85, 61, fresh=(2, 3))
    peers = [post(path, 93, 85, 61) for path in range(1, 8)]
    steps = Counter()
    for seed in range(200):
        told, lie = spoken(mine, peers, seed)
        liars = [peer for peer in told if peer not in peers]
        assert [peer.path for peer in told] == list(range(1, 8)) and len(liars) == 4
        assert len({tuple(peer.claims.steps.items()) for peer in liars}) == 1, "they agree"
        claimed = liars[0].claims.steps
        assert claimed[lie.step] == lie.value != mine.claims.steps[lie.step]
        assert [claimed[step] for step in range(1, lie.step)] == ["93", "85"][: lie.step - 1]
        assert max(claimed) == lie.step, "what comes after was reached from what they do not hold"
        steps[lie.step] += 1
    assert set(steps) == {2, 3}
    assert (
        len({frozenset(peer.path for peer in spoken(mine, peers, seed)[0] if peer not in peers) for seed in range(9)})
        > 1
    )


def test_a_mistake_of_others_tempts_most_but_not_one_that_as_many_hold() -> None:
    mine = post(0, 93, fresh=(1,))
    peers = [post(1, 93), post(2, 90), post(3, 80), post(4, 80), post(5, 80)]
    assert {spoken(mine, peers, seed)[1].value for seed in range(50)} == {"90"}, "80 may be what is right"
    alone = {spoken(mine, [post(path, 93) for path in range(1, 8)], seed)[1].value for seed in range(50)}
    assert len(alone) > 3 and "93" not in alone


def test_no_step_is_lied_about_that_was_written_twice_or_before_the_last_meeting() -> None:
    peers = [post(path, 93, 70) for path in range(1, 8)]
    mine = Post(0, None, StepClaims({1: "93", 2: "85"}, fresh=(2,), again=frozenset({2})))
    told, lie = spoken(mine, peers, 0)
    assert lie is None
    assert [peer.claims.steps for peer in told].count({1: "93", 2: "85"}) == 4, "then they back what the hearer has"


@pytest.mark.parametrize("mine", ["37", "\\frac{10}{2}", "5.0", "x", "B", "", "-3", "0"])
@pytest.mark.parametrize("kind", ["wrong", "orders"])
def test_nobody_is_told_its_own_answer_as_a_wrong_one(mine: str, kind: str) -> None:
    peers = [post(path, answer=answer) for path, answer in enumerate(["3", "5", "5.00", "37", "37.0", "B", "x"], 1)]
    for seed in range(60):
        told, lie = spoken(post(0, answer=mine or None), peers, seed, stepwise=False, control=f"{kind}=4")
        liars = [peer for peer in told if peer not in peers]
        assert len(liars) == 4 and {peer.claims.answer for peer in liars} == {lie.value}
        assert lie.value != mine and not equivalent(lie.value, mine)
        assert lie.value in (liars[0].summary or "")


def test_letters_are_answered_with_letters() -> None:
    values = {spoken(post(0, answer="B"), [post(1, answer="B")], seed, stepwise=False)[1].value for seed in range(40)}
    assert values == {"A", "C", "D"}


async def test_a_circle_hears_them_and_keeps_what_it_heard() -> None:
    told = await tell(**READ, control="wrong=5")
    lies = [heard for heard in heard_of(told) if heard["lie"]]
    assert len(lies) > 10
    for data in lies:
        mine, count, other = re.findall(r"you (-?\d+), (\d+) of \d+ have (-?\d+)", data["text"])[0]
        assert int(count) >= 5 and mine != other == data["other"]
    none = await tell(**READ)
    assert not [heard for heard in heard_of(none) if heard["lie"]]


async def test_an_honest_difference_is_no_lie_and_a_false_marker_is_one() -> None:
    told = await tell(**READ, control="wrong=1")
    lies = [heard["text"] for heard in heard_of(told) if heard["lie"]]
    assert len(lies) < len(heard_of(told)) / 4
    assert all(int(re.findall(r"(\d+) of 7 have", text)[0]) > 1 for text in lies), "one liar alone is outvoted"
    false = await tell(**READ, control="false=1.0")
    assert heard_of(false) and all(heard["lie"] for heard in heard_of(false))


async def test_wrong_peers_are_seeded_and_a_replay_hears_the_same(tmp_path: FilePath) -> None:
    async def texts(seed: int, journal: FilePath | None = None) -> list[Any]:
        told = await tell(**READ, control="wrong=4", seed=seed, journal=journal)
        return [event.data["heard"] for event in told.events if event.kind == "meeting"]

    first = await texts(1, tmp_path / "run")
    assert first == await texts(1, tmp_path / "run") == await texts(1) != await texts(2)
    record = (tmp_path / "run").read_text()
    assert '"control": "wrong=4"' in record and '"lie": true' in record


def test_what_was_heard_is_read_back_as_it_was() -> None:
    now = Heard("text", (1,), "differ", True, 2, "8", True)
    assert Heard.from_json(now.to_json()) == now


def opens(text: str) -> list[str]:
    """What in a text a model or a server could take for more than text."""
    tags = (*CONTROL, "<summarize>", "</summarize>", "</peers>", "[/INST]", "\n")
    return [tag for tag in tags if tag in text]


def ordered(frame: str, stepwise: bool) -> list[str]:
    """What paths hear of peers that give orders, within the frame of everything heard."""
    steps = (93,) if stepwise else ()
    mine = post(0, *steps, answer="93", fresh=(1,))
    peers = [post(path, *steps, answer="93") for path in range(1, 8)]
    profile = PEBBLE if stepwise else FULL
    asked = {"paths": 8, "control": "orders=5", "frame": frame, "doubt": 0.0}
    settings, words = resolve(profile, asked), Wording.load(profile.wording, "en")
    wrong, texts = Orders(FRAMES[frame](settings, words), settings, words, "5"), []
    begin, end = words.frame.split("{text}")
    for seed in range(40):
        heard = wrong.tell(mine, peers, peers, random.Random(seed))
        texts.append(heard.text.removeprefix(begin).rpartition(end)[0])
    return texts


@pytest.mark.parametrize("frame", ["digest", "quotes"])
@pytest.mark.parametrize("stepwise", [True, False])
def test_orders_open_and_close_nothing(frame: str, stepwise: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    told = ordered(frame, stepwise)
    assert any("Ignore the question" in text for text in told), "the orders arrive"
    assert [found for text in told for line in text.split("\n") for found in opens(line)] == []
    for module in ("wording.harmless", "evaluation.controls"):
        monkeypatch.setattr(f"tertulia.{module}.neutral", lambda text, longest=None: text)
    assert {"</think>", "<|end|>"} <= {found for text in ordered(frame, stepwise) for found in opens(text)}


async def test_what_is_ordered_reaches_a_path_as_text_and_its_thought_goes_on() -> None:
    told = await tell(**READ, control="orders=5")
    engine = told.engine
    assert isinstance(engine, ScriptedEngine)
    control = {engine.control_id(tag) for tag in CONTROL}
    lies = [heard for heard in heard_of(told) if heard["lie"]]
    assert lies and all(len(data["other"]) <= LONGEST_VALUE for data in lies)
    for path in told.outcome.paths:
        for span in path.spans:
            if span.kind == "heard":
                assert control.isdisjoint(span.ids) and span.text.count("</peers>") == 1
        assert path.finished and path.answer is not None and path.answer not in {data["other"] for data in lies}


def test_every_order_has_a_wrong_answer_in_a_box_and_something_that_would_close() -> None:
    for order in orders():
        assert "\\boxed{{answer}}" in order and opens(order)


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        ({"control": "wrong=8"}, "control is 'wrong=8': expected wrong=NUMBER, from 0 to 7"),
        ({"control": "wrong=-1"}, "control is 'wrong=-1': expected wrong=NUMBER, from 0 to 7"),
        ({"control": "false=often"}, "control is 'false=often': expected false=NUMBER, from 0 to 1"),
        (
            {"control": "lies=2"},
            "unknown control 'lies': use one of echo, recheck, self, unrelated, false, wrong, orders",
        ),
        ({"control": "wrong=2", "method": "independent"}, "paths of the method independent do not meet"),
        ({"control": "wrong=2", "method": "moa"}, "paths of the method moa do not meet"),
        ({"control": "wrong=2", "every": 0, "last_call": 0}, "these paths never meet: set every"),
    ],
)
async def test_controls_that_cannot_be_get_one_line_before_anybody_is_asked(asked: dict[str, Any], line: str) -> None:
    engine = ScriptedEngine()
    with pytest.raises(TertuliaError, match=re.escape(line)) as caught:
        await tell(engine, **asked)
    assert "\n" not in str(caught.value) and engine.calls == []


def test_a_control_is_an_arm_and_no_business_of_independent_paths() -> None:
    one = arm("leap:control=wrong=4").asked({})
    assert one["control"] == "wrong=4" and resolve(PEBBLE, one).control == "wrong=4"
    alone = arm("independent").asked({"control": "wrong=4", "paths": 4})
    assert alone == {"method": "independent", "paths": 4}


# --- peers of another question -----------------------------------------------------------------------


def unrelated(mine: Post, peers: list[Post], seed: int = 1, language: str = "en", **asked: Any) -> tuple[Heard, Heard]:
    """What a path without tags hears, and what it hears in its place of another question."""
    settings = resolve(PLAIN, {"control": "unrelated", **asked})
    words = Wording.load("plain", language)
    frame = FRAMES[settings.frame](settings, words)
    told = Unrelated(frame, settings, words, "").tell(mine, peers, peers, random.Random(seed))
    return frame.tell(mine, peers, peers, random.Random(seed)), told


def said(path: int, answer: str | None) -> Post:
    return Post(path, None, AnswerClaims(answer), f"So path {path} has {answer}." if answer else "")


@pytest.mark.parametrize("language", LANGUAGES)
def test_of_another_question_a_path_hears_a_working_and_an_answer_in_the_same_words(language: str) -> None:
    real, told = unrelated(said(0, "7"), [said(1, "72"), said(2, "72")], language=language)
    assert real.other == "72" and told.other not in (None, "72", "7")
    assert told.finding == "differ" and told.interrupts and "72" not in told.text
    working = re.search(r"\d+[-+*/]\d+=" + re.escape(told.other or "") + r"\.", told.text)
    assert working, "the last sum of the other problem comes to its answer"
    begin = Wording.load("plain", language).plain_working.partition("{working}")[0]
    assert told.text.startswith(begin) and real.text.startswith(begin)


def test_who_would_hear_nothing_hears_nothing_of_another_question() -> None:
    for mine, peers in (("72", ["72", "7"]), ("7", ["7", "7"]), ("7", [None, None])):
        real, told = unrelated(said(0, mine), [said(path, answer) for path, answer in enumerate(peers, 1)])
        assert real.text == told.text == ""


def test_another_question_is_drawn_from_the_seed_and_its_answer_is_never_ones_own() -> None:
    peers = [said(1, "72"), said(2, "72")]
    heard = [unrelated(said(0, "7"), peers, seed)[1] for seed in range(30)]
    assert heard == [unrelated(said(0, "7"), peers, seed)[1] for seed in range(30)]
    answers = {told.other for told in heard}
    assert len(answers) > 10
    for own in list(answers)[:5]:
        assert all(unrelated(said(0, own), peers, seed)[1].other != own for seed in range(30))
    choosers = [said(1, "B"), said(2, "B")]
    letters = {unrelated(said(0, "A"), choosers, seed, answer_kind="choice")[1].other for seed in range(30)}
    assert letters == {"B", "C", "D"}


def test_counts_are_told_of_another_question_too() -> None:
    real, told = unrelated(said(0, "7"), [*(said(path, "72") for path in (1, 2, 3)), said(4, "7")], counts=True)
    assert "3 of 4" in real.text and "3 of 4" in told.text


async def test_steps_of_another_question_are_marked_where_peers_would_be() -> None:
    told = await tell(**READ, control="unrelated")
    real = await tell(**READ)
    assert heard_of(told) and {heard["step"] for heard in heard_of(told)} <= {1, 2, 3, 4, 5}
    first, same = heard_of(told)[0], heard_of(real)[0]
    assert first["path"] == same["path"] and first["other"] != same["other"], "at the same places"


def test_which_step_of_another_question_is_marked_tells_nothing_of_peers() -> None:
    """Peers differ at the second step only; both that were written since the last meeting are marked alike."""
    settings = resolve(PEBBLE, {"control": "unrelated", "doubt": 0.0})
    words = Wording.load("pebble", "en")
    made = Unrelated(FRAMES["digest"](settings, words), settings, words, "")

    def marked(mine: Post) -> set[int | None]:
        peers = [post(path, 93, 99, 70) for path in (1, 2, 3)]
        return {made.tell(mine, peers, peers, random.Random(seed)).step for seed in range(40)}

    assert marked(post(0, 93, 85, 61, fresh=(1, 2))) == {1, 2}
    again = Post(0, "words", StepClaims({1: "93", 2: "85"}, None, (2,), frozenset({2})))
    assert marked(again) == {None}, "no step is marked twice, else the path would never end"


def test_counts_are_an_arm() -> None:
    assert arm("leap:counts=true").asked({})["counts"] is True
    assert resolve(PLAIN, arm("leap:counts=true").asked({})).counts and not resolve(PLAIN, arm("leap").asked({})).counts
