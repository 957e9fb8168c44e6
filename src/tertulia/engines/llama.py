"""The dialect of llama.cpp's server: its native `/completion`."""

# ruff: noqa: D102  (what a dialect's methods do is told once, in Dialect)

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import ClassVar

from tertulia.engines.answer import Fields, Malformed, number, shown
from tertulia.engines.base import Request
from tertulia.engines.servers import SEED_LIMIT, Dialect, Json, Part

TOLD = "tokens stop_type stopping_word truncated tokens_evaluated timings/cache_n"  # of the answer


class LlamaCpp(Dialect):
    """Ids in, ids out, a slot for each path, in stretches of 128 tokens instead of one stream.

    Its stream drops the ids of tokens that end inside a character, which would lose tokens of every script that
    is split over several of them; a whole answer holds all. It is faster as well: on a small model an event a
    token costs the server as much as the token. What a stretch has evaluated stays in the slot, so the next one
    evaluates a single token again. A cut connection loses what the present stretch had.
    """

    name = "llama.cpp"
    slice_tokens = 128
    first = 8
    streams: ClassVar[bool] = False
    stop_ids = False

    def body(self, request: Request, stop_texts: Sequence[str], slot: int | None) -> tuple[str, Json]:
        stop = [*request.stop, *stop_texts]
        body: Json = {
            "prompt": request.ids,
            "n_predict": request.max_tokens,
            **asdict(request.sampling),
            "samplers": ["top_k", "temperature", "top_p", "min_p"],
            "seed": request.seed % SEED_LIMIT,
            "stop": stop,
            # Control tokens have no text here unless they are asked for, and a stop string must be text.
            "preserved_tokens": stop,
            "return_tokens": True,
            "cache_prompt": True,
            "stream": False,
            "response_fields": TOLD.split(),
        }
        if slot is not None:
            body["id_slot"] = slot
        if request.logprobs:
            body["n_probs"] = 1
            body["response_fields"].append("completion_probabilities")
        return "/completion", body

    def read(self, part: Part, payload: Fields) -> None:
        if "tokens" not in payload:
            raise Malformed("it tells no token ids (tokens): use a llama.cpp of 2025 or later")
        ids = payload.ids("tokens")
        # Of a stop string, and of a token that ends inside a character, the server tells no probability.
        told = [(item.raw("id"), number(item.raw("logprob"))) for item in payload.children("completion_probabilities")]
        told.reverse()
        part.add(ids, "", [told.pop()[1] if told and told[-1][0] == token else None for token in ids])
        part.finish = {"limit": "length", "word": "stop", "eos": "end"}.get(payload.text("stop_type"))
        if part.finish is None:
            raise Malformed(f"stop_type is {shown(payload.raw('stop_type'))}, expected limit, word or eos")
        part.matched = payload.text("stopping_word") or None
        part.full = payload.raw("truncated") is True
        part.usage.prompt = payload.count("tokens_evaluated", part.usage.odd)
        part.usage.cached = payload.count("timings/cache_n", part.usage.odd)
