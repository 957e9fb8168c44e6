"""The routes of the endpoint, and what stands around each of them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import aclosing
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from tertulia.engines.base import EngineError
from tertulia.errors import TertuliaError, fit
from tertulia.server import asking, responses, streams
from tertulia.server.asking import Asked
from tertulia.server.circles import Kept, lines
from tertulia.server.guard import Guard
from tertulia.server.openapi import document
from tertulia.server.page import POLICY, live_page
from tertulia.server.refusals import Refusal, refusal_of
from tertulia.server.rounds import House, Round

LOG = logging.getLogger("tertulia.server")
TICK = 1.0  # seconds after which an open page is looked at, whether the server is about to end
QUIET = 5  # such ticks of silence after which a page is told that the connection lives
LONGEST_IDENTITY = 255
GONE = 499  # the status in logs and counts of a client that went away
Value = TypeVar("Value")


class Endpoint:
    """What each route does.

    Args:
        house: What all requests share.
        ends: Whether the server is about to end.
        told_prompts: Whether the log may hold what was asked.
    """

    def __init__(self, house: House, ends: Callable[[], bool], *, told_prompts: bool = False) -> None:
        self.house = house
        self.ends = ends
        self.told_prompts = told_prompts
        self.began = int(time.time())

    async def chat(self, request: Request) -> Response | Stream:
        """`POST /v1/chat/completions`."""
        return await self._complete(request, asking.read_chat, chat=True)

    async def completions(self, request: Request) -> Response | Stream:
        """`POST /v1/completions`."""
        return await self._complete(request, asking.read_completion, chat=False)

    async def responses(self, request: Request) -> Response | Stream:
        """`POST /v1/responses`."""
        data = await self._data(request)
        asked, body = asking.read_responses(data)
        begun = await self._round(request, asked, data)
        form = responses.Response(begun, body)
        return await self._answer(request, begun, form.whole, form.pieces)

    async def models(self, request: Request) -> Response:
        """`GET /v1/models` and one of them."""
        wanted = request.path_params.get("model")
        if wanted is not None:
            self.house.models.kind(wanted)
            return JSONResponse(self._model(wanted))
        return JSONResponse({"object": "list", "data": [self._model(name) for name in self.house.models.names]})

    async def health(self, request: Request) -> Response:
        """`GET /health`: the server runs."""
        return JSONResponse({"status": "ok"})

    async def ready(self, request: Request) -> Response:
        """`GET /ready`: it takes requests, and its engine answers."""
        if self.ends():
            raise Refusal(503, "the server is about to end: ask another one", code="ending")
        ask = getattr(self.house.session.engine, "busy", None)  # a question to the server, where there is one
        try:
            if ask is not None:
                async with asyncio.timeout(5.0):
                    await ask()
        except (EngineError, TimeoutError) as error:
            raise Refusal(
                503, f"the engine does not answer: {error or 'nothing in 5 s'}", code="engine_error"
            ) from None
        return JSONResponse({"status": "ready", "model": self.house.models.name})

    async def metrics(self, request: Request) -> Response:
        """`GET /metrics`, in Prometheus's format."""
        return PlainTextResponse(self.house.metrics.text(), media_type="text/plain; version=0.0.4")

    async def openapi(self, request: Request) -> Response:
        """`GET /openapi.json`."""
        return JSONResponse(document())

    async def page(self, request: Request) -> Response:
        """`GET /`: the page that shows circles."""
        headers = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff"}
        return HTMLResponse(live_page(), headers=headers)

    async def circles(self, request: Request) -> Response:
        """`GET /circles`: the newest first."""
        return JSONResponse(await self.house.circles.listed(request.state.key))

    async def circle(self, request: Request) -> Response:
        """`GET /circles/ID`: the journal."""
        kept = self._kept(request)
        return Response(b"".join(await asyncio.to_thread(kept.stored)), media_type="application/x-ndjson")

    async def events(self, request: Request) -> Response | Stream:
        """`GET /circles/ID/events`: the journal as it grows."""
        return Stream(self._events(self._kept(request)))

    def _kept(self, request: Request) -> Kept:
        return self.house.circles.get(request.path_params["circle"], request.state.key)

    async def _events(self, kept: Kept) -> AsyncGenerator[bytes, None]:
        silent = 0
        yield b": a circle\n\n"
        async for kind, data in lines(kept, TICK):
            silent = silent + 1 if kind == "silence" else 0
            if kind == "line":
                yield b"data: " + data.rstrip(b"\n") + b"\n\n"
            elif kind == "tokens":
                yield streams.sent(data, "tokens")
            elif kind == "end":
                yield streams.sent(kept.to_json(), "end")
            elif self.ends():
                return
            elif silent % QUIET == 0:
                yield streams.SILENCE

    async def _complete(self, request: Request, read: Callable[[bytes], Asked], *, chat: bool) -> Response | Stream:
        data = await self._data(request)
        begun = await self._round(request, read(data), data)
        form = streams.Form(chat, begun)
        return await self._answer(request, begun, form.whole, form.pieces)

    async def _data(self, request: Request) -> bytes:
        """The body of a request, as far as it may be long."""
        most, data = self.house.limits.body, bytearray()
        length = request.headers.get("content-length", "")
        too_long = Refusal(413, f"the request is longer than {most:,} bytes: shorten it", code="request_too_large")
        if length.isdigit() and int(length) > most:
            raise too_long
        async for piece in request.stream():
            data += piece
            if len(data) > most:
                raise too_long
        return bytes(data)

    async def _fits(self, asked: Asked) -> None:
        """Refuses a conversation that no prompt of the model's can hold, before anything of an answer is sent."""
        engine, room = self.house.session.engine, self.house.session.profile.answer_tokens
        words = "\n".join(turn["content"] for turn in asked.turns)
        context = engine.info.context if engine.info.mode == "ids" else None
        if context is None or len(words.encode()) + room < context:  # no token is less than a byte
            return
        tokens = len(await engine.tokenize(words))
        if tokens + room >= context:
            what = (
                f"the conversation takes {tokens} tokens, but the context holds {context}, {room} of them kept for the"
            )
            raise Refusal(400, f"{what} answer: shorten it", param="messages", code="context_length_exceeded")

    async def _round(self, request: Request, asked: Asked, data: bytes) -> Round:
        """The circles of a request, each with a place."""
        house, key = self.house, request.state.key
        identity = request.headers.get("idempotency-key")
        if identity is not None and len(identity) > LONGEST_IDENTITY:
            raise Refusal(400, f"the Idempotency-Key is longer than {LONGEST_IDENTITY} characters: shorten it")
        if self.ends():
            raise Refusal(503, "the server is about to end: ask another one", headers={"Retry-After": "5"})
        wanted, settings = house.models.settings(asked)
        await self._fits(asked)
        dialect = await house.session.dialect(settings.thinking)
        alone = settings.paths == 1 and settings.method != "longer"  # nothing is put into what it writes
        places = house.turns.enter(key, asked.choices)
        try:
            kept = house.circles.begin(asked.question, key, identity, request.url.path.encode() + data, asked.choices)
        except Refusal:
            for place in places:
                place.leave()
            raise
        for circle in kept:
            circle.model, circle.preset, circle.paths = asked.model, settings.preset, settings.paths
        if self.told_prompts:
            LOG.info("circle %s is asked: %s", kept[0].id, fit(asked.question, longest=2000))
        return Round(house, asked, wanted, kept, places, aloud=alone and settings.free and not dialect.think_close)

    async def _answer(
        self,
        request: Request,
        begun: Round,
        whole: Callable[..., dict[str, Any]],
        pieces: Callable[[], AsyncIterator[bytes]],
    ) -> Response | Stream:
        if begun.asked.stream:
            return Stream(_within(begun, pieces), begun.leave)

        async def work() -> dict[str, Any]:
            async with begun:
                return whole(*await begun.whole())

        try:
            body = await while_there(request.receive, work())
        except asyncio.CancelledError:
            raise _ended() from None
        finally:
            begun.leave()
        return Response(status_code=GONE) if body is None else JSONResponse(body)

    def _model(self, name: str) -> dict[str, Any]:
        return {"id": name, "object": "model", "created": self.began, "owned_by": "tertulia"}


async def _within(begun: Round, pieces: Callable[[], AsyncIterator[bytes]]) -> AsyncGenerator[bytes, None]:
    async with begun:
        async for piece in pieces():
            yield piece


class Stream:
    """An answer in pieces; it ends, and what makes it, when the client goes away.

    Args:
        pieces: Server-sent events.
        leave: Called in the end, even where not one piece was asked for.
    """

    def __init__(self, pieces: AsyncGenerator[bytes, None], leave: Callable[[], None] = lambda: None) -> None:
        self._pieces = pieces
        self._leave = leave

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends them."""
        headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]
        headers.append((b"x-accel-buffering", b"no"))

        async def write() -> None:
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            try:
                async with aclosing(self._pieces) as pieces:
                    async for piece in pieces:
                        await send({"type": "http.response.body", "body": piece, "more_body": True})
            except Exception as error:
                told = streams.sent(refusal_for(error).body) + streams.DONE
                await send({"type": "http.response.body", "body": told, "more_body": True})
            await send({"type": "http.response.body", "body": b""})

        try:
            await while_there(receive, write())
        except asyncio.CancelledError:  # the server ends, and has no patience left
            told = streams.sent(_ended().body) + streams.DONE
            await send({"type": "http.response.body", "body": told})
        finally:
            self._leave()


async def while_there(receive: Receive, work: Coroutine[Any, Any, Value]) -> Value | None:
    """Does the work unless the client goes away: then it is cancelled, and there is None."""

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    task, leaving = asyncio.ensure_future(work), asyncio.ensure_future(gone())
    try:
        await asyncio.wait((task, leaving), return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        for part in (task, leaving):
            part.cancel()
        await asyncio.gather(task, leaving, return_exceptions=True)


class Counted:
    """Counts and logs what each request came to, without a word of it."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]], house: House) -> None:
        self._app = app
        self._house = house

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Takes one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, began = GONE, time.monotonic()

        async def watched(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self._house.metrics.requests.labels(route, str(status)).inc()
            key = scope.get("state", {}).get("key", "-")
            LOG.info("%s %s %d, key %s, %.2f s", scope["method"], route, status, key, time.monotonic() - began)


def _ended() -> Refusal:
    """What is said where a circle did not come to its end before the server did."""
    return Refusal(503, "the server ended before the answer was there: ask again", headers={"Retry-After": "5"})


def refusal_for(error: Exception) -> Refusal:
    """An error as its client reads it; of one that is the server's own its log says more."""
    match error:
        case Refusal():
            return error
        case TertuliaError():
            return refusal_of(error)
        case HTTPException():
            return Refusal(error.status_code, f"this cannot be asked: {error.detail}", headers=error.headers)
        case ClientDisconnect():
            return Refusal(GONE, "the client went away")
    LOG.error("a request failed", exc_info=error)
    return Refusal(500, "something in the server failed; its log says what")


async def _refused(request: Request, error: Exception) -> Response:
    refusal = refusal_for(error)
    return JSONResponse(refusal.body, refusal.status, refusal.headers)


def application(
    house: House, keys: tuple[str, ...] = (), *, ends: Callable[[], bool] = lambda: False, told_prompts: bool = False
) -> Starlette:
    """The whole endpoint as an ASGI application.

    Args:
        house: What all requests share.
        keys: Who may ask; none where everybody on this machine may.
        ends: Whether the server is about to end.
        told_prompts: Whether the log may hold what was asked.
    """
    end = Endpoint(house, ends, told_prompts=told_prompts)
    routes = [
        Route("/", end.page),
        Route("/health", end.health),
        Route("/ready", end.ready),
        Route("/metrics", end.metrics),
        Route("/openapi.json", end.openapi),
        Route("/v1/models", end.models),
        Route("/v1/models/{model:path}", end.models),
        Route("/v1/chat/completions", end.chat, methods=["POST"]),
        Route("/v1/completions", end.completions, methods=["POST"]),
        Route("/v1/responses", end.responses, methods=["POST"]),
        Route("/circles", end.circles),
        Route("/circles/{circle}", end.circle),
        Route("/circles/{circle}/events", end.events),
    ]
    # A key is nothing that a browser sends by itself, so a page of elsewhere that has one may ask.
    pages = Middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"])
    errors = (Refusal, TertuliaError, HTTPException, ClientDisconnect, Exception)
    return Starlette(
        routes=routes,
        middleware=[Middleware(Counted, house=house), *([pages] if keys else []), Middleware(Guard, keys=keys)],
        exception_handlers=dict.fromkeys(errors, _refused),
    )
