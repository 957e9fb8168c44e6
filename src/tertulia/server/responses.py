"""The Responses API: one answer as an object, or as the events that its clients put together again."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tertulia.result import Result
from tertulia.server.answers import content, finish_reason, told, usage
from tertulia.server.asking import Responses
from tertulia.server.refusals import Refusal
from tertulia.server.rounds import Round
from tertulia.server.streams import SILENCE, sent
from tertulia.server.voice import Said

Item = dict[str, Any]


@dataclass
class Response:
    """One response on its way.

    Attributes:
        round: The circle that is asked.
        body: The request.
    """

    round: Round
    body: Responses
    created: int = field(default_factory=lambda: int(time.time()))
    _number: int = -1

    def whole(self, results: Sequence[Result], thoughts: Sequence[str]) -> dict[str, Any]:
        """The body of an answer that does not come in pieces."""
        result, thought = results[0], thoughts[0]
        output = [self._reasoning(thought)] if thought else []
        return self._object(result, [*output, self._message(content(result))])

    async def pieces(self) -> AsyncIterator[bytes]:
        """The same as a stream of events, each with its place in the order."""
        yield self._event("response.created", response=self._object())
        yield self._event("response.in_progress", response=self._object())
        thought: list[str] = []
        said = Said()
        try:
            async for _, event, more in self.round.told():
                if event is None:
                    yield SILENCE
                if more and not self.round.aloud:
                    for piece in self._think(more, first=not thought):
                        yield piece
                    thought.append(more)
                elif more:
                    for piece in self._say(said, more):
                        yield piece
            result = (await self.round.results())[0]
        except Refusal as refusal:
            code = "invalid_prompt" if refusal.status < 500 else "server_error"
            error = {"code": code, "message": refusal.error["message"]}
            yield self._event("response.failed", response=self._object() | {"status": "failed", "error": error})
            return
        output = []
        if thought:
            output.append(self._reasoning("".join(thought)))
            for piece in self._thought("".join(thought)):
                yield piece
        output.append(self._message(content(result)))
        for piece in self._said(said, content(result), len(output) - 1):
            yield piece
        end = self._object(result, output)
        yield self._event(f"response.{end['status']}", response=end)

    def _think(self, text: str, *, first: bool) -> list[bytes]:
        """Events of reasoning that has just come."""
        place, pieces = self._at("rs", 0, "summary_index"), []
        if first:
            part, item = {"type": "summary_text", "text": ""}, self._reasoning("", "in_progress")
            pieces.append(self._event("response.output_item.added", output_index=0, item=item))
            pieces.append(self._event("response.reasoning_summary_part.added", **place, part=part))
        return [*pieces, self._event("response.reasoning_summary_text.delta", **place, delta=text)]

    def _thought(self, text: str) -> list[bytes]:
        """Events of the end of reasoning."""
        place, part = self._at("rs", 0, "summary_index"), {"type": "summary_text", "text": text}
        return [
            self._event("response.reasoning_summary_text.done", **place, text=text),
            self._event("response.reasoning_summary_part.done", **place, part=part),
            self._event("response.output_item.done", output_index=0, item=self._reasoning(text)),
        ]

    def _say(self, said: Said, piece: str, index: int = 0) -> list[bytes]:
        """Events of a piece of the answer."""
        first, text, place = not said.told, said.feed(piece), self._at("msg", index, "content_index")
        return self._speak(text, place, first=first) if text else []

    def _speak(self, text: str, place: dict[str, Any], *, first: bool) -> list[bytes]:
        begins, empty = [], {"type": "output_text", "text": "", "annotations": []}
        if first:
            item = self._message(None)
            begins.append(self._event("response.output_item.added", output_index=place["output_index"], item=item))
            begins.append(self._event("response.content_part.added", **place, part=empty))
        return [*begins, self._event("response.output_text.delta", **place, delta=text, logprobs=[])]

    def _said(self, said: Said, text: str, index: int) -> list[bytes]:
        """Events of the end of the answer."""
        place, first, rest = self._at("msg", index, "content_index"), not said.told, said.end(text)
        whole = {"type": "output_text", "text": text, "annotations": []}
        return [
            *(self._speak(rest, place, first=first) if rest or first else []),
            self._event("response.output_text.done", **place, text=text, logprobs=[]),
            self._event("response.content_part.done", **place, part=whole),
            self._event("response.output_item.done", output_index=index, item=self._message(text)),
        ]

    def _at(self, kind: str, index: int, inner: str) -> dict[str, Any]:
        return {"item_id": f"{kind}_{self.round.name}", "output_index": index, inner: 0}

    def _event(self, kind: str, **data: Any) -> bytes:
        self._number += 1
        return sent({"type": kind, "sequence_number": self._number, **data}, kind)

    def _reasoning(self, text: str, status: str = "completed") -> Item:
        summary = [{"type": "summary_text", "text": text}] if text else []
        return {"id": f"rs_{self.round.name}", "type": "reasoning", "summary": summary, "status": status}

    def _message(self, text: str | None) -> Item:
        """The answer as an item; None before its first word."""
        words = [] if text is None else [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}]
        status = "in_progress" if text is None else "completed"
        return {
            "id": f"msg_{self.round.name}",
            "type": "message",
            "role": "assistant",
            "status": status,
            "content": words,
        }

    def _object(self, result: Result | None = None, output: Sequence[Item] = ()) -> dict[str, Any]:
        """The response as it stands."""
        body, asked = self.body, self.round.asked
        whole = result is None or finish_reason(result) == "stop"
        return {
            "id": f"resp_{self.round.name}",
            "object": "response",
            "created_at": self.created,
            "completed_at": None if result is None else int(time.time()),
            "status": "in_progress" if result is None else "completed" if whole else "incomplete",
            "background": False,
            "error": None,
            "incomplete_details": None if whole else {"reason": "max_output_tokens"},
            "instructions": body.instructions,
            "max_output_tokens": body.max_output_tokens,
            "metadata": body.metadata or {},
            "model": asked.model,
            "output": list(output),
            "parallel_tool_calls": False,
            "previous_response_id": None,
            "reasoning": {"effort": asked.effort, "summary": "detailed"},
            "store": False,
            "temperature": body.temperature,
            "text": {"format": {"type": "text"}},
            "tool_choice": "none",
            "tools": [],
            "top_p": body.top_p,
            "truncation": "disabled",
            "usage": None if result is None else _usage(result),
            **({} if result is None else {"tertulia": told(self.round.circles[0].id, result)}),
        }


def _usage(result: Result) -> dict[str, Any]:
    counts = usage([result])
    cached = counts["prompt_tokens_details"]["cached_tokens"]
    return {
        "input_tokens": counts["prompt_tokens"],
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": 0},
        "output_tokens": counts["completion_tokens"],
        "output_tokens_details": {"reasoning_tokens": counts["completion_tokens_details"]["reasoning_tokens"]},
        "total_tokens": counts["total_tokens"],
        "tertulia": counts["tertulia"],
    }
