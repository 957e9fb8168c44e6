"""Tertulia: reasoning paths of one model that learn from each other while they think."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tertulia.api import Event, Result, Session, solve, solve_async
    from tertulia.circle.frames import Frame
    from tertulia.engines.base import Engine
    from tertulia.settings import Settings

__version__ = "0.1.0"
__all__ = ["Engine", "Event", "Frame", "Result", "Session", "Settings", "__version__", "solve", "solve_async"]

_HOMES = {
    "Engine": "tertulia.engines.base",
    "Event": "tertulia.api",
    "Frame": "tertulia.circle.frames",
    "Result": "tertulia.api",
    "Session": "tertulia.api",
    "Settings": "tertulia.settings",
    "solve": "tertulia.api",
    "solve_async": "tertulia.api",
}


def __getattr__(name: str) -> Any:
    """Loads what is public on first use, so that `import tertulia` costs nothing."""
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'tertulia' has no attribute {name!r}")
