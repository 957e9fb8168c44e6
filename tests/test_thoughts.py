"""A text without the thoughts in it, in every family's marks."""

from __future__ import annotations

import pytest

from tertulia.answers.thoughts import families, without_thoughts
from tertulia.evaluation.transcripts import own_words

EVERY = pytest.mark.parametrize("family", families(), ids=lambda family: family.name)


@EVERY
def test_a_thought_is_taken_out(family) -> None:
    told = f"Well.{family.open}{family.after}It is 4.{family.close}It is 5."
    assert without_thoughts(told) == "Well.It is 5."
    assert without_thoughts(f"{family.skipped}It is 5.").strip() == "It is 5."


@EVERY
def test_a_thought_that_the_prompt_opened_begins_with_the_text(family) -> None:
    assert without_thoughts(f"It is 4.{family.close}It is 5.") == "It is 5."


@EVERY
def test_a_thought_that_is_never_closed_reaches_to_the_end(family) -> None:
    assert without_thoughts(f"Well.{family.open}It is 4.") == "Well."
    assert own_words(f"{family.open}It is 4.") is None
    assert own_words(f"{family.open}It is 4.{family.close}5") is not None


def test_a_thought_ends_at_its_own_familys_close_only() -> None:
    assert without_thoughts("<think>They wrote [/THINK] and <thinking>.</think>5") == "5"
    assert without_thoughts("<think>2+3</think>It is 5.</think>") == "It is 5."
    assert without_thoughts("< THINK >4</ think>5") == "5"


def test_harmony_is_read_from_its_channels() -> None:
    told = (
        "<|channel|>analysis<|message|>2+3<|end|><|start|>assistant<|channel|>analysis<|message|>so 5<|end|>"
        "<|start|>assistant<|channel|>final<|message|>It is 5.<|return|>"
    )
    assert without_thoughts(told) == "It is 5.<|return|>"


def test_a_text_without_a_thought_stays_as_it_is() -> None:
    for text in ("", "It is 5.", "a < b and [think again] or a <thin> line"):
        assert without_thoughts(text) == text
