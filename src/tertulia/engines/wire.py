"""A small HTTP/1.1 client for many slow streams at once.

Bytes go from the socket to the reader of the answer in one callback, without waking a task for every token. A
general client takes more than twice as long over a token, and 128 streams would fill the core it runs on. It
knows no redirects, proxies or compression, for no inference server needs them.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

Sink = Callable[[bytes], bool | None]
IDLE_SECONDS = 4.0  # servers drop idle connections after 5 seconds or more
MAX_HEAD = 65_536


class WireError(Exception):
    """The exchange failed below HTTP: no connection, connection lost, silence, or not HTTP."""


class Unreachable(WireError):
    """No connection could be opened."""


class Silence(WireError):
    """No byte came for too long."""


@dataclass
class Reply:
    """A whole answer; `body` is empty where a sink took it."""

    status: int
    headers: dict[str, str]
    body: bytes = b""


@dataclass
class _Exchange:
    """One request on its way. `sink` gets the body of a 200 answer; True from it means "enough"."""

    done: asyncio.Future[Reply]
    sink: Sink | None
    parts: list[bytes] = field(default_factory=list)
    heard: bool = False


class _Link(asyncio.Protocol):
    """One connection, one exchange at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.last = loop.time()
        self.transport: asyncio.Transport | None = None
        self._exchange: _Exchange | None = None
        self._reset()

    def _reset(self) -> None:
        self._buffer = b""
        self._reply: Reply | None = None
        self._left = 0  # bytes missing from this chunk or body; -1: until the connection closes
        self._chunked = False
        self.reusable = False

    @property
    def alive(self) -> bool:
        return self.transport is not None and not self.transport.is_closing()

    def send(self, data: bytes, sink: Sink | None) -> _Exchange:
        assert self.transport is not None
        self._reset()
        self.last = self.loop.time()
        self._exchange = _Exchange(self.loop.create_future(), sink)
        self.transport.write(data)
        return self._exchange

    def abort(self) -> None:
        self._exchange = None
        if self.transport is not None:
            self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        if self._left < 0 and self._reply is not None and error is None:
            self._finish()
        self.fail(WireError(f"connection lost{f' ({error})' if error else ''}"))

    def fail(self, error: Exception) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None and not exchange.done.done():
            exchange.done.set_exception(error)
        if self.transport is not None:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is None:  # bytes nobody asked for: this connection cannot be trusted with another request
            self.abort()
            return
        self.last = self.loop.time()
        exchange.heard = True
        try:
            if self._reply is None:
                rest = self._read_head(self._buffer + data)
                if rest is None:
                    return
                data, self._buffer = rest, b""
            if self._chunked:
                self._read_chunks(self._buffer + data)
            else:
                self._read_body(data)
        except Exception as error:
            # A sink's error ends its own exchange; raised here it would only reach the event loop's log.
            self.fail(error)

    def _read_head(self, data: bytes) -> bytes | None:
        """The bytes after the head, or None while it is incomplete."""
        end = data.find(b"\r\n\r\n")
        if end < 0:
            if len(data) > MAX_HEAD:
                raise WireError("the answer is not HTTP")
            self._buffer = data
            return None
        lines = data[:end].decode("latin-1").split("\r\n")
        status = lines[0].split(" ", 2)
        if len(status) < 2 or not lines[0].startswith("HTTP/1.") or not status[1].isdigit():
            raise WireError(f"the answer is not HTTP/1.1: {lines[0][:40]!r}")
        if status[1] == "100":
            return self._read_head(data[end + 4 :])
        headers = {
            name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])
        }
        self._reply = Reply(int(status[1]), headers)
        self._chunked = "chunked" in headers.get("transfer-encoding", "").lower()
        length = headers.get("content-length", "0" if status[1] in ("204", "304") else "-1")
        self._left = 0 if self._chunked else int(length)
        closing = headers.get("connection", "").lower()
        self.reusable = self._left >= 0 and closing != "close" and lines[0].startswith("HTTP/1.1")
        return data[end + 4 :]

    def _read_body(self, data: bytes) -> None:
        if data:
            self._emit(data)
        if self._left >= 0:
            self._left -= len(data)
            if self._left <= 0:
                self._finish()

    def _read_chunks(self, data: bytes) -> None:
        start = 0
        ended = False
        parts = []
        while True:
            line = data.find(b"\r\n", start)
            if line < 0:
                break
            size = int(data[start:line].partition(b";")[0], 16)
            end = line + 2 + size
            if size == 0:
                # No server sends trailers; what is left is the empty line after the last chunk.
                ended = len(data) >= end + 2
                break
            if len(data) < end + 2:
                break
            parts.append(data[line + 2 : end])
            start = end + 2
        self._buffer = data[start:]
        if parts:
            self._emit(parts[0] if len(parts) == 1 else b"".join(parts))
        if ended:
            self._finish()

    def _emit(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is None or self._reply is None:
            return
        if exchange.sink is None or self._reply.status != 200:
            exchange.parts.append(data)
        elif exchange.sink(data):
            self.reusable = False
            self._finish()
            self.abort()

    def _finish(self) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is None or self._reply is None:
            return
        self._reply.body = b"".join(exchange.parts)
        if not exchange.done.done():
            exchange.done.set_result(self._reply)


class Wire:
    """Sends requests to one server and keeps its connections.

    Args:
        url: "http://host:port/prefix" or https.
        headers: Sent with every request.
        max_connections: Requests at the same time; more of them wait.
        timeout: Seconds without a byte after which an exchange has failed.
        connect_timeout: Seconds to open a connection.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        *,
        max_connections: int,
        timeout: float,
        connect_timeout: float = 10.0,
    ) -> None:
        parts = urlsplit(url)
        self.url = url
        self._host = parts.hostname or ""
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._port = parts.port or (443 if self._tls else 80)
        self._prefix = parts.path.rstrip("/")
        lines = {"Host": parts.netloc.rpartition("@")[2], **headers}
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._idle: list[_Link] = []
        self._busy: set[_Link] = set()
        self._room = asyncio.Semaphore(max_connections)

    async def exchange(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        headers: Mapping[str, str] | None = None,
        sink: Sink | None = None,
    ) -> Reply:
        """Send one request and wait for its whole answer.

        Cancelling closes the connection. With `sink`, the body of a 200 answer goes there as it comes.

        Raises:
            WireError: No connection, connection lost, silence, or an answer that is not HTTP.
        """
        extra = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        length = f"Content-Length: {len(body)}\r\n\r\n"
        head = f"{method} {self._prefix}{path} HTTP/1.1\r\n{self._headers}{extra}{length}"
        data = head.encode("latin-1") + body
        async with self._room:
            while True:
                link, fresh = await self._link()
                exchange = link.send(data, sink)
                try:
                    return await self._wait(link, exchange)
                except Silence:
                    raise
                except WireError:
                    # The server had closed a kept connection before it saw the request: not a failure.
                    if fresh or exchange.heard:
                        raise

    def limit(self, connections: int) -> None:
        """Bound the requests at the same time anew; only between requests."""
        self._room = asyncio.Semaphore(connections)

    async def close(self) -> None:
        """Close all connections; exchanges under way fail."""
        for link in (*self._idle, *self._busy):
            link.fail(WireError("closed"))
        self._idle.clear()
        await asyncio.sleep(0)  # the event loop closes the sockets in its next round

    async def _link(self) -> tuple[_Link, bool]:
        loop = asyncio.get_running_loop()
        while self._idle:
            link = self._idle.pop()
            if link.alive and loop.time() - link.last < IDLE_SECONDS:
                return link, False
            link.abort()
        try:
            async with asyncio.timeout(self._connect_timeout):
                _, link = await loop.create_connection(lambda: _Link(loop), self._host, self._port, ssl=self._tls)
        except TimeoutError:
            raise Unreachable(f"no connection within {self._connect_timeout:g} s") from None
        except OSError as error:
            raise Unreachable(_reason(error)) from None
        return link, True

    async def _wait(self, link: _Link, exchange: _Exchange) -> Reply:
        loop = link.loop
        timer: asyncio.TimerHandle

        def watch() -> None:
            nonlocal timer
            silence = loop.time() - link.last
            if silence >= self._timeout:
                link.fail(Silence(f"no answer for {self._timeout:g} s"))
            else:
                # One timer an exchange, not one a chunk: it looks again when the silence would be too long.
                timer = loop.call_later(self._timeout - silence, watch)

        timer = loop.call_later(self._timeout, watch)
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
        if link.reusable and link.alive:
            self._idle.append(link)
        else:
            link.abort()
        return reply


class EventSplitter:
    """Cuts a stream of server-sent events into the payloads of its `data:` lines."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Payloads of the lines that are complete now."""
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        return [line[5:].strip() for line in lines if line.startswith(b"data:")]


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, ConnectionRefusedError) or "Connect call failed" in str(error):
        return "connection refused"
    return error.strerror or str(error) or type(error).__name__
