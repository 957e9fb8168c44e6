"""What tests of a user's mistakes share: the file that is wrong, and the one line that says so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tertulia.errors import TertuliaError


def written(folder: Path, text: str) -> Path:
    """A file with this text."""
    file = folder / "given.txt"
    file.write_text(text, "utf-8")
    return file


@contextmanager
def refused(line: str) -> Iterator[None]:
    """What is done inside is refused in one line, which the pattern matches."""
    with pytest.raises(TertuliaError, match=line) as caught:
        yield
    assert "\n" not in str(caught.value)
