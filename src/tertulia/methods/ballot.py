"""The end of a circle: the verdict is a vote of its paths, by the rule that the settings name.

*majority* and *shortest-majority* count answers (`tertulia.answers.voting`). For *sure* every path is asked for its
answer once more, in a side branch at the end of its thought, and weighs as much as it is sure. For *judged* see
`tertulia.methods.judge`. What is asked is journaled with the path that is asked, and counted as forked. Answers of free
form that nobody can count: `tertulia.methods.alike`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from tertulia.answers import voting
from tertulia.answers.equivalence import equivalent
from tertulia.answers.extract import boxed_rest
from tertulia.answers.voting import Verdict
from tertulia.circle.circle import Circle, together
from tertulia.circle.claims import how_sure
from tertulia.circle.path import Path, Step
from tertulia.circle.run import Run
from tertulia.circle.segments import parts, step_of
from tertulia.circle.thinker import LED_STOPS, LED_TOKENS
from tertulia.methods import judge
from tertulia.methods.alike import likest
from tertulia.methods.asking import aside, end_of_thought

BOX = "\\boxed{"


@dataclass(frozen=True)
class Sureness:
    """How much the paths of a vote weigh.

    Attributes:
        weights: One a path.
        note: What the verdict says about it.
    """

    weights: tuple[float, ...]
    note: str


async def vote(circle: Circle, voters: Sequence[Path]) -> None:
    """Ends the circle with the vote of these paths; journaled, so that it can be read again.

    Raises:
        EngineError: No path came to an end. The same command tries again from where they were.
    """
    await circle.end(voters)
    settings = circle.run.settings
    free = await likest(circle.run, voters) if settings.free else None
    verdict = free or await _counted(circle, voters)
    of = len(circle.paths) if settings.method == "leap-single" else len(voters)
    await circle.decide(replace(verdict, of=of))


async def _counted(circle: Circle, voters: Sequence[Path]) -> Verdict:
    """The vote over what can be read."""
    run = circle.run
    sure = await _sureness(circle, voters) if run.settings.vote == "sure" else None
    verdict = await asyncio.to_thread(
        voting.vote,
        [path.answer for path in voters],
        lengths=[path.tokens.generated for path in voters],
        weights=sure.weights if sure else None,
        rule="majority" if run.settings.vote == "judged" else run.settings.vote,
        seed=f"{run.settings.seed} {run.story}",
        language=run.settings.language,
    )
    if verdict.quoted is not None:
        verdict = replace(verdict, quoted=voters[verdict.quoted].index)
    if sure is not None:
        verdict = replace(verdict, note=sure.note)
    if run.settings.vote != "judged" or any(path.unavailable for path in circle.paths):  # these go on another time
        return verdict
    return await judge.between(circle, voters, verdict)


async def _sureness(circle: Circle, voters: Sequence[Path]) -> Sureness:
    """Asks every path that has an answer. One that says another answer then weighs what is left to 1."""
    run = circle.run
    if not run.forks:
        return Sureness((1.0,) * len(voters), "every path weighs 1: nobody can be asked in a side branch here")
    asked = [path for path in voters if path.finished and path.answer is not None]
    await together(*(circle.thinker.step(path, partial(_ask, run, path)) for path in asked))
    known = {path.index: await asyncio.to_thread(_weight, path, run.settings.language) for path in asked}
    weights = [weight for weight in known.values() if weight is not None]
    if not weights:
        return Sureness((1.0,) * len(voters), "every path weighs 1: the engine gives no probabilities")
    usual = sum(weights) / len(weights)
    told = tuple(usual if (weight := known.get(path.index)) is None else weight for path in voters)
    return Sureness(told, f"weighted by how sure {len(weights)} of {len(asked)} paths are, {usual:.2f} on average")


def _weight(path: Path, language: str) -> float | None:
    """How sure a path that was asked is of its answer; None where nobody knows."""
    if path.asked is None or path.asked.sure is None or path.asked.answer is None:
        return None
    same = equivalent(path.asked.answer, path.answer or "", language)
    return path.asked.sure if same else 1 - path.asked.sure


async def _ask(run: Run, path: Path) -> Step:
    """Asks a path that has come to its end for its answer, from the end of its thought."""
    branch, closed = end_of_thought(run, path)
    lead = await run.put("cue", run.wording_of(path.index).lead or BOX)
    came = await aside(run, path, branch, [*([] if closed else run.close()), lead], LED_TOKENS, stop=LED_STOPS)
    if came is None:
        return Step("asked", place=path.place, data={"claim": None, "sure": None})
    (span,) = parts(came, ("answer", len(came.tokens)))
    claim = boxed_rest(span.text)
    data = {"claim": claim, "sure": how_sure(came.tokens, claim) if claim else None}
    return step_of("asked", came, (), path.place, fork=span, data=data)
