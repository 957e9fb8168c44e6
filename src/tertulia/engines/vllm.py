"""The dialect of vLLM: `/v1/completions` with ids in and, by `return_token_ids`, ids out."""

# ruff: noqa: D102  (what a dialect's methods do is told once, in Dialect)

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict

from tertulia.engines.answer import Fields, Malformed
from tertulia.engines.base import Request
from tertulia.engines.servers import SEED_LIMIT, Completions, Json, Part

TEXT = re.compile(rb'"text":("(?:[^"\\]|\\.)*")')
ONLY_IDS = re.compile(rb'"token_ids":\[((?:\d{1,9}(?:,\d{1,9})*)?)\]')


class Vllm(Completions):
    """One stream for the whole generation; the stop string stays in it."""

    name = "vllm"

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
        # Inside a JSON string the quotes would be escaped, so these can only be the fields.
        found, said = ONLY_IDS.search(payload), TEXT.search(payload)
        more = b'"usage":{' in payload or b'"logprobs":{' in payload or b'"error":' in payload
        if not found or not said or more or b'"finish_reason":null' not in payload:
            return False
        try:
            text = json.loads(said[1])
        except ValueError:  # it is told where all is parsed
            return False
        part.spoken |= bool(text)
        part.add([int(token) for token in found[1].split(b",")] if found[1] else (), text)
        return True

    def read(self, part: Part, payload: Fields) -> None:
        super().read(part, payload)
        part.spoken |= any(part.texts)
        if part.finish == "stop" and part.matched is None:
            part.finish = "end"

    def ids(self, part: Part, choice: Fields) -> Sequence[int]:
        ids = choice.ids("token_ids") if "token_ids" in choice else []
        if choice.text("text") and not ids and not part.ids:
            raise Malformed(
                "this vLLM does not return token ids (return_token_ids, since 0.10.2): "
                "update it, or use it in text mode with dialect 'openai'"
            )
        return ids
