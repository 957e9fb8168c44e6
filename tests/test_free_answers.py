"""Answers of free form: nothing is asked for, short ones that paths state are voted on, others are compared."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from circles import Recorder
from tertulia import Result, solve
from tertulia.cli.report import lines
from tertulia.engines.scripted import ScriptedEngine
from tertulia.errors import TertuliaError
from tertulia.model import Profile, profile_for
from tertulia.settings import resolve
from tertulia.wording import languages

PLAIN = Profile(name="any", answer_tokens=400, tail_tokens=4)
ASKED = "Why is the sky blue?"
POEMS = (
    "Short light is scattered more by the air, so the sky looks blue.",
    "Short light is scattered more by air; so the sky looks blue to us.",
    "Because of the sea, which is blue as well.",
    "Short light is scattered by the air, so our sky looks blue.",
)


def thinker(answers: tuple[str, ...], thoughts: tuple[str, ...] = ()) -> Any:
    def write(context: str, path: str, seed: int) -> str:
        at = int(path.rpartition("p")[2])
        if "</think>" in context:
            return answers[at] + "<|end|>"
        return f"{thoughts[at] if thoughts else 'Let me see.'}\n</think>{answers[at]}<|end|>"

    return write


def free(answers: tuple[str, ...], engine: ScriptedEngine | None = None, **more: Any) -> Result:
    engine = engine or ScriptedEngine(thinker(answers))
    settings = {"method": "independent", "budget": 2000, "answer_kind": "free", "paths": len(answers)} | more
    return solve(ASKED, engine=engine, profile=PLAIN, **settings)


@pytest.mark.parametrize(("words", "frame"), [("plain", "working"), ("pebble", "digest")])
def test_the_prompt_is_the_question_as_it_was_typed_in_every_wording_and_language(words: str, frame: str) -> None:
    for language in languages(words):
        result = free(POEMS[:2], method="leap", words=words, frame=frame, language=language)
        assert {path.spans[0].text for path in result.paths} == {f"<|user|>{ASKED}<|assistant|><think>\n"}


@pytest.mark.parametrize("vote", ["majority", "shortest-majority", "judged"])
def test_no_path_is_asked_for_a_box_or_led_to_an_answer(vote: str) -> None:
    engine = Recorder(thinker(POEMS))
    result = free(POEMS, engine, method="leap", vote=vote, last_call=1)
    assert len(engine.answered) == 2 * len(POEMS), "each thinks, and answers after its last call"
    assert not any("boxed" in path.text or path.led for path in result.paths)
    assert result.tokens.forked == 0


def test_without_short_answers_the_one_most_like_the_others_stands_and_says_so() -> None:
    result = free(POEMS)
    assert result.quoted in (0, 1, 3) and result.answer == result.words == POEMS[result.quoted]
    assert (result.votes, result.verdict.spoke, result.verdict.of) == ({}, 4, 4)
    note = r"the answer most like the others \(0\.\d\d on average\); no path states a short one"
    assert re.fullmatch(note, result.verdict.note)
    printed = lines(result.to_json())
    assert printed[0] == result.answer and f"the answer of path {result.quoted}, 4 of 4 paths spoke" in printed[2]


def test_an_answer_of_many_lines_keeps_them() -> None:
    poem = "Roses are red,\n\n- violets too."
    result = free((poem,))
    assert result.words == poem and result.verdict.note == "the only answer; no path states a short one"
    assert lines(result.to_json())[:3] == poem.split("\n")


def test_where_half_of_the_paths_state_a_short_answer_it_is_voted_on() -> None:
    answers = (
        "I counted. The answer is 9.",
        "Who knows?",
        "So the final answer is 7.",
        "Nobody can say.",
        "\\boxed{7}",
    )
    result = free(answers)
    assert (result.answer, result.votes, result.quoted) == ("7", {"7": 2, "9": 1}, 2)
    assert result.words == answers[2] and result.verdict.note == ""
    assert "2 of 5 paths" in "\n".join(lines(result.to_json()))


def test_where_fewer_do_the_answers_are_compared_and_it_is_said_how_many_did() -> None:
    result = free((*POEMS[:2], "The answer is 7.", POEMS[3]))
    assert result.quoted in (0, 1, 3) and result.verdict.note.endswith("; 1 of 4 paths states a short one")


def test_only_who_states_another_short_answer_hears_the_others() -> None:
    answers = ("The answer is 7.", "The answer is 7.", "The answer is 8.", "Nobody can say.")
    thoughts = ("I get 7.\nSo the answer is 7.", "Well.\nSo the answer is 7.", "Hm.\nSo the answer is 8.", "Hm, hm.")
    result = free(answers, ScriptedEngine(thinker(answers, thoughts)), method="leap", last_call=1)
    heard = [[span.text for span in path.spans if span.kind == "heard"] for path in result.paths]
    assert [len(texts) for texts in heard] == [0, 0, 1, 0] and "I get 7 instead of 8" in heard[2][0]


def test_equal_answers_are_drawn_by_seed_and_a_draw_is_told() -> None:
    chosen = {free(("Red.", "Blue."), seed=seed).answer for seed in range(12)}
    assert chosen == {"Red.", "Blue."}
    assert free(("Red.", "Blue."), seed=1).answer == free(("Red.", "Blue."), seed=1).answer
    assert ", drawn among equals; " in free(("Red.", "Blue.")).verdict.note
    assert "drawn" not in free(("Red.", "Red.")).verdict.note


def test_the_verdict_is_read_again_from_the_journal(tmp_path: Path) -> None:
    first, again = (free(POEMS, journal=tmp_path / "run.jsonl") for _ in range(2))
    assert again.verdict == first.verdict and (again.quoted, again.words) == (first.quoted, first.words)


class Aloud(ScriptedEngine):
    """A model that does not think aloud."""

    def __init__(self, script: Any) -> None:
        super().__init__(script)
        self.info = replace(self.info, chat_template="{{ content }}")

    async def render(self, messages: Any, options: Any = None) -> str:
        return f"<|user|>{messages[-1]['content']}<|assistant|>"


def test_all_that_a_model_writes_that_does_not_think_aloud_is_its_answer() -> None:
    engine = Aloud(lambda context, path, seed: "It is so.\n\nThe light is scattered.<|end|>")
    assert free(("", ""), engine).words == "It is so.\n\nThe light is scattered."


def test_what_was_heard_is_none_of_the_words_and_what_follows_begins_anew() -> None:
    def write(context: str, path: str, seed: int) -> str:
        if "instead of" in context:
            return "Oh, it is \\boxed{7}.<|end|>"
        return f"It is \\boxed{{{8 if path.endswith('p0') else 7}}}.<|end|>"

    result = free(("", "", ""), Aloud(write), method="leap", last_call=1)
    assert (result.quoted, result.words) == (0, "It is \\boxed{8}.\n\nOh, it is \\boxed{7}.")


def test_a_small_budget_is_all_answer_where_a_model_does_not_think_aloud_and_half_of_it_where_it_does() -> None:
    text = "one two three four five six seven eight nine ten "
    alone = {"paths": 1, "budget": 20, "consensus_stop": 0, "settle": 0.0}
    aloud = free((), Aloud(lambda context, path, seed: text * 9), **alone)
    (path,) = aloud.paths
    assert (path.tokens.generated, path.tokens.injected) == (20, 0) and path.own_text.startswith(aloud.words)
    thinking = free((), ScriptedEngine(lambda context, path, seed: text * 9), **alone)
    (path,) = thinking.paths
    assert (path.count("thought"), path.count("answer")) == (10, 10) and aloud.words != thinking.words != ""


def test_an_answer_that_was_asked_for_in_the_middle_of_another_begins_anew() -> None:
    result = free((), Aloud(lambda context, path, seed: "on and on and " * 90), paths=1, budget=40, settle=1.0)
    first, second = result.words.split("\n\n")
    assert first.startswith("on and") and second.startswith("on and")


def test_the_path_whose_words_stand_for_a_vote_is_told_with_its_words() -> None:
    def write(context: str, path: str, seed: int) -> str:
        value = 5 if path.endswith("p0") else 7
        return f"Hm.\n</think>So it is \\boxed{{{value}}}.<|end|>"

    result = free(("", "", ""), ScriptedEngine(write), answer_kind="math")
    assert (result.answer, result.quoted, result.words) == ("7", 1, "So it is \\boxed{7}.")
    assert (result.to_json()["quoted"], result.to_json()["words"]) == (1, result.words)


def test_a_path_that_was_led_to_its_answer_is_quoted_with_the_words_that_led_it() -> None:
    def write(context: str, path: str, seed: int) -> str:
        return "7}." if context.endswith("boxed{") else "Hm.\n</think>I cannot say.<|end|>"

    result = free(("", ""), ScriptedEngine(write), answer_kind="math")
    assert result.words.startswith("I cannot say.") and result.words.endswith("\\boxed{7}.")


def test_nobody_who_spoke_is_quoted_where_nobody_did() -> None:
    result = free(("", ""))
    assert (result.answer, result.quoted, result.words) == (None, None, "")


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"ask_answer": True}, "ask_answer is on"),
        ({"words": "paper"}, "the words paper ask for a box"),
        ({"method": "moa"}, "the method moa asks for a box"),
    ],
)
def test_what_asks_for_a_box_does_not_go_with_answers_of_free_form(asked: dict[str, Any], told: str) -> None:
    with pytest.raises(TertuliaError, match=f"answer_kind is 'free', .* {told}"):
        resolve(Profile(), {"answer_kind": "free", **asked})


def test_the_small_model_states_short_answers_which_are_voted_on() -> None:
    result = solve(world_seed=3, paths=2, answer_kind="free", every=0)
    assert result.votes and result.answer in result.votes and "boxed" in result.words
    assert profile_for(None).name == "pebble" and "<|" not in result.words
