"""How servers are asked to continue a context, and how their answers are read: what all dialects share.

A dialect only builds bodies and reads payloads, by type (`answer.Fields`). Connections, retries and slots are the
client's; what a server is asked beside that is in `asking`. Sampling means the same everywhere: temperature first,
then top-k, top-p and min-p, and no penalties.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from tertulia.engines.answer import Fields, Malformed, Refused
from tertulia.engines.base import Mode, Request
from tertulia.engines.usage import Usage

Json = dict[str, Any]
SEED_LIMIT = 2**31 - 1  # every server takes a seed below this
SHORTEST_SLICE = 8
FAILED = frozenset({"content_filter", "abort", "aborted", "error", "cancelled"})
FULL = frozenset({"length", "max_tokens", "max_length"})
# What control tokens look like: <|im_end|>, </think>, [INST], <｜User｜>, ◁think▷.
CONTROL_LIKE = re.compile(r"<[^<>\s]{1,48}>|\[/?[A-Z_]{2,32}\]|◁[^◁▷\s]{1,32}▷")


@dataclass
class Part:
    """What came in one exchange, also when it was cut.

    Attributes:
        ids: Ids that came; `TEXT_ID` for each chunk in text mode.
        texts: The server's text for each, as far as it can be told apart: of several tokens in one chunk the
            last has it all.
        spoken: Whether `texts` is all the text there is, so that it can be told before the pieces are known.
        logprobs: Logarithm of the probability of each, None where the server does not say.
        finish: "length", "stop" or "end" in the server's opinion; None while it goes on.
        matched: Stop string or stop id, where the server says.
        full: The context is full.
        usage: What the server counts.
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
    usage: Usage = field(default_factory=Usage)
    repeats: bool | None = None
    prompt: tuple[int, ...] = ()
    most: int | None = None
    text: bool = False
    spoken: bool = False

    def add(self, ids: Sequence[int], text: str, logprobs: Sequence[float | None] = ()) -> None:
        """Add a chunk of tokens with the text of all of them."""
        if ids:
            self.ids += ids
            self.texts += [""] * (len(ids) - 1)
            self.texts.append(text)
            self.logprobs += logprobs if len(logprobs) == len(ids) else [None] * len(ids)

    def end(self, reason: str, why: str = "", matched: object = None) -> None:
        """Note why the server ended: whatever is neither a stop nor a length nor a failure is an end of text.

        Args:
            reason: In the server's words.
            why: What it says about a failure.
            matched: The stop string or stop id that it names; everything else is none.
        """
        if reason.lower() in FAILED:
            raise Refused(f"{reason}: {why}" if why else reason)
        self.finish = "stop" if reason == "stop" else "length" if reason.lower() in FULL else "end"
        self.matched = matched if isinstance(matched, str) or type(matched) is int else None


class Dialect:
    """One kind of server.

    Attributes:
        name: The dialect's name.
        mode: Whether ids travel.
        slice_tokens: Longest stretch asked for at once, None for the whole.
        first: Longest of the first ones, so that who waits sees something soon; 0 for as long as any.
        streams: Whether the answer is a stream of events.
        stop_ids: Whether the server stops at ids.
    """

    name: ClassVar[str]
    mode: ClassVar[Mode] = "ids"
    slice_tokens: int | None = None
    first: int = 0
    streams: ClassVar[bool] = True
    stop_ids: ClassVar[bool] = True

    def __init__(self, model: str) -> None:
        self.model = model

    def body(self, request: Request, stop_texts: Sequence[str], slot: int | None) -> tuple[str, Json]:
        """Path and body that continue `request`; `stop_texts` are the texts of its stop ids."""
        raise NotImplementedError

    def glance(self, part: Part, payload: bytes) -> bool:
        """Take a payload that holds nothing but tokens without parsing it; False if it must be parsed."""
        return False

    def read(self, part: Part, payload: Fields) -> None:
        """Take one payload of the answer into `part`."""
        raise NotImplementedError

    def slow_down(self) -> None:
        """The server was silent for too long: where it answers only at the end, ask for less at once."""
        if not self.streams and self.slice_tokens is not None:
            self.slice_tokens = max(SHORTEST_SLICE, self.slice_tokens // 2)


class Completions(Dialect):
    """OpenAI's `/v1/completions`, which vLLM speaks as well: events with one choice, and with the usage."""

    def read(self, part: Part, payload: Fields) -> None:
        """Take one event into `part`."""
        if "choices" not in payload and "usage" not in payload:
            raise Malformed(f"an event without choices: {payload}")
        for choice in [choice for choice in payload.children("choices") if choice.raw("index") in (None, 0)][:1]:
            part.add(self.ids(part, choice), choice.text("text"), choice.child("logprobs").numbers("token_logprobs"))
            if "finish_reason" in choice:
                part.end(choice.text("finish_reason"), matched=choice.raw("stop_reason"))
        usage = payload.child("usage")
        part.usage.take(usage, usage.child("prompt_tokens_details"))

    def ids(self, part: Part, choice: Fields) -> Sequence[int]:
        """Ids of the tokens of a choice."""
        raise NotImplementedError
