"""A deterministic engine without a model, for tests and for trying a circle out.

    >>> engine = ScriptedEngine({"q0/c0/p0": ["1) 2+3=5\\n</think>", "\\\\boxed{5}<|end|>"]})

The vocabulary is byte-level, with longer pieces and control tokens, so characters outside ASCII are split over several
tokens and stop strings end in the middle of a token, as with a real model.
"""

from __future__ import annotations

import asyncio
import codecs
import re
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self

from tertulia.engines.adder import think
from tertulia.engines.base import (
    EngineError,
    EngineInfo,
    Finish,
    Generation,
    OnTokens,
    Request,
    StopMatcher,
    Token,
)

Script = Callable[[str, str, int], str]
CONTROL = ("<|user|>", "<|assistant|>", "<think>", "</think>", "<|end|>")
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|user|>' if message['role'] == 'user' else '' }}"
    "{{ message['content'] }}{% endfor %}{% if add_generation_prompt %}<|assistant|><think>\n{% endif %}"
)
WORDS = "the and step then add take double plan start again check peers no difference boxed answer is so"


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong in one call.

    Attributes:
        kind: "error": the call raises EngineError. "cut": the connection is lost after `after` tokens. "empty":
            end-of-text at once. "stall": nothing comes for `seconds`, then all goes on; "away": then it raises
            EngineError as a server does that may be back.
        after: Tokens generated before a cut.
        seconds: Length of a stall.
    """

    kind: Literal["error", "away", "cut", "empty", "stall"]
    after: int = 0
    seconds: float = 0.0


class ScriptedEngine:
    """Plays scripts instead of running a model.

    Args:
        script: Texts by path, one for each call of that path in turn, an exhausted path answers with
            end-of-text; or a function of (context text, path, seed) that returns the continuation. Control
            tokens written in a text become control tokens. Without a script a small thinker adds up the
            numbers in the question, sometimes wrongly, and takes part in meetings.
        faults: By path, what goes wrong in that path's next calls; None in the list is a call without fault.
        context: Longest context in tokens; a request beyond it raises EngineError.
        delay: Seconds a token takes.
        cached: Whether the common prefix with the path's previous context counts as cached.
        logprob: `Token.logprob` where it is asked for: one value for all, or a function of path and token text.

    `calls` records every request in the order it came, `running` how many are being answered, `released`
    the paths that were released.
    """

    def __init__(
        self,
        script: Mapping[str, Sequence[str]] | Script | None = None,
        *,
        faults: Mapping[str, Sequence[Fault | None]] | None = None,
        context: int = 8192,
        delay: float = 0.0,
        cached: bool = True,
        logprob: float | Callable[[str, str], float] = -0.1,
    ) -> None:
        self._vocabulary = Vocabulary()
        self.pieces = self._vocabulary.pieces
        self._function: Script | None = None if isinstance(script, Mapping) else (script or think)
        self._turns = {path: deque(texts) for path, texts in script.items()} if isinstance(script, Mapping) else {}
        self._faults = {path: deque(kinds) for path, kinds in (faults or {}).items()}
        self._delay = delay
        self._cached = cached
        self._logprob = logprob
        self._seen: dict[str, tuple[int, ...]] = defaultdict(tuple)
        self._end = self.control_id("<|end|>")
        self.calls: list[Request] = []
        self.released: list[str] = []
        self.running = 0
        self.info = EngineInfo(
            name="scripted",
            url="",
            model="scripted",
            context=context,
            mode="ids",
            end_ids=(self._end,),
            chat_template=CHAT_TEMPLATE,
            deterministic=True,
        )

    def control_id(self, text: str) -> int:
        """Id of one of the control tokens, such as "</think>"."""
        if text not in self._vocabulary.control:
            raise ValueError(f"{text!r} is no control token, expected one of {', '.join(CONTROL)}")
        return self._vocabulary.control[text]

    async def tokenize(self, text: str, *, special: bool = False) -> tuple[int, ...]:
        """Ids of `text`; control tokens are parsed only with `special`."""
        return self._vocabulary.encode(text, special=special)

    async def detokenize(self, ids: Sequence[int]) -> str:
        """Text of `ids`, control tokens included."""
        return b"".join(self.pieces[token] for token in ids).decode("utf-8", "replace")

    async def generate(self, request: Request, *, on_tokens: OnTokens | None = None) -> Generation:
        """Play the path's next text, as far as `max_tokens` and the stops let it."""
        self.calls.append(request)
        limit = self.info.context or 0
        if len(request.ids) + request.max_tokens > limit:
            raise EngineError(
                f"context of {len(request.ids)} tokens and {request.max_tokens} to generate do not fit: "
                f"the scripted engine holds {limit}; ask for fewer"
            )
        faults = self._faults.get(request.path)
        fault = faults.popleft() if faults else None
        if fault is not None and fault.kind == "error":
            raise EngineError(f"scripted engine: a scripted error for path {request.path}")
        if fault is not None and fault.kind == "away":
            await asyncio.sleep(fault.seconds)
            raise EngineError(f"scripted engine: away for path {request.path}", away=True)
        self.running += 1
        try:
            return await self._play(request, fault, on_tokens)
        finally:
            self.running -= 1

    async def render(self, messages: Sequence[Mapping[str, str]], options: Mapping[str, Any] | None = None) -> str:
        """The user's messages with the beginning of the model's turn; there is no system message."""
        asked = "".join(f"<|user|>{message['content']}" for message in messages if message["role"] == "user")
        return f"{asked}<|assistant|><think>\n"

    async def busy(self) -> int:
        """How many requests are being answered."""
        return self.running

    async def release(self, path: str) -> None:
        """Forget the path."""
        self.released.append(path)
        self._seen.pop(path, None)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    async def _play(self, request: Request, fault: Fault | None, on_tokens: OnTokens | None) -> Generation:
        if fault is not None and fault.kind == "stall":
            await asyncio.sleep(fault.seconds)
        ids = () if fault is not None and fault.kind == "empty" else await self._continuation(request)
        cut = fault.after if fault is not None and fault.kind == "cut" else None
        pieces = codecs.getincrementaldecoder("utf-8")("replace")
        matcher, tokens = StopMatcher(request.stop), list[Token]()
        finish: Finish = "length"
        stop: str | None = None
        for token_id in (*ids, self._end):
            # The event loop gets a turn at every token, as with a real connection.
            await asyncio.sleep(self._delay)
            if len(tokens) == cut:
                finish = "cut"
                break
            ended = token_id == self._end
            tokens.append(self._token(token_id, "" if ended else pieces.decode(self.pieces[token_id]), request))
            if on_tokens is not None:
                on_tokens(tokens[-1:])
            stop = matcher.feed(tokens[-1].text)
            if stop is None and token_id in request.stop_ids:
                stop = self.pieces[token_id].decode()
            if stop is not None or ended:
                finish = "end" if stop is None else "stop"
                break
            if len(tokens) == request.max_tokens:
                break
        if finish == "cut" and not tokens:
            raise EngineError(f"scripted engine: connection of path {request.path} lost before the first token")
        return Generation(tuple(tokens), finish, stop, len(request.ids), self._reuse(request, tokens))

    def _token(self, token_id: int, text: str, request: Request) -> Token:
        if not request.logprobs:
            return Token(token_id, text)
        logprob = self._logprob if isinstance(self._logprob, float) else self._logprob(request.path, text)
        return Token(token_id, text, logprob)

    async def _continuation(self, request: Request) -> tuple[int, ...]:
        if self._function is not None:
            text = self._function(await self.detokenize(request.ids), request.path, request.seed)
        else:
            turns = self._turns.get(request.path)
            text = turns.popleft() if turns else ""
        return await self.tokenize(text, special=True)

    def _reuse(self, request: Request, tokens: Sequence[Token]) -> int | None:
        if not self._cached:
            return None
        before = self._seen[request.path]
        same = next(
            (at for at, (old, new) in enumerate(zip(before, request.ids, strict=False)) if old != new),
            min(len(before), len(request.ids)),
        )
        self._seen[request.path] = request.ids + tuple(token.id for token in tokens)
        # A server always evaluates the last token again, for it needs its logits.
        return max(0, min(same, len(request.ids) - 1))


class Vocabulary:
    """A byte-level vocabulary with control tokens; text is split into the longest pieces it has, from the left.

    Pieces are the 256 single bytes, then the beginnings of WORDS with and without a blank before them.
    """

    def __init__(self) -> None:
        pieces = [bytes([byte]) for byte in range(256)]
        for word in WORDS.split():
            for whole in (word.encode(), b" " + word.encode()):
                pieces += [whole[:end] for end in range(2, len(whole) + 1) if whole[:end] not in pieces]
        self.pieces = tuple(pieces) + tuple(text.encode() for text in CONTROL)
        self.control = {text: len(pieces) + place for place, text in enumerate(CONTROL)}
        self._id_of = {piece: token for token, piece in enumerate(pieces)}
        self._longest = max(map(len, pieces))

    def encode(self, text: str, *, special: bool) -> tuple[int, ...]:
        """Ids of `text`; control tokens are parsed only with `special`."""
        if not special:
            return tuple(self._split(text.encode()))
        parts = re.split(f"({'|'.join(map(re.escape, CONTROL))})", text)
        found = ([self.control[part]] if part in self.control else self._split(part.encode()) for part in parts)
        return tuple(token for tokens in found for token in tokens)

    def _split(self, data: bytes) -> Iterator[int]:
        start = 0
        while start < len(data):
            ends = range(min(len(data), start + self._longest), start, -1)
            end = next(end for end in ends if data[start:end] in self._id_of)
            yield self._id_of[data[start:end]]
            start = end
