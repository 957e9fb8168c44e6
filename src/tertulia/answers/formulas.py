r"""Reads a formula in LaTeX or as programs write it, whole or not at all.

What is read becomes a function that `tertulia.answers.expressions` evaluates. Ambiguities go the usual way: 1/2x is
(1/2)x, \sin 2x is \sin(2x), 2\frac{1}{2} is two and a half, \log is the natural logarithm,
i is the imaginary unit and e is e.
"""

from __future__ import annotations

import re
from fractions import Fraction

from tertulia.answers.machine import Formula, Machine, UndefinedError, UnreadableError, combined, summed
from tertulia.answers.typesetting import commands

_NUMBER = re.compile(r"\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d{1,3}(?![\d.]))?")
_COMMAND = re.compile(r"\\([A-Za-z]+)\s*")
_FUNCTIONS = {
    name: name for name in ("sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh", "ln", "exp", "lg")
}
_FUNCTIONS |= {name: name for name in ("arcsin", "arccos", "arctan", "abs", "floor", "ceil", "factorial")}
_FUNCTIONS |= {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "log": "ln"}
_MANY = frozenset({"gcd", "lcm", "max", "min"})
_TIMES = re.compile(r"(?:\\(?:cdot|times|ast)(?![A-Za-z])|\*)\s*")
_OVER = re.compile(r"(?:\\div(?![A-Za-z])|/)\s*")
_PROGRAM = re.compile(rf"(?<![\\A-Za-z])({'|'.join(sorted(commands()['program'], key=len, reverse=True))})(?![A-Za-z])")
_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]+")
_NAMED_FUNCTION = re.compile(r"(?<![A-Za-z\\])[fghFGHPQ]'*\s*\(")
_LONGEST_NAME = 3


class Reader:
    """A text that is being read.

    Attributes:
        names: The variables met so far.
        imaginary: Whether the imaginary unit was met.
    """

    def __init__(self, text: str) -> None:
        text = re.sub(r"(?<=[\d.])j(?![A-Za-z])", "i", text.replace("**", "^"))
        text = re.sub(r"(?<![A-Za-z])(?:math|np|numpy|sympy)\.(?=[a-z])", "", text)
        text = re.sub(r"(?<![\\A-Za-z])log(2|10)(?=\s*\()", r"\\log_{\1}", text)
        text = _PROGRAM.sub(lambda name: f"\\{name[1]} ", text)
        if not re.search(r"[\d\\^+*/=()-]", text) and len(re.findall(r"[^\W\d_]", text)) > 1:
            raise UnreadableError  # a word, not a product of its letters
        if any(len(word) > _LONGEST_NAME for word in _WORD.findall(re.sub(r"\\[A-Za-z]+", "\\\\ ", text))):
            raise UnreadableError
        if _NAMED_FUNCTION.search(text) or not text.isascii():
            raise UnreadableError
        self.text, self.at = text.strip(), 0
        self.names: set[str] = set()
        self.imaginary = False
        self._indices: list[str] = []
        self._bars = 0

    def whole(self) -> Formula:
        """The formula; all of the text must belong to it."""
        formula = self._sum()
        if self.at != len(self.text):
            raise UnreadableError
        return formula

    # Each method below reads one thing at `self.at`, and the blanks behind it.

    def _sum(self) -> Formula:
        total = self._signed()
        while self._next("+") or self._next("-"):
            sign = self._take(1)
            term = self._signed()
            total = _plus(total, _negative(term) if sign == "-" else term)
        return total

    def _signed(self) -> Formula:
        negative = False
        while self._next("+") or self._next("-"):
            negative ^= self._take(1) == "-"
        term = self._product()
        return _negative(term) if negative else term

    def _product(self, argument: bool = False) -> Formula:
        """A product; as the argument of a function without brackets it ends at a sign of operation or a function."""
        product = self._factor()
        while True:
            if not argument and (found := _TIMES.match(self.text, self.at)):
                self.at = found.end()
                product = _times(product, self._signed_factor())
            elif not argument and (found := _OVER.match(self.text, self.at)):
                self.at = found.end()
                product = _over(product, self._signed_factor())
            elif self._starts_factor(argument):
                product = _times(product, self._factor())
            else:
                return product

    def _signed_factor(self) -> Formula:
        if self._next("-"):
            self._take(1)
            return _negative(self._factor())
        return self._factor()

    def _starts_factor(self, argument: bool) -> bool:
        character = self.text[self.at : self.at + 1]
        if character.isdigit() or character == ".":
            before = self.text[: self.at].rstrip()
            power = re.search(r"\^\s*(?:-?\d+|\w|\{[^{}]*\})$", before)
            if not before.endswith(")") and not power:
                raise UnreadableError  # 2 3, x2
            return True
        if command := _COMMAND.match(self.text, self.at):
            ends = argument and (command[1] in _FUNCTIONS or command[1] in _MANY)
            return not ends and command[1] not in commands()["signs"]
        return character.isalpha() or (character != "" and character in "({[") or (character == "|" and not self._bars)

    def _factor(self) -> Formula:
        start = self.at
        base = self._atom()
        number = self.text[start : self.at].strip()
        if number.isdigit() and (
            fraction := re.match(
                r"\\[dt]?frac\s*(?:\{\s*(\d+)\s*\}|(\d))\s*(?:\{\s*(\d+)\s*\}|(\d))", self.text[self.at :]
            )
        ):
            top, bottom = (int(part) for part in fraction.groups() if part)
            if not 0 < top < bottom:
                raise UnreadableError  # neither a mixed number nor a product that anybody writes
            self._take(fraction.end())
            return _constant(int(number) + Fraction(top, bottom))
        while True:
            if self._next("^"):
                self._take(1)
                if degrees := re.match(r"(?:\{\s*\\circ\s*\}|\\circ(?![A-Za-z]))\s*", self.text[self.at :]):
                    self._take(degrees.end())
                    base = _times(base, _over(_pi, _constant(Fraction(180))))
                    continue
                base = _to_the(base, self._exponent())
            elif self._next("!"):
                self._take(1)
                if self._next("!"):
                    raise UnreadableError
                base = _applied("factorial", base)
            elif self._next("%"):
                self._take(1)
                base = _over(base, _constant(Fraction(100)))
            else:
                return base

    def _exponent(self) -> Formula:
        if self._next("-") or self._next("+"):
            sign = self._take(1)
            return _negative(self._exponent()) if sign == "-" else self._exponent()
        exponent = self._atom()
        if self._next("^"):
            self._take(1)
            return _to_the(exponent, self._exponent())
        return exponent

    def _atom(self) -> Formula:
        if found := _NUMBER.match(self.text, self.at):
            self._take(len(found[0]))
            if self._next("_") or len(found[0]) > 400:
                raise UnreadableError
            return _constant(Fraction(found[0].replace(",", "")))
        if command := _COMMAND.match(self.text, self.at):
            self.at = command.end()
            return self._command(command[1])
        character = self._take(1)
        if character in ("(", "[", "{"):
            inside = self._sum()
            self._expect({"(": ")", "[": "]", "{": "}"}[character])
            return inside
        if character == "|":
            return self._between("|", "|", "abs")
        if re.fullmatch("[A-Za-z]", character):
            return self._named(character)
        raise UnreadableError

    def _between(self, opened: str, closed: str, name: str) -> Formula:
        self._bars += opened == "|"
        inside = self._sum()
        self._bars -= opened == "|"
        self._expect(closed)
        return _applied(name, inside)

    def _command(self, name: str) -> Formula:
        if name == "pi":
            return _pi
        if name in ("frac", "dfrac", "tfrac", "cfrac"):
            top, bottom = self._argument(), self._argument()
            return _over(top, bottom)
        if name in ("sqrt", "cbrt"):
            return self._root(3 if name == "cbrt" else 2)
        if name in ("binom", "dbinom", "tbinom"):
            pair = [self._argument(), self._argument()]
            return lambda machine: combined(machine, [part(machine) for part in pair], "binom")
        if name in ("lfloor", "lceil", "lvert"):
            closed = {"lfloor": "\\rfloor", "lceil": "\\rceil", "lvert": "\\rvert"}[name]
            return self._between(name, closed, {"lfloor": "floor", "lceil": "ceil", "lvert": "abs"}[name])
        if name in ("sum", "prod"):
            return self._summed(name == "prod")
        if name in _MANY:
            return self._of_many(name)
        if name in _FUNCTIONS:
            return self._function(_FUNCTIONS[name])
        if name in commands()["letters"]:
            return self._named("\\" + name)
        if name in commands()["accents"] and (
            inside := re.match(r"\{\s*([A-Za-z]{1,2})\s*\}\s*|([A-Za-z])\s*", self.text[self.at :])
        ):
            self._take(inside.end())
            return self._named(f"\\{name} {inside[1] or inside[2]}")
        raise UnreadableError

    def _root(self, degree: int) -> Formula:
        order = _constant(Fraction(degree))
        if self._next("["):
            self._take(1)
            order = self._sum()
            self._expect("]")
        inside = self._argument()
        return lambda machine: machine.root(inside(machine), order(machine))

    def _summed(self, product: bool) -> Formula:
        found = re.match(r"_\s*\{\s*([A-Za-z])\s*=", self.text[self.at :])
        if found is None:
            raise UnreadableError
        self._take(found.end())
        first = self._sum()
        self._expect("}")
        self._expect("^")
        last = self._argument()
        self._indices.append(found[1])
        term = self._product()
        self._indices.pop()
        return lambda machine: summed(machine, found[1], (first, last), term, product)

    def _of_many(self, name: str) -> Formula:
        closed = {"(": ")", "{": "}"}.get(self._take(1), "")
        if self.text[self.at - 1 : self.at] == "{" or not closed:
            raise UnreadableError
        values = [self._sum()]
        while self._next(","):
            self._take(1)
            values.append(self._sum())
        self._expect(closed)
        return lambda machine: combined(machine, [value(machine) for value in values], name)

    def _function(self, name: str) -> Formula:
        base: Formula | None = _constant(Fraction(10)) if name == "lg" else None
        power: Formula | None = None
        if self._next("_"):
            self._take(1)
            base = self._argument()
        if self._next("^"):
            self._take(1)
            if inverse := re.match(r"(?:\{\s*-\s*1\s*\}|-1)\s*", self.text[self.at :]):
                self._take(inverse.end())
                name = "arc" + name
                if name not in _FUNCTIONS:
                    raise UnreadableError
            else:
                power = self._argument()
        if self._next("(") or self._next("{") or self._next("["):
            inside = self._atom()
        elif self._next("-"):
            self._take(1)
            inside = _negative(self._product(argument=True))
        else:
            inside = self._product(argument=True)
        value = _applied("ln" if name == "lg" else name, inside)
        if base is not None:
            if name not in ("ln", "lg"):
                raise UnreadableError
            value = _over(value, _applied("ln", base))
        return value if power is None else _to_the(value, power)

    def _argument(self) -> Formula:
        """What a command applies to: a group, one digit, one letter or one command."""
        if self._next("{") or self._next("("):
            return self._atom()
        if self.text[self.at : self.at + 1].isdigit():
            if re.match(r"\d[\d.,]*\d", self.text[self.at :]) and re.search(r"sqrt\s*$", self.text[: self.at]):
                raise UnreadableError  # the root of 12, or twice that of 1
            return _constant(Fraction(int(self._take(1))))
        return self._atom()

    def _named(self, name: str) -> Formula:
        if self._next("_"):
            self._take(1)
            found = re.match(r"\{([^{}]*)\}\s*|(\w|\\[A-Za-z]+)\s*", self.text[self.at :])
            if found is None:
                raise UnreadableError
            self._take(found.end())
            name += "_" + re.sub(r"\s", "", found[1] or found[2])
        while self._next("'"):
            self._take(1)
            name += "'"
        if name == "e":
            return lambda machine: machine.mp.e
        if name == "i" and "i" not in self._indices:
            self.imaginary = True
            return lambda machine: machine.mp.mpc(0, 1)
        if name not in self._indices:
            self.names.add(name)
        return lambda machine: machine.variables[name]

    def _next(self, character: str) -> bool:
        return self.text.startswith(character, self.at)

    def _take(self, count: int) -> str:
        taken = self.text[self.at : self.at + count]
        if len(taken) < count:
            raise UnreadableError
        self.at += count
        while self.at < len(self.text) and self.text[self.at] in " ~\t\n\N{THIN SPACE}":
            self.at += 1
        return taken

    def _expect(self, closed: str) -> None:
        if not self._next(closed):
            raise UnreadableError
        self._take(len(closed))


def _pi(machine: Machine) -> object:
    return +machine.mp.pi


def _constant(value: Fraction) -> Formula:
    return lambda machine: value


def _plus(a: Formula, b: Formula) -> Formula:
    return lambda machine: machine.add(a(machine), b(machine))


def _negative(a: Formula) -> Formula:
    return lambda machine: -a(machine)


def _times(a: Formula, b: Formula) -> Formula:
    return lambda machine: machine.multiply(a(machine), b(machine))


def _over(a: Formula, b: Formula) -> Formula:
    return lambda machine: machine.divide(a(machine), b(machine))


def _to_the(a: Formula, b: Formula) -> Formula:
    return lambda machine: machine.power(a(machine), b(machine))


def _applied(name: str, a: Formula) -> Formula:
    def value(machine: Machine) -> object:
        found = machine.call(name, a(machine))
        if not isinstance(found, Fraction) and not machine.mp.isfinite(found):
            raise UndefinedError
        return found

    return value
