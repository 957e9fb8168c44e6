"""When two answers are the same: `\\frac{1}{2}`, `0.5` and `1/2` are one answer.

Plain numbers and equal texts are decided at once. All else goes to math-verify, which is slow to import,
can run for minutes on a hostile expression, and guards itself with signals that work on the main thread
only; so it runs in a child process that is stopped when it takes too long. Safe to call on any
thread; not on the event loop, because it waits for the child.
"""

from __future__ import annotations

import atexit
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any

from tertulia.answers.quantities import ascii_digits, chinese_number, same_quantity, unit
from tertulia.errors import TertuliaError

LONGEST = 1000
"""Characters beyond which only equal texts are equal: no answer is that long, but a runaway box may be."""

DEEPEST = 100
"""Wrappers in wrappers that are taken off: a hostile text may have any number, and each costs a reading of it all."""

_BOLD = re.compile(r"\*\*([^*]+)\*\*")
_WRAPPERS = re.compile(
    r"\\(?:text|textbf|textrm|textit|textsc|boxed|fbox|mathrm|mathbf|mathit|boldsymbol)\s*\{([^{}]*)\}"
)
_TYPESET_UNIT = re.compile(
    r"(?P<rest>.*[\w})])(?:\\[ ,;:!]|\s|~)*\\(?:text|mathrm|textrm|mbox)\s*\{(?P<unit>[^{}]*[^\W\d_][^{}]*)\}"
    r"(?P<power>\s*\^\s*(?:\{\s*\d\s*\}|\d))?[\s.$]*",
    re.DOTALL,
)
_NOISE = re.compile(r"\\\$|\\left|\\right|\\[,!;: ]|~|\$|\\\(|\\\)|\\\[|\\\]")
_SPACED_GROUPS = re.compile(r",\\!\s*")
_NAMED = re.compile(r"\\?[^\W\d_]+(?:_\{?\w+\}?)?\s*=\s*([^=]+)")  # x = 5 answers what 5 answers
_NUMBER = r"[+-]?(?:(?!0)\d{1,3}(?:,\d{3})+|\d+)(?:\.\d*)?|[+-]?\.\d+"
_PLAIN = re.compile(rf"({_NUMBER})(?:/({_NUMBER}))?")
_FRACTION = re.compile(r"([+-]?)\\[dt]?frac(?:\{([+-]?\d+)\}\{([+-]?\d+)\}|(\d)(\d))")


def equivalent(gold: str, answer: str, language: str | None = None) -> bool:
    """Whether `answer` means what `gold` means (math-verify's equality, which is not quite symmetric).

    Args:
        gold: The one answer.
        answer: The other.
        language: The language of the question (`de`), whose way of writing numbers is tried; None where unknown.
    """
    if max(len(gold), len(answer)) <= LONGEST:
        gold, answer = _without_units(gold, answer)
    gold, answer = tidy(gold), tidy(answer)
    if not gold or not answer:
        return False
    if gold == answer:
        return True
    quick = _decided(gold, answer)
    if quick is not None or len(gold) > LONGEST or len(answer) > LONGEST:
        return bool(quick)
    if "=" not in gold and (named := _NAMED.fullmatch(answer)):
        return equivalent(gold, named[1], language)
    same = same_quantity(gold, answer)
    return _math_verify(ascii_digits(gold), ascii_digits(answer)) if same is None else same


def _without_units(gold: str, answer: str) -> tuple[str, str]:
    r"""Both without a unit that is typeset as one, 25\pi\text{ cm}^2, where the other has none or the same."""
    texts, units = [gold, answer], ["", ""]
    for place, text in enumerate((gold, answer)):
        found = _TYPESET_UNIT.fullmatch(text)
        if found and (known := unit(" " + found["unit"].strip() + (found["power"] or "").strip())):
            texts[place], units[place] = found["rest"], known
    return (texts[0], texts[1]) if units[0] == units[1] or "" in units else (gold, answer)


def group_answers(answers: Sequence[str | None], language: str | None = None) -> list[int | None]:
    """For each answer the index of the first one that it is equivalent to; None for None and blank.

    An answer is compared to the first of each group only: equality of answers is not quite transitive
    (1/3 = 0.333333 after rounding), and a fixed representative makes the groups well defined.
    """
    groups: list[int | None] = []
    known: dict[str | Fraction, int] = {}
    integers: list[tuple[int, str]] = []
    others: list[tuple[int, str]] = []
    for index, answer in enumerate(answers):
        text = tidy(answer) if answer is not None else ""
        if not text:
            groups.append(None)
            continue
        number = _number(text)
        key = text if number is None else number
        if key not in known:
            whole = number is not None and number.denominator == 1
            # Two integers are equal or not: 1,000 paths with 1,000 integers need no comparison.
            firsts = others if whole else others + integers
            same = (i for i, first in firsts if equivalent(first, text, language) or equivalent(text, first, language))
            known[key] = next(same, index)
            if known[key] == index:
                (integers if whole else others).append((index, text))
        groups.append(known[key])
    return groups


def tidy(answer: str) -> str:
    """The answer without the typesetting that never carries meaning: dollars, \\text, thin spaces."""
    text, previous = _SPACED_GROUPS.sub(",", answer.replace("\N{MINUS SIGN}", "-")), None
    for _ in range(DEEPEST):  # what is taken away may leave more to take: \text{\text{3}.}
        if previous == text:
            break
        previous = text
        text = _WRAPPERS.sub(r"\1", _NOISE.sub("", text.replace("{,}", ",")))
        text = " ".join(text.split()).rstrip(". ")
        if bold := _BOLD.fullmatch(text):
            text = bold[1]
    return text


def _decided(gold: str, answer: str) -> bool | None:
    """Equality where it is plain, without math-verify; None where it is not."""
    if len(gold) > LONGEST or len(answer) > LONGEST:
        return False
    a, b = _number(gold), _number(answer)
    if a is not None and b is not None:
        if a == b:
            return True
        if a.denominator == b.denominator == 1 or abs(a - b) > Fraction(1, 100_000):
            return False
        return None  # near each other: how far a rounded decimal may be off is math-verify's to say
    # Not 十, which is a letter and a number.
    letter = [len(text) == 1 and text.isalpha() and chinese_number(text) is None for text in (gold, answer)]
    if all(letter) or (any(letter) and (a is not None or b is not None)):
        return gold.casefold() == answer.casefold()
    return None


@lru_cache(maxsize=65_536)
def _number(text: str) -> Fraction | None:
    """The value of a plain integer, decimal or fraction in any script's digits, else None."""
    if len(text) > 60:
        return None
    compact = text.replace(" ", "") if re.fullmatch(r"[+-]?\s?\d{1,3}(?: \d{3})+", text) else text
    if match := _FRACTION.fullmatch(compact.replace(" ", "")):
        sign, *parts = match.groups()
        top, bottom = (int(part) for part in parts if part is not None)
        value = Fraction(top, bottom) if bottom else None
        return -value if value is not None and sign == "-" else value
    if match := _PLAIN.fullmatch(compact):
        try:
            values = [Fraction(part.replace(",", "").rstrip(".")) for part in match.groups() if part]
        except ValueError:
            return None
        if len(values) == 1:
            return values[0]
        return values[0] / values[1] if values[1] else None
    return None


@lru_cache(maxsize=65_536)
def _math_verify(gold: str, answer: str) -> bool:
    return _CHECKER.equal(gold, answer)


class _Checker:
    """math-verify in a child process: started when first needed, replaced when it takes too long."""

    cpu_seconds = 5.0  # of the child's own work, so that a busy machine makes no answer wrong
    wall_seconds = 120.0  # for a child that starts, or is starved, or has no clock of its own work (Windows)

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: subprocess.Popen[str] | None = None
        self._hostile: set[str] = set()

    def equal(self, gold: str, answer: str) -> bool:
        """Whether math-verify calls them equal; False when it cannot say within the time.

        An expression that cannot even be compared to 0 within the time is remembered, or every further
        comparison with it would cost as much again.
        """
        with self._lock:
            if not self._hostile.isdisjoint((gold, answer)):
                return False
            reply = self._compare(gold, answer)
            if reply is None:
                self._hostile.update(text for text in (gold, answer) if self._compare(text, "0") is None)
            return bool(reply)

    def close(self) -> None:
        """Ends the child; the next comparison starts another."""
        child, self._child = self._child, None
        if child is not None and child.poll() is None:
            child.kill()
            child.communicate()

    def _compare(self, gold: str, answer: str) -> bool | None:
        # To a forked process its parent's child is no child of its own, and poll calls it ended.
        if self._child is None or self._child.poll() is not None:
            self._child = self._start()
        reply = self._ask(self._child, {"gold": gold, "answer": answer, "seconds": self.cpu_seconds})
        return None if reply is None else bool(reply["equal"])

    def _start(self) -> subprocess.Popen[str]:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p or os.getcwd() for p in sys.path)}
        try:
            child = subprocess.Popen(
                [sys.executable, "-P", "-m", "tertulia.answers.equivalence"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
                text=True,
                encoding="utf-8",
            )
        except OSError as error:
            raise TertuliaError(f"cannot start the answer checker {sys.executable}: {error}") from error
        if self._ask(child, {"gold": r"\frac{x}{2}", "answer": "x/2", "seconds": self.wall_seconds}) is None:
            raise TertuliaError(
                "the answer checker does not start: see what "
                f"'{sys.executable} -m tertulia.answers.equivalence' says (is math-verify installed?)"
            )
        return child

    def _ask(self, child: subprocess.Popen[str], question: dict[str, Any]) -> dict[str, Any] | None:
        """One line out, one line back; None when the child is dead or had to be stopped."""
        assert child.stdin and child.stdout
        alarm = threading.Timer(self.wall_seconds, child.kill)
        alarm.daemon = True
        alarm.start()
        try:
            child.stdin.write(json.dumps(question) + "\n")
            child.stdin.flush()
            line = child.stdout.readline()
            reply: dict[str, Any] | None = json.loads(line) if line.endswith("\n") else None
        except (OSError, ValueError):
            reply = None
        finally:
            alarm.cancel()
        if reply is None:
            child.kill()
            child.communicate()
            self._child = None
        return reply


_CHECKER = _Checker()
atexit.register(_CHECKER.close)


def _serve() -> None:
    """The child: answers each line on stdin, and ends when the parent is gone."""
    import logging
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    if sys.platform != "win32":
        import resource

        limit = 4 << 30  # an expression may grow until the machine swaps
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
    from latex2sympy2_extended import NormalizationConfig  # type: ignore[import-untyped]
    from math_verify import (  # type: ignore[import-untyped]
        ExprExtractionConfig,
        LatexExtractionConfig,
        parse,
        verify,
    )

    logging.disable(logging.CRITICAL)
    # Units are ours to judge: taken for one, the last factor of 2ab or of r^2 h would be dropped.
    cleaning = NormalizationConfig(basic_latex=True, units=False, malformed_operators=True, nits=True, boxed="all")
    targets = [LatexExtractionConfig(normalization_config=cleaning), ExprExtractionConfig()]
    for line in sys.stdin:
        question = json.loads(line)
        if sys.platform != "win32":
            # Ends this process whatever it is doing, also when the parent is no longer there to do it.
            signal.setitimer(signal.ITIMER_PROF, question["seconds"])
        try:
            gold, answer = (
                parse(f"\\boxed{{{question[name]}}}", targets, parsing_timeout=None) for name in ("gold", "answer")
            )
            equal = bool(verify(gold, answer, timeout_seconds=None))
        except Exception:  # whatever sympy stumbles over is not the same answer
            equal = False
        print(json.dumps({"equal": equal}), flush=True)


if __name__ == "__main__":
    _serve()
