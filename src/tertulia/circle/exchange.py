"""What passes between a path and the engine: text that is put in, and tokens that come back."""

from __future__ import annotations

from collections.abc import Sequence

from tertulia.circle.path import Path, Span, SpanKind
from tertulia.circle.run import Run
from tertulia.engines.base import EngineError, Generation, Request, Token
from tertulia.errors import TertuliaError
from tertulia.seeds import derive


class Exchange:
    """Asks the engine for the paths of one question. It tries nothing twice: the client does that.

    Args:
        run: What all paths share.
        story: Names the question for random draws.

    Attributes:
        arriving: Generations in progress, by path: what was put in for them, what they write, the tokens so
            far.
        lost: Paths that failed and are not recorded yet, for the engine may be gone for all.
        outlived: Paths whose failure was their own: the engine has answered a request that came after it.
    """

    def __init__(self, run: Run, story: str):
        self.run = run
        self.story = story
        self.arriving: dict[int, tuple[tuple[Span, ...], SpanKind, list[Token]]] = {}
        self.lost: list[Path] = []
        self.outlived: list[Path] = []

    async def generate(
        self,
        path: Path,
        before: Sequence[Span],
        limit: int,
        kind: SpanKind,
        *,
        stop: tuple[str, ...] = (),
        stop_at_close: bool = False,
    ) -> Generation:
        """Has the engine go on with the path.

        Args:
            path: The path as it is.
            before: What is put in first.
            limit: At most so many tokens.
            kind: What the tokens will be.
            stop: Strings that end the generation.
            stop_at_close: Whether the close of a thought ends it.

        Raises:
            EngineError: The client gave up, or nothing came.
        """
        run, dialect = self.run, self.run.dialect
        stop_ids: tuple[int, ...] = ()
        if stop_at_close and len(dialect.close_ids) == 1:
            stop_ids = dialect.close_ids
        elif stop_at_close and dialect.think_close:
            stop = (*stop, dialect.think_close)
        arriving: list[Token] = []
        self.arriving[path.index] = (tuple(before), kind, arriving)

        def on_tokens(tokens: Sequence[Token]) -> None:
            arriving.extend(tokens)
            run.tell("tokens", path.index, count=len(tokens))

        request = Request(
            path=path.name,
            ids=path.ids + tuple(token for span in before for token in span.ids),
            text=path.text + "".join(span.text for span in before),
            max_tokens=limit,
            sampling=run.settings.sampling,
            seed=derive(run.settings.seed, self.story, path.index, path.steps, kind),
            stop=stop,
            stop_ids=stop_ids,
        )
        lost = list(self.lost)
        generation = await run.engine.generate(request, on_tokens=on_tokens)
        self.outlived += [path for path in self.lost if path in lost]
        self.lost = [path for path in self.lost if path not in lost]
        if not generation.count and generation.finish != "end":
            raise EngineError(f"the engine gave path {path.name} not one token ({generation.finish})")
        return generation

    async def put(self, kind: SpanKind, text: str) -> Span:
        """Text as a span, encoded with control tokens disabled: it can open and close nothing."""
        if not self.run.exact:
            return Span(kind, (), text, about(text))
        ids = await self.run.engine.tokenize(text, special=False)
        control = {*self.run.engine.info.end_ids, *_single(self.run.dialect.close_ids)}
        if not control.isdisjoint(ids):
            raise TertuliaError(
                f"the engine reads control tokens in ordinary text ({text[:60]!r}): "
                "use another engine, for heard text could close a thought here"
            )
        return Span(kind, ids, text, len(ids))


def _single(ids: tuple[int, ...]) -> tuple[int, ...]:
    """A close that is one token; one of several tokens is ordinary text."""
    return ids if len(ids) == 1 else ()


def about(text: str) -> int:
    """About how many tokens a text is, where the server will tell only later."""
    return 1 + len(text.encode()) // 4
