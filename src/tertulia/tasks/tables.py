"""Tables of text with commas, semicolons or tabs between the cells; of tabs without a header, too."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from tertulia.errors import TertuliaError

SEPARATORS = ",;\t"
WITHOUT_HEADER = ("question", "answer")
"""The columns of a file of two that has no header, as MGSM is published."""


def table(path: Path, text: str) -> list[Any]:
    """The rows of a table; what separates its cells is read off its first line.

    Args:
        path: of the file, for what is said about it.
        text: its content.

    Raises:
        TertuliaError: it is no table, a column is there twice, or a row has more cells than the header.
    """
    first = text.partition("\n")[0].rstrip("\r")
    separator = "\t" if "\t" in first else max(SEPARATORS, key=first.count)
    if separator == "\t" and _answers(first):
        return _pairs(path, text)
    return _named(path, text, separator)


def _answers(first: str) -> bool:
    """Whether a line is a question and a number, and so no header."""
    cells = first.split("\t")
    return len(cells) == len(WITHOUT_HEADER) and cells[-1].strip()[-1:].isdigit()


def _pairs(path: Path, text: str) -> list[Any]:
    """Lines of a question, a tab and an answer; quotes are the question's own."""
    rows: list[Any] = []
    for line in text.split("\n"):
        cells = line.rstrip("\r").split("\t")
        if cells == [""]:
            continue
        if len(cells) != len(WITHOUT_HEADER):
            raise TertuliaError(
                f"{path}, row {len(rows) + 1}: has {len(cells)} cells, expected a question, a tab and an answer, as in "
                "the first line; a file with a header names its columns there"
            )
        rows.append(dict(zip(WITHOUT_HEADER, cells, strict=True)))
    return rows


def _named(path: Path, text: str, separator: str) -> list[Any]:
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    form = "CSV" if separator != "\t" else "a table with tabs"
    rows: list[Any] = []
    try:
        header = list(reader.fieldnames or ())
        twice = sorted({name for name in header if header.count(name) > 1})
        if twice:
            raise TertuliaError(f"{path}: the column {twice[0]!r} is there twice; rename one")
        for row in reader:
            rows.append(row)
            if None in row:
                named = {",": "commas", ";": "semicolons", "\t": "tabs"}[separator]
                raise TertuliaError(
                    f"{path}, row {len(rows)}: has more cells than the header; put quotes around {named}"
                )
    except csv.Error as error:
        # A quote that is never closed is found at the end of the file only: the row says where it was opened.
        place = f"row {len(rows) + 1}" if reader.line_num else "the header"
        raise TertuliaError(f"{path}, {place}: is not {form} ({error}); correct it") from error
    return rows
