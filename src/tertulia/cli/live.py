"""The view of a run on a terminal: a row a path, redrawn a few times a second."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tertulia.cli.lines import Lines, Pace, counted
from tertulia.cli.scene import Row, Scene, shortened
from tertulia.cli.screen import console as new_console
from tertulia.cli.screen import fit
from tertulia.cli.watching import View

if TYPE_CHECKING:
    from tertulia.circle.events import Event

REFRESH = 1 / 4  # seconds between two drawings: the engine needs the core more than the screen does
BAR = 12  # columns
STARTING = "starting the engine ..."
FRAME_LINES = 4  # lines of the view that are no path: head, title, blank, rest

STYLES = {"finished": "green", "failed": "red", "stopped": "yellow", "meeting": "cyan", "last call": "cyan"}


class LiveView(View):
    """Shows a `Scene` on the terminal from the run's first event on.

    Drawing happens in the event loop at most every `REFRESH` seconds, and only when something changed.

    Args:
        console: Where it is drawn; None for the terminal.
        pace: Whether to tell how fast the run is; a run that is played again has none.
    """

    def __init__(self, console: Console | None = None, *, pace: bool = True) -> None:
        self.scene = Scene()
        self._lines = Lines()
        self._pace = Pace() if pace else None
        self._console = console or new_console()
        self._live = Live(console=self._console, auto_refresh=False, vertical_overflow="crop")
        self._changed = False
        self._waiting = ""
        self._task: asyncio.Task[None] | None = None
        self._starting = True
        # Loading a model can take long. The cursor stays visible meanwhile: nothing could bring it back.
        self._console.print(STARTING, style="dim", end="\r")

    def observe(self, event: Event) -> None:
        """Takes in one event; meetings stay on the screen above the table."""
        self._waiting = ""
        super().observe(event)
        self.scene.apply(event)
        if self._pace:
            self._pace.observe(event, time.monotonic())
        self._changed = True
        lines = self._lines.of(event)
        if event.kind == "start":
            self._wipe()
            self._say(shortened(fit(event.data["question"].strip(), one_line=False)), "bold")
            self._say(lines[-1], "dim")
            self._live.start()
            self._task = asyncio.get_running_loop().create_task(self._draw_often())
        elif event.kind == "meeting":
            for line in lines[:1]:
                self._say(line, "cyan")

    def wait(self, text: str) -> None:
        """Shows it under the table, until something happens."""
        if self._live.is_started:
            self._waiting = fit(text)
        else:
            super().wait(text)

    def close(self) -> None:
        """Draws a last time and gives the terminal back."""
        self._wipe()
        if self._live.is_started:
            self._draw()
            self._live.stop()

    def _wipe(self) -> None:
        if self._starting:
            self._starting = False
            self._console.print(" " * len(STARTING), end="\r")

    def _say(self, text: str, style: str) -> None:
        self._console.print(Text(text, style=style))

    async def _draw_often(self) -> None:
        while True:
            await asyncio.sleep(REFRESH)
            if self._changed:  # a model that reads tells nothing: the view stands still, and takes no core
                self._draw()

    def _draw(self) -> None:
        self._changed = False
        shown = [picture(self.scene, self._console.height - 1)]
        if self._waiting:
            shown.append(Text(self._waiting, style="yellow", overflow="ellipsis", no_wrap=True))
        elif self._pace and not all(row.over for row in self.scene.paths):
            pace = self._pace.line(time.monotonic())
            shown.append(Text(pace, style="dim", overflow="ellipsis", no_wrap=True))
        self._live.update(Group(*shown), refresh=True)


def picture(scene: Scene, height: int) -> RenderableType:
    """The table of paths, as many as fit in `height` lines, those still at work before the finished."""
    room = max(1, height - FRAME_LINES)
    numbered = list(enumerate(scene.paths))
    if len(numbered) > room:
        numbered = sorted(sorted(numbered, key=lambda item: item[1].over)[:room])
    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False, header_style="dim", expand=True)
    table.add_column("path", justify="right")
    table.add_column("tokens", width=BAR)
    table.add_column(f"of {scene.budget:,}", justify="right")
    table.add_column("doing", width=10)
    table.add_column("claim", no_wrap=True, overflow="ellipsis", ratio=2)
    table.add_column("heard", no_wrap=True, overflow="ellipsis", ratio=3)
    for path, row in numbered:
        table.add_row(*_cells(path, row, scene.budget))
    hidden = len(scene.paths) - len(numbered)
    foot = f"and {counted(hidden, 'more path')}; " if hidden else ""
    over = sum(row.over for row in scene.paths)
    return Group(table, Text(f"{foot}{over} of {len(scene.paths)} finished, {scene.generated:,} tokens", style="dim"))


def _cells(path: int, row: Row, budget: int) -> tuple[Any, ...]:
    style = STYLES.get(row.doing, "")
    bar = ProgressBar(total=max(budget, 1), completed=min(row.generated, budget), width=BAR)
    claim, heard = Text(row.claim, style=style), Text(row.heard, style="dim")
    return str(path), bar, f"{row.generated:,}", Text(row.doing, style=style), claim, heard
