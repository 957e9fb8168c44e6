r"""Formulas compared by their values: `\sqrt{8}` is `2\sqrt{2}`, and `(x+1)^2` is `x^2+2x+1`.

A formula is read whole or not at all. Fractions are computed exactly, all else with 110 digits; a formula with
variables is evaluated at several points, as rational numbers, so that an identity of polynomials is exact at each.
Nothing is simplified, so that nothing can hang: the work is counted, and what would take too much of it is not read.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from threading import Lock

from tertulia.answers.formulas import Reader
from tertulia.answers.machine import MOST_BITS, Formula, Machine, UndefinedError, UnreadableError, Value

_LOCK = Lock()
# Numbers of no pattern: at the first two both formulas are real, or both undefined; then negative ones, and whole ones.
_POINTS = [
    [Fraction(p, q) for p, q in points]
    for points in (
        ((1733, 971), (2719, 1013), (3467, 1231), (911, 1499), (4211, 1607), (5531, 2203), (607, 2111), (7019, 2903)),
        ((421, 797), (1381, 1103), (239, 1291), (2333, 1181), (857, 2539), (1093, 1511), (3067, 1777), (1871, 2687)),
        (
            (-977, 613),
            (-1439, 1187),
            (-2053, 919),
            (-331, 773),
            (-3319, 1409),
            (-1129, 2243),
            (-509, 1321),
            (-4001, 2393),
        ),
        ((-211, 503), (1523, 709), (-2917, 1151), (1801, 2027), (-743, 1061), (2957, 1697), (-3761, 2389), (449, 1627)),
        ((7, 1), (4, 1), (3, 1), (5, 1), (9, 1), (2, 1), (6, 1), (8, 1)),
        ((8, 1), (5, 1), (2, 1), (3, 1), (4, 1), (6, 1), (9, 1), (7, 1)),
        ((13, 1), (6, 1), (11, 1), (4, 1), (2, 1), (3, 1), (5, 1), (1, 1)),
    )
]


def same_expression(a: str, b: str) -> bool | None:
    """Whether two tidy texts are formulas of the same value wherever both have one; None where one is not read."""
    one, other = _read(a), _read(b)
    if one is None or other is None:
        return None
    try:
        with _LOCK:
            return _same(one, other)
    except (UnreadableError, OverflowError, ValueError, TypeError, ZeroDivisionError, MemoryError):
        return None


def proportional(sides: Sequence[str], others: Sequence[str], positive: bool) -> bool | None:
    """Whether left minus right is a constant multiple of the other's: 2x + 4y = 6 is x + 2y = 3; None if unreadable.

    Args:
        sides: Left and right side of a relation.
        others: Those of the other.
        positive: Whether the constant must be positive, as for an inequality.
    """
    read = [_read(text) for text in (*sides, *others)]
    if None in read:
        return None
    formulas = [found[0] for found in read if found]
    names = sorted(set().union(*(found[1] for found in read if found)))
    if not names or len(names) > len(_POINTS[0]):
        return None
    ratio: Value = None
    work = 0
    try:
        with _LOCK:
            for point in [*_POINTS[:1], *_POINTS[2:]]:
                machine = Machine(dict(zip(names, point, strict=False)), work)
                left, right, left_other, right_other = (formula(machine) for formula in formulas)
                mine, theirs = machine.add(left, -right), machine.add(left_other, -right_other)
                if mine == 0 or theirs == 0 or machine.complex(mine) or machine.complex(theirs):
                    return False
                found = machine.divide(mine, theirs)
                if ratio is not None and not machine.same(ratio, found):
                    return False
                ratio, work = found, machine.work
    except (UnreadableError, UndefinedError, OverflowError, ValueError, TypeError, ZeroDivisionError):
        return None
    return ratio is not None and (not positive or bool(ratio > 0))


def constant(text: str) -> Fraction | None:
    """The exact value of a formula without variables, rounded to 110 digits where it has no exact one; else None."""
    read = _read(text)
    if read is None or read[1]:
        return None
    try:
        with _LOCK:
            machine = Machine({})
            value = read[0](machine)
            if isinstance(value, Fraction) or machine.complex(value) or not machine.mp.isfinite(value):
                return value if isinstance(value, Fraction) else None
            number, power = machine.mp.re(value).man_exp
            return Fraction(int(number)) * Fraction(2) ** int(power) if abs(power) < MOST_BITS else None
    except (UnreadableError, UndefinedError, OverflowError, ValueError, TypeError, ZeroDivisionError):
        return None


def _same(one: tuple[Formula, frozenset[str], bool], other: tuple[Formula, frozenset[str], bool]) -> bool | None:
    names = sorted(one[1] | other[1])
    imaginary = one[2] or other[2]
    if len(names) > len(_POINTS[0]):
        return None
    agreed, complex_agreed, complex_differed = 0, 0, 0
    work = 0
    for point in _POINTS if names else _POINTS[:1]:
        machine = Machine(dict(zip(names, point, strict=False)), work)
        try:
            a, b = one[0](machine), other[0](machine)
            if names and not imaginary and machine.complex(a) is not machine.complex(b) and not machine.same(a, b):
                machine.real_powers = True  # as the cube root of a negative number is
                a, b = one[0](machine), other[0](machine)
        except UndefinedError:
            continue
        finally:
            work = machine.work
        same = machine.same(a, b)
        if names and not imaginary and machine.complex(a) and machine.complex(b):
            # Neither is there for real numbers: sqrt(1/n) and 1/sqrt(n) for a negative n.
            complex_agreed, complex_differed = complex_agreed + same, complex_differed + (not same)
        elif not same:
            return False
        else:
            agreed += 1
    return agreed >= (2 if names else 1) or (not agreed and complex_agreed >= 2 and not complex_differed)


@lru_cache(maxsize=4096)
def _read(text: str) -> tuple[Formula, frozenset[str], bool] | None:
    try:
        reader = Reader(text)
        return reader.whole(), frozenset(reader.names), reader.imaginary
    except (UnreadableError, RecursionError, ValueError, IndexError):
        return None
