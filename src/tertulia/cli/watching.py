"""What every view of a run has in common."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from tertulia.cli.starting import Starting

if TYPE_CHECKING:
    from tertulia.circle.events import Event


class View:
    """Shows a run while it goes on. This one shows nothing but, on a terminal, a long beginning."""

    @cached_property
    def starting(self) -> Starting:
        """Shows what comes before the run's first step."""
        return Starting(silent=type(self) is View)

    def observe(self, event: Event) -> None:
        """Takes in one event; called in the event loop."""
        if event.kind == "loading":
            self.starting.show(event.data["text"], event.data["done"])
        elif event.kind == "waiting":
            self.wait(f"waiting for {event.data['what']}, {event.data['seconds']:.0f} s")

    def wait(self, text: str) -> None:
        """Shows that the run waits for its engine."""
        self.starting.show(text, None)

    def close(self) -> None:
        """Leaves the terminal in order; may be called twice, and from a signal handler."""
