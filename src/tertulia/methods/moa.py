"""Mixture of agents: proposals, then layers that aggregate them (arXiv 2406.04692), with one model.

Each path of a layer reads all proposals of the layer before in its prompt; the last layer is one path, and
its answer is the verdict. All paths are counted, and what they read is in the tokens of their prompts.
"""

from __future__ import annotations

from collections.abc import Sequence

from tertulia.circle.circle import Circle
from tertulia.circle.path import Path
from tertulia.circle.run import Run
from tertulia.errors import TertuliaError
from tertulia.methods.ballot import vote
from tertulia.wording import fill
from tertulia.wording.harmless import neutral

LONGEST_PROPOSAL = 4000
"""Characters of a proposal that an aggregating path reads."""


async def solve(run: Run) -> Circle:
    """Proposals by `paths` paths, `layers` layers of aggregation, the last of one path."""
    settings = run.settings
    if not run.wording.moa:
        raise TertuliaError(
            f"the method moa needs a model that follows instructions, and the wordings {settings.words} "
            "have no prompt for it: use the method leap, or give a wording file with moa"
        )
    circle = Circle(run, meets=False)
    last = await circle.begin([run.prompt(0, meets=False)] * settings.paths)
    await circle.each(circle.thinker.think, last)
    for layer in range(settings.layers):
        proposals = _proposals(run, last)
        if not proposals:
            break
        asked = run.led(0, fill(run.wording.moa, question=run.question, proposals=proposals))
        last = await circle.begin([asked] * (1 if layer == settings.layers - 1 else settings.paths))
        await circle.each(circle.thinker.think, last)
    await vote(circle, last)
    return circle


def _proposals(run: Run, paths: Sequence[Path]) -> str:
    """What the finished paths propose, each text once."""
    texts = [neutral(_last_words(path), LONGEST_PROPOSAL) for path in paths if path.finished]
    unique = [text for text in dict.fromkeys(texts) if text]
    return "".join(
        fill(run.wording.moa_proposal, number=number, proposal=text) for number, text in enumerate(unique, 1)
    )


def _last_words(path: Path) -> str:
    answer = "".join(span.text for span in path.spans if span.kind == "answer")
    return answer if answer.strip() else path.own_text[-LONGEST_PROPOSAL:]
