"""Where a segment is cut, and where a thought is closed."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tertulia.circle.segments import find_close, keep_to_boundary, loops, parts
from tertulia.engines.base import TEXT_ID, Generation, Token


def tokens(*texts: str) -> list[Token]:
    return [Token(number, text) for number, text in enumerate(texts)]


def kept(text: str, tail: int = 64) -> str:
    """What stays of a text of one token a character."""
    letters = tokens(*text)
    return "".join(token.text for token in letters[: keep_to_boundary(letters, tail)])


@pytest.mark.parametrize(
    ("text", "stays"),
    [
        ("one.\ntwo. thr", "one.\n"),
        ("one. two. thr", "one. two. "),
        ("about 3.14 and", "about 3.14 and"),
        ("so it is 3.", "so it is 3."),
        ("一つ。二つ", "一つ。"),
        ('he said: "no." Then', 'he said: "no." '),
        ("what? no", "what? "),
        ("यह है। और", "यह है। "),
        ("no boundary at all", "no boundary at all"),
        ("line\n  \nnext", "line\n  \n"),
        ("whole line\n", "whole line\n"),
    ],
)
def test_a_segment_is_cut_at_a_line_end_or_else_a_sentence_end(text: str, stays: str) -> None:
    assert kept(text) == stays


def test_no_more_than_the_tail_is_cut() -> None:
    assert kept("one.\n" + "x" * 64) == "one.\n"
    assert kept("one.\n" + "x" * 65) == "one.\n" + "x" * 65
    assert kept("one\ntwo", tail=0) == "one\ntwo"


def test_a_character_of_several_tokens_is_not_torn() -> None:
    split = tokens("a", ".", "\n", "", "", "é")
    assert keep_to_boundary(split, 64) == 3


@given(st.lists(st.sampled_from(["a", ".", " ", "\n", "。", "", "3", "\n\n", ". "]), min_size=1, max_size=90))
def test_at_least_one_token_stays_and_at_most_the_tail_goes(texts: list[str]) -> None:
    keep = keep_to_boundary(tokens(*texts), 64)
    assert max(1, len(texts) - 64) <= keep <= len(texts)


def test_a_close_of_one_token_is_found_by_its_id_only() -> None:
    spoken = [Token(5, "</think>"), Token(9, "</think>"), Token(7, "so")]
    assert find_close(spoken, (9,), "</think>") == (1, 2)
    assert find_close(spoken[:1], (9,), "</think>") is None


def test_a_close_of_several_tokens_is_found_by_its_text() -> None:
    assert find_close(tokens("so.", "</", "think", ">", "\\boxed"), (1, 2, 3), "</think>") == (1, 4)
    assert find_close(tokens("so</", "think", ">\n", "x"), (1, 2, 3), "</think>") == (0, 3)
    assert find_close([Token(TEXT_ID, "a</think>b")], (), "</think>") == (0, 1)
    assert find_close(tokens("a", "</think>"), (), "") is None


def test_in_text_mode_the_parts_add_up_to_what_the_server_counted() -> None:
    chunks = tuple(Token(TEXT_ID, text) for text in ("ab", "cd", "ef"))
    came = Generation(chunks, "length", count=7)
    thought, tail = parts(came, ("thought", 2), ("thought", 3))
    assert thought.count + tail.count == 7 and thought.text == "abcd" and tail.ids == ()


def test_a_paragraph_that_comes_for_the_third_time_is_a_loop() -> None:
    lines = [
        f"Step {number}: I look at the {number}th part of it once more, and it is {number * number}."
        for number in range(9)
    ]
    paragraph = "\n".join([*lines, "That is not right. Let me read the question again:"]) + "\n\n"
    assert len(paragraph) > 600 and loops("First, I think.\n" + 3 * paragraph)
    assert not loops("First, I think.\n" + 2 * paragraph)
    assert not loops(paragraph + "No.\n" + 2 * paragraph)


@pytest.mark.parametrize("seed", range(3))
def test_a_few_lines_that_take_turns_are_a_loop_and_a_table_of_sums_is_none(seed: int) -> None:
    turns = ("Answer:\n120/17 = 12\n\n", "120 / 17 = 12\n", "The answer is 12 * 17\n\n", "17 * 12 = 120\n")
    chance = random.Random(seed)
    assert loops("Let me see.\n" + "".join(chance.choice(turns) for _ in range(100)))
    table = "".join("| " + " | ".join("FT"[row >> bit & 1] for bit in range(6)) + " | T |\n" for row in range(64))
    assert not any(loops(table[:end]) for end in range(1500, len(table)))
    for row in ("17 * {0} = {1}\n", "I try {0}: {0} times 17 is {1}, which is no square, so I take the next one. "):
        assert not any(loops("".join(row.format(at, 17 * at) for at in range(1, end))) for end in range(2, 200))
