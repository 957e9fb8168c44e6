"""What every engine offers: continue a list of token ids, and say exactly which tokens came.

The border between the circle, which knows nothing of HTTP, and the servers, which know nothing of meetings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, Protocol, Self, runtime_checkable

from tertulia.errors import TertuliaError, fit

Finish = Literal["length", "stop", "end", "cut"]
Mode = Literal["ids", "text"]
TEXT_ID = -1  # the id of a Token that came from a server which does not say ids


class EngineError(TertuliaError):
    """The engine could not do what was asked: one line, fit for a screen whatever a server put into it.

    `away`: the retry layer gave up waiting for a server that may be back later.
    """

    def __init__(self, message: str, *, away: bool = False) -> None:
        super().__init__(fit(message, longest=600))
        self.away = away


@dataclass(frozen=True, slots=True)
class Token:
    """One generated token.

    Attributes:
        id: Its id in the model's vocabulary; `TEXT_ID` in text mode.
        text: Its piece of the text. Pieces concatenate to the text. A character whose bytes are split over
            several tokens belongs to the last of them; an end-of-text token has the empty text.
        logprob: Natural logarithm of the probability it was drawn with; None where the engine does not say.
    """

    id: int
    text: str
    logprob: float | None = None


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is drawn. `temperature` 0 is greedy; `top_k` 0 and `min_p` 0 are off."""

    temperature: float = 0.6
    top_p: float = 0.95
    top_k: int = 40
    min_p: float = 0.0


@dataclass(frozen=True, slots=True)
class Request:
    """Continue this context.

    Attributes:
        path: Identity of the path, stable for its life, such as "q0/c0/p3". It keeps a path near its cache:
            slot affinity, `X-Session-ID` and `session_id`.
        ids: The whole context, token for token (used in id mode).
        text: The same as text (used in text mode only).
        max_tokens: At most this many tokens are generated; at least 1.
        sampling: How tokens are drawn.
        seed: Seed of this request, 0 or more.
        stop: Generation ends after the token that completes one of these strings in the generated text.
        stop_ids: Or after one of these ids.
        logprobs: Ask for the probability of each generated token (`Token.logprob`).
    """

    path: str
    ids: tuple[int, ...]
    text: str
    max_tokens: int
    sampling: Sampling = field(default_factory=Sampling)
    seed: int = 0
    stop: tuple[str, ...] = ()
    stop_ids: tuple[int, ...] = ()
    logprobs: bool = False

    def __post_init__(self) -> None:
        if self.max_tokens < 1:
            raise ValueError(f"max_tokens is {self.max_tokens}, expected 1 or more")


@dataclass(frozen=True, slots=True)
class Generation:
    """What came back.

    Attributes:
        tokens: Exactly what the engine produced, id for id, including the token that completed a stop
            string, a stop id, and the end-of-text id where the engine reports it. In text mode the chunks
            of text that came, with id `TEXT_ID`.
        finish: "length": max_tokens reached, or the end of the context. "stop": a stop string or stop id.
            "end": end-of-text. "cut": the connection was lost for good after some tokens.
        stop: Which stop string, or the text of the stop id.
        prompt_tokens: Length of the context as the engine counted it.
        cached_tokens: How many of those came from its cache; None where the server does not say.
        count: Number of generated tokens; `len(tokens)` in id mode, what the server counted in text mode.
        stop_assumed: The server said "stop" and left the stop string out of its text; it was put back,
            although an end-of-text would have looked the same (text mode only).
        counted: Whether `count` and `prompt_tokens` are known. False where a server of text tells no usage:
            `count` is then the number of chunks, and `prompt_tokens` is 0 for unknown.
    """

    tokens: tuple[Token, ...]
    finish: Finish
    stop: str | None = None
    prompt_tokens: int = 0
    cached_tokens: int | None = None
    count: int = -1
    stop_assumed: bool = False
    counted: bool = True

    def __post_init__(self) -> None:
        if self.count < 0:
            object.__setattr__(self, "count", len(self.tokens))

    @property
    def text(self) -> str:
        """The generated text: the tokens' pieces, concatenated."""
        return "".join(token.text for token in self.tokens)

    @property
    def ids(self) -> tuple[int, ...]:
        """The generated ids, in order."""
        return tuple(token.id for token in self.tokens)


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What an engine is and can do.

    Attributes:
        name: The dialect: "llama.cpp", "vllm", "sglang", "openai", "embedded" or "scripted".
        url: Where it listens; empty for an engine inside this process without a port.
        model: The model's name or file, as the server tells it.
        context: Longest context of one path in tokens, None where unknown.
        mode: "ids": contexts and generations are exact ids. "text": only text travels.
        end_ids: Ids that end a text, as far as known.
        chat_template: The model's chat template (Jinja), None where there is none or the server hides it.
        deterministic: Same request, same answer, whatever else runs at the same time.
        beginning: What a text that no template has begun must begin with, as text; empty for nothing.
        slots: How many paths the server decodes at once, None where unknown.
        slice_tokens: Longest stretch generated in one exchange, None where an exchange is a whole stream.
        session: Whether requests carry `session_id` in their body.
        rolls_back: Whether the model can go back in its cache. Where it cannot (recurrent and hybrid models),
            a context that is not the longer form of the last one is evaluated again from its beginning.
    """

    name: str
    url: str
    model: str
    context: int | None
    mode: Mode
    end_ids: tuple[int, ...] = ()
    chat_template: str | None = None
    beginning: str = ""
    deterministic: bool = False
    slots: int | None = None
    slice_tokens: int | None = None
    session: bool = False
    rolls_back: bool = True


OnTokens = Callable[[Sequence[Token]], None]


@runtime_checkable
class Engine(Protocol):
    """An engine is an async context manager; `info` is filled in once it has been entered."""

    @property
    def info(self) -> EngineInfo:
        """What it is and can do."""
        ...

    async def tokenize(self, text: str, *, special: bool = False) -> tuple[int, ...]:
        """Ids of `text`. With `special` False, control tokens written in the text are ordinary characters."""
        ...

    async def detokenize(self, ids: Sequence[int]) -> str:
        """The text of `ids`, control tokens included."""
        ...

    async def generate(self, request: Request, *, on_tokens: OnTokens | None = None) -> Generation:
        """Continue `request.ids`.

        A fork of a path is a request with the path's own name and longer ids, whose tokens the caller throws
        away; the path's next request then goes on from before the fork.

        Cancelling the task closes the connection, which frees the server; the tokens that had come by then
        are those `on_tokens` was called with.

        Args:
            request: What to continue, and how.
            on_tokens: Called with each batch of tokens as it arrives, before the result is known.

        Raises:
            EngineError: The engine failed and the retry layer gave up without a single token.
        """
        ...

    async def release(self, path: str) -> None:
        """The path will not come back: its slot may be given to another."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...


class StopMatcher:
    """Finds the first stop string in a text that arrives in pieces.

    A string may begin in one piece and end in a later one. Only as much of the text is kept as a string that
    has begun can need. `after` is how many characters of the last piece came after the string that was found.
    """

    def __init__(self, stop: Iterable[str]) -> None:
        self._stop = tuple(string for string in stop if string)
        self._keep = max((len(string) for string in self._stop), default=1) - 1
        self._tail = ""
        self.after = 0

    def feed(self, piece: str) -> str | None:
        """The stop string that ends in this piece, the one that ends first if there are several."""
        if not self._stop or not piece:
            return None
        text = self._tail + piece
        self._tail = text[-self._keep :] if self._keep else ""
        ends = [(at + len(string), string) for string in self._stop if (at := text.find(string)) >= 0]
        if not ends:
            return None
        end, string = min(ends)
        self.after = len(text) - end
        return string
