"""The dialect of llama.cpp's server: its native `/completion`."""

# ruff: noqa: D102  (what a dialect's methods do is told once, in Dialect)

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from tertulia.engines.base import EngineInfo, Request
from tertulia.engines.servers import SEED_LIMIT, Ask, Dialect, Json, Messages, Part

SLICE_TOKENS = 128


class LlamaCpp(Dialect):
    """Ids in, ids out, a slot for each path, in stretches of 128 tokens instead of one stream.

    Its stream drops the ids of tokens that end inside a character, which would lose tokens of every script
    that is split over several of them; a whole answer holds all. It is faster as well: on a small model an
    event a token costs the server as much as the token. What a stretch has evaluated stays in the slot, so
    the next one evaluates a single token again. A cut connection loses what the present stretch had.
    """

    name = "llama.cpp"
    slice_tokens = SLICE_TOKENS
    streams: ClassVar[bool] = False
    stop_ids = False

    def __init__(self, ask: Ask, model: str) -> None:
        super().__init__(ask, model)
        self._beginning = ""

    async def probe(self, url: str, listed: Json) -> EngineInfo:
        props = await self.ask("GET", "/props")
        settings = props.get("default_generation_settings") or {}
        context = settings.get("n_ctx") or (listed.get("meta") or {}).get("n_ctx")
        end = await self.tokenize(props.get("eos_token") or "", special=True)
        body = {"content": "", "add_special": True}
        beginning = (await self.ask("POST", "/tokenize", body))["tokens"]
        self._beginning = await self.detokenize(beginning) if beginning else ""
        return self.info(
            url,
            context,
            end_ids=end if len(end) == 1 else (),
            chat_template=props.get("chat_template") or None,
            slots=props.get("total_slots"),
        )

    def body(self, request: Request, stop_texts: Sequence[str], slot: int | None) -> tuple[str, Json]:
        sampling = request.sampling
        stop = [*request.stop, *stop_texts]
        body: Json = {
            "prompt": request.ids,
            "n_predict": request.max_tokens,
            "temperature": sampling.temperature,
            "top_k": sampling.top_k,
            "top_p": sampling.top_p,
            "min_p": sampling.min_p,
            "samplers": ["top_k", "temperature", "top_p", "min_p"],
            "seed": request.seed % SEED_LIMIT,
            "stop": stop,
            # Control tokens have no text here unless they are asked for, and a stop string must be text.
            "preserved_tokens": stop,
            "return_tokens": True,
            "cache_prompt": True,
            "stream": False,
            "response_fields": [
                "tokens",
                "stop_type",
                "stopping_word",
                "truncated",
                "tokens_evaluated",
                "timings/cache_n",
            ],
        }
        if slot is not None:
            body["id_slot"] = slot
        return "/completion", body

    def read(self, part: Part, payload: Json) -> None:
        ids = payload["tokens"]
        part.ids += ids
        part.texts += [""] * len(ids)
        part.finish = {"limit": "length", "word": "stop", "eos": "end"}.get(payload["stop_type"], "length")
        part.matched = payload.get("stopping_word") or None
        part.full = bool(payload.get("truncated"))
        part.prompt_tokens = payload.get("tokens_evaluated")
        part.cached = payload.get("timings/cache_n")

    async def tokenize(self, text: str, *, special: bool) -> tuple[int, ...]:
        body = {"content": text, "add_special": False, "parse_special": special}
        return tuple((await self.ask("POST", "/tokenize", body))["tokens"])

    async def detokenize(self, ids: Sequence[int]) -> str:
        return str((await self.ask("POST", "/detokenize", {"tokens": list(ids)}))["content"])

    async def render(self, messages: Messages) -> str | None:
        answer = await self.ask("POST", "/apply-template", {"messages": list(messages)}, optional=True)
        if not isinstance(answer, dict):
            return None
        text = str(answer["prompt"])
        # The server takes the beginning-of-text away, for it would put it back itself when it encodes.
        return text if text.startswith(self._beginning) else self._beginning + text

    async def running(self) -> int | None:
        slots = await self.ask("GET", "/slots", optional=True)
        return sum(bool(slot.get("is_processing")) for slot in slots) if isinstance(slots, list) else None
