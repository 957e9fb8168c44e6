"""What a server is asked beside generations: what it is, the ids of a text, its chat template, how busy it is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

from tertulia.engines.answer import Fields
from tertulia.engines.base import EngineError, EngineInfo
from tertulia.engines.servers import CONTROL_LIKE, Dialect, Json

MEMORY = 4096  # texts whose ids are remembered, and characters of the longest of them
MOST_SLOTS = 4096  # no server has more
NO_TOKENIZER = "this server tells no token ids, only text: use it in text mode, or use llama.cpp, vLLM or SGLang"
RUNNING = re.compile(r"^(?:vllm:num_requests_running|sglang:num_running_reqs)\S*\s+(\d{1,9})(?:\.0*)?$", re.MULTILINE)

Messages = Sequence[Mapping[str, str]]
Options = Mapping[str, Any] | None
"""Variables of a chat template beside its messages."""


class Ask(Protocol):
    """Sends a request and gives the JSON of the answer; None for 404 and 501 if `optional`."""

    async def __call__(self, method: str, path: str, body: Json | None = None, *, optional: bool = False) -> Any:
        """Ask the server."""
        ...


class Questions:
    """What every server is asked; that of text alone, such as plain OpenAI, has no tokenizer.

    Args:
        ask: Sends a request.
        dialect: How the server's generations are asked for.
    """

    def __init__(self, ask: Ask, dialect: Dialect) -> None:
        self.ask = ask
        self.dialect = dialect
        self.model = dialect.model
        self._texts: dict[tuple[str, bool], tuple[int, ...]] = {}

    async def probe(self, url: str, listed: Fields) -> EngineInfo:
        """What this server is; `listed` is the model's entry of `/v1/models`."""
        return self.info(url, listed.count("max_model_len") or listed.count("context_length"))

    def info(self, url: str, context: int | None, **more: Any) -> EngineInfo:
        """The engine's description with what the dialect knows by itself."""
        dialect = self.dialect
        return EngineInfo(
            dialect.name, url, self.model, context, dialect.mode, slice_tokens=dialect.slice_tokens, **more
        )

    async def tokenize(self, text: str, *, special: bool = False) -> tuple[int, ...]:
        """Ids of `text`, without a beginning-of-text; control tokens are parsed only if `special`.

        Short texts are asked for once.
        """
        known = self._texts.get((text, special))
        if known is not None:
            return known
        ids = await self.ids(text, special) if text else ()
        if len(self._texts) >= MEMORY:
            self._texts.clear()
        if len(text) < MEMORY:
            self._texts[text, special] = ids
        return ids

    async def ids(self, text: str, special: bool) -> tuple[int, ...]:
        """What `tokenize` gives, asked of the server."""
        raise EngineError(NO_TOKENIZER)

    async def detokenize(self, ids: Sequence[int]) -> str:
        """Text of `ids`, control tokens included."""
        return await self.text(ids) if ids else ""

    async def text(self, ids: Sequence[int]) -> str:
        """What `detokenize` gives, asked of the server."""
        raise EngineError(NO_TOKENIZER)

    async def render(self, messages: Messages, options: Options = None) -> str | None:
        """The messages in the chat template, with the beginning of the model's turn; None if unknown."""
        return None

    async def running(self) -> int | None:
        """How many requests the server is working on; None where it does not say."""
        metrics = await self.ask("GET", "/metrics", optional=True)
        found = RUNNING.findall(metrics) if isinstance(metrics, str) else []
        return sum(int(value) for value in found) if found else None

    async def busy_slots(self) -> set[int] | None:
        """Slots that the server is working for; None where it does not say."""
        return None

    async def asked(self, path: str, body: Json) -> Fields:
        """The object that the server answers with."""
        return Fields(await self.ask("POST", path, body), path)


class TokenizerQuestions(Questions):
    """Servers whose `/tokenize` parses control tokens, always (vLLM and SGLang) or some of them (llama.cpp)."""

    decoded: ClassVar[str]  # name of the text in the answer of /detokenize

    def __init__(self, ask: Ask, dialect: Dialect) -> None:
        super().__init__(ask, dialect)
        self._control: dict[str, bool] = {}

    async def ids(self, text: str, special: bool) -> tuple[int, ...]:
        """In parts that hold no control token, unless these are asked for."""
        parts = [text] if special else await self._harmless(text)
        return tuple([token for part in parts for token in await self.encode(part, special)])

    async def text(self, ids: Sequence[int]) -> str:
        """By `/detokenize`."""
        body = {"model": self.model, "tokens": list(ids), "skip_special_tokens": False}
        return (await self.asked("/detokenize", body)).text(self.decoded, needed=True)

    async def encode(self, text: str, special: bool) -> list[int]:
        """Ids by `/tokenize`, whatever it makes of control tokens."""
        if not text:
            return []
        body = {"model": self.model, "prompt": text, "add_special_tokens": False}
        return (await self.asked("/tokenize", body)).ids("tokens")

    async def _harmless(self, text: str) -> list[str]:
        """The text in parts, cut inside everything that alone is one token and looks like a control token."""
        cuts = [0]
        for found in CONTROL_LIKE.finditer(text):
            if found[0] not in self._control:
                self._control[found[0]] = len(await self.encode(found[0], False)) == 1
            if self._control[found[0]]:
                cuts.append(found.start() + 1)
        return [text[start:end] for start, end in zip(cuts, [*cuts[1:], len(text)], strict=True)]

    async def beginning(self) -> str:
        """What the tokenizer of a server (vLLM, SGLang) puts before a text, as text."""
        whole = await self.ask("POST", "/tokenize", {"model": self.model, "prompt": "a"}, optional=True)
        more = Fields(whole, "/tokenize").ids("tokens") if isinstance(whole, dict) else []
        return await self.detokenize(more[: len(more) - len(await self.tokenize("a", special=True))])

    async def rendered_ids(self, path: str, body: Json, key: str) -> str | None:
        """The text of a chat that a server has rendered to ids, found under `key`."""
        answer = await self.ask("POST", path, {"model": self.model, **body}, optional=True)
        if not isinstance(answer, dict):
            return None
        fields = Fields(answer, path)
        places = (fields, *fields.children("choices")[:1])
        ids = next((place.ids(key) for place in places if key in place), None)
        return await self.detokenize(ids) if ids else None


class VllmQuestions(TokenizerQuestions):
    """vLLM."""

    decoded = "prompt"

    async def probe(self, url: str, listed: Fields) -> EngineInfo:
        """By its list of models."""
        return self.info(url, listed.count("max_model_len"), beginning=await self.beginning(), session=True)

    async def render(self, messages: Messages, options: Options = None) -> str | None:
        """By `/tokenize`."""
        return await self.rendered_ids("/tokenize", said(messages, options) | {"add_generation_prompt": True}, "tokens")


class SglangQuestions(TokenizerQuestions):
    """SGLang."""

    decoded = "text"

    async def probe(self, url: str, listed: Fields) -> EngineInfo:
        """By its list of models, or `/get_model_info`."""
        about = await self.ask("GET", "/get_model_info", optional=True)
        context = listed.count("max_model_len")
        if context is None and isinstance(about, dict):
            context = Fields(about).count("context_length")
        return self.info(url, context, beginning=await self.beginning())

    async def render(self, messages: Messages, options: Options = None) -> str | None:
        """By a chat completion of one token, which tells the ids of its prompt."""
        body = {**said(messages, options), "max_tokens": 1, "return_token_ids": True}
        return await self.rendered_ids("/v1/chat/completions", body, "prompt_token_ids")


class LlamaQuestions(TokenizerQuestions):
    """llama.cpp's server."""

    _beginning = ""

    async def probe(self, url: str, listed: Fields) -> EngineInfo:
        """By `/props`."""
        props = Fields(await self.ask("GET", "/props"), "/props")
        context = props.child("default_generation_settings").count("n_ctx") or listed.child("meta").count("n_ctx")
        slots = props.count("total_slots")
        end = await self.tokenize(props.text("eos_token"), special=True)
        beginning = (await self.asked("/tokenize", {"content": "", "add_special": True})).ids("tokens")
        self._beginning = await self.detokenize(beginning)
        return self.info(
            url,
            context or None,
            end_ids=end if len(end) == 1 else (),
            chat_template=props.text("chat_template") or None,
            beginning=self._beginning,
            slots=slots if slots and slots <= MOST_SLOTS else None,
        )

    async def encode(self, text: str, special: bool) -> list[int]:
        """By `/tokenize`. Of some models it parses control tokens in any case (gpt-oss: <|start|>, <|message|>)."""
        body = {"content": text, "add_special": False, "parse_special": special}
        return (await self.asked("/tokenize", body)).ids("tokens")

    async def text(self, ids: Sequence[int]) -> str:
        """By `/detokenize`."""
        return (await self.asked("/detokenize", {"tokens": list(ids)})).text("content", needed=True)

    async def render(self, messages: Messages, options: Options = None) -> str | None:
        """By `/apply-template`; the beginning-of-text that it takes away, to put it back itself, is put back."""
        answer = await self.ask("POST", "/apply-template", said(messages, options), optional=True)
        if not isinstance(answer, dict):
            return None
        text = Fields(answer, "/apply-template").text("prompt", needed=True)
        return text if text.startswith(self._beginning) else self._beginning + text

    async def running(self) -> int | None:
        """By `/slots`."""
        busy = await self.busy_slots()
        return None if busy is None else len(busy)

    async def busy_slots(self) -> set[int] | None:
        """By `/slots`."""
        slots = await self.ask("GET", "/slots", optional=True)
        if not isinstance(slots, list):
            return None
        fields = [Fields(slot, "/slots") for slot in slots]
        return {slot.count("id") or 0 for slot in fields if slot.raw("is_processing") is True}


def said(messages: Messages, options: Options) -> dict[str, Any]:
    """Messages and the variables of the chat template, as all servers take them."""
    return {"messages": list(messages), **({"chat_template_kwargs": dict(options)} if options else {})}
