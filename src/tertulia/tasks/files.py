"""Rows of a file of questions: JSON, JSON lines, tables of text, parquet, or a folder that `datasets` saved."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tertulia.errors import TertuliaError
from tertulia.tasks.arrow import arrow, folder, parquet
from tertulia.tasks.fields import TEXT, normal
from tertulia.tasks.tables import table

ROWS_UNDER = ("data", "rows", "questions", "examples")

Row = dict[str, Any]
_HALF = re.compile("[\ud800-\udfff]")


def read_rows(path: Path) -> list[Row]:
    """The rows of a file, as they stand in it.

    What it is follows from its suffix (.json, .jsonl, .ndjson, .csv, .tsv, .parquet, .arrow), and else from its first
    bytes. JSON is a list of objects, or an object with that list under data, rows, questions or examples.

    Args:
        path: the file, read once, so that a pipe will do; or a folder of `datasets.save_to_disk`.

    Raises:
        TertuliaError: it cannot be read, is not what it seems to be, or holds no rows.
    """
    if path.is_dir():
        rows: list[Any] = folder(path)
    else:
        content = _content(path)
        rows = (_READERS.get(path.suffix.lower()) or _reader_for(content))(path, content)
    if not rows:
        raise TertuliaError(f"{path} holds no rows: expected at least one question")
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise TertuliaError(f"{path}, row {number}: is {_called(row)}, expected an object with a question's fields")
        if broken := _broken(row):
            raise TertuliaError(f"{path}, row {number}: the field {broken!r} has half of a surrogate pair; correct it")
    return rows


def _content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise TertuliaError(f"the data file {path} does not exist: give the path of a file of questions") from None
    except OSError as error:
        raise TertuliaError(f"{path} cannot be read: {error.strerror}; give a file that can be") from error
    if not content.strip():
        raise TertuliaError(f"{path} is empty: expected at least one question")
    return content


def _reader_for(content: bytes) -> Callable[[Path, bytes], list[Any]]:
    """What reads a file whose suffix says nothing."""
    if content.startswith(b"PAR1"):
        return parquet
    return _json if content.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"[", b"{") else _table


def _text(path: Path, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise TertuliaError(f"{path}, line {line}: is not UTF-8; save the file as UTF-8") from error


def _table(path: Path, content: bytes) -> list[Any]:
    return table(path, _text(path, content))


def _json(path: Path, content: bytes) -> list[Any]:
    text = _text(path, content)
    try:
        value = _value(text)
    except json.JSONDecodeError as error:
        # JSON lines are often named .json, too.
        if error.msg == "Extra data" and text.lstrip().startswith("{"):
            return _json_lines(path, content)
        raise _not_json(path, error.lineno, error.msg) from error
    except (ValueError, RecursionError) as error:
        raise TertuliaError(f"{path} is not JSON that can be read ({error}); correct it") from error
    if isinstance(value, dict) and any(normal(name) in TEXT for name in value):
        return [value]  # JSON lines of one line
    if isinstance(value, dict):
        value = next((value[name] for name in ROWS_UNDER if isinstance(value.get(name), list)), value)
    if not isinstance(value, list):
        raise TertuliaError(
            f"{path} holds {_called(value)}: expected a list of questions, or an object with that list under "
            f"{', '.join(ROWS_UNDER[:-1])} or {ROWS_UNDER[-1]}"
        )
    return value


def _json_lines(path: Path, content: bytes) -> list[Any]:
    rows = []
    # Not splitlines: U+2028 and its like may stand inside a JSON text.
    for number, line in enumerate(_text(path, content).split("\n"), 1):
        if not line.strip():
            continue
        try:
            rows.append(_value(line))
        except (ValueError, RecursionError) as error:
            said = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
            raise _not_json(path, number, said) from error
    return rows


def _value(text: str) -> Any:
    return json.loads(text, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON value")


def _not_json(path: Path, line: int, said: str) -> TertuliaError:
    return TertuliaError(f"{path}, line {line}: is not JSON ({said}); correct it")


def _broken(row: dict[str, Any]) -> str | None:
    """Name of a field whose text no UTF-8 can hold; such a half comes from an escape of JSON."""
    return next((name for name, value in row.items() if any(map(_HALF.search, _texts([name, value])))), None)


def _texts(value: Any) -> Iterator[str]:
    """The texts in a value of JSON."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for part in [*value, *value.values()] if isinstance(value, dict) else value:
            yield from _texts(part)


def _called(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "a truth value", type(None): "null"}
    return names.get(type(value), "a number")


_READERS: dict[str, Callable[[Path, bytes], list[Any]]] = {
    ".json": _json,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".csv": _table,
    ".tsv": _table,
    ".parquet": parquet,
    ".arrow": arrow,
}
