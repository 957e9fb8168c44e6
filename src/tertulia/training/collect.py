"""Collects traces for LeaP-T: a teacher's circles on training problems, of which the right paths are kept.

Every circle has a journal, so that a kill costs nothing that was thought; the file of traces is written whole at the
end. With ``teacher.ideal`` no model thinks: the world writes traces as it does for pre-training.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

from tertulia.circle.path import Path
from tertulia.circle.thinker import CLOSE
from tertulia.errors import TertuliaError
from tertulia.evaluation.arms import arm
from tertulia.evaluation.bench import Bench
from tertulia.evaluation.meetings import Effect
from tertulia.evaluation.records import CircleRecord
from tertulia.files import mark_folder, working_in
from tertulia.seeds import draw
from tertulia.tasks.question import Question
from tertulia.training.leap_t import Keep, Run
from tertulia.training.masks import PROBE, Part, Trace, fingerprint, write_traces

if TYPE_CHECKING:
    from tokenizers import Tokenizer

FILE = "traces.jsonl"
COLLECTS = {"verb": "leap-t collect"}
"""What marks a folder of traces; what they are of is in their journals."""


@dataclass(frozen=True)
class Collected:
    """What a collection came to.

    Attributes:
        file: The traces.
        kept: How many.
        paths: Out of how many paths.
        dropped: Paths that were not kept, by the first reason.
        right: Share of right paths.
        tokens: Tokens of the kept traces.
    """

    file: FilePath
    kept: int
    paths: int
    dropped: dict[str, int]
    right: float
    tokens: int


def dropped_for(path: Path, right: bool, effects: Sequence[Effect], keep: Keep, longest: int) -> str | None:
    """Why a path is not kept; None where it is.

    Args:
        path: At its end.
        right: Whether its answer is right.
        effects: What its meetings did to it.
        keep: The rules.
        longest: Summaries are shorter than this, in tokens.
    """
    if path.place != "finished":
        return "not finished"
    if not right:
        return "wrong answer"
    for span in path.spans:
        if span.kind == "summary" and (span.count >= longest or CLOSE not in span.text):
            return "summary too long"
    if keep.meetings and not any(_shows(effect) in keep.meetings for effect in effects):
        return "no such meeting"
    return None


def _shows(effect: Effect) -> str | None:
    """What a meeting showed, in the words of `Keep.meetings`."""
    if effect.finding != "differ" or not effect.after or effect.before is None:
        return None
    return "kept" if effect.before else "corrected"


async def collect(run: Run, bench: Bench, out: FilePath, tell: Callable[[], None] = lambda: None) -> Collected:
    """Lets the teacher think about every question; the same call goes on where it was stopped.

    Args:
        run: What to collect.
        bench: Entered already.
        out: Folder of journals and traces.
        tell: Called at the end of each circle.

    Raises:
        TertuliaError: Something in the run is wrong, the engine knows no token ids, or no trace was kept. One line.
    """
    engine = bench.engine
    if engine.info.mode != "ids":
        raise TertuliaError(
            f"the engine at {engine.info.url or engine.info.name} says no token ids, which traces are made of: "
            "use vLLM, SGLang or llama.cpp"
        )
    method = arm(run.teacher.method)
    shared = {**run.circle, "seed": run.seed}
    asked = [(question, bench.settings(method, shared, question)) for question in run.questions()]
    longest = run.keep.summary_tokens or bench.profile.summary_tokens
    mark = fingerprint(await engine.tokenize(PROBE, special=True))
    counts: Counter[str] = Counter()

    async def lines(question: Question, settings: Any, circle: int) -> list[str]:
        result, record = await bench.circle(
            question, settings, circle=circle, name=method.slug, journals=out / "journals" / method.slug
        )
        kept = _kept(result.paths, record, run.keep, longest, counts)
        if run.keep.most is not None and len(kept) > run.keep.most:
            chosen = draw(run.seed, question.id, circle, "kept").sample(range(len(kept)), run.keep.most)
            counts["more than keep.most"] += len(kept) - run.keep.most
            kept = [kept[at] for at in sorted(chosen)]
        found = []
        for path in kept:
            trace = _trace(path, question.id, circle, method.name, mark)
            counts["tokens"] += len(trace.ids)
            found.append(json.dumps(trace.to_json(), ensure_ascii=False))
        tell()
        return found

    circles = [(question, settings, at) for question, settings in asked for at in range(run.teacher.circles)]
    with working_in(out):
        mark_folder(out, COLLECTS)
        found = await asyncio.gather(*(lines(*circle) for circle in circles))
        return await asyncio.to_thread(_written, [line for part in found for line in part], counts, out)


def _kept(paths: Sequence[Path], record: CircleRecord, keep: Keep, longest: int, counts: Counter[str]) -> list[Path]:
    """The paths of a circle that are kept; the others are counted by their reason."""
    kept = []
    for path, of in zip(paths, record.paths, strict=True):
        counts["paths"] += 1
        counts["right"] += of.right
        effects = [effect for effect in record.effects if effect.path == path.index]
        reason = dropped_for(path, of.right, effects, keep, longest)
        if reason is None:
            kept.append(path)
        else:
            counts[reason] += 1
    return kept


def _trace(path: Path, question: str, circle: int, method: str, mark: str) -> Trace:
    spans = [Part(span.kind, list(span.ids)) for span in path.spans if span.ids]
    return Trace(question, circle, path.index, method, path.answer, True, path.meetings, mark, spans)


def ideal(run: Run, tokenizer: Tokenizer, out: FilePath, tell: Callable[[], None] = lambda: None) -> Collected:
    """Traces that the world itself writes, one for each question; those that come out wrong are not kept.

    Args:
        run: What to collect; the control arm is without meetings.
        tokenizer: Of the model that is to be trained: pebble's, or another that was trained on the world.
        out: Folder of the traces.
        tell: Called at each trace.

    Raises:
        TertuliaError: A language or difficulty is unknown, or no trace was kept. One line.
    """
    from tertulia.tasks import load
    from tertulia.training.tokenizer import encode
    from tertulia.world.problems import problem
    from tertulia.world.traces import trace

    mark = fingerprint(tokenizer.encode(PROBE, add_special_tokens=False).ids)
    counts: Counter[str] = Counter()
    lines = []
    for language, difficulty, seed in run.drawn():
        (question,) = load("world", language=language, difficulty=difficulty, split="train", first=seed, limit=1)
        chance = random.Random(f"{run.seed} ideal {question.id}")
        drawn = trace(problem(seed, difficulty, "train"), language, chance, meet=run.teacher.method == "leap")
        right = drawn.answer == drawn.problem.answer
        counts["paths"] += 1
        counts["right"] += right
        tell()
        if not right:
            counts["wrong answer"] += 1
            continue
        encoded = zip(drawn.spans, encode(tokenizer, drawn.spans), strict=True)
        spans = [Part(span.kind, ids) for span, ids in encoded]
        kept = Trace(question.id, 0, 0, "ideal", str(drawn.answer), True, drawn.meetings, mark, spans)
        counts["tokens"] += len(kept.ids)
        lines.append(json.dumps(kept.to_json(), ensure_ascii=False))
    with working_in(out):
        mark_folder(out, COLLECTS)
        return _written(lines, counts, out)


def _written(lines: Sequence[str], counts: Counter[str], out: FilePath) -> Collected:
    """Writes the traces and says what came of the paths."""
    paths, right, tokens = (counts.pop(name, 0) for name in ("paths", "right", "tokens"))
    told = ", ".join(f"{count} {reason}" for reason, count in counts.most_common())
    if not lines:
        raise TertuliaError(
            f"no trace of {paths} paths was kept ({told}): take easier questions, more of them, or keep by other rules"
        )
    write_traces(lines, out / FILE)
    return Collected(out / FILE, len(lines), paths, dict(counts), right / paths, tokens)
