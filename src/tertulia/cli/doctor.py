"""`tertulia doctor`: what an engine can do, and what Tertulia does where it cannot."""

from __future__ import annotations

from tertulia.cli import options


def doctor(engine: options.EngineUrl = None, model: options.Model = None) -> None:
    """Say what an engine can do, and what is done where it cannot."""
