"""What a server answered, read by type: the wall that no odd answer gets over.

Whatever is missing where it is needed, or of another type than it should be, is a `Malformed` that says where. The
client makes it the one `EngineError` that callers see.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from tertulia.errors import fit

LARGEST = 2**31 - 1  # no id, count, length or seed of any server is larger
LONGEST_LINE = 300
_SURROGATE = re.compile("[\ud800-\udfff]")


class Malformed(Exception):
    """An answer that is not what its place asks for. One line."""


class Refused(Exception):
    """The server says that it cannot go on: trying again would spend tokens for the same end."""


def shown(value: object) -> str:
    """A short form of any value, for a message."""
    try:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        text = repr(type(value))
    return fit(text, longest=80)


def decoded(data: bytes) -> Any:
    """The JSON value of an answer.

    Raises:
        Malformed: These bytes are no JSON, or not UTF-8, or nested too deeply to read.
    """
    try:
        return json.loads(data.decode())
    except (ValueError, RecursionError):
        raise Malformed(f"no JSON: {fit(data[:200].decode('utf-8', 'replace'), longest=80)!r}") from None


class Fields:
    """A JSON object, read by type. What is missing or null is empty, unless a method says otherwise.

    Args:
        value: What should be an object.
        where: Its place in the answer, for messages.

    Raises:
        Malformed: By the constructor and all methods, where a value is of another type.
    """

    def __init__(self, value: object, where: str = "the answer") -> None:
        if not isinstance(value, dict):
            raise Malformed(f"{where} is {shown(value)}, expected an object")
        self._values: dict[str, Any] = value
        self._where = where

    def __contains__(self, name: str) -> bool:
        return self._values.get(name) is not None

    def __str__(self) -> str:
        return shown(self._values)

    def raw(self, name: str) -> Any:
        """The value as it is; None where it is missing."""
        return self._values.get(name)

    def text(self, name: str, *, needed: bool = False) -> str:
        """A text. Halves of characters, which no text can hold, become U+FFFD."""
        value = self._values.get(name)
        if value is None and not needed:
            return ""
        if not isinstance(value, str):
            raise self._other(name, "a text")
        return value if value.isascii() else _SURROGATE.sub("\ufffd", value)

    def count(self, name: str, odd: list[str] | None = None) -> int | None:
        """A number of tokens or the like, None where it is missing or none can be; `odd` is then told of it."""
        value = self._values.get(name)
        if value is None or (type(value) is int and 0 <= value <= LARGEST):
            return value
        if odd is not None:
            odd.append(f"{name} {shown(value)}")
        return None

    def ids(self, name: str) -> list[int]:
        """Token ids; these may not be missing."""
        value = self._values.get(name)
        if not isinstance(value, list):
            raise self._other(name, "a list of token ids")
        wrong = next((token for token in value if type(token) is not int or not 0 <= token <= LARGEST), None)
        if wrong is not None or None in value:
            raise Malformed(f"{self._place(name)} holds {shown(wrong)}, expected token ids")
        return value

    def numbers(self, name: str) -> list[float | None]:
        """Numbers, None for each that is none; nothing where there is no list."""
        value = self._values.get(name)
        return [number(item) for item in value] if isinstance(value, list) else []

    def child(self, name: str) -> Fields:
        """An object, empty where there is none."""
        value = self._values.get(name)
        return Fields(value if isinstance(value, dict) else {}, self._place(name))

    def children(self, name: str) -> list[Fields]:
        """A list of objects."""
        value = self._values.get(name)
        if value is not None and not isinstance(value, list):
            raise self._other(name, "a list of objects")
        return [Fields(item, f"{self._place(name)}[{at}]") for at, item in enumerate(value or ())]

    def rows(self, name: str) -> list[list[Any]]:
        """Those items of a list that are lists themselves, of two items at least."""
        value = self._values.get(name)
        return [row for row in value if isinstance(row, list) and len(row) > 1] if isinstance(value, list) else []

    def _place(self, name: str) -> str:
        return f"{name} of {self._where}"

    def _other(self, name: str, expected: str) -> Malformed:
        value = self._values.get(name)
        told = "missing" if value is None else shown(value)
        return Malformed(f"{self._place(name)} is {told}, expected {expected}")


def number(value: object) -> float | None:
    """A finite number; None for everything else."""
    if type(value) is int and abs(value) <= LARGEST:
        return float(value)
    return value if isinstance(value, float) and math.isfinite(value) else None


def told_by(body: bytes) -> str:
    """What a server's answer says went wrong."""
    try:
        return told_in(decoded(body))
    except Malformed:
        return body[: 4 * LONGEST_LINE].decode("utf-8", "replace")


def told_in(answer: object) -> str:
    """The message in the JSON of an error, wherever the server puts it."""
    for _ in range(4):
        if isinstance(answer, dict):
            names = ("error", "message", "detail", "type", "code")
            answer = next((answer[name] for name in names if answer.get(name)), shown(answer))
    return answer if isinstance(answer, str) else shown(answer)
