"""The one client for inference servers: connections, the retry layer, slots, and exact tokens."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any, Self
from urllib.parse import quote

from tertulia.engines.address import KEY, Address, Unwelcome
from tertulia.engines.answer import Fields, Malformed, Refused, decoded, told_in
from tertulia.engines.asking import Messages, Options, Questions
from tertulia.engines.base import EngineError, EngineInfo, Generation, OnTokens, Request
from tertulia.engines.generation import Continuation, Reader
from tertulia.engines.patience import Patience, Retryable
from tertulia.engines.pieces import Pieces
from tertulia.engines.recognise import known, recognise
from tertulia.engines.servers import Json, Part
from tertulia.engines.slots import Slots
from tertulia.engines.wire import TELL_SECONDS, Limits, Reply, Wire
from tertulia.errors import fit

FORGONE = ("stream_options", "logprobs", "session_id")  # what is asked for only if the server takes it
SETTLE_SECONDS = 10.0  # after this long a slot is handed on, whatever the server says
OnWait = Callable[[float, str], None]


class HttpEngine:
    """An engine behind a URL.

    Args:
        url: "http://host:port", with or without "/v1"; a name and a password in it are sent and never shown.
        model: The model to use; None for the server's first.
        dialect: "llama.cpp", "vllm", "sglang" or "openai"; None to find out.
        api_key_env: Environment variable that holds the API key, if the server wants one.
        max_connections: Requests at the same time; more of them wait.
        first_byte: Seconds until the first token of an answer (on a busy machine a long context takes its time).
        progress: Seconds between two tokens, and for an answer without tokens.
        retries: Attempts after the first, for failures that may pass.
        patience: Bound on what the attempts of one request may wait in all, in seconds; silences count.

    `on_wait` is told, now and then, how many seconds something has been waited for, and for what. `remarks` holds
    what was odd in the server's answers and was ignored, each kind once.
    """

    def __init__(
        self,
        url: str,
        *,
        model: str | None = None,
        dialect: str | None = None,
        api_key_env: str = KEY,
        max_connections: int = 256,
        first_byte: float = 150.0,
        progress: float = 60.0,
        retries: int = 5,
        patience: float = 300.0,
    ) -> None:
        self._address = Address(url, api_key_env)
        self._asked = (model, known(dialect))
        self._max_connections = max_connections
        self._limits = (first_byte, progress)
        self._bounds = (retries, patience)
        self._slots: Slots | None = None
        self._forgone: set[str] = set()
        self._tired: dict[str, Patience] = {}  # paths whose last generation was cut for good
        self._told_wait = 0.0
        self._questions: Questions
        self.on_wait: OnWait | None = None
        self.remarks: list[str] = []
        self.info = EngineInfo(dialect or "", self._address.url, model or "", None, "ids")

    async def __aenter__(self) -> Self:
        self._wire = Wire(self._address, max_connections=self._max_connections, on_wait=self._wait)
        try:
            with self._address.wall():
                self._questions, self.info = await recognise(self._ask, self._address.url, *self._asked)
        except BaseException:
            await self._wire.close()
            raise
        self._dialect = self._questions.dialect
        self._pieces = Pieces(self._questions.detokenize, self._questions.tokenize)
        if self.info.slots:
            self._slots = Slots(self.info.slots, self._settle)
            # A llama.cpp server has about as many threads as slots, and a kept connection holds one of them.
            self._wire.limit(min(self._max_connections, self.info.slots + 2))
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._slots is not None:
            await self._slots.close()
        await self._wire.close()

    async def tokenize(self, text: str, *, special: bool = False) -> tuple[int, ...]:
        """Ids of `text`; control tokens are parsed only with `special`. Short texts are asked for once."""
        with self._address.wall():
            return await self._questions.tokenize(text, special=special)

    async def detokenize(self, ids: Sequence[int]) -> str:
        """Text of `ids`, control tokens included."""
        with self._address.wall():
            return await self._questions.detokenize(ids)

    async def render(self, messages: Messages, options: Options = None) -> str | None:
        """Messages in the chat template, with the beginning of the model's turn; None if it cannot say."""
        with self._address.wall():
            return await self._questions.render(messages, options)

    async def busy(self) -> int | None:
        """How many requests the server is working on; None where it does not say."""
        with self._address.wall():
            return await self._questions.running()

    async def release(self, path: str) -> None:
        """The path will not come back: its slot is free."""
        self._tired.pop(path, None)
        if self._slots is not None:
            self._slots.release(path)

    async def generate(self, request: Request, *, on_tokens: OnTokens | None = None) -> Generation:
        """Continue `request.ids` (in text mode `request.text`).

        A request that is cut goes on from the tokens it has; when patience ends, these are returned with
        finish "cut". A path that was cut and is asked for again has no more patience than was left.

        Raises:
            EngineError: The context is full, the server refuses the request or gives it up, or it failed for good
                before the first token.
        """
        room = self.info.context if self.info.mode == "ids" else None
        if room is not None and len(request.ids) >= room:
            raise EngineError(
                f"path {request.path} has {len(request.ids)} tokens, but the context holds {room}: "
                "shorten the question or the budget, or give the engine a longer context"
            )
        work = Continuation(request, room, on_tokens)
        tired = self._tired.pop(request.path, None)
        patience = tired or Patience(*self._bounds)
        with self._address.wall():
            stop_texts = await self._stop_texts(request)
            async with self._slots.hold(request.path) if self._slots else nullcontext() as slot:
                while work.finish is None:
                    failure = await self._exchange(work, stop_texts, slot)
                    if failure is None or work.finish is not None:
                        continue
                    if slot is not None and failure.silence:  # it is still at work on what was just given up
                        await self._settle(slot)
                    if not await patience.wait(failure, self._wait):
                        if tired or not work.tokens:
                            raise self._address.gave_up(failure, patience) from None
                        self._tired[request.path] = patience
                        break
            if not work.tokens and (work.finish == "length" or not work.silent):
                raise Refused(f"it ended without a single token ({work.finish})")
        if work.end_id is not None and work.end_id not in self.info.end_ids:
            self.info = replace(self.info, end_ids=(*self.info.end_ids, work.end_id))
        return work.result()

    # One exchange of a generation.

    async def _exchange(self, work: Continuation, stop_texts: Sequence[str], slot: int | None) -> Retryable | None:
        """Ask for what is missing and take in what comes, also when this fails; the failure, if it may pass."""
        request = work.rest(self._dialect.slice_tokens, self._dialect.first)
        part = Part(prompt=request.ids, most=request.max_tokens, text=self.info.mode == "text")
        reader = Reader(self._take, part, self._pieces.now, work)
        failure = None
        try:
            await self._send_for(request, stop_texts, slot, reader)
        except Retryable as error:
            failure = error
            if error.silence:
                self._dialect.slow_down()
        texts: list[str] = part.texts
        if self.info.mode == "ids":
            texts, work.pending = await self._pieces.texts(part.ids, work.pending)
        work.add(part, texts, reader.progress)
        self._remark(part.usage.odd)
        return failure

    async def _send_for(self, request: Request, stop_texts: Sequence[str], slot: int | None, reader: Reader) -> None:
        path, body = self._dialect.body(request, stop_texts, slot)
        body = {name: value for name, value in body.items() if name not in self._forgone}
        headers = {"X-Session-ID": quote(request.path, safe="/:.-_")}
        forgone: set[str] = set()
        while True:
            try:
                sink = reader if self._dialect.streams else None
                reply = await self._send("POST", path, body, self._limits, headers=headers, sink=sink)
                break
            except Unwelcome as error:
                named = next((name for name in FORGONE if name in body and name in error.told), None)
                if named is None:
                    raise
                forgone.add(named)
                del body[named]
        self._forgone |= forgone
        if sink is None:
            self._take(reader.part, reply.body)
        elif not reader.end():
            raise Retryable("the stream ended before the generation did")

    def _take(self, part: Part, payload: bytes) -> None:
        if self._dialect.glance(part, payload):
            return
        event = Fields(decoded(payload), "an event" if self._dialect.streams else "the answer")
        if "error" in event or event.raw("object") == "error":
            raise Refused(told_in(event.raw("error") or event.raw("message")))
        self._dialect.read(part, event)

    def _remark(self, odd: list[str]) -> None:
        for what in odd:
            if not any(what.split(" ")[0] in told for told in self.remarks):
                self.remarks.append(f"ignored: {what}")

    async def _stop_texts(self, request: Request) -> Sequence[str]:
        if self._dialect.stop_ids or not request.stop_ids or self.info.mode == "text":
            return ()
        return (await self._pieces.texts(request.stop_ids))[0]

    async def _settle(self, slot: int) -> None:
        """Wait until the server has let go of a slot, as far as it says."""
        idle, hurry = 0, 10
        try:
            async with asyncio.timeout(SETTLE_SECONDS):
                while idle < 2:  # a request that was on its way when it was stopped shows up a little later
                    # A llama.cpp that is asked nothing for a second looks whether anybody is still there.
                    await asyncio.sleep(0.02 if idle or hurry > 0 else 1.2)
                    busy, hurry = await self._questions.busy_slots(), hurry - 1
                    idle = 0 if busy and slot in busy else idle + 1
        except (TimeoutError, Retryable, EngineError, Malformed):
            return

    # Asking the server.

    async def _ask(self, method: str, path: str, body: Json | None = None, *, optional: bool = False) -> Any:
        patience = Patience(*self._bounds)
        limits = (self._limits[1], self._limits[1])
        while True:
            try:
                reply = await self._send(method, path, body, limits, optional=optional)
                break
            except Retryable as failure:
                if not await patience.wait(failure, self._wait):
                    raise self._address.gave_up(failure, patience) from None
        if reply.status != 200:
            return None
        try:
            return decoded(reply.body)
        except Malformed:
            if not optional:
                raise
            return reply.body.decode("utf-8", "replace")

    async def _send(
        self,
        method: str,
        path: str,
        body: Json | None,
        limits: Limits,
        *,
        headers: dict[str, str] | None = None,
        sink: Reader | None = None,
        optional: bool = False,
    ) -> Reply:
        data = b"" if body is None else json.dumps(body, separators=(",", ":")).encode()
        reply = await self._wire.exchange(method, path, data, limits=limits, headers=headers, sink=sink)
        if reply.status == 200 or (optional and reply.status in (404, 405, 501)):
            return reply
        raise self._address.refused(reply.status, reply.headers, reply.body)

    def _wait(self, seconds: float, what: str = "the server") -> None:
        now = asyncio.get_running_loop().time()
        if self.on_wait is not None and now - self._told_wait >= TELL_SECONDS / 2:  # many paths wait at once
            self._told_wait = now
            self.on_wait(seconds, fit(what, longest=300))
