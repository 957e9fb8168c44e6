"""Tertulia: reasoning paths of one model that learn from each other while they think."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tertulia.api import Event, Result, solve, solve_async

__version__ = "0.1.0"
__all__ = ["Event", "Result", "__version__", "solve", "solve_async"]

_FROM_API = {"Event", "Result", "solve", "solve_async"}


def __getattr__(name: str) -> Any:
    """Loads the API on first use, so that `import tertulia` costs nothing."""
    if name in _FROM_API:
        from tertulia import api

        return getattr(api, name)
    raise AttributeError(f"module 'tertulia' has no attribute {name!r}")
