"""The endpoint as a process: its engine is opened, its port bound, and at its end what is under way may finish."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn

from tertulia.api import Session
from tertulia.circle.events import Observer
from tertulia.engines.base import Engine
from tertulia.errors import TertuliaError
from tertulia.server.app import application
from tertulia.server.circles import Circles
from tertulia.server.guard import KEYS, is_loopback
from tertulia.server.metrics import Metrics
from tertulia.server.models import Limits, Models
from tertulia.server.rounds import House
from tertulia.server.turns import Turns


@dataclass(frozen=True)
class Served:
    """What a server is to be.

    Attributes:
        engine, model, threads: As `tertulia.api.Session` takes them.
        host, port: Where it listens; port 0 for a free one.
        keys: Who may ask; none where everybody on this machine may.
        journals: Folder for a journal of each circle; None to keep the last ones in memory.
        at_once: Circles in flight at most; fewer where the engine has fewer slots.
        queue: Circles that may wait.
        per_key: Circles of one key, waiting ones included; 0 for no bound.
        drain: Seconds that circles under way are given when the server is to end.
        limits: Of one request.
        told_prompts: Whether the log may hold what is asked.
        settings: That all circles share.
    """

    engine: Engine | str | None = None
    model: str | Path | None = None
    threads: int = 1
    host: str = "127.0.0.1"
    port: int = 8800
    keys: tuple[str, ...] = ()
    journals: Path | None = None
    at_once: int = 8
    queue: int = 64
    per_key: int = 0
    drain: float = 30.0
    limits: Limits = field(default_factory=Limits)
    told_prompts: bool = False
    settings: dict[str, Any] = field(default_factory=dict)


class Server(uvicorn.Server):
    """Uvicorn, that says when it listens and ends in order at Ctrl-C and SIGTERM."""

    def __init__(self, config: uvicorn.Config, listens: Callable[[], None]) -> None:
        super().__init__(config)
        self._listens = listens

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begins to listen."""
        await super().startup(sockets)
        self._listens()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The first signal lets what is under way finish, a second one does not."""
        loop = asyncio.get_running_loop()
        numbers = (signal.SIGINT, signal.SIGTERM)
        try:
            for number in numbers:
                loop.add_signal_handler(number, self.handle_exit, number, None)
        except (RuntimeError, ValueError, NotImplementedError):  # in a thread: whoever started it ends it
            yield
            return
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)


def bound(host: str, port: int, keys: tuple[str, ...]) -> socket.socket:
    """A socket at this address, which cannot be reached from elsewhere without keys.

    Raises:
        TertuliaError: It can, or the address cannot be had.
    """
    if not keys and not is_loopback(host):
        raise TertuliaError(
            f"the host {host} can be reached from elsewhere, and there are no keys: give --keys FILE or {KEYS}, "
            "or --host 127.0.0.1"
        )
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except (OSError, OverflowError) as error:
        what = getattr(error, "strerror", None) or error
        raise TertuliaError(f"{host}:{port} cannot be listened at ({what}): give another --host or --port") from None
    return listening


async def serve(
    asked: Served,
    *,
    say: Callable[[str], None] = print,
    observer: Observer | None = None,
    started: Callable[[Server], None] | None = None,
) -> None:
    """Serves until it is told to end.

    Args:
        asked: What the server is to be.
        say: Told its address in one line, once it listens.
        observer: Told what happens before, and how long the engine is waited for.
        started: Given the server once it listens; `should_exit` ends it.

    Raises:
        TertuliaError: It cannot be as it is asked for. One line.
    """
    listening = bound(asked.host, asked.port, asked.keys)
    host, port = listening.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    circles = Circles(asked.journals)

    def listens() -> None:
        say(f"Tertulia listens at http://{shown}:{port}/v1 ({', '.join(house.models.names)})")
        if started is not None:
            started(server)

    with listening:
        session = Session(
            asked.engine,
            asked.model,
            threads=asked.threads,
            at_once=asked.at_once,
            observer=observer,
            **asked.settings,
        )
        async with session:
            house = await _house(session, asked, circles)
            app = application(house, asked.keys, ends=lambda: server.should_exit, told_prompts=asked.told_prompts)
            config = uvicorn.Config(
                app,
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=asked.drain,  # type: ignore[arg-type]  # what waits takes parts of a second too
            )
            server = Server(config, listens)
            logging.getLogger("uvicorn").setLevel(logging.WARNING)
            await server.serve(sockets=[listening])


async def _house(session: Session, asked: Served, circles: Circles) -> House:
    """What all requests share."""
    usual = session.settings()
    for name, most in (("paths", asked.limits.paths), ("budget", asked.limits.budget)):
        if (value := getattr(usual, name)) > most:
            raise TertuliaError(f"{name} is {value}, but no request may have more than {most}: raise --max-{name} too")
    slots = session.engine.info.slots
    at_once = min(asked.at_once, max(1, slots // usual.paths)) if slots else asked.at_once
    turns = Turns(at_once, asked.queue, asked.per_key)
    dialect = await session.dialect(usual.thinking)
    models = Models(session, asked.settings, asked.limits)
    marks = (dialect.think_open, dialect.think_close)
    return House(session, models, circles, turns, Metrics(turns), asked.limits, marks)
