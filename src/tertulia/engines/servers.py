"""How each kind of server is asked, and how its answers are read.

A dialect builds bodies and reads payloads; connections, retries and slots are `http.py`'s. Sampling means the
same everywhere: temperature first, then top-k, top-p and min-p, and no penalties.
"""

# ruff: noqa: D102  (what a dialect's methods do is told once, in Dialect)

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from tertulia.engines.base import TEXT_ID, EngineError, EngineInfo, Mode, Request
from tertulia.engines.patience import Retryable

Json = dict[str, Any]
Messages = Sequence[Mapping[str, str]]
NO_TOKENIZER = "this server tells no token ids, only text: use it in text mode, or use llama.cpp, vLLM or SGLang"
SEED_LIMIT = 2**31 - 1  # every server takes a seed below this
SHORTEST_SLICE = 8
RUNNING = re.compile(r"^(?:vllm:num_requests_running|sglang:num_running_reqs)\S*\s+(\S+)", re.MULTILINE)
# What control tokens look like: <|im_end|>, </think>, [INST], <｜User｜>, ◁think▷.
CONTROL_LIKE = re.compile(r"<[^<>\s]{1,48}>|\[/?[A-Z_]{2,32}\]|◁[^◁▷\s]{1,32}▷")


class Ask(Protocol):
    """Sends a request and gives the JSON of the answer; None for 404 and 501 if `optional`."""

    async def __call__(self, method: str, path: str, body: Json | None = None, *, optional: bool = False) -> Any:
        """Ask the server."""
        ...


@dataclass
class Part:
    """What came in one exchange, also when it was cut.

    Attributes:
        ids: Ids that came; `TEXT_ID` for each chunk in text mode.
        texts: The server's text for each, as far as it can be told apart: of several tokens in one chunk the
            last has it all.
        finish: "length", "stop" or "end" in the server's opinion; None while it goes on.
        matched: Stop string or stop id, where the server says.
        full: The context is full.
        prompt_tokens: Length of the context, None until the server says.
        cached: Tokens of the context from its cache, None where the server does not say.
        count: Generated tokens as the server counts them, None where it does not.
    """

    ids: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    finish: str | None = None
    matched: str | int | None = None
    full: bool = False
    prompt_tokens: int | None = None
    cached: int | None = None
    count: int | None = None

    def add(self, ids: Sequence[int], text: str) -> None:
        """Add a chunk of tokens with the text of all of them."""
        if ids:
            self.ids += ids
            self.texts += [""] * (len(ids) - 1)
            self.texts.append(text)


class Dialect:
    """What all dialects share.

    Attributes:
        name: The dialect's name.
        mode: Whether ids travel.
        slice_tokens: Longest stretch asked for at once, None for the whole.
        streams: Whether the answer is a stream of events.
        session: Whether the body carries `session_id`.
        stop_ids: Whether the server stops at ids.
    """

    name: ClassVar[str]
    mode: ClassVar[Mode] = "ids"
    slice_tokens: int | None = None
    streams: ClassVar[bool] = True
    session: ClassVar[bool] = False
    stop_ids: ClassVar[bool] = True

    def __init__(self, ask: Ask, model: str) -> None:
        self.ask = ask
        self.model = model

    async def probe(self, url: str, listed: Json) -> EngineInfo:
        """What this server is; `listed` is the model's entry of `/v1/models`."""
        raise NotImplementedError

    def body(self, request: Request, stop_texts: Sequence[str], slot: int | None) -> tuple[str, Json]:
        """Path and body that continue `request`; `stop_texts` are the texts of its stop ids."""
        raise NotImplementedError

    def glance(self, part: Part, payload: bytes) -> bool:
        """Take a payload that holds nothing but tokens without parsing it; False if it must be parsed."""
        return False

    def read(self, part: Part, payload: Json) -> None:
        """Take one payload of the answer into `part`."""
        raise NotImplementedError

    async def tokenize(self, text: str, *, special: bool) -> tuple[int, ...]:
        """Ids of `text`, without a beginning-of-text; control tokens are parsed only if `special`."""
        raise NotImplementedError

    async def detokenize(self, ids: Sequence[int]) -> str:
        """Text of `ids`, control tokens included."""
        raise NotImplementedError

    async def render(self, messages: Messages) -> str | None:
        """The messages in the chat template, with the beginning of the model's turn; None if unknown."""
        return None

    def slow_down(self) -> None:
        """The server was silent for too long: where it answers only at the end, ask for less at once."""
        if not self.streams and self.slice_tokens is not None:
            self.slice_tokens = max(SHORTEST_SLICE, self.slice_tokens // 2)

    async def running(self) -> int | None:
        """How many requests the server is working on; None where it does not say."""
        metrics = await self.ask("GET", "/metrics", optional=True)
        found = RUNNING.findall(metrics) if isinstance(metrics, str) else []
        return int(sum(float(value) for value in found)) if found else None

    def info(self, url: str, context: int | None, **more: Any) -> EngineInfo:
        """The engine's description with what the dialect knows by itself."""
        about = {"slice_tokens": self.slice_tokens, "session": self.session, **more}
        return EngineInfo(self.name, url, self.model, context, self.mode, **about)


class _ServerTokenizer(Dialect):
    """Servers whose `/tokenize` always parses control tokens (vLLM and SGLang)."""

    decoded: ClassVar[str]  # name of the text in the answer of /detokenize

    def __init__(self, ask: Ask, model: str) -> None:
        super().__init__(ask, model)
        self._control: dict[str, bool] = {}

    async def tokenize(self, text: str, *, special: bool) -> tuple[int, ...]:
        parts = [text] if special else await self._harmless(text)
        return tuple([token for part in parts for token in await self._encode(part)])

    async def detokenize(self, ids: Sequence[int]) -> str:
        body = {"model": self.model, "tokens": list(ids), "skip_special_tokens": False}
        return str((await self.ask("POST", "/detokenize", body))[self.decoded])

    async def _encode(self, text: str) -> list[int]:
        if not text:
            return []
        body = {"model": self.model, "prompt": text, "add_special_tokens": False}
        return list((await self.ask("POST", "/tokenize", body))["tokens"])

    async def _harmless(self, text: str) -> list[str]:
        """The text in parts, cut inside everything that alone is one token and looks like a control token."""
        cuts = [0]
        for found in CONTROL_LIKE.finditer(text):
            if found[0] not in self._control:
                self._control[found[0]] = len(await self._encode(found[0])) == 1
            if self._control[found[0]]:
                cuts.append(found.start() + 1)
        return [text[start:end] for start, end in zip(cuts, [*cuts[1:], len(text)], strict=True)]

    async def _rendered_ids(self, path: str, body: Json, *keys: str) -> str | None:
        """The text of a chat that a server has rendered to ids, found under one of `keys`."""
        answer = await self.ask("POST", path, {"model": self.model, **body}, optional=True)
        if not isinstance(answer, dict):
            return None
        choice = (answer.get("choices") or [{}])[0]
        ids = next((place[key] for place in (answer, choice) for key in keys if place.get(key)), None)
        return await self.detokenize(ids) if ids else None


class Vllm(_ServerTokenizer):
    """vLLM's `/v1/completions` with ids in and, by `return_token_ids`, ids out."""

    name = "vllm"
    session = True
    decoded = "prompt"

    async def probe(self, url: str, listed: Json) -> EngineInfo:
        return self.info(url, listed.get("max_model_len"))

    def body(self, request: Request, stop_texts: Sequence[str], slot: int | None) -> tuple[str, Json]:
        sampling = request.sampling
        return "/v1/completions", {
            "model": self.model,
            "prompt": request.ids,
            "max_tokens": request.max_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": sampling.top_k,
            "min_p": sampling.min_p,
            "seed": request.seed % SEED_LIMIT,
            "stop": request.stop,
            "stop_token_ids": request.stop_ids,
            # The stop string stays in the text, and nothing of the text is held back for it.
            "include_stop_str_in_output": True,
            "return_token_ids": True,
            "skip_special_tokens": False,
            "spaces_between_special_tokens": False,
            "stream": True,
            "stream_options": {"include_usage": True},
            "session_id": request.path,
        }

    def glance(self, part: Part, payload: bytes) -> bool:
        # Inside a JSON string the quotes would be escaped, so these can only be the fields. The text of the
        # tokens is known by their ids.
        start = payload.find(b'"token_ids":[')
        if start < 0 or b'"finish_reason":null' not in payload or b'"usage":{' in payload:
            return False
        ids = payload[start + 13 : payload.index(b"]", start)]
        part.add([int(token) for token in ids.split(b",")] if ids else (), "")
        return True

    def read(self, part: Part, payload: Json) -> None:
        if payload.get("choices"):
            choice = payload["choices"][0]
            ids = choice.get("token_ids")
            if ids is None and choice.get("text"):
                raise EngineError(
                    "this vLLM does not return token ids (return_token_ids, since 0.10.2): "
                    "update it, or use it in text mode with dialect 'openai'"
                )
            part.add(ids or (), choice.get("text") or "")
            if choice.get("finish_reason"):
                part.matched = choice.get("stop_reason")
                part.finish = _finish(choice["finish_reason"])
                if part.finish == "stop" and part.matched is None:
                    part.finish = "end"
        _read_usage(part, payload)

    async def render(self, messages: Messages) -> str | None:
        body = {"messages": list(messages), "add_generation_prompt": True}
        return await self._rendered_ids("/tokenize", body, "tokens")


class Sglang(_ServerTokenizer):
    """SGLang's `/generate`, which every version serves with ids in and out.

    By default its stream repeats all that was said with every token; stretches of 256 tokens keep that short,
    and its prefix cache makes the next stretch cheap.
    """

    name = "sglang"
    slice_tokens = 256
    decoded = "text"

    async def probe(self, url: str, listed: Json) -> EngineInfo:
        about = await self.ask("GET", "/get_model_info", optional=True)
        context = listed.get("max_model_len")
        if context is None and isinstance(about, dict):
            context = about.get("context_length")
        return self.info(url, context)

    def body(self, request: Request, stop_texts: Sequence[str], slot: int | None) -> tuple[str, Json]:
        sampling = request.sampling
        return "/generate", {
            "input_ids": request.ids,
            "sampling_params": {
                "max_new_tokens": request.max_tokens,
                "temperature": sampling.temperature,
                "top_p": sampling.top_p,
                "top_k": sampling.top_k or -1,
                "min_p": sampling.min_p,
                "sampling_seed": request.seed % SEED_LIMIT,
                "stop": request.stop,
                "stop_token_ids": request.stop_ids,
                "no_stop_trim": True,
                "skip_special_tokens": False,
                "spaces_between_special_tokens": False,
            },
            "stream": True,
        }

    def read(self, part: Part, payload: Json) -> None:
        about = payload.get("meta_info") or {}
        ids, text = payload.get("output_ids") or [], payload.get("text") or ""
        known, total = len(part.ids), about.get("completion_tokens")
        # With --incremental-streaming-output the server tells only what is new.
        if total is None or len(ids) == total:
            text = text[len("".join(part.texts)) :]
            ids = ids[known:]
        part.add(ids, text)
        part.prompt_tokens = about.get("prompt_tokens", part.prompt_tokens)
        part.cached = about.get("cached_tokens", part.cached)
        reason = about.get("finish_reason")
        if reason:
            part.finish = _finish(reason.get("type"), str(reason.get("message") or ""))
            part.matched = reason.get("matched")

    async def render(self, messages: Messages) -> str | None:
        body = {"messages": list(messages), "max_tokens": 1, "return_token_ids": True}
        return await self._rendered_ids("/v1/chat/completions", body, "prompt_token_ids")


class OpenAI(Dialect):
    """Plain OpenAI completions: text in, text out.

    Servers leave the stop string out of the text and say "stop" also at an end-of-text. With one stop asked
    for, "stop" is taken to be it; several are looked for here, and the stream is closed when one has come.
    """

    name = "openai"
    mode: ClassVar[Mode] = "text"
    stop_ids = False

    async def probe(self, url: str, listed: Json) -> EngineInfo:
        context = listed.get("max_model_len") or listed.get("context_length")
        return self.info(url, context if isinstance(context, int) else None)

    def body(self, request: Request, stop_texts: Sequence[str], slot: int | None) -> tuple[str, Json]:
        body: Json = {
            "model": self.model,
            "prompt": request.text,
            "max_tokens": request.max_tokens,
            "temperature": request.sampling.temperature,
            "top_p": request.sampling.top_p,
            "seed": request.seed % SEED_LIMIT,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if len(request.stop) == 1:
            body["stop"] = list(request.stop)
        return "/v1/completions", body

    def read(self, part: Part, payload: Json) -> None:
        if payload.get("choices"):
            choice = payload["choices"][0]
            if choice.get("text"):
                part.add((TEXT_ID,), choice["text"])
            if choice.get("finish_reason"):
                part.finish = _finish(choice["finish_reason"])
                part.matched = choice.get("stop_reason")
        _read_usage(part, payload)

    async def tokenize(self, text: str, *, special: bool) -> tuple[int, ...]:
        raise EngineError(NO_TOKENIZER)

    async def detokenize(self, ids: Sequence[int]) -> str:
        raise EngineError(NO_TOKENIZER)


def _read_usage(part: Part, payload: Json) -> None:
    usage = payload.get("usage")
    if usage:
        part.prompt_tokens = usage.get("prompt_tokens", part.prompt_tokens)
        part.count = usage.get("completion_tokens", part.count)
        details = usage.get("prompt_tokens_details") or {}
        part.cached = details.get("cached_tokens", part.cached)


def _finish(reason: str | None, why: str = "") -> str:
    """The server's reason to finish, if it is one of the two that mean that all went well."""
    if reason not in ("stop", "length"):
        raise Retryable(f"the server gave up on the request ({reason}{': ' + why if why else ''})")
    return reason
