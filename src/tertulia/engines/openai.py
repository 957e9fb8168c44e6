"""The dialect of plain OpenAI completions: text in, text out."""

# ruff: noqa: D102  (what a dialect's methods do is told once, in Dialect)

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from tertulia.engines.answer import Fields
from tertulia.engines.base import TEXT_ID, Mode, Request
from tertulia.engines.servers import SEED_LIMIT, Completions, Json, Part


class OpenAI(Completions):
    """Text only.

    Servers leave the stop string out of the text and say "stop" also at an end-of-text. With one stop asked
    for, "stop" is taken to be it; several are looked for here, and the stream is closed when one has come.
    """

    name = "openai"
    mode: ClassVar[Mode] = "text"
    stop_ids = False

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

    def ids(self, part: Part, choice: Fields) -> Sequence[int]:
        return (TEXT_ID,) if choice.text("text") else ()
