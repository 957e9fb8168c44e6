"""Arms of an evaluation share their beginnings: the same request is generated once, for whichever arm asks first.

Two arms whose prompts, sampling and seeds are equal ask the same things until one of their paths hears something. So
their paths have the same thoughts up to there, the comparison is paired path by path, and the common part is paid for
once; each arm counts its tokens as if it had made them. What was generated is kept in a journal.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tertulia.engines.base import Engine, EngineInfo, Generation, OnTokens, Request, StopMatcher, Token
from tertulia.journal import Journal
from tertulia.seeds import derive

BEGINNINGS = "beginnings.journal.jsonl"
"""The file in which the arms of a folder keep them."""


class Shared:
    """An engine that remembers what it generated for paths that have heard nothing yet. Of exact ids only.

    Args:
        engine: Entered already; it is not left when this is.
        file: The journal in which beginnings are kept.
    """

    def __init__(self, engine: Engine, file: Path) -> None:
        self.engine = engine
        self._file = file
        self._journal: Journal
        self._known: dict[str, tuple[int, ...]] = {}  # what a path is, as long as it has heard nothing

    @property
    def info(self) -> EngineInfo:
        """That of the engine."""
        return self.engine.info

    async def __aenter__(self) -> Self:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._journal = Journal.open(self._file, {"beginnings": self.engine.info.model})
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._journal.close()

    async def tokenize(self, text: str, *, special: bool = False) -> tuple[int, ...]:
        """As the engine does."""
        return await self.engine.tokenize(text, special=special)

    async def detokenize(self, ids: Sequence[int]) -> str:
        """As the engine does."""
        return await self.engine.detokenize(ids)

    async def release(self, path: str) -> None:
        """As the engine does."""
        await self.engine.release(path)

    def __getattr__(self, name: str) -> Any:
        """What else the engine can do, such as render a template."""
        return getattr(self.engine, name)

    async def generate(self, request: Request, *, on_tokens: OnTokens | None = None) -> Generation:
        """As the engine does, but what was generated before for the same request is not generated again."""
        fresh = self._known.get(request.path, request.ids) == request.ids
        if not fresh or request.logprobs or self.info.mode != "ids":
            return await self.engine.generate(request, on_tokens=on_tokens)
        generation = await self._remembered(request, on_tokens)
        self._known[request.path] = request.ids + generation.ids
        return generation

    async def _remembered(self, request: Request, on_tokens: OnTokens | None) -> Generation:
        what = repr((request.ids, request.seed, request.sampling))
        key = hashlib.blake2b(what.encode(), digest_size=16).hexdigest()
        tokens: list[Token] = []
        first: dict[str, Any] = {}
        for part in range(request.max_tokens):
            so_far = tuple(tokens)
            live = f"{key}/{part}" not in self._journal

            async def go_on(so_far: tuple[Token, ...] = so_far) -> dict[str, Any]:
                rest = replace(
                    request,
                    ids=request.ids + tuple(token.id for token in so_far),
                    max_tokens=request.max_tokens - len(so_far),
                    seed=derive(request.seed, len(so_far)) if so_far else request.seed,
                )
                came = await self.engine.generate(rest, on_tokens=on_tokens)
                return {
                    "tokens": [[token.id, token.text] for token in came.tokens],
                    "finish": came.finish,
                    "prompt_tokens": came.prompt_tokens,
                    "cached": came.cached_tokens,
                    "asked": rest.max_tokens,
                }

            record = await self._journal.once(f"{key}/{part}", go_on)
            first = first or record
            new = [Token(token, text) for token, text in record["tokens"]]
            end, stop = _stopped(request, so_far, new)
            kept = new[: min(end, request.max_tokens - len(so_far))]
            if on_tokens is not None and not live:
                on_tokens(kept)
            tokens += kept
            if stop is not None and len(kept) == end:
                return _generation(tokens, "stop", first, stop)
            if record["finish"] == "end" and len(kept) == len(new):
                return _generation(tokens, "end", first)
            if len(tokens) >= request.max_tokens or (len(new) < record["asked"] and record["finish"] == "length"):
                return _generation(tokens, "length", first)
            if not new or record["finish"] == "cut":
                break
        return _generation(tokens, "cut", first)


def _stopped(request: Request, before: Sequence[Token], new: Sequence[Token]) -> tuple[int, str | None]:
    """How many of the new tokens there are up to the first stop, and what stopped them."""
    matcher = StopMatcher(request.stop)
    for token in before:
        matcher.feed(token.text)
    for at, token in enumerate(new, 1):
        stop = matcher.feed(token.text)
        if stop is None and token.id in request.stop_ids:
            stop = token.text
        if stop is not None:
            return at, stop
    return len(new), None


def _generation(tokens: Sequence[Token], finish: Any, first: dict[str, Any], stop: str | None = None) -> Generation:
    return Generation(tuple(tokens), finish, stop, first.get("prompt_tokens", 0), first.get("cached"))
