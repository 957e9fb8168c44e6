"""Answers in a path's own words, and the verdict on answers of free form, which nobody can count.

Where at least half of the paths state a short answer that can be read, the verdict is their vote, as ever. Else it is
the answer that is most like the others, by its mean similarity to them: the routers' (LeaP, section 3.2).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

from tertulia.answers.voting import Verdict
from tertulia.circle.path import Path
from tertulia.circle.routing import similarity
from tertulia.circle.run import Run
from tertulia.model import Dialect
from tertulia.seeds import draw


def own_answer(path: Path, dialect: Dialect) -> str:
    """What a path answers in its own words, without its thought; empty where it came to no answer.

    All that a model wrote which does not think aloud is its answer. Words by which a path was led to an answer stay.
    """
    spans = path.spans if path.finished else []
    if dialect.think_close:
        spans = spans[1 + max((at for at, span in enumerate(spans) if span.kind == "thought"), default=-1) :]
    lead = path.spans[-2:-1] if path.led else []
    text = ""
    for span in spans:
        if span.kind in ("thought", "answer") or span in lead:
            text += span.text
        elif span.kind in ("heard", "cue"):  # after what was put in it begins anew
            text = text.rstrip() + "\n\n"
    for stop in dialect.stops:
        text = text.partition(stop)[0]
    return text.strip()


async def likest(run: Run, voters: Sequence[Path]) -> Verdict | None:
    """The answer most like the others; None where enough paths state a short one for a vote, or nobody answers.

    Args:
        run: What the paths share.
        voters: The paths whose answers count.
    """
    said = {path.index: text for path in voters if (text := own_answer(path, run.dialect))}
    stated = sum(path.answer is not None for path in voters)
    if not said or 2 * stated >= len(said):
        return None
    who, texts = list(said), list(said.values())
    stop = threading.Event()
    try:
        matrix = await asyncio.to_thread(similarity, texts, stop=stop)
    except asyncio.CancelledError:
        stop.set()  # a thread cannot be cancelled, but it can be asked
        raise
    alike = (matrix.sum(axis=1) - 1) / max(1, len(texts) - 1)
    equals = [at for at, mean in enumerate(alike) if mean > alike.max() - 1e-9]
    chosen = draw(run.settings.seed, run.story, "alike").choice(equals)
    tie = len({texts[at] for at in equals}) > 1
    short = f"{stated} of {len(said)} paths" if stated else "no path"
    how = f"the answer most like the others ({alike[chosen]:.2f} on average)" if len(said) > 1 else "the only answer"
    note = f"{how}{', drawn among equals' if tie else ''}; {short} {'states' if stated < 2 else 'state'} a short one"
    return Verdict(texts[chosen], {}, len(said), len(voters), tie, note, who[chosen])
