"""How each kind of server is asked, and how its answers are read.

A dialect builds bodies and reads payloads by type (`answer.Fields`); connections, retries and slots are the client's.
Sampling means the same everywhere: temperature first, then top-k, top-p and min-p, and no penalties.
"""

# ruff: noqa: D102  (what a dialect's methods do is told once, in Dialect)

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Protocol

from tertulia.engines.answer import Fields, Malformed, Refused
from tertulia.engines.asking import Messages, Options, beginning, said
from tertulia.engines.base import TEXT_ID, EngineError, EngineInfo, Mode, Request

Json = dict[str, Any]
NO_TOKENIZER = "this server tells no token ids, only text: use it in text mode, or use llama.cpp, vLLM or SGLang"
SEED_LIMIT = 2**31 - 1  # every server takes a seed below this
SHORTEST_SLICE = 8
FAILED = frozenset({"content_filter", "abort", "aborted", "error", "cancelled"})
FULL = frozenset({"length", "max_tokens", "max_length"})
ONLY_IDS = re.compile(rb'"token_ids":\[((?:\d{1,9}(?:,\d{1,9})*)?)\]')
RUNNING = re.compile(r"^(?:vllm:num_requests_running|sglang:num_running_reqs)\S*\s+(\d{1,9})(?:\.0*)?$", re.MULTILINE)
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
        logprobs: Logarithm of the probability of each, None where the server does not say.
        finish: "length", "stop" or "end" in the server's opinion; None while it goes on.
        matched: Stop string or stop id, where the server says.
        full: The context is full.
        prompt_tokens: Length of the context, None until the server says.
        cached: Tokens of the context from its cache, None where the server does not say.
        count: Generated tokens as the server counts them, None where it does not.
        odd: Counts that cannot be and were ignored.
        repeats: Whether every event repeats what came before (SGLang); None until that is seen.
        prompt: The context that was sent.
        most: Tokens that were asked for, None where that is not known.
        text: Whether this is text mode.
    """

    ids: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    logprobs: list[float | None] = field(default_factory=list)
    finish: str | None = None
    matched: str | int | None = None
    full: bool = False
    prompt_tokens: int | None = None
    cached: int | None = None
    count: int | None = None
    odd: list[str] = field(default_factory=list)
    repeats: bool | None = None
    prompt: tuple[int, ...] = ()
    most: int | None = None
    text: bool = False

    def add(self, ids: Sequence[int], text: str, logprobs: Sequence[float | None] = ()) -> None:
        """Add a chunk of tokens with the text of all of them."""
        if ids:
            self.ids += ids
            self.texts += [""] * (len(ids) - 1)
            self.texts.append(text)
            self.logprobs += logprobs if len(logprobs) == len(ids) else [None] * len(ids)

    def shorten(self, length: int) -> None:
        """Forget what came after so many."""
        del self.ids[length:], self.texts[length:], self.logprobs[length:]

    def end(self, reason: str, why: str = "") -> None:
        """Note why the server ended: whatever is neither a stop nor a length nor a failure is an end of text."""
        if reason.lower() in FAILED:
            raise Refused(f"{reason}: {why}" if why else reason)
        self.finish = "stop" if reason == "stop" else "length" if reason.lower() in FULL else "end"

    def usage(self, usage: Fields, details: Fields) -> None:
        """Take in what the server counted; what it does not tell stays as it was."""
        prompt, count = usage.count("prompt_tokens", self.odd), usage.count("completion_tokens", self.odd)
        self.prompt_tokens = self.prompt_tokens if prompt is None else prompt
        self.count = self.count if count is None else count
        held = details.count("cached_tokens", self.odd)
        self.cached = self.cached if held is None else held


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

    async def probe(self, url: str, listed: Fields) -> EngineInfo:
        """What this server is; `listed` is the model's entry of `/v1/models`."""
        raise NotImplementedError

    def body(self, request: Request, stop_texts: Sequence[str], slot: int | None) -> tuple[str, Json]:
        """Path and body that continue `request`; `stop_texts` are the texts of its stop ids."""
        raise NotImplementedError

    def glance(self, part: Part, payload: bytes) -> bool:
        """Take a payload that holds nothing but tokens without parsing it; False if it must be parsed."""
        return False

    def read(self, part: Part, payload: Fields) -> None:
        """Take one payload of the answer into `part`."""
        raise NotImplementedError

    async def tokenize(self, text: str, *, special: bool) -> tuple[int, ...]:
        """Ids of `text`, without a beginning-of-text; control tokens are parsed only if `special`."""
        raise NotImplementedError

    async def detokenize(self, ids: Sequence[int]) -> str:
        """Text of `ids`, control tokens included."""
        raise NotImplementedError

    async def asked(self, path: str, body: Json) -> Fields:
        """The object that the server answers with."""
        return Fields(await self.ask("POST", path, body), path)

    async def render(self, messages: Messages, options: Options = None) -> str | None:
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
        return sum(int(value) for value in found) if found else None

    async def busy_slots(self) -> set[int] | None:
        """Slots that the server is working for; None where it does not say."""
        return None

    def info(self, url: str, context: int | None, **more: Any) -> EngineInfo:
        """The engine's description with what the dialect knows by itself."""
        about = {"slice_tokens": self.slice_tokens, "session": self.session, **more}
        return EngineInfo(self.name, url, self.model, context, self.mode, **about)


class ServerTokenizer(Dialect):
    """Servers whose `/tokenize` parses control tokens, always (vLLM and SGLang) or some of them (llama.cpp)."""

    decoded: ClassVar[str]  # name of the text in the answer of /detokenize

    def __init__(self, ask: Ask, model: str) -> None:
        super().__init__(ask, model)
        self._control: dict[str, bool] = {}

    async def tokenize(self, text: str, *, special: bool) -> tuple[int, ...]:
        parts = [text] if special else await self._harmless(text)
        return tuple([token for part in parts for token in await self._encode(part, special)])

    async def detokenize(self, ids: Sequence[int]) -> str:
        body = {"model": self.model, "tokens": list(ids), "skip_special_tokens": False}
        return (await self.asked("/detokenize", body)).text(self.decoded, needed=True)

    async def _encode(self, text: str, special: bool) -> list[int]:
        if not text:
            return []
        body = {"model": self.model, "prompt": text, "add_special_tokens": False}
        return (await self.asked("/tokenize", body)).ids("tokens")

    async def _harmless(self, text: str) -> list[str]:
        """The text in parts, cut inside everything that alone is one token and looks like a control token."""
        cuts = [0]
        for found in CONTROL_LIKE.finditer(text):
            if found[0] not in self._control:
                self._control[found[0]] = len(await self._encode(found[0], False)) == 1
            if self._control[found[0]]:
                cuts.append(found.start() + 1)
        return [text[start:end] for start, end in zip(cuts, [*cuts[1:], len(text)], strict=True)]

    async def rendered_ids(self, path: str, body: Json, key: str) -> str | None:
        """The text of a chat that a server has rendered to ids, found under `key`."""
        answer = await self.ask("POST", path, {"model": self.model, **body}, optional=True)
        if not isinstance(answer, dict):
            return None
        fields = Fields(answer, path)
        places = (fields, *fields.children("choices")[:1])
        ids = next((place.ids(key) for place in places if key in place), None)
        return await self.detokenize(ids) if ids else None


class Vllm(ServerTokenizer):
    """vLLM's `/v1/completions` with ids in and, by `return_token_ids`, ids out."""

    name = "vllm"
    session = True
    decoded = "prompt"

    async def probe(self, url: str, listed: Fields) -> EngineInfo:
        return self.info(url, listed.count("max_model_len"), beginning=await beginning(self))

    def body(self, request: Request, stop_texts: Sequence[str], slot: int | None) -> tuple[str, Json]:
        return "/v1/completions", {
            "model": self.model,
            "prompt": request.ids,
            "max_tokens": request.max_tokens,
            **asdict(request.sampling),
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
        } | ({"logprobs": 1} if request.logprobs else {})

    def glance(self, part: Part, payload: bytes) -> bool:
        # Inside a JSON string the quotes would be escaped, so these can only be the fields. The text of the
        # tokens is known by their ids.
        found = ONLY_IDS.search(payload)
        more = b'"usage":{' in payload or b'"logprobs":{' in payload or b'"error":' in payload
        if not found or more or b'"finish_reason":null' not in payload:
            return False
        part.add([int(token) for token in found[1].split(b",")] if found[1] else (), "")
        return True

    def read(self, part: Part, payload: Fields) -> None:
        for choice in _choices(payload):
            text = choice.text("text")
            ids = choice.ids("token_ids") if "token_ids" in choice else []
            if text and not ids and not part.ids:
                raise Malformed(
                    "this vLLM does not return token ids (return_token_ids, since 0.10.2): "
                    "update it, or use it in text mode with dialect 'openai'"
                )
            part.add(ids, text, choice.child("logprobs").numbers("token_logprobs"))
            if "finish_reason" in choice:
                part.end(choice.text("finish_reason"))
                part.matched = stop_reason(choice)
                if part.finish == "stop" and part.matched is None:
                    part.finish = "end"
        _read_usage(part, payload)

    async def render(self, messages: Messages, options: Options = None) -> str | None:
        return await self.rendered_ids("/tokenize", said(messages, options) | {"add_generation_prompt": True}, "tokens")


class OpenAI(Dialect):
    """Plain OpenAI completions: text in, text out.

    Servers leave the stop string out of the text and say "stop" also at an end-of-text. With one stop asked
    for, "stop" is taken to be it; several are looked for here, and the stream is closed when one has come.
    """

    name = "openai"
    mode: ClassVar[Mode] = "text"
    stop_ids = False

    async def probe(self, url: str, listed: Fields) -> EngineInfo:
        return self.info(url, listed.count("max_model_len") or listed.count("context_length"))

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
        if request.logprobs:
            body["logprobs"] = 1
        return "/v1/completions", body

    def read(self, part: Part, payload: Fields) -> None:
        for choice in _choices(payload):
            text = choice.text("text")
            part.add((TEXT_ID,) if text else (), text, choice.child("logprobs").numbers("token_logprobs"))
            if "finish_reason" in choice:
                part.end(choice.text("finish_reason"))
                part.matched = stop_reason(choice)
        _read_usage(part, payload)

    async def tokenize(self, text: str, *, special: bool) -> tuple[int, ...]:
        raise EngineError(NO_TOKENIZER)

    async def detokenize(self, ids: Sequence[int]) -> str:
        raise EngineError(NO_TOKENIZER)


def _choices(payload: Fields) -> list[Fields]:
    """The one choice of an event, which may be missing where the event tells the usage."""
    if "choices" not in payload and "usage" not in payload:
        raise Malformed(f"an event without choices: {payload}")
    return [choice for choice in payload.children("choices") if choice.raw("index") in (None, 0)][:1]


def _read_usage(part: Part, payload: Fields) -> None:
    usage = payload.child("usage")
    part.usage(usage, usage.child("prompt_tokens_details"))


def stop_reason(fields: Fields, name: str = "stop_reason") -> str | int | None:
    """The stop string or stop id that a server names; None for everything else."""
    value = fields.raw(name)
    return value if isinstance(value, str) or type(value) is int else None
