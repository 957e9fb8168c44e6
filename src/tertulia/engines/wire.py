"""A small HTTP/1.1 client for many slow streams at once.

Bytes go from the socket to the reader of the answer in one callback, without waking a task for every token. A
general client takes more than twice as long over a token, and 128 streams would fill the core it runs on. It
knows no redirects, proxies or compression, for no inference server needs them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import httptools

from tertulia.engines.address import Address, unreachable
from tertulia.engines.answer import Malformed
from tertulia.engines.base import EngineError
from tertulia.engines.patience import Retryable

CONNECT_SECONDS = 10.0
IDLE_SECONDS = 4.0  # servers drop idle connections after 5 seconds or more
TELL_SECONDS = 10.0  # how often a waiting exchange says that it waits
MOST_HEAD = 1 << 20
MOST_BODY = 1 << 24


Limits = tuple[float, float]
"""Seconds that an answer may take: until its first progress, and then between two of them."""


class Sink(Protocol):
    """Takes the body of a 200 answer as it comes.

    `progress` grows with everything that was worth waiting for; `enough` ends the exchange.
    """

    progress: int
    enough: bool

    def feed(self, data: bytes) -> None:
        """Take these bytes."""
        ...


@dataclass
class Reply:
    """A whole answer; `body` is empty where a sink took it."""

    status: int
    headers: dict[str, str]
    body: bytes = b""


@dataclass
class _Exchange:
    """One request on its way, and what of its answer has come."""

    done: asyncio.Future[Reply]
    sink: Sink | None
    since: float  # when it was sent, or made progress last
    progress: int = 0
    size: int = 0
    heard: bool = False
    parts: list[bytes] = field(default_factory=list)


class _Link(asyncio.Protocol):
    """One connection, one exchange at a time. The methods `on_...` are called by the parser."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.last = loop.time()
        self.transport: asyncio.Transport
        self._exchange: _Exchange | None = None

    def send(self, data: bytes, sink: Sink | None) -> _Exchange:
        self._parser = httptools.HttpResponseParser(self)
        self._headers: dict[str, str] = {}
        self._reply: Reply | None = None
        self._pieces: list[bytes] = []
        self._whole = self.reusable = False
        self._exchange = _Exchange(self.loop.create_future(), sink, self.loop.time())
        self.transport.write(data)
        return self._exchange

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        # An answer without a length is as long as its connection.
        begun = self._exchange is not None and self._reply is not None
        if begun and error is None and not {"content-length", "transfer-encoding"} & self._headers.keys():
            self._finish()
        self.abort(Retryable(f"connection lost{f' ({error})' if error else ''}"))

    def abort(self, error: Exception | None = None) -> None:
        """Close the connection; an exchange that is still waited for ends with the error."""
        exchange, self._exchange = self._exchange, None
        if exchange is not None and error is not None and not exchange.done.done():
            exchange.done.set_exception(error)
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is None:  # bytes nobody asked for: this connection cannot be trusted with another request
            self.abort()
            return
        self.last = self.loop.time()
        exchange.heard = True
        wrong: Exception | None = None
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            wrong, self.reusable = Malformed(f"not HTTP ({error})"), False
        try:
            self._pass_on(exchange, len(data))  # what came before the broken place still counts
        except Exception as error:
            # A sink's error ends its own exchange; raised here it would only reach the event loop's log.
            self.abort(error)
            return
        if self._whole:
            self._finish()
        elif wrong is not None:
            self.abort(wrong)

    def on_message_begin(self) -> None:
        if self._whole:  # bytes nobody asked for, after the answer
            self.reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= 200:
            self._reply = self._reply or Reply(status, self._headers)

    def on_body(self, data: bytes) -> None:
        if not self._whole:
            self._pieces.append(data)

    def on_message_complete(self) -> None:
        if self._reply is not None:  # else it was "100 Continue" or the like
            self._whole = True
            self.reusable = self._parser.should_keep_alive()

    def _pass_on(self, exchange: _Exchange, size: int) -> None:
        """What has come of the body goes to the sink, or is kept; the sizes are bounded."""
        exchange.size += size
        if self._reply is None and exchange.size > MOST_HEAD:
            raise Malformed("not HTTP: a head without an end")
        data, self._pieces = b"".join(self._pieces), []
        sink = exchange.sink
        if not data or self._reply is None:
            return
        if sink is None or self._reply.status != 200:
            exchange.parts.append(data)
            if exchange.size > MOST_BODY:
                raise Malformed(f"an answer of more than {MOST_BODY >> 20} MiB")
            return
        sink.feed(data)
        if sink.progress > exchange.progress:
            exchange.progress, exchange.since = sink.progress, self.last
        if sink.enough:
            self._whole, self.reusable = True, False

    def _finish(self) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is None or self._reply is None:
            return
        self._reply.body = b"".join(exchange.parts)
        if not exchange.done.done():
            exchange.done.set_result(self._reply)
        if not self.reusable:
            self.abort()


class Wire:
    """Sends requests to one server and keeps its connections.

    Args:
        address: Where the server is, and what every request carries.
        max_connections: Requests at the same time; more of them wait.
        on_wait: Told now and then how many seconds an exchange has been waiting for something new.
    """

    def __init__(
        self,
        address: Address,
        *,
        max_connections: int,
        on_wait: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        self._address = address
        self._where, self._prefix = address.where(), address.prefix()
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in address.headers().items())
        self._on_wait = on_wait
        self._idle: list[_Link] = []
        self._busy: set[_Link] = set()
        self._closed = False
        self.limit(max_connections)

    async def exchange(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        limits: Limits,
        headers: Mapping[str, str] | None = None,
        sink: Sink | None = None,
    ) -> Reply:
        """Send one request and wait for its whole answer.

        Cancelling closes the connection. With `sink`, the body of a 200 answer goes there as it comes; without,
        the answer has to be there within the first of the limits.

        Raises:
            Retryable: No connection, connection lost, or silence.
            Malformed: The answer is not HTTP.
            EngineError: The wire was closed.
        """
        extra = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        length = f"Content-Length: {len(body)}\r\n\r\n"
        head = f"{method} {self._prefix}{path} HTTP/1.1\r\n{self._headers}{extra}{length}"
        data = head.encode("latin-1") + body
        async with self._room:
            while True:
                link, fresh = await self._link()
                if self._closed:  # it may have been while the connection was opened
                    link.abort()
                    raise self._end()
                exchange = link.send(data, sink)
                try:
                    return await self._wait(link, exchange, limits)
                except Retryable as failure:
                    # The server had closed a kept connection before it saw the request: not a failure.
                    if fresh or exchange.heard or failure.silence:
                        raise

    def limit(self, connections: int) -> None:
        """Bound the requests at the same time anew; only between requests."""
        self._room = asyncio.Semaphore(connections)

    async def close(self) -> None:
        """Close all connections; exchanges under way fail for good."""
        self._closed = True
        for link in (*self._idle, *self._busy):
            link.abort(self._end())
        self._idle.clear()
        await asyncio.sleep(0)  # the event loop closes the sockets in its next round

    async def _link(self) -> tuple[_Link, bool]:
        loop = asyncio.get_running_loop()
        while self._idle:
            link = self._idle.pop()
            if not link.transport.is_closing() and loop.time() - link.last < IDLE_SECONDS:
                return link, False
            link.abort()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                _, link = await loop.create_connection(lambda: _Link(loop), **self._where)
        except TimeoutError:
            raise Retryable(f"cannot be reached: no connection within {CONNECT_SECONDS:g} s") from None
        except OSError as error:
            raise self._end() if self._closed else Retryable(f"cannot be reached: {unreachable(error)}") from None
        return link, True

    def _end(self) -> EngineError:
        return EngineError(f"{self._address.url}: the engine was closed while it was at work")

    async def _wait(self, link: _Link, exchange: _Exchange, limits: Limits) -> Reply:
        loop, (first, between) = link.loop, limits
        timer: asyncio.TimerHandle

        def watch() -> None:
            nonlocal timer
            silence = loop.time() - exchange.since
            most = between if exchange.progress else first
            if silence >= most:
                what = "nothing new" if exchange.progress else "no answer" if not exchange.heard else "no token"
                link.abort(Retryable(f"{what} for {most:g} s", silence=most))
                return
            if silence >= TELL_SECONDS:
                self._on_wait(silence)
            # One timer an exchange, not one a chunk: it looks again when the silence would be too long.
            timer = loop.call_later(min(most - silence, between, TELL_SECONDS), watch)

        timer = loop.call_later(0, watch)
        self._busy.add(link)
        try:
            reply = await exchange.done
        except BaseException:
            link.abort()
            raise
        finally:
            timer.cancel()
            self._busy.discard(link)
        link.last = loop.time()
        if link.reusable and not link.transport.is_closing():
            self._idle.append(link)
        else:
            link.abort()
        return reply


class EventSplitter:
    """Cuts a stream of server-sent events into the payloads of its `data:` lines."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Payloads of the lines that are complete now.

        Raises:
            Malformed: A line has no end.
        """
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) > MOST_BODY:
            raise Malformed(f"a line of more than {MOST_BODY >> 20} MiB")
        return [line[5:].strip() for line in lines if line.startswith(b"data:")]

    def end(self) -> list[bytes]:
        """The payload of a last line without an end."""
        return self.feed(b"\n")
