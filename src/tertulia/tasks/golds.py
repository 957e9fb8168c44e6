"""The right answer of a mathematical row: a number or an expression, never a worked solution."""

from __future__ import annotations

import re
from typing import Any

from tertulia.answers.extract import extract_answer, is_correct
from tertulia.tasks.fields import Row, brief

ANSWER = ("answer", "gold", "final_answer", "expected_answer", "answer_number")
FURTHER = ("target", "result", "l_solutions", "label")
"""The answer where none of `ANSWER` is there; else they must not say another one, but for a label, often a class."""

_AFTER = "####"
_NUMBER = re.compile(r"([-\u2212]?)\$?\s*(\d{1,3}(?:[,_]\d{3})+|\d+|(?=\.\d))(\.\d+)?(?:\s*/\s*(\d+))?")
_POINT_GROUPS = re.compile(r"-?\d{1,3}(?:\.\d{3})+")
_COMMA_GROUPS = re.compile(r"-?\d{1,3}(?:,\d{3})+")
_GROUPED_BY_POINTS, _DECIMAL_COMMAS = ("de", "es"), ("de", "es", "fr", "ru")
_UNGROUPED = "write it without groups of digits"
_TYPESET = re.compile(r"\\(?:text\w*|mbox|math\w+|begin|end|operatorname)\s*\{[^{}]*\}|\\[a-zA-Z]+")
_WORD = re.compile(r"[^\W\d_]{2,}")
_UNSPACED = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u4e00-\u9fff]")
MOST_WORDS, MOST_UNSPACED = 5, 12

_BOX = re.compile(r"\\(?:boxed|fbox|framebox)(?![A-Za-z])")


def gold_of(row: Row, task: str, numeric: bool, language: str) -> str:
    r"""The answer as the row has it: what is in the box, where there is a `\boxed{...}`; what stands after `####`.

    A solution is prose, so it is read only where no answer is given and it holds a box.

    Args:
        row: the row.
        task: name of the benchmark, for what is said.
        numeric: whether the answer has to be a number; it is then written without groups of digits.
        language: of the question.

    Raises:
        TertuliaError: there is no answer, it is prose, or two fields say different things.
    """
    there = [name for name in ANSWER if row.has(name)]
    for name in FURTHER:
        there += [name] if row.has(name) and not (there and _says_else(row, name)) else []
    found = {name: gold for name in there if not _is_prose(gold := _read(row, name), numeric)}
    if not there:
        return _boxed_in_solution(row, task, numeric, language)
    if not found:
        shown, value = row.fields[there[0]]
        wanted = f"and {task} has numbers only" if numeric else "which is prose"
        further = ", or use math500" if numeric else ""
        raise row.wrong(
            f"the field {shown!r} is {brief(value)}, {wanted}: give the answer alone, as a field final_answer{further}"
        )
    first, *others = found
    gold = _number(row, first, found[first], language) if numeric else found[first]
    if not numeric and language in _DECIMAL_COMMAS and _COMMA_GROUPS.fullmatch(gold):
        raise row.wrong(f"the field {row.shown(first)!r} is {gold!r}, in {language} one of two numbers: {_UNGROUPED}")
    for name in others:
        if not (found[name] == gold or is_correct(found[name], gold)):
            raise row.wrong(f"the fields {row.shown(first)!r} and {row.shown(name)!r} say different things; remove one")
    return gold


def solution_of(row: Row) -> str | None:
    """The worked solution that stands before `####` in the answer, without a calculator's marks; None without one."""
    name = next((name for name in ANSWER if row.has(name) and _AFTER in str(row.fields[name][1])), None)
    return None if name is None else re.sub(r"<<[^<>]*>>", "", row.plain(name).rpartition(_AFTER)[0]).strip()


def _is_prose(text: str, numeric: bool) -> bool:
    """Whether an answer is told in sentences; where it has to be a number, whether it is anything else."""
    if numeric:
        return _NUMBER.fullmatch(text) is None
    bare = _TYPESET.sub(" ", text)
    words = _WORD.findall(bare)
    if len(words) > MOST_WORDS or len(_UNSPACED.findall(bare)) > MOST_UNSPACED:
        return True
    ended = text[-1] in "。।" or (len(words) > 1 and text[-1] in ".!?")
    return bool(words) and (ended or "\n" in text)


def _read(row: Row, name: str) -> str:
    """A field's text, its box or what stands after `####`; of a list of one, that one."""
    shown, value = row.fields[name]
    if isinstance(value, list):
        if len(value) != 1:
            raise row.wrong(f"the field {shown!r} holds {len(value)} answers: give one")
        value = value[0]
    text = row.plain_value(value, f"the field {shown!r}")
    if _AFTER in text:
        text = text.rpartition(_AFTER)[2].strip()
        if not text:
            raise row.wrong(f"the field {shown!r} has nothing after {_AFTER}")
    if not _BOX.search(text):
        return text
    boxed = extract_answer(text, "math")
    if boxed is None:
        raise row.wrong(f"the field {shown!r} has a \\boxed{{...}} without an answer in it")
    return boxed


def _says_else(row: Row, name: str) -> bool:
    """Whether a further field beside an answer is none of its own: a label, a list, a flag."""
    value = row.fields[name][1]
    return name == "label" or isinstance(value, bool) or not isinstance(value, str | int | float)


def _boxed_in_solution(row: Row, task: str, numeric: bool, language: str) -> str:
    names = ", ".join((*ANSWER, *FURTHER))
    if empty := row.find((*ANSWER, *FURTHER)):
        row.plain(empty)
    if "solution" not in row.fields:
        raise row.missing(f"the answer (one of {names})")
    if not _BOX.search(row.plain("solution")):
        raise row.missing(f"the answer (one of {names}, or a solution with \\boxed{{...}})")
    gold = _read(row, "solution")
    if _is_prose(gold, numeric):
        raise row.wrong(f"the box in 'solution' holds {brief(gold)}, and {task} has numbers: give a field answer")
    return _number(row, "solution", gold, language) if numeric else gold


def _number(row: Row, name: str, text: str, language: str) -> str:
    """A number without groups of digits, a currency and zeros at the end."""
    raw: Any = row.fields[name][1]
    if isinstance(raw, str) and language in _GROUPED_BY_POINTS and _POINT_GROUPS.fullmatch(text):
        raise row.wrong(f"the field {row.shown(name)!r} is {text!r}, in {language} one of two numbers: {_UNGROUPED}")
    found = _NUMBER.fullmatch(text)
    assert found is not None
    sign, whole, fraction, below = found.groups()
    whole = re.sub(r"[,_]", "", whole).lstrip("0") or "0"
    fraction = (fraction or "").rstrip("0").rstrip(".")
    return f"{'-' if sign else ''}{whole}{fraction}" + (f"/{below}" if below else "")
