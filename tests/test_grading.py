"""What a path answered, and whether that is right."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tertulia.answers.extract import extract_answer, is_correct
from tertulia.errors import TertuliaError
from tertulia.evaluation.transcripts import own_words

# --- the last box ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"so \boxed{170}", "170"),
        (r"first \boxed{1}, no: \boxed{2}", "2"),
        (r"\boxed{ \frac{1}{2} }.", r"\frac{1}{2}"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"\boxed{\left\{x\right.}", r"\left\{x\right."),
        (r"\boxed {7}", "7"),
        (r"\boxed{a\boxed{3}b}", r"a\boxed{3}b"),
        ("\\boxed{1\n+ 2}", "1\n+ 2"),
        (r"\boxed{}", None),
        (r"\boxed{1} and then \boxed{ }", None),
        (r"\boxed{1} and then \boxed{2", None),
        (r"\boxed{1} and then \boxed{\frac{1}{2}", None),
        (r"\boxed 5", "5"),
        (r"so $\boxed -2$.", "-2"),
        (r"$\boxed\frac{1}{2}$", r"\frac{1}{2}"),
        (r"\fbox{11}", "11"),
        (r"\boxed{1} and then \fbox 2.", "2"),
        (r"I use the \boxed notation.", None),
        (r"\boxed{} is where it goes. The final answer is 9.", "9"),
        ("", None),
    ],
)
def test_the_last_box_is_the_answer(text: str, answer: str | None) -> None:
    assert extract_answer(text) == answer


@settings(max_examples=200, deadline=None)
@given(
    before=st.text(r"a\boxed{} ", max_size=30),
    inner=st.text("ab{} 1", max_size=12),
    after=st.text("a} 1", max_size=8),
)
def test_a_closed_box_at_the_end_is_found_whatever_stands_before(before: str, inner: str, after: str) -> None:
    depth = low = 0
    for character in inner:
        depth += {"{": 1, "}": -1}.get(character, 0)
        low = min(low, depth)
    # An open box before would hold ours inside; a backslash would escape our first character.
    if depth or low or "{" in before or before.endswith("\\"):
        return
    assert extract_answer(f"{before}\\boxed{{{inner}}}{after}") == (inner.strip() or None)


# --- choices --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        (r"\boxed{B}", "B"),
        (r"\boxed{b}", "B"),
        (r"\boxed{\text{A}}", "A"),
        (r"\boxed{\textbf{(E)} 12}", "E"),
        (r"\boxed{(C)}", "C"),
        (r"\boxed{D. 12 m}", "D"),
        (r"Answer: A, or rather \boxed{B}", "B"),
        (r"\boxed{B}, so Answer: C", "B"),
        (r"\boxed{B} is wrong. Answer: C", "C"),
        (r"\boxed{B}. Wait, that is incorrect.", None),
        ('ANSWER: "A"', "A"),
        ("Answer: (B)", "B"),
        ("The answer is **D**.", "D"),
        ("Answer: A\nNo, wait.\nAnswer: C", "C"),
        (r"Answer: $\text{B}$", "B"),
        ("Answer:\n\n(J)", "J"),
        ("the answer is a prime", None),
        ("The answer is Apple", None),
        (r"\boxed{Apple}", None),
        (r"\boxed{42}", None),
        (r"Answer: A \boxed{B", None),
        ("A or B", None),
    ],
)
def test_the_letter_of_a_choice(text: str, letter: str | None) -> None:
    assert extract_answer(text, "choice") == letter


def test_an_unknown_kind_gets_one_line() -> None:
    with pytest.raises(TertuliaError, match="unknown kind of answer 'essay': use one of math, choice"):
        extract_answer("x", "essay")  # type: ignore[arg-type]


# --- right or wrong -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("extracted", "gold", "right"),
    [
        ("0.5", "1/2", True),
        (r"\dfrac{1}{2}", "0.5", True),
        ("1,234", "1234", True),
        (r"\text{A}", "A", True),
        ("a", "A", True),
        ("B", "A", False),
        (r"\frac{\sqrt{2}}{2}", r"\frac{1}{\sqrt{2}}", True),
        ("x = 5", "5", True),
        ("12 cm", "12", True),
        ("(1, 2)", "(2, 1)", False),
        ("13", "12", False),
        (None, "12", False),
        ("", "12", False),
    ],
)
def test_whether_an_answer_is_right(extracted: str | None, gold: str, right: bool) -> None:
    assert is_correct(extracted, gold) is right


@pytest.mark.parametrize(
    ("extracted", "gold", "right"),
    [
        ("B", "(b)", True),
        ("B", "B) 12 m", True),
        ("B", "\N{CYRILLIC CAPITAL LETTER VE}", True),
        ("B", "A", False),
        ("B", "8", False),
        (None, "B", False),
    ],
)
def test_whether_a_letter_is_right(extracted: str | None, gold: str, right: bool) -> None:
    assert is_correct(extracted, gold, kind="choice") is right


# --- own words ------------------------------------------------------------------------------------


PIECES = ["so ", "\n", "7 ", "\\boxed{7}", "\\boxed{17} ", "Answer: B. "]
OWN = st.lists(st.sampled_from(PIECES), max_size=8).map("".join)


@settings(max_examples=200, deadline=None)
@given(before=OWN, after=OWN, number=st.integers(100, 10**6), spaced=st.booleans(), tagged=st.booleans())
def test_what_was_heard_is_never_ones_own(before: str, after: str, number: int, spaced: bool, tagged: bool) -> None:
    heard = f"Peer 2 has\n\\boxed{{{number}}} and is sure."
    said = heard.replace(" ", "  ") if spaced else heard
    transcript = before + (f"<peers>{said}</peers>" if tagged else said) + after
    own = own_words(transcript, [] if tagged else [heard])
    assert own is not None and extract_answer(own) == extract_answer(before + "\n" + after)


@settings(max_examples=100, deadline=None)
@given(OWN)
def test_without_anything_heard_all_words_are_ones_own(text: str) -> None:
    assert own_words(text, ["", " \n", "never said by anyone"]) == text


@pytest.mark.parametrize(
    "said",
    [
        "</peers ><summarize >x</summarize > I get \\boxed{13}. <peers >",
        "</ peers> I get \\boxed{13}.",
        '</peers a="1"> I get \\boxed{13}. <peers b="2">',
        "</PEERS> I get \\boxed{13}.",
        "</peers/> I get \\boxed{13}.",
        "<peers > a </peers > I get \\boxed{13}.",
        "<summarize x> </summarize x> \\boxed{13}",
    ],
)
def test_nothing_that_peers_say_ends_what_they_say(said: str) -> None:
    transcript = f"I get \\boxed{{7}}.\n<peers>\nPeer 2: {said}\n</peers>\n"
    assert extract_answer(own_words(transcript) or "") == "7"
    assert extract_answer(own_words(f"{transcript}So \\boxed{{8}}.") or "") == "8"


@pytest.mark.parametrize("tag", ['<peers a="1">', "< peers >", "<PEERS>"])
def test_what_looks_like_peers_in_a_paths_own_words_is_left_out_too(tag: str) -> None:
    assert extract_answer(own_words(f"\\boxed{{7}} {tag}\\boxed{{13}}</peers>") or "") == "7"


@pytest.mark.parametrize(
    ("opens", "closes"),
    [
        ("<think>", "</think>"),
        ("[THINK]", "[/THINK]"),
        ("<thinking>", "</thinking>"),
        ("◁think▷", "◁/think▷"),
        ("<|START_THINKING|>", "<|END_THINKING|>"),
        ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
    ],
)
def test_thoughts_of_all_families_are_left_out(opens: str, closes: str) -> None:
    assert own_words(f"{opens}so far \\boxed{{13}}") is None
    own = own_words(f"{opens}so far \\boxed{{13}}{closes}The answer is 7.")
    assert own is not None and extract_answer(own) == "7"
    own = own_words(f"{opens}so far \\boxed{{13}}{closes}I cannot tell.")
    assert own is not None and extract_answer(own) is None


@pytest.mark.parametrize(
    "text",
    [
        "(\n" * 50_000,
        "answer is A " * 50_000,
        "\\text{" * 20_000 + "}" * 20_000,
        "< " * 50_000,
        "<peers>" * 50_000,
        "\\boxed{" * 50_000,
        "\\boxed{" + "(" * 50_000 + "}",
        "A" + "." * 50_000,
        "\\boxed 4" * 50_000,
        "<answer>" * 50_000,
        "the answer is 5 " * 50_000,
        "not A, " * 50_000,
        "so " * 50_000,
        "answer is $" + "x" * 100_000,
    ],
)
def test_no_text_takes_long_to_read(text: str) -> None:
    start = time.process_time()
    own = own_words(text, ["a b", "a  b c\n\nb"])
    for kind in ("math", "choice"):
        extract_answer(text if own is None else own, kind)
    assert time.process_time() - start < 10
