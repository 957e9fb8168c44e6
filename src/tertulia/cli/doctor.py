"""`tertulia doctor`: what an engine can do, and what Tertulia does where it cannot."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING

import typer

from tertulia.cli import options
from tertulia.cli.screen import console as new_console
from tertulia.cli.screen import fit
from tertulia.cli.starting import Starting, say_local_servers

if TYPE_CHECKING:
    from rich.console import Console

    from tertulia.engines.base import Engine, EngineInfo
    from tertulia.engines.doctor import Check
    from tertulia.model import Profile

CANNOT_SOLVE = 1  # exit code
COLOURS = {"yes": "green", "partly": "yellow", "no": "red", "unknown": "yellow"}
NAME, RESULT = 15, 9  # columns


def doctor(engine: options.EngineUrl = None, model: options.Model = None, threads: options.Threads = None) -> None:
    """Say what an engine can do, and what is done where it cannot; fails where no problem can be solved."""
    import asyncio

    if engine is None and model is None:
        say_local_servers()
    if asyncio.run(_examine(engine, model, threads or 1)):
        raise typer.Exit(CANNOT_SOLVE)


async def _examine(engine: str | None, model: str | None, threads: int) -> bool:
    """Prints each thing as soon as it is known; whether solving will fail."""
    from tertulia.engines.doctor import examine
    from tertulia.engines.embedded import EmbeddedEngine
    from tertulia.engines.machine import instructions, memory, recommended, room, speed
    from tertulia.model import profile_for
    from tertulia.settings import resolve
    from tertulia.start import engine_for

    screen = new_console()
    fatal: list[Check] = []

    def tell(check: Check) -> None:
        _row(screen, check)
        if check.fatal:
            fatal.append(check)

    starting = Starting()

    def wait(seconds: float, what: str) -> None:
        starting.show(f"waiting for {what}, {seconds:.0f} s", None)

    async with engine_for(engine, model, threads, {}, tell=starting, on_wait=wait) as entered:
        _title(screen, entered.info)
        if isinstance(entered, EmbeddedEngine):
            for check in (memory(entered), instructions(), recommended(entered)):
                tell(check)
        profile = profile_for(model or (None if entered.info.name == "embedded" else entered.info.model))
        usual = resolve(profile, {})
        if not isinstance(entered, EmbeddedEngine) and (short := room(entered.info, usual.paths, usual.budget)):
            tell(short)
        tell(await _trial("prompt", _prompt(entered, profile)))
        await examine(entered, tell)
        tell(await _trial("speed", speed(entered)))
    return bool(fatal)


async def _prompt(engine: Engine, profile: Profile) -> Check:
    """How the model is asked."""
    from tertulia.engines.doctor import Check
    from tertulia.model import Dialect

    return Check("prompt", "yes", "; ".join((await Dialect.probe(engine, profile)).notes))


async def _trial(name: str, work: Awaitable[Check]) -> Check:
    """What was found, or how finding out failed."""
    from tertulia.engines.base import EngineError
    from tertulia.engines.doctor import Check

    try:
        return await work
    except EngineError as error:
        return Check(name, "no", str(error), "solving will fail here as well", fatal=True)


def _title(screen: Console, info: EngineInfo) -> None:
    from rich.text import Text

    context = f"{info.context:,} tokens of context" if info.context else "context unknown"
    where = f" at {info.url}" if info.url else ""
    mode = "token ids" if info.mode == "ids" else "text"
    screen.print(Text(fit(f"{info.model} on {info.name}{where}: {context}, works with {mode}")))


def _row(screen: Console, check: Check) -> None:
    """One line, and what Tertulia does about it in a second one; long ones are folded into their column."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(width=NAME - 1)
    table.add_column(width=RESULT - 1)
    table.add_column(overflow="fold")
    table.add_row(check.name, Text(check.result, style=COLOURS[check.result]), Text(fit(check.seen)))
    screen.print(table)
    if check.note:
        screen.print(Padding(Text(fit(check.note), style="dim"), (0, 0, 0, NAME + RESULT)))
