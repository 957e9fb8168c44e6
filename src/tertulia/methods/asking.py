"""Side branches of paths that have come to their end: what is asked there for the vote."""

from __future__ import annotations

from collections.abc import Sequence

from tertulia.circle.path import Path, Span, Step
from tertulia.circle.run import Run
from tertulia.engines.base import EngineError, Generation


def end_of_thought(run: Run, path: Path) -> tuple[Path, bool]:
    """The path up to the end of its thought, without the end-of-text, and whether that thought is closed."""
    last = max((at for at, span in enumerate(path.spans) if span.kind == "thought"), default=len(path.spans) - 1)
    spans = path.spans[: last + 1]
    end = spans[-1]
    if end.ids and end.ids[-1] in run.engine.info.end_ids:
        spans[-1] = Span(end.kind, end.ids[:-1], end.text, end.count - 1)
    branch = Path(path.index, path.name, exact=path.exact)
    branch.apply(Step("prompt", tuple(spans)))
    close = run.dialect.think_close
    return branch, bool(close) and end.text.rstrip().endswith(close.strip())


async def aside(
    run: Run, path: Path, branch: Path, before: Sequence[Span], limit: int, *, stop: tuple[str, ...] = ()
) -> Generation | None:
    """What is written in a side branch, greedily; None where the budget or the context has no room, or nothing came.

    An engine that fails here costs no path its vote.

    Args:
        run: What the paths share.
        path: Whose budget pays.
        branch: What is continued.
        before: What is put in first.
        limit: Tokens at most.
        stop: Texts that end it.
    """
    limit = min(limit, run.settings.budget - path.tokens.generated)
    context = run.engine.info.context
    if context is not None:
        limit = min(limit, context - branch.length - sum(span.count for span in before))
    if limit < 1:
        return None
    try:
        return await run.generate(branch, before, limit, "answer", stop=stop, fork=True)
    except EngineError:
        return None
