"""How many tokens a server says that it has read and made, and how far that is believed."""

from __future__ import annotations

from dataclasses import dataclass, field

from tertulia.engines.answer import Fields
from tertulia.engines.base import Request

SLACK = 16  # tokens that a server may count beyond what was asked for, such as an end of text
TEMPLATE = 1024  # tokens that a server may put around a text beyond its bytes


@dataclass
class Usage:
    """What a server counts in one exchange; None for what it does not tell.

    Attributes:
        prompt: Length of the context.
        cached: Tokens of the context from its cache.
        count: Generated tokens.
        odd: Counts that cannot be and were ignored.
    """

    prompt: int | None = None
    cached: int | None = None
    count: int | None = None
    odd: list[str] = field(default_factory=list)

    def take(self, usage: Fields, details: Fields) -> None:
        """Take in what an event tells, in OpenAI's words; the rest stays as it was."""
        prompt, count = usage.count("prompt_tokens", self.odd), usage.count("completion_tokens", self.odd)
        self.prompt = self.prompt if prompt is None else prompt
        self.count = self.count if count is None else count
        held = details.count("cached_tokens", self.odd)
        self.cached = self.cached if held is None else held


class Tally:
    """Tokens of one generation, over all its exchanges.

    Args:
        request: What was asked.

    Attributes:
        count: Generated tokens.
        known: Whether the counts are; not where a server of text tells none.
        prompt: Length of the context as the server counts it, 0 for unknown.
        cached: How many of those came from its cache; None where it does not say.
    """

    def __init__(self, request: Request) -> None:
        self.count = 0
        self.known = True
        self.prompt = len(request.ids)
        self.cached: int | None = None
        self._request = request
        self._begun = False

    def add(self, usage: Usage, came: int, most: int | None, *, text: bool, stopped: bool) -> None:
        """Take in one exchange. Of tokens with ids only the context's are the server's to count.

        Args:
            usage: What the server counts.
            came: Tokens that came, in text mode chunks of text.
            most: Tokens that were asked for, None where that is not known.
            text: Whether this is text mode.
            stopped: Whether it ended with a stop.
        """
        if not self._begun:
            self._begun = True
            self._read(usage, text)
        self.count += self._made(usage, came, most, stopped) if text else came

    def _read(self, usage: Usage, text: bool) -> None:
        """The context as the first exchange counts it, if that can be."""
        told, known = usage.prompt, 0 if text else len(self._request.ids)
        most = len(self._request.text.encode()) + TEMPLATE if text else known + SLACK
        self.prompt = known if told is None else told
        if told is not None and not known <= told <= most:
            usage.odd.append(f"prompt_tokens {told}")
            self.known = self.known and not text
            self.prompt = known
        if usage.cached is not None and usage.cached <= self.prompt:
            self.cached = usage.cached

    def _made(self, usage: Usage, came: int, most: int | None, stopped: bool) -> int:
        """How many tokens the chunks of a text are, as the server tells, where that can be.

        Every chunk is a token at least, and hardly more are made than were asked for.
        """
        told = usage.count
        if told is not None and ((most is not None and told > most + SLACK) or (came and told < 1)):
            usage.odd.append(f"completion_tokens {told} of {most}")
            told = None
        self.known &= told is not None and usage.prompt is not None
        return came if told is None else max(told, int(stopped))
