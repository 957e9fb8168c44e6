"""The text of each token, asked of the server once.

A token's own bytes may be no text: characters outside ASCII are often split over several tokens. Such a
character belongs to the last of its tokens, so the others have an empty text.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

Detokenize = Callable[[Sequence[int]], Awaitable[str]]
Tokenize = Callable[[str], Awaitable[tuple[int, ...]]]

SEPARATOR = "\x1f"  # "unit separator": a control character that no model writes
BROKEN = "\ufffd"
LONGEST = 12  # tokens that a stretch of split characters may take until it is whole


class Pieces:
    """Texts of tokens.

    Args:
        detokenize: The server's text of some ids.
        tokenize: The server's ids of a text.
    """

    def __init__(self, detokenize: Detokenize, tokenize: Tokenize) -> None:
        self._detokenize = detokenize
        self._tokenize = tokenize
        # Texts of single tokens and of tokens that share characters, with BROKEN in what is not whole.
        self._known: dict[tuple[int, ...], str] = {}
        self._separator: tuple[int, ...] | None = None

    def now(self, token: int) -> str:
        """The text as far as known without asking; empty where it is not, or is not whole."""
        text = self._known.get((token,), "")
        return "" if BROKEN in text else text

    async def texts(self, ids: Sequence[int], pending: Sequence[int] = ()) -> tuple[list[str], tuple[int, ...]]:
        """The texts of these ids in this order, and the ids at their end whose character is not whole yet.

        Bytes that belong to no character have no text.

        Args:
            ids: Tokens.
            pending: Tokens before them that were not whole yet.
        """
        await self._learn([(token,) for token in ids])
        run = (*pending, *ids)
        texts: list[str] = []
        while len(texts) < len(run):
            at = len(texts)
            text = self._known[run[at],]
            if BROKEN not in text:
                texts.append(text)
                continue
            split = self._split(run, at)
            shares, whole = await self._shares(split)
            texts += shares
            if not whole and len(texts) == len(run) and len(split) < LONGEST:
                return texts[len(pending) :], split
        return texts[len(pending) :], ()

    def _split(self, run: tuple[int, ...], start: int) -> tuple[int, ...]:
        """The tokens from `start` on that are not whole by themselves, as far as a split can reach."""
        end = start
        while end < min(len(run), start + LONGEST) and BROKEN in self._known[run[end],]:
            end += 1
        return run[start:end]

    async def _shares(self, split: tuple[int, ...]) -> tuple[list[str], bool]:
        """What each token adds, up to the first at which all is whole; and whether it came to that."""
        prefixes = [split[: size + 1] for size in range(len(split))]
        shares: list[str] = []
        told = 0
        for prefix in prefixes:
            if prefix not in self._known:
                await self._learn(prefixes)
            text = self._known[prefix]
            clean = text.replace(BROKEN, "")
            shares.append(clean[told:])
            told = max(told, len(clean))
            if BROKEN not in text:
                return shares, True
        return shares, False

    async def _learn(self, parts: Sequence[tuple[int, ...]]) -> None:
        unknown = [part for part in dict.fromkeys(parts) if part not in self._known]
        if unknown:
            for part, text in zip(unknown, await self._apart(unknown), strict=True):
                self._known[part] = text

    async def _apart(self, parts: Sequence[Sequence[int]]) -> list[str]:
        """The text of each part, in one question where the separator survives in the answer."""
        if self._separator is None:
            self._separator = await self._tokenize(SEPARATOR)
        joined = [token for part in parts for token in (*self._separator, *part)]
        texts = (await self._detokenize(joined)).split(SEPARATOR)
        if len(texts) == len(parts) + 1:
            return texts[1:]
        # The separator stands before each part also here: some tokenizers drop a space at the very beginning.
        alone = await self._detokenize(self._separator)
        whole = [await self._detokenize((*self._separator, *part)) for part in parts]
        return [text.removeprefix(alone) for text in whole]
