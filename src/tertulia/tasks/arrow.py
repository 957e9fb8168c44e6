"""Rows of parquet and arrow: a file of either, or a folder that `datasets.save_to_disk` wrote."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tertulia.errors import TertuliaError

SPLITS = ("test", "validation", "train")
"""Which split of a folder with several is read, the first that is there."""


def parquet(path: Path, content: bytes) -> list[Any]:
    """The rows of a parquet file.

    Raises:
        TertuliaError: it is none, or pyarrow is not installed.
    """

    def read(pyarrow: Any) -> Any:
        from pyarrow import parquet  # type: ignore[import-untyped]

        return parquet.read_table(pyarrow.BufferReader(content))

    return _rows(path, "parquet", read)


def arrow(path: Path, content: bytes) -> list[Any]:
    """The rows of an arrow file: a stream, as `datasets` writes, or a file with an index.

    Raises:
        TertuliaError: it is none, or pyarrow is not installed.
    """

    def read(pyarrow: Any) -> Any:
        from pyarrow import ipc

        opened = ipc.open_file if content.startswith(b"ARROW1") else ipc.open_stream
        return opened(pyarrow.BufferReader(content)).read_all()

    return _rows(path, "arrow", read)


def folder(path: Path) -> list[Any]:
    """The rows of a folder of `datasets.save_to_disk`; of several splits the one for testing.

    Raises:
        TertuliaError: it is no such folder, or `datasets` is not installed.
    """
    if not any((path / name).exists() for name in ("state.json", "dataset_dict.json")):
        raise TertuliaError(f"{path} is a directory: give the path of a file of questions in it")
    try:
        from datasets import load_from_disk  # type: ignore[import-untyped]
    except ImportError as error:
        raise TertuliaError(
            f"{path} is a folder of arrow files, which needs the extra eval: pip install 'tertulia[eval]'"
        ) from error
    try:
        found = load_from_disk(str(path))
        if (path / "dataset_dict.json").exists():
            named = next((name for name in SPLITS if name in found), None) or next(iter(found))
            found = found[named]
        return [dict(row) for row in found]
    except Exception as error:  # datasets, pyarrow and the file system each raise their own
        said = " ".join(str(error).split()) or type(error).__name__
        raise TertuliaError(f"{path} cannot be read ({said}); give a whole folder of save_to_disk") from error


def _rows(path: Path, form: str, read: Callable[[Any], Any]) -> list[Any]:
    try:
        import pyarrow
    except ImportError as error:
        raise TertuliaError(
            f"{path} is {form}, which needs the extra eval: pip install 'tertulia[eval]', or give JSON or CSV"
        ) from error
    try:
        rows: list[Any] = read(pyarrow).to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        said = " ".join(str(error).split())
        raise TertuliaError(f"{path} is not {form} that can be read ({said}); give a whole {form} file") from error
    return rows
