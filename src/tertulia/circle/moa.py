"""Mixture of agents: proposals, then layers that aggregate them (arXiv 2406.04692), with one model.

Each path of a layer reads all proposals of the layer before in its prompt; the last layer is one path, and
its answer is the verdict. All paths are counted, and what they read is in the tokens of their prompts.
"""

from __future__ import annotations

from collections.abc import Sequence

from tertulia.circle.company import Company
from tertulia.circle.frames import neutral
from tertulia.circle.outcome import Outcome, verdict_of
from tertulia.circle.path import Path
from tertulia.circle.run import Run
from tertulia.circle.thinker import Thinker
from tertulia.errors import TertuliaError
from tertulia.wording import fill

LONGEST_PROPOSAL = 4000
"""Characters of a proposal that an aggregating path reads."""


async def solve(run: Run, name: str, story: str, question: str) -> Outcome:
    """Proposals by `paths` paths, `layers` layers of aggregation, the last of one path."""
    if not run.wording.moa:
        raise TertuliaError(
            f"the method moa needs a model that follows instructions, and the wordings {run.profile.wording} "
            "have no prompt for it: use the method leap, or give a wording file with moa"
        )
    thinker = Thinker(run, story, meets=False)
    paths = await _layer(thinker, name, 0, run.settings.paths, run.prompt(0, question, meets=False))
    last = paths
    for layer in range(run.settings.layers):
        proposals = _proposals(run, last)
        if not proposals:
            break
        asked = run.led(0, fill(run.wording.moa, question=question, proposals=proposals))
        size = 1 if layer == run.settings.layers - 1 else run.settings.paths
        last = await _layer(thinker, name, len(paths), size, asked)
        paths = paths + last
    verdict = await verdict_of(run, name, story, last)
    return Outcome(paths, [], verdict, tuple(path.index for path in last))


async def _layer(thinker: Thinker, name: str, first: int, size: int, asked: str) -> list[Path]:
    paths = [Path(index, f"{name}/p{index}", exact=thinker.run.exact) for index in range(first, first + size)]
    company = Company(thinker, paths)
    await company.each(thinker.begin, paths, [asked] * size)
    await company.each(thinker.think, paths)
    await company.end()
    return paths


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
