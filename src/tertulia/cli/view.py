"""What every view of a run has in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tertulia.circle.events import Event


class View:
    """Shows a run while it goes on. This one shows nothing."""

    def observe(self, event: Event) -> None:
        """Takes in one event; called in the event loop."""

    def close(self) -> None:
        """Leaves the terminal in order; may be called twice, and from a signal handler."""
