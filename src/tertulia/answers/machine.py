"""Computes with fractions where it can, and with 110 digits where it cannot, within a limit of work."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from typing import Any

MOST_WORK = 4000
"""Operations that a comparison may take at all points together: sums over many terms are not read."""

MOST_BITS = 1 << 17
"""Bits of the largest integer that is computed exactly."""

Value = Any
"""A Fraction where it is exact, else a number of mpmath."""

Formula = Callable[["Machine"], Value]


class UnreadableError(Exception):
    """The text is no formula that is read here, or one that would take too long."""


class UndefinedError(Exception):
    """The formula has no value at this point."""


class Machine:
    """Computes: values of the variables, and a count of the work, that done before included."""

    def __init__(self, variables: dict[str, Value], work: int = 0) -> None:
        self.variables = variables
        self.work = work
        self.real_powers = False
        """Whether a power of a negative number with an odd denominator, as 1/3, is the real one."""
        self.mp = _context()

    def float(self, value: Value) -> Value:
        """The value as a number of mpmath."""
        return self.mp.mpf(value.numerator) / value.denominator if isinstance(value, Fraction) else value

    def step(self) -> None:
        """Counts one operation."""
        self.work += 1
        if self.work > MOST_WORK:
            raise UnreadableError

    def exact(self, value: Fraction) -> Fraction:
        """The value; a long one counts as many operations."""
        bits = value.numerator.bit_length() + value.denominator.bit_length()
        if bits > 2 * MOST_BITS:
            raise UnreadableError
        self.work += bits >> 10
        return value

    def add(self, a: Value, b: Value) -> Value:
        """Their sum; what is left of two equal numbers after rounding is 0."""
        self.step()
        if isinstance(a, Fraction) and isinstance(b, Fraction):
            return self.exact(a + b)
        a, b = self.float(a), self.float(b)
        total = a + b
        return Fraction(0) if abs(total) < abs(a) * self.mp.mpf(10) ** -80 else total

    def multiply(self, a: Value, b: Value) -> Value:
        """Their product."""
        self.step()
        if isinstance(a, Fraction) and isinstance(b, Fraction):
            return self.exact(a * b)
        return self.float(a) * self.float(b) if a != 0 and b != 0 else Fraction(0)

    def divide(self, a: Value, b: Value) -> Value:
        """Their quotient."""
        if b == 0:
            raise UndefinedError
        return self.multiply(a, 1 / b)

    def power(self, a: Value, b: Value) -> Value:
        """The power; exact where base and exponent are, within limits."""
        self.step()
        if isinstance(b, Fraction) and b.denominator == 1 and isinstance(a, Fraction):
            if a == 0 and b <= 0:
                raise UndefinedError
            if a in (0, 1, -1):
                return a ** (b.numerator % 2 if a == -1 else 1)
            if abs(b) * max(abs(a.numerator).bit_length(), a.denominator.bit_length()) > MOST_BITS:
                raise UnreadableError
            return self.exact(a**b.numerator)
        if self.real_powers and isinstance(b, Fraction) and b.denominator % 2 and not self.complex(a) and a < 0:
            return self.power(-a, b) * (-1) ** (b.numerator % 2)
        if a == 0:
            if self.mp.re(self.float(b)) <= 0:
                raise UndefinedError
            return Fraction(0)
        a, b = self.float(a), self.float(b)
        if abs(self.mp.log(abs(a)) * abs(b)) > 10**7:
            raise UnreadableError
        return self.real(self.mp.power(a, b))

    def root(self, a: Value, degree: Value) -> Value:
        """The root; that of odd degree of a negative number is real."""
        if not (isinstance(degree, Fraction) and degree.denominator == 1 and 0 < degree < 1000):
            return self.power(a, self.divide(Fraction(1), degree))
        if degree % 2 and not self.complex(a) and a < 0:
            return -self.root(-a, degree)
        return self.power(a, 1 / degree)

    def complex(self, value: Value) -> bool:
        """Whether it has an imaginary part."""
        return isinstance(value, self.mp.mpc) and bool(value.imag != 0)

    def real(self, value: Value) -> Value:
        """Without an imaginary part that is only what rounding left."""
        if isinstance(value, self.mp.mpc) and abs(value.imag) <= abs(value.real) * self.mp.mpf(10) ** -80:
            return value.real
        return value

    def call(self, name: str, value: Value) -> Value:
        """A function of one argument."""
        self.step()
        mp = self.mp
        if name == "factorial":
            return self.factorial(value)
        if name in ("floor", "ceil"):
            if self.complex(value):
                raise UndefinedError
            return Fraction(math.floor(value) if name == "floor" else math.ceil(value))
        if name == "abs":
            return abs(value)
        value = self.float(value)
        if abs(value) > 10**6 and name != "ln":
            raise UnreadableError
        if name == "ln" and value == 0:
            raise UndefinedError
        functions = {
            "ln": mp.log,
            "exp": mp.exp,
            "arcsin": mp.asin,
            "arccos": mp.acos,
            "arctan": mp.atan,
            "arccot": mp.acot,
        }
        function = functions.get(name) or getattr(mp, name)
        try:
            return self.real(function(value))
        except (ZeroDivisionError, ValueError, OverflowError) as error:
            raise UndefinedError from error

    def factorial(self, value: Value) -> Value:
        """n!, exact for whole numbers."""
        if isinstance(value, Fraction) and value.denominator == 1:
            if value < 0:
                raise UndefinedError
            if value > 5000:
                raise UnreadableError
            return self.exact(Fraction(math.factorial(value.numerator)))
        if abs(self.float(value)) > 1000:
            raise UnreadableError
        try:
            return self.mp.gamma(self.float(value) + 1)
        except (ValueError, ZeroDivisionError) as error:
            raise UndefinedError from error

    def same(self, a: Value, b: Value) -> bool:
        """Whether two values are one."""
        if isinstance(a, Fraction) and isinstance(b, Fraction):
            return a == b
        a, b = self.float(a), self.float(b)
        return bool(abs(a - b) <= max(abs(a), abs(b)) * self.mp.mpf(10) ** -60)


@cache
def _context() -> Any:
    import mpmath  # type: ignore[import-untyped]  # late, because plain numbers need none of it

    context = mpmath.MPContext()
    context.dps = 110
    return context


def combined(machine: Machine, values: list[Value], name: str) -> Value:
    """A function of several arguments: max, min, gcd, lcm, binom."""
    machine.step()
    if not all(isinstance(value, Fraction) for value in values):
        if name in ("max", "min") and not any(machine.complex(value) for value in values):
            ordered = sorted(values, key=machine.float)
            return ordered[-1 if name == "max" else 0]
        if name != "binom":
            raise UndefinedError
    if name in ("max", "min"):
        return max(values) if name == "max" else min(values)
    if name == "binom":
        n, k = values
        under = machine.multiply(machine.factorial(k), machine.factorial(machine.add(n, -k)))
        return machine.divide(machine.factorial(n), under)
    if any(value.denominator != 1 for value in values):
        raise UndefinedError
    integers = [value.numerator for value in values]
    return Fraction(math.gcd(*integers) if name == "gcd" else math.lcm(*integers))


def summed(machine: Machine, name: str, bounds: tuple[Formula, Formula], term: Formula, product: bool) -> Value:
    """A sum or product over whole numbers."""
    first, last = (bound(machine) for bound in bounds)
    if not (isinstance(first, Fraction) and isinstance(last, Fraction)) or 1 not in (
        first.denominator,
        last.denominator,
    ):
        raise UndefinedError
    if first.denominator != 1 or last.denominator != 1:
        raise UndefinedError
    if last - first > MOST_WORK:
        raise UnreadableError
    total = Fraction(1 if product else 0)
    outer = machine.variables
    for index in itertools.count(first.numerator):
        if index > last:
            break
        machine.variables = {**outer, name: Fraction(index)}
        value = term(machine)
        total = machine.multiply(total, value) if product else machine.add(total, value)
    machine.variables = outer
    return total
