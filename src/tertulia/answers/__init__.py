"""Answers: read from a text, compared by meaning. Usable alone: `from tertulia.answers import equivalent, extract`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tertulia.answers import extract
    from tertulia.answers.equivalence import equivalent, group_answers

__all__ = ["equivalent", "extract", "group_answers"]


def __getattr__(name: str) -> Any:
    # Loaded when first used, so that the import of one room stays cheap.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "extract":
        return import_module(f"{__name__}.extract")
    return getattr(import_module(f"{__name__}.equivalence"), name)
