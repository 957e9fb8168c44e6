"""The one client for inference servers: connections, the retry layer, slots, and exact tokens."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlsplit

from tertulia.engines.base import (
    TEXT_ID,
    EngineError,
    EngineInfo,
    Generation,
    OnTokens,
    Request,
    StopMatcher,
    Token,
)
from tertulia.engines.generation import Continuation
from tertulia.engines.llama import LlamaCpp
from tertulia.engines.patience import RETRIED_STATUS, Patience, Retryable, retry_after
from tertulia.engines.pieces import Pieces
from tertulia.engines.servers import Dialect, Json, Messages, OpenAI, Part, Sglang, Vllm
from tertulia.engines.slots import Slots
from tertulia.engines.wire import EventSplitter, Reply, Silence, Sink, Unreachable, Wire, WireError

DIALECTS: dict[str, type[Dialect]] = {kind.name: kind for kind in (LlamaCpp, Vllm, Sglang, OpenAI)}
OWNERS = {"llamacpp": "llama.cpp", "vllm": "vllm", "sglang": "sglang"}
_decode = json.JSONDecoder().raw_decode  # `json.loads` spends as long again on finding out the encoding
MEMORY = 4096  # texts whose ids are remembered


class HttpEngine:
    """An engine behind a URL.

    Args:
        url: "http://host:port", with or without "/v1".
        model: The model to use; None for the server's first.
        dialect: "llama.cpp", "vllm", "sglang" or "openai"; None to find out.
        api_key_env: Environment variable that holds the API key, if the server wants one.
        max_connections: Requests at the same time; more of them wait.
        timeout: Seconds of silence after which a request has failed.
        retries: Attempts after the first, for failures that may pass.
        patience: Bound on the waits between the attempts of one request, in seconds.
    """

    def __init__(
        self,
        url: str,
        *,
        model: str | None = None,
        dialect: str | None = None,
        api_key_env: str = "TERTULIA_API_KEY",
        max_connections: int = 256,
        timeout: float = 300.0,
        retries: int = 5,
        patience: float = 60.0,
    ) -> None:
        if dialect is not None and dialect not in DIALECTS:
            raise EngineError(f"unknown dialect {dialect!r}: expected one of {', '.join(DIALECTS)}")
        self._url = _base_url(url)
        self._model = model
        self._dialect_name = dialect
        self._key_env = api_key_env
        self._key = os.environ.get(api_key_env, "")
        self._max_connections = max_connections
        self._timeout = timeout
        self._retries = retries
        self._patience = patience
        self._slots: Slots | None = None
        self._texts: dict[tuple[str, bool], tuple[int, ...]] = {}
        self.info = EngineInfo(dialect or "", self._url, model or "", None, "ids")

    async def __aenter__(self) -> Self:
        self._connect()
        try:
            await self._probe()
        except BaseException:
            await self._wire.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._wire.close()

    async def tokenize(self, text: str, *, special: bool = False) -> tuple[int, ...]:
        """Ids of `text`; control tokens are parsed only with `special`. Short texts are asked for once."""
        known = self._texts.get((text, special))
        if known is not None:
            return known
        ids = await self._dialect.tokenize(text, special=special) if text else ()
        if len(self._texts) >= MEMORY:
            self._texts.clear()
        if len(text) < MEMORY:
            self._texts[text, special] = ids
        return ids

    async def detokenize(self, ids: Sequence[int]) -> str:
        """Text of `ids`, control tokens included."""
        return await self._dialect.detokenize(ids) if ids else ""

    async def render(self, messages: Messages) -> str | None:
        """Messages in the chat template, with the beginning of the model's turn; None if it cannot say."""
        return await self._dialect.render(messages)

    async def busy(self) -> int | None:
        """How many requests the server is working on; None where it does not say."""
        return await self._dialect.running()

    async def release(self, path: str) -> None:
        """The path will not come back: its slot is free."""
        if self._slots is not None:
            self._slots.release(path)

    async def generate(self, request: Request, *, on_tokens: OnTokens | None = None) -> Generation:
        """Continue `request.ids` (in text mode `request.text`).

        A request that is cut goes on from the tokens it has; when patience ends, these are returned with
        finish "cut".

        Raises:
            EngineError: The context is full, the server refuses the request, or it failed for good before the
                first token.
        """
        room = self.info.context if self.info.mode == "ids" else None
        if room is not None and len(request.ids) >= room:
            raise EngineError(
                f"path {request.path} has {len(request.ids)} tokens, but the context holds {room}: "
                "shorten the question or the budget, or give the engine a longer context"
            )
        work = Continuation(request, room, on_tokens)
        patience = Patience(self._retries, self._patience)
        stop_texts = await self._stop_texts(request)
        async with self._slot(request.path) as slot:
            while work.finish is None:
                reader = _Reader(self._take, self._pieces.now, work, on_tokens, text=self.info.mode == "text")
                failure: Retryable | None = None
                try:
                    await self._exchange(work, reader, stop_texts, slot)
                except Retryable as error:
                    failure = error
                    if error.silent:
                        self._dialect.slow_down()
                await self._absorb(work, reader)
                if failure and work.finish is None and not await patience.wait(failure):
                    if not work.tokens:
                        raise EngineError(self._gave_up(failure, patience)) from None
                    break
        if work.end_id is not None and work.end_id not in self.info.end_ids:
            self.info = replace(self.info, end_ids=(*self.info.end_ids, work.end_id))
        return work.result()

    # One exchange of a generation.

    async def _exchange(self, work: Continuation, reader: _Reader, stop_texts: Sequence[str], slot: int | None) -> None:
        """Ask for what is missing; what comes is with the reader, also when this fails."""
        request = work.rest(self._dialect.slice_tokens)
        path, body = self._dialect.body(request, stop_texts, slot)
        headers = {"X-Session-ID": quote(request.path, safe="/:.-_")}
        sink = reader if self._dialect.streams else None
        reply = await self._send("POST", path, body, headers=headers, sink=sink)
        if sink is None:
            self._take(reader.part, reply.body)
        elif reader.part.finish is None and not reader.enough:
            raise Retryable("the stream ended before the generation did")

    async def _absorb(self, work: Continuation, reader: _Reader) -> None:
        texts: list[str] = reader.part.texts
        if self.info.mode == "ids":
            texts, work.pending = await self._pieces.texts(reader.part.ids, work.pending)
        work.add(reader.part, texts, reader.told)

    def _take(self, part: Part, payload: bytes) -> None:
        if self._dialect.glance(part, payload):
            return
        try:
            event, _ = _decode(payload.decode())
        except ValueError:
            raise Retryable(f"the server sent no JSON: {payload[:60]!r}") from None
        error = event.get("error") or (event if event.get("object") == "error" else None)
        if error:
            status = str(error.get("code")) if isinstance(error, dict) else ""
            raise self._failure(int(status) if status.isdigit() else 500, payload, {})
        self._dialect.read(part, event)

    async def _stop_texts(self, request: Request) -> Sequence[str]:
        if self._dialect.stop_ids or not request.stop_ids or self.info.mode == "text":
            return ()
        return (await self._pieces.texts(request.stop_ids))[0]

    @asynccontextmanager
    async def _slot(self, path: str) -> AsyncIterator[int | None]:
        if self._slots is None:
            yield None
        else:
            async with self._slots.hold(path) as slot:
                yield slot

    # Asking the server.

    async def _ask(self, method: str, path: str, body: Json | None = None, *, optional: bool = False) -> Any:
        patience = Patience(self._retries, self._patience)
        while True:
            try:
                reply = await self._send(method, path, body, optional=optional)
                break
            except Retryable as failure:
                if not await patience.wait(failure):
                    raise EngineError(self._gave_up(failure, patience)) from None
        if reply.status != 200:
            return None
        try:
            return json.loads(reply.body)
        except ValueError:
            return reply.body.decode("utf-8", "replace")

    async def _send(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        *,
        headers: dict[str, str] | None = None,
        sink: Sink | None = None,
        optional: bool = False,
    ) -> Reply:
        data = b"" if body is None else json.dumps(body, separators=(",", ":")).encode()
        try:
            reply = await self._wire.exchange(method, path, data, headers=headers, sink=sink)
        except Unreachable as error:
            raise Retryable(f"cannot be reached: {error}") from None
        except WireError as error:
            raise Retryable(str(error), silent=isinstance(error, Silence)) from None
        if reply.status == 200 or (optional and reply.status in (404, 405, 501)):
            return reply
        raise self._failure(reply.status, reply.body, reply.headers)

    def _failure(self, status: int, body: bytes, headers: dict[str, str]) -> Exception:
        message = _message(body)
        if status in (401, 403):
            what = "refused the API key in" if self._key else "wants an API key: put it into"
            return EngineError(f"{self._url} {what} {self._key_env} (HTTP {status}{message})")
        if status in RETRIED_STATUS:
            return Retryable(f"HTTP {status}{message}", retry_after(headers.get("retry-after")))
        return EngineError(f"{self._url} refused the request (HTTP {status}{message})")

    def _gave_up(self, failure: Retryable, patience: Patience) -> str:
        tries = f"{patience.attempts} attempt{'s' if patience.attempts > 1 else ''}"
        if failure.wait is not None and failure.wait > self._patience:
            tries += f", and it asks to wait {failure.wait:g} s"
        return f"{self._url}: {failure} (gave up after {tries}); is the server running and able to cope?"

    # Finding out what the server is.

    def _connect(self) -> None:
        headers = {"Content-Type": "application/json", "Accept": "*/*", "User-Agent": "tertulia"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        self._wire = Wire(self._url, headers, max_connections=self._max_connections, timeout=self._timeout)

    async def _probe(self) -> None:
        models = await self._ask("GET", "/v1/models", optional=True)
        listed = models.get("data") or [] if isinstance(models, dict) else []
        name = self._dialect_name or await self._recognise(listed)
        entry = self._chosen(listed, name)
        self._dialect = DIALECTS[name](self._ask, self._model or str(entry.get("id") or ""))
        self.info = await self._dialect.probe(self._url, entry)
        self._pieces = Pieces(self._dialect.detokenize, partial(self._dialect.tokenize, special=False))
        if self.info.slots:
            self._slots = Slots(self.info.slots)
            # A llama.cpp server has about as many threads as slots, and a kept connection holds one of them.
            self._wire.limit(min(self._max_connections, self.info.slots + 2))

    async def _recognise(self, listed: list[Json]) -> str:
        owners = [OWNERS[entry["owned_by"]] for entry in listed if entry.get("owned_by") in OWNERS]
        if owners and owners[0] != "llama.cpp":
            return owners[0]
        # Behind a proxy the owner may be somebody else; and one may pass on the list of a llama.cpp server
        # without the calls that we need.
        for path, name, key in (
            ("/props", "llama.cpp", "default_generation_settings"),
            ("/get_model_info", "sglang", "model_path"),
            ("/version", "vllm", "version"),
        ):
            answer = await self._ask("GET", path, optional=True)
            if isinstance(answer, dict) and key in answer:
                return name
        return "openai"

    def _chosen(self, listed: list[Json], name: str) -> Json:
        """The entry of the model in the server's list."""
        found = [entry for entry in listed if self._model in (None, entry.get("id"))]
        if found:
            return found[0]
        names = ", ".join(str(entry.get("id")) for entry in listed[:8])
        if self._model is not None and listed and name != "llama.cpp":
            raise EngineError(f"{self._url} has no model {self._model!r}, it has: {names}")
        if self._model is None and name == "openai":
            raise EngineError(f"{self._url} does not list its models: say which one to use")
        return listed[0] if listed else {}


class _Reader:
    """Takes the events of one stream as they come.

    In text mode with several stops it looks for them, and has had enough when one has come.

    Args:
        take: Puts a payload into a part.
        text_of: Text of an id as far as known.
        work: What the stream continues.
        on_tokens: Told of tokens at once; their text may not be whole yet.
        text: Whether this is text mode.
    """

    def __init__(
        self,
        take: Callable[[Part, bytes], None],
        text_of: Callable[[int], str],
        work: Continuation,
        on_tokens: OnTokens | None,
        *,
        text: bool,
    ) -> None:
        self.part = Part()
        self.told = 0
        self.enough = False
        self._take = take
        self._text_of = text_of
        self._on_tokens = on_tokens
        self._events = EventSplitter()
        self._watch = StopMatcher(work.request.stop if text and len(work.request.stop) > 1 else ())
        for token in work.tokens if text else ():
            self._watch.feed(token.text)

    def __call__(self, data: bytes) -> bool:
        part = self.part
        for payload in self._events.feed(data):
            if payload != b"[DONE]":
                self._take(part, payload)
        new = part.texts[self.told :]
        if self._on_tokens is not None and new:
            ids = part.ids[self.told :]
            self._on_tokens(
                [
                    Token(token, text if token == TEXT_ID else self._text_of(token) or text)
                    for token, text in zip(ids, new, strict=True)
                ]
            )
        self.told = len(part.ids)
        self.enough = any([self._watch.feed(text) is not None for text in new])
        return self.enough


def _base_url(url: str) -> str:
    parts = urlsplit(url if "//" in url else f"http://{url}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise EngineError(f"{url!r} is no server's URL: expected something like http://localhost:8000")
    return f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/").removesuffix("/v1")


def _message(body: bytes) -> str:
    """What the server says went wrong, in one line."""
    text = body.decode("utf-8", "replace")
    try:
        answer = json.loads(text)
    except ValueError:
        answer = text
    if isinstance(answer, dict):
        error = answer.get("error") or answer
        told = error.get("message") or error.get("detail") if isinstance(error, dict) else error
        answer = told or text
    line = " ".join(str(answer).split())
    return f": {line[:300]}" if line else ""
