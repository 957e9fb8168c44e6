"""Tables as people save them: with commas, semicolons or tabs, and with or without a byte order mark."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from tertulia.errors import TertuliaError

SEPARATORS = ",;\t"


def rows_of(file: Path) -> list[dict[str, Any]]:
    """Rows of a table with a header, each a dict of texts by column; what separates columns is read off the header.

    Args:
        file: In UTF-8.

    Raises:
        TertuliaError: It cannot be read, or a row has more cells than the header. One line.
    """
    try:
        with file.open(newline="", encoding="utf-8-sig") as table:
            text = table.read()
        separator = max(SEPARATORS, key=text.partition("\n")[0].count)
        rows: list[dict[Any, Any]] = list(csv.DictReader(io.StringIO(text, newline=""), delimiter=separator))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TertuliaError(f"cannot read the table {file}: {getattr(error, 'strerror', None) or error}") from error
    for at, row in enumerate(rows, 2):
        if any(row.pop(None, ())):  # a decimal comma: half of a number would be read
            raise TertuliaError(f"{file}, line {at}: has more cells than the header: write decimals with a point")
    return rows
