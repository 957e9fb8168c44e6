"""Small servers that speak like vLLM, SGLang, llama.cpp and plain OpenAI, and can be made to fail.

Their model tells STORY: what follows `<think>` in the context is how far it has come. So a test sees at once
whether a token was lost or told twice.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tertulia.engines.scripted import ScriptedEngine

Json = dict[str, Any]
STORY = "Plan: start and add the doubles.\n1) 13+80=93 — বাংলা, ไทย, 🙂\n2) 93*2=186, right?\n</think>186<|end|>"


@dataclass
class Trouble:
    """What goes wrong in one generation: an HTTP status, or a stream that is cut, stalls or ends early.

    `raw` is sent instead of an answer, and the connection closed. `mangle` makes other bytes of an event (of
    llama.cpp's whole answer), by its place in the stream.
    """

    status: int = 0
    retry_after: str = ""
    cut_after: int | None = None
    stall_after: int | None = None
    finish: str = ""
    raw: bytes = b""
    mangle: Callable[[Json, int], bytes] | None = None
    said: str = ""  # what the body of an HTTP status says


@dataclass
class Fake:
    """A server's settings, and what it saw."""

    kind: str
    chunk: int = 1  # tokens an event
    delay: float = 0.0
    key: str = ""
    context: int = 2048
    incremental: bool = False  # SGLang: tell only what is new
    cached: bool = True
    troubles: deque[Trouble] = field(default_factory=deque)
    bodies: list[Json] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    running: int = 0
    most: int = 0
    aborted: int = 0
    connections: int = 0
    url: str = ""
    close_after_answer: bool = False
    fragments: bool = False
    spaces: bool = False  # blanks in the JSON
    answers: dict[str, bytes] = field(default_factory=dict)  # what is said at a path instead, whatever is asked
    slots: int = 3
    refuses: tuple[str, ...] = ()  # fields of a request that it does not take
    reason: str | None = ""  # what its stream gives as the reason to finish, instead of its own
    trims: int = 0  # plain OpenAI: characters of the stop string that stay in the text
    counts: bool = True  # whether it tells the usage
    overrun: int = 0  # tokens that it goes on after the limit
    busy: dict[int, int] = field(default_factory=dict)  # requests at work, by slot of a llama.cpp server
    clashes: int = 0  # requests that went to a busy slot
    notices: float = 0.0  # seconds until it sees that a connection was closed
    listens: float = 0.0  # and seconds without any question before it looks
    asked: float = 0.0  # when it was asked last, by the clock of its loop
    owner: str = ""  # who the list of models says it belongs to
    templated: bool = True  # vLLM: whether it has a chat template
    stories: int = 0  # so many of them follow whatever it is asked to continue; 0 for the rest of one
    begins: str = ""  # what its tokenizer puts before a text
    switch: bool = False  # whether its chat template has a switch for thinking, which is off unless asked for

    def __post_init__(self) -> None:
        self.words = ScriptedEngine()
        self.think = self.words.control_id("<think>")
        self.end = self.words.control_id("<|end|>")

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Fake]:
        self._open: set[asyncio.Task[None]] = set()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._open.add(asyncio.create_task(self._connection(reader, writer)))

        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()
            for task in self._open:
                task.cancel()
            await asyncio.gather(*self._open, return_exceptions=True)

    async def story(self) -> tuple[int, ...]:
        return await self.words.tokenize(STORY, special=True)

    # HTTP.

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                method, path, _ = head[0].split(" ")
                headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in head[1:] if line)}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                self.paths.append(path)
                self.asked = asyncio.get_running_loop().time()
                await self._answer(method, path, headers, json.loads(body) if body else {}, reader, writer)
                if self.close_after_answer:
                    break
        except (asyncio.IncompleteReadError, ConnectionError, _Cut):
            pass
        finally:
            writer.close()

    async def _answer(
        self, method: str, path: str, headers: dict[str, str], body: Json, reader: Any, writer: Any
    ) -> None:
        if self.key and headers.get("authorization") != f"Bearer {self.key}":
            return _send(writer, 401, {"error": {"message": "Incorrect API key"}})
        if path in ("/v1/completions", "/generate", "/completion"):
            self.bodies.append(body)
            self.headers.append(headers)
            wrong = next((name for name in self.refuses if name in body), None)
            if wrong is not None:
                return _send(
                    writer, 422, {"detail": [{"msg": "Extra inputs are not permitted", "loc": ["body", wrong]}]}
                )
            return await self._generate(path, body, reader, writer)
        if path in self.answers:
            return _send(writer, 200, self.answers[path])
        answer = await self._about(path, body)
        return _send(writer, 404 if answer is None else 200, answer or {"detail": "Not Found"})

    async def _about(self, path: str, body: Json) -> Any:
        owner = self.owner or {"llama.cpp": "llamacpp", "openai": "somebody"}.get(self.kind, self.kind)
        if path == "/v1/models":
            return {"data": [{"id": "story", "owned_by": owner, "max_model_len": self.context}]}
        if self.kind == "openai":
            return None
        if self.kind == "llama.cpp":
            return await self._about_llama(path, body)
        if path == "/metrics":
            return f'# HELP\nvllm:num_requests_running{{model_name="story"}} {float(self.running)}\n'
        if self.switch and path in ("/tokenize", "/v1/chat/completions") and "messages" in body:
            ids = await self.words.tokenize(self._rendered(body), special=True)
            return {"tokens": ids} if path == "/tokenize" else {"choices": [{"prompt_token_ids": ids}]}
        if path == "/tokenize" and "messages" in body and not self.templated:
            return None
        if path == "/tokenize" and "messages" in body:
            text = "".join(f"<|user|>{message['content']}" for message in body["messages"])
            return {"tokens": await self.words.tokenize(text + "<|assistant|><think>\n", special=True)}
        if path == "/tokenize":
            first = self.begins if body.get("add_special_tokens", True) else ""
            return {"tokens": await self.words.tokenize(first + body["prompt"], special=True)}
        if path == "/detokenize":
            return {"prompt" if self.kind == "vllm" else "text": await self.words.detokenize(body["tokens"])}
        return None

    def _rendered(self, body: Json) -> str:
        text = "".join(f"<|user|>{message['content']}" for message in body["messages"]) + "<|assistant|><think>\n"
        on = body.get("chat_template_kwargs", {}).get("enable_thinking", False)
        return text + ("" if on else "\n</think>\n\n")

    async def _about_llama(self, path: str, body: Json) -> Any:
        if path == "/apply-template" and self.switch:
            return {"prompt": self._rendered(body)}
        if path == "/props":
            settings = {"n_ctx": self.context}
            return {"default_generation_settings": settings, "total_slots": self.slots, "eos_token": "<|end|>"}
        if path == "/tokenize":
            special = bool(body.get("parse_special"))
            return {"tokens": await self.words.tokenize(body["content"], special=special)}
        if path == "/slots":
            return [{"id": slot, "is_processing": bool(self.busy.get(slot))} for slot in range(self.slots)]
        if path == "/detokenize":
            return {"content": await self.words.detokenize(body["tokens"])}
        return None

    # The model.

    async def _generate(self, path: str, body: Json, reader: Any, writer: Any) -> None:
        trouble = self.troubles.popleft() if self.troubles else Trouble()
        if trouble.status:
            extra = f"Retry-After: {trouble.retry_after}\r\n" if trouble.retry_after else ""
            return _send(writer, trouble.status, trouble.said or {"error": {"message": "too much\nto do"}}, extra)
        if trouble.raw:
            writer.write(trouble.raw)
            await writer.drain()
            raise _Cut
        if path == "/completion":
            return await self._answer_whole(body, trouble, reader, writer)
        self.running += 1
        self.most = max(self.most, self.running)
        gone = asyncio.create_task(reader.read(1))
        try:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            separators = None if self.spaces else (",", ":")
            at = -1
            async for event in self._events(path, body, trouble):
                if gone.done():
                    raise _Cut
                at += 1
                if trouble.mangle and not isinstance(event, bytes):
                    event = trouble.mangle(event, at)
                data = (
                    b"data: "
                    + (event if isinstance(event, bytes) else json.dumps(event, separators=separators).encode())
                    + b"\n\n"
                )
                await self._write(writer, b"%x\r\n%s\r\n" % (len(data), data))
            await self._write(writer, b"0\r\n\r\n")
        except (_Cut, ConnectionError):
            self.aborted += gone.done()
            raise _Cut from None
        finally:
            self.running -= 1
            gone.cancel()
            await asyncio.gather(gone, return_exceptions=True)

    async def _answer_whole(self, body: Json, trouble: Trouble, reader: Any, writer: Any) -> None:
        slot = body.get("id_slot", -1)
        self.clashes += bool(self.busy.get(slot))
        self.busy[slot] = self.busy.get(slot, 0) + 1
        gone = asyncio.create_task(reader.read(1))
        whole = asyncio.create_task(self._whole(body, trouble))
        try:
            await asyncio.wait([gone, whole], return_when=asyncio.FIRST_COMPLETED)
            if not whole.done():
                self.aborted += 1
                await asyncio.sleep(self.notices)
                while asyncio.get_running_loop().time() < self.asked + self.listens:  # noqa: ASYNC110  (as it does)
                    await asyncio.sleep(0.01)
                raise _Cut
            answer = whole.result()
            _send(writer, 200, trouble.mangle(answer, 0) if trouble.mangle else answer)
        finally:
            self.busy[slot] -= 1
            gone.cancel()
            whole.cancel()
            await asyncio.gather(gone, whole, return_exceptions=True)

    async def _whole(self, body: Json, trouble: Trouble) -> Json:
        """llama.cpp's answer, which is silent until the end."""
        prompt, ids = await self._next(body)
        told, finish, matched = self._until(ids[: body["n_predict"]], body)
        if trouble.cut_after is not None:
            raise _Cut
        await asyncio.sleep(60 if trouble.stall_after is not None else self.delay * len(told))
        reason = "eos" if finish == "stop" and matched is None else {"stop": "word"}.get(finish, "limit")
        answer = {
            "tokens": list(told),
            "stop_type": reason,
            "stopping_word": matched or "",
            "truncated": False,
        }
        if body.get("n_probs"):
            answer["completion_probabilities"] = [{"id": token, "logprob": _logprob(token)} for token in told]
        return answer | {"tokens_evaluated": prompt, "timings/cache_n": prompt - 1}

    async def _write(self, writer: Any, data: bytes) -> None:
        for piece in [data[at : at + 1] for at in range(len(data))] if self.fragments else [data]:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(self.delay if not self.fragments else 0)

    async def _events(self, path: str, body: Json, trouble: Trouble) -> AsyncIterator[Json | bytes]:
        prompt, ids = await self._next(body)
        params = body.get("sampling_params", body)
        limit = params.get("max_tokens") or params.get("max_new_tokens")
        told, finish, matched = self._until(ids[: limit + self.overrun], params)
        if trouble.finish:
            told = told[:5]
        usage = {"prompt_tokens": prompt, "completion_tokens": len(told)}
        cached = prompt - 1 if self.cached else 0
        for start in range(0, len(told), self.chunk):
            if trouble.cut_after is not None and start >= trouble.cut_after:
                raise _Cut
            if trouble.stall_after is not None and start >= trouble.stall_after:
                await asyncio.sleep(60)
            upto = min(start + self.chunk, len(told))
            last = upto == len(told)
            reason = (trouble.finish or finish) if last else None
            if last and self.reason != "":
                reason = self.reason
            probable = params.get("logprobs") or body.get("return_logprob")
            if self.kind == "sglang":
                event = await self._sglang(told, start, upto, reason, matched, usage | {"cached_tokens": cached})
                if probable:
                    first = start if self.incremental else 0
                    rows = [[_logprob(token), token, None] for token in told[first:upto]]
                    event["meta_info"]["output_token_logprobs"] = rows
                yield event
            else:
                event = await self._openai(told, start, upto, reason, matched)
                if probable:
                    values = [_logprob(token) for token in told[start:upto]]
                    event["choices"][0]["logprobs"] = {"token_logprobs": values}
                yield event
        if self.counts and self.kind != "sglang" and (body.get("stream_options") or {}).get("include_usage"):
            yield {"choices": [], "usage": usage | {"prompt_tokens_details": {"cached_tokens": cached}}}
        yield b"[DONE]"

    async def _next(self, body: Json) -> tuple[int, tuple[int, ...]]:
        """Length of the context, and the rest of the story."""
        story = await self.story()
        context = body.get("input_ids", body.get("prompt"))
        if self.stories:
            return len(context), story[:-1] * self.stories
        if isinstance(context, str):
            so_far = context.rpartition("<think>")[2]
            for at in range(len(story) + 1):
                if await self._text(story[:at]) == so_far:
                    return len(context), story[at:]
            raise AssertionError(f"no beginning of the story: {so_far!r}")
        at = len(context) - 1 - list(reversed(context)).index(self.think)
        so_far = tuple(context[at + 1 :])
        assert so_far == story[: len(so_far)], f"no beginning of the story: {so_far}"
        return len(context), story[len(so_far) :]

    def _until(self, ids: Sequence[int], params: Json) -> tuple[Sequence[int], str, str | int | None]:
        for at in range(len(ids)):
            text = self._decoded(ids[: at + 1])
            for stop in params.get("stop") or ():
                if stop in text:
                    return ids[: at + 1], "stop", stop
            if ids[at] in (params.get("stop_token_ids") or ()):
                return ids[: at + 1], "stop", ids[at]
            if ids[at] == self.end:
                return ids[: at + 1], "stop", None
        return ids, "length", None

    def _decoded(self, ids: Sequence[int]) -> str:
        pieces = self.words.pieces
        return b"".join(pieces[token] for token in ids).decode("utf-8", "ignore")

    async def _text(self, ids: Sequence[int]) -> str:
        return self._decoded([token for token in ids if token != self.end])

    async def _openai(self, told: Sequence[int], start: int, upto: int, reason: Any, matched: Any) -> Json:
        whole = await self._text(told)
        if self.kind == "openai" and isinstance(matched, str):
            # The stop string is left out, and what could become one is held back.
            whole = whole[: whole.rindex(matched) + self.trims]
        text = whole[len(await self._text(told[:start])) : len(await self._text(told[:upto]))]
        choice: Json = {"index": 0, "text": text, "finish_reason": reason}
        if self.kind == "vllm":
            choice |= {"token_ids": list(told[start:upto]), "stop_reason": matched if reason else None}
        return {"id": "cmpl-1", "object": "text_completion", "choices": [choice], "usage": None}

    async def _sglang(self, told: Sequence[int], start: int, upto: int, reason: Any, matched: Any, usage: Json) -> Json:
        first = start if self.incremental else 0
        ended = {"type": reason, "matched": self.end if matched is None else matched} if reason else None
        text = (await self._text(told[:upto]))[len(await self._text(told[:first])) :]
        meta = usage | {"completion_tokens": upto, "finish_reason": ended}
        return {"text": text, "output_ids": list(told[first:upto]), "meta_info": meta}


def _logprob(token: int) -> float:
    return -token / 100


class _Cut(Exception):
    pass


def _send(writer: Any, status: int, answer: Any, extra: str = "") -> None:
    body = (
        answer
        if isinstance(answer, bytes)
        else answer.encode()
        if isinstance(answer, str)
        else json.dumps(answer).encode()
    )
    head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n{extra}\r\n"
    writer.write(head.encode() + body)
