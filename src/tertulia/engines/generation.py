"""One generation put together from several exchanges: stretches, and attempts after a cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tertulia.engines.base import (
    TEXT_ID,
    Finish,
    Generation,
    OnTokens,
    Request,
    StopMatcher,
    Token,
)
from tertulia.engines.servers import CONTROL_LIKE, Part

GOLDEN = 0x9E3779B9  # spreads the seeds of consecutive exchanges


class Continuation:
    """Collects the tokens of one request until it is finished.

    Where a generation ends is decided here, by its own tokens; the server's word counts where they say
    nothing. Only so is a stop found that begins in one exchange and ends in the next.

    Args:
        request: What was asked.
        room: Tokens that the context holds in all, None where unknown.
        on_tokens: Told of tokens as they are accepted.

    `finish` is None while more is to come, `pending` are ids whose character is not whole yet, `end_id` is
    the id that ended the text, where it came.
    """

    def __init__(self, request: Request, room: int | None, on_tokens: OnTokens | None) -> None:
        self.request = request
        self.tokens: list[Token] = []
        self.finish: Finish | None = None
        self.pending: tuple[int, ...] = ()
        self.end_id: int | None = None
        self._left = request.max_tokens if room is None else min(request.max_tokens, room - len(request.ids))
        self._on_tokens = on_tokens
        self._matcher = StopMatcher(request.stop)
        self._stop: str | None = None
        self._assumed = False
        self._usage: Part | None = None
        self._count = 0

    def rest(self, longest: int | None) -> Request:
        """What is still to be asked, at most `longest` tokens of it."""
        left = self._left - self._count
        return replace(
            self.request,
            ids=self.request.ids + tuple([token.id for token in self.tokens if token.id != TEXT_ID]),
            text=self.request.text + "".join([token.text for token in self.tokens]),
            max_tokens=left if longest is None else min(left, longest),
            seed=self.request.seed + GOLDEN * len(self.tokens),
        )

    def add(self, part: Part, texts: Sequence[str], told: int = 0) -> None:
        """Take in what one exchange brought.

        Args:
            part: What came.
            texts: The text of each of its tokens.
            told: How many of its tokens `on_tokens` has seen already.
        """
        if self._usage is None:
            self._usage = part
        came = [Token(token, text) for token, text in zip(part.ids, texts, strict=True)]
        for at, token in enumerate(came):
            if self._stops(token):
                came = [*came[:at], self._without_rest(token)]
                break
        self._count += self._counted(part, came)
        if self.finish is None:
            self._conclude(part, came)
        self.tokens += came
        if self.finish is None and (part.full or self._count >= self._left):
            self.finish = "length"
        if self._on_tokens is not None and len(came) > told:
            self._on_tokens(came[told:])

    def result(self) -> Generation:
        """The generation; what is not finished was cut."""
        usage = self._usage or Part()
        return Generation(
            tokens=tuple(self.tokens),
            finish=self.finish or "cut",
            stop=self._stop,
            prompt_tokens=len(self.request.ids) if usage.prompt_tokens is None else usage.prompt_tokens,
            cached_tokens=usage.cached,
            count=self._count,
            stop_assumed=self._assumed,
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
        return Token(TEXT_ID, token.text[: -self._matcher.after])

    def _counted(self, part: Part, came: Sequence[Token]) -> int:
        """Generated tokens: ids are counted here; how many tokens a chunk of text is, the server tells."""
        chunks = part.ids[:1] == [TEXT_ID]
        return part.count if chunks and part.count is not None else len(came)

    def _conclude(self, part: Part, came: list[Token]) -> None:
        """What the server's reason to finish means where the tokens hold no stop."""
        request = self.request
        if part.finish == "length":
            # A server that gives nothing when asked for something will give nothing the next time.
            self.finish = None if came else "length"
        elif part.finish == "stop" and part.matched in request.stop_ids:
            self._take_stop(came, Token(int(part.matched or 0), ""))
        elif part.finish == "stop" and part.matched in request.stop:
            self._take_stop(came, Token(TEXT_ID, str(part.matched)))
        elif part.finish == "stop" and isinstance(part.matched, str):
            self.finish = None  # the text of a stop id, spelled in other tokens
        elif part.finish == "stop" and part.matched is None and len(request.stop) == 1:
            self._take_stop(came, Token(TEXT_ID, request.stop[0]))
            self._assumed = True
        elif part.finish in ("stop", "end"):
            self.finish = "end"
            self._end(came, part.matched)

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
                came[-1] = Token(token.id, "")
                self.end_id = token.id
