"""Chat completions and completions, whole and in pieces."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tertulia.result import Result
from tertulia.server.answers import content, finish_reason, told, usage
from tertulia.server.rounds import OVER, Round
from tertulia.server.voice import Said, shown

DONE = b"data: [DONE]\n\n"
SILENCE = b": still thinking\n\n"
"""A comment that keeps a connection from being taken for dead."""


def sent(value: Any, event: str | None = None) -> bytes:
    """A value as one server-sent event."""
    name = f"event: {event}\n" if event else ""
    return f"{name}data: {json.dumps(value, ensure_ascii=False)}\n\n".encode("utf-8", "replace")


@dataclass(frozen=True)
class Form:
    """How the two kinds of completions are written.

    Attributes:
        chat: Whether it is one of a chat.
        round: The circles that are asked.
        created: Seconds since 1970.
    """

    chat: bool
    round: Round
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(self, results: Sequence[Result], thoughts: Sequence[str]) -> dict[str, Any]:
        """The body of an answer that does not come in pieces."""
        choices = []
        for at, (result, thought) in enumerate(zip(results, thoughts, strict=True)):
            text = content(result, self.round.asked.stops)
            said = self._thought(thought) if thought else {}
            if self.chat:
                body: dict[str, Any] = {"message": {"role": "assistant", "content": text, "refusal": None, **said}}
            else:
                body = {"text": text, **said}
            end = {"finish_reason": finish_reason(result), "logprobs": None}
            choices.append({"index": at, **body, **end, "tertulia": told(self.round.circles[at].id, result)})
        return {**self._head(piece=False), "choices": choices, "usage": usage(results)}

    async def pieces(self) -> AsyncIterator[bytes]:
        """The same as a stream of server-sent events."""
        asked = self.round.asked
        said = [Said(asked.stops) for _ in range(asked.choices)]
        for at in range(asked.choices):
            yield self._piece(at, {"role": "assistant", "content": ""})
        async for at, event, thought in self.round.told():
            if event is None:
                yield SILENCE
                continue
            if event is OVER:
                for piece in self._end(at, await self.round.result(at), said[at]):
                    yield piece
                continue
            if thought and not self.round.aloud:
                yield self._piece(at, self._thought(thought))
            elif text := said[at].feed(thought):
                yield self._piece(at, {"content": text})
            if asked.all_paths and (extra := shown(event)):
                yield self._piece(at, {}, tertulia=extra)
        results = await self.round.results()
        if asked.usage:
            yield sent({**self._head(piece=True), "choices": [], "usage": usage(results)})
        yield DONE

    def _end(self, at: int, result: Result, said: Said) -> list[bytes]:
        """The answer of a circle that is over, as far as it was not told."""
        text, about = said.end(content(result, self.round.asked.stops)), told(self.round.circles[at].id, result)
        end = self._piece(at, {}, finish=finish_reason(result), tertulia=about)
        return [self._piece(at, {"content": text}), end] if text else [end]

    def _piece(self, at: int, delta: dict[str, Any], *, finish: str | None = None, **extra: Any) -> bytes:
        choice: dict[str, Any] = {"index": at, "delta": delta} if self.chat else {"index": at, "text": "", **delta}
        if not self.chat:
            choice["text"] = choice.pop("content", "")
            choice.pop("role", None)
        choice |= {"finish_reason": finish, "logprobs": None}
        return sent({**self._head(piece=True), "choices": [choice], **extra})

    def _thought(self, text: str) -> dict[str, str]:
        """Under both names that clients know."""
        return {"reasoning_content": text, "reasoning": text}

    def _head(self, *, piece: bool) -> dict[str, Any]:
        kind = "text_completion" if not self.chat else "chat.completion.chunk" if piece else "chat.completion"
        name = f"{'chatcmpl' if self.chat else 'cmpl'}-{self.round.name}"
        return {"id": name, "object": kind, "created": self.created, "model": self.round.asked.model}
