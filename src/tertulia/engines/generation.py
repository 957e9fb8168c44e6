"""One generation put together from several exchanges: stretches, and attempts after a cut.

A `Reader` takes what one exchange brings as it comes; a `Continuation` joins what the exchanges brought.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from tertulia.engines.answer import Malformed, Refused, told_by
from tertulia.engines.base import TEXT_ID, Finish, Generation, OnTokens, Request, StopMatcher, Token
from tertulia.engines.servers import CONTROL_LIKE, Part
from tertulia.engines.usage import Tally
from tertulia.engines.wire import EventSplitter

PAGE = 2000  # bytes that are kept of an answer that is no stream, for the message
GOLDEN = 0x9E3779B9  # spreads the seeds of consecutive exchanges


class Continuation:
    """Collects the tokens of one request until it is finished.

    Where a generation ends is decided here, by its own tokens; the server's word counts where they say
    nothing. Only so is a stop found that begins in one exchange and ends in the next.

    Args:
        request: What was asked.
        room: Tokens that the context holds in all, None where unknown.
        on_tokens: Told of tokens as they are accepted.

    `finish` is None while more is to come, `pending` are ids whose character is not whole yet, `end_id` is the id
    that ended the text, where it came, and `silent` says that the server may have ended with a token that it does
    not tell.
    """

    def __init__(self, request: Request, room: int | None, on_tokens: OnTokens | None) -> None:
        self.request = request
        self.tokens: list[Token] = []
        self.finish: Finish | None = None
        self.pending: tuple[int, ...] = ()
        self.end_id: int | None = None
        self._left = request.max_tokens if room is None else min(request.max_tokens, room - len(request.ids))
        self.on_tokens = on_tokens
        self._matcher = StopMatcher(request.stop)
        self._stop: str | None = None
        self._assumed = False
        self.silent = False
        self._tally = Tally(request)

    def rest(self, longest: int | None, first: int = 0) -> Request:
        """What is still to be asked: at most `longest` tokens of it; `first` to begin with, then as many again."""
        left = self._left - self._tally.count
        most = min(longest or left, max(first, len(self.tokens)) if first else left)
        return replace(
            self.request,
            ids=self.request.ids + tuple([token.id for token in self.tokens if token.id != TEXT_ID]),
            text=self.request.text + "".join([token.text for token in self.tokens]),
            max_tokens=min(left, most),
            seed=self.request.seed + GOLDEN * len(self.tokens),
        )

    def add(self, part: Part, texts: Sequence[str], told: int = 0) -> None:
        """Take in what one exchange brought.

        Args:
            part: What came.
            texts: The text of each of its tokens.
            told: How many of its tokens `on_tokens` has seen already.
        """
        self.silent = part.usage.count == 1 or (part.text and not part.usage.count)
        came = [Token(*token) for token in zip(part.ids, texts, part.logprobs, strict=True)]
        for at, token in enumerate(came):
            if self._stops(token):
                came = [*came[:at], self._without_rest(token)]
                break
        if self.finish is None:
            self._conclude(part, came)
        self._tally.add(part.usage, len(came), part.most, text=part.text, stopped=self.finish == "stop")
        self.tokens += came
        if self.finish is None and (part.full or self._tally.count >= self._left):
            self.finish = "length"
        if self.on_tokens is not None and len(came) > told:
            self.on_tokens(came[told:])

    def result(self) -> Generation:
        """The generation; what is not finished was cut."""
        tally = self._tally
        return Generation(
            tokens=tuple(self.tokens),
            finish=self.finish or "cut",
            stop=self._stop,
            prompt_tokens=tally.prompt,
            cached_tokens=tally.cached,
            count=tally.count,
            stop_assumed=self._assumed,
            counted=tally.known,
        )

    def _stops(self, token: Token) -> bool:
        self._stop = self._matcher.feed(token.text)
        if self._stop is None and token.id in self.request.stop_ids:
            self._stop = token.text
        if self._stop is not None:
            self.finish = "stop"
        return self.finish is not None

    def _without_rest(self, token: Token) -> Token:
        """A token keeps all of its text; a chunk that is no token is cut off after the stop."""
        if token.id != TEXT_ID or not self._matcher.after:
            return token
        return replace(token, text=token.text[: -self._matcher.after])

    def _conclude(self, part: Part, came: list[Token]) -> None:
        """What the server's reason to finish means where the tokens hold no stop."""
        request = self.request
        if part.finish == "length":
            # A server that gives nothing when asked for something will give nothing the next time. How much is
            # missing is not known where text is not counted.
            self.finish = None if came and not (part.text and part.usage.count is None) else "length"
        elif part.finish == "stop" and part.matched in request.stop_ids:
            self._take_stop(came, Token(int(part.matched or 0), ""))
        elif part.finish == "stop" and part.matched in request.stop:
            self._put_back(came, str(part.matched))
        elif part.finish == "stop" and isinstance(part.matched, str):
            self.finish = None  # the text of a stop id, spelled in other tokens
        elif part.finish == "stop" and part.matched is None and len(request.stop) == 1:
            self._put_back(came, request.stop[0])
            self._assumed = True
        elif part.finish in ("stop", "end"):
            self.finish = "end"
            self._end(came, part.matched)

    def _put_back(self, came: list[Token], stop: str) -> None:
        """Finish at a stop string that the server left out of the text, all of it or its end."""
        text = "".join([token.text for token in (*self.tokens[-len(stop) :], *came)])
        there = max(size for size in range(max(1, len(stop))) if text.endswith(stop[:size]))
        self._take_stop(came, Token(TEXT_ID, stop[there:]))
        self._stop = stop

    def _take_stop(self, came: list[Token], token: Token) -> None:
        """Finish at a stop that the server kept to itself; text is put back only in text mode."""
        self.finish, self._stop = "stop", token.text
        if token.id != TEXT_ID or all(other.id == TEXT_ID for other in (*self.tokens, *came)):
            came.append(token)

    def _end(self, came: list[Token], matched: str | int | None) -> None:
        """The id that ended the text has no text of its own."""
        if came and came[-1].id != TEXT_ID:
            token = came[-1]
            if token.id == matched or not token.text or CONTROL_LIKE.fullmatch(token.text):
                came[-1] = replace(token, text="")
                self.end_id = token.id


class Reader:
    """Takes the events of one stream as they come; a sink for the wire.

    It has had enough when more tokens have come than were asked for, and in text mode with several stops, which it
    looks for itself, when one of them has.

    Args:
        take: Puts a payload into a part.
        part: What is filled.
        text_of: Text of an id as far as known.
        work: What the stream continues; who listens to it is told of tokens at once. Their text may not be whole yet.
    """

    def __init__(
        self, take: Callable[[Part, bytes], None], part: Part, text_of: Callable[[int], str], work: Continuation
    ) -> None:
        self.part = part
        self.progress = 0  # tokens that were told
        self.enough = False
        self._take = take
        self._text_of = text_of
        self._on_tokens = work.on_tokens
        self._events = EventSplitter()
        self._other = b""  # what came before the first event
        self._begun = self._done = False
        stop = work.request.stop
        self._watch = StopMatcher(stop if part.text and len(stop) > 1 else ())
        for token in work.tokens if part.text else ():
            self._watch.feed(token.text)

    def feed(self, data: bytes) -> None:
        """Take these bytes."""
        payloads = self._events.feed(data)
        self._begun = self._begun or bool(payloads)
        if not self._begun:
            self._other = (self._other + data)[:PAGE]
        self._read(payloads)

    def end(self) -> bool:
        """The stream has ended; whether the generation had, too.

        Raises:
            Malformed: There was no event in it.
            Refused: It ended without a token and without a reason.
        """
        payloads = self._events.end()
        if not self._begun and not payloads and self._other.strip():
            raise Malformed(f"no stream of events: {told_by(self._other)}")
        self._read(payloads)
        part = self.part
        if part.finish is None and self._done and not self.enough:
            if not part.ids:
                raise Refused("the stream ended without a token")
            part.finish = "length" if part.most is not None and len(part.ids) >= part.most else "end"
        return part.finish is not None or self.enough

    def _read(self, payloads: list[bytes]) -> None:
        part = self.part
        try:
            for payload in payloads:
                if payload == b"[DONE]":
                    self._done = True
                elif payload and not self.enough:
                    self._take(part, payload)
                    if part.most is not None and len(part.ids) > part.most:
                        part.usage.odd.append(f"more than the {part.most} tokens that were asked for")
                        del part.ids[part.most :], part.texts[part.most :], part.logprobs[part.most :]
                        part.finish, self.enough = "length", True
        finally:
            self._tell()

    def _tell(self) -> None:
        part, told = self.part, self.progress
        new = list(zip(part.ids[told:], part.texts[told:], part.logprobs[told:], strict=True))
        if self._on_tokens is not None and new:
            self._on_tokens([Token(id, text if part.spoken else self._text_of(id) or text, lp) for id, text, lp in new])
        self.progress = len(part.ids)
        self.enough |= any([self._watch.feed(text) is not None for _, text, _ in new])
