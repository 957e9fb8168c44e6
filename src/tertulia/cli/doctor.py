"""`tertulia doctor`: what an engine can do, and what Tertulia does where it cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tertulia.cli import options
from tertulia.cli.screen import console as new_console
from tertulia.cli.screen import fit

if TYPE_CHECKING:
    from tertulia.engines.base import EngineInfo
    from tertulia.engines.doctor import Check


def doctor(engine: options.EngineUrl = None, model: options.Model = None, threads: options.Threads = None) -> None:
    """Say what an engine can do, and what is done where it cannot; fails where no problem can be solved."""
    import asyncio

    import typer

    info, checks = asyncio.run(_examine(engine, model, threads or 1))
    _print(info, checks)
    if any(check.fatal for check in checks):
        raise typer.Exit(1)


async def _examine(engine: str | None, model: str | None, threads: int) -> tuple[EngineInfo, list[Check]]:
    from tertulia.api import engine_for
    from tertulia.engines.doctor import examine

    async with engine_for(engine, model, threads, {}) as entered:
        return entered.info, await examine(entered)


def _print(info: EngineInfo, checks: list[Check]) -> None:
    from rich.table import Table
    from rich.text import Text

    colours = {"yes": "green", "partly": "yellow", "no": "red", "unknown": "yellow"}
    context = f"{info.context:,} tokens of context" if info.context else "context unknown"
    where = f" at {info.url}" if info.url else ""
    mode = "token ids" if info.mode == "ids" else "text"
    console = new_console()
    console.print(Text(fit(f"{info.model} on {info.name}{where}: {context}, works with {mode}")))
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for title in ("ability", "", "seen", "what Tertulia does"):
        table.add_column(title, overflow="fold")
    for check in checks:
        result = Text(check.result, style=colours[check.result])
        table.add_row(check.name, result, Text(fit(check.seen)), Text(fit(check.note)))
    console.print(table)
