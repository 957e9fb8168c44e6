"""What Inspect knows of Tertulia: tasks, solvers, a scorer, and a hook that stops engines.

`inspect eval tertulia/aime2024 --solver tertulia/leap -S paths=8` finds them through the entry point of the group
`inspect_ai`. A sample of Inspect is a question, an epoch is a circle. What a circle came to is kept whole in its
score's metadata (`tertulia.evaluation.records.CircleRecord`), so that tables can be made again from logs alone.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from inspect_ai import Epochs, Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.hooks import Hooks, RunEnd, hooks
from inspect_ai.model import ChatMessageAssistant, ChatMessageUser, ModelOutput
from inspect_ai.scorer import Score, Scorer, Target, mean, scorer, stderr
from inspect_ai.solver import Generate, Solver, TaskState, solver

from tertulia import tasks
from tertulia.evaluation import rendering
from tertulia.evaluation.arms import LONGER, NAMES, PLACEBOS, Arm, arm
from tertulia.evaluation.bench import BENCHES
from tertulia.evaluation.records import CircleRecord
from tertulia.evaluation.where import Where
from tertulia.tasks.question import Question

RECORD = "tertulia"
"""Where the circle's record lies in a sample's metadata and in its score's."""
IDENTIFY = "identify"
"""Whether free thoughts are held against the language of the question; in a sample's metadata."""


def sample_of(question: Question, **further: Any) -> Sample:
    """A question as a sample of Inspect."""
    facts = {
        "kind": question.kind,
        "language": question.language,
        "options": list(question.options),
        "order": list(question.order),
        "data": dict(question.data),
        "scorer": question.scorer,
    }
    return Sample(input=question.text, target=question.gold, id=question.id, metadata=facts | further)


def question_of(state: TaskState) -> Question:
    """The question of a sample that `sample_of` made; one of another task is taken for mathematics."""
    facts = state.metadata
    return Question(
        id=str(state.sample_id),
        text=state.input_text,
        gold=state.target.text,
        kind=facts.get("kind", "math"),
        language=facts.get("language", "en"),
        options=tuple(facts.get("options", ())),
        order=tuple(facts.get("order", ())),
        data=facts.get("data", {}),
        scorer=facts.get("scorer", ""),
    )


def benchmark(name: str, questions: list[Question], circles: int = 1, **metadata: Any) -> Task:
    """A task of Inspect.

    Args:
        name: Of the task.
        questions: What is asked.
        circles: Circles a question: Inspect's epochs.
        **metadata: Kept in the log.
    """
    dataset = MemoryDataset([sample_of(question) for question in questions], name=name)
    return Task(
        dataset=dataset,
        solver=leap(),
        scorer=circle(),
        epochs=Epochs(circles, "mean"),
        name=name,
        metadata=metadata or None,
    )


def _task(name: str, circles: int, **options: Any) -> Task:
    given = {key: value for key, value in options.items() if value is not None}
    return benchmark(name, tasks.load(name, **given), circles, **given)


def _benchmark_task(known: tasks.Benchmark) -> Any:
    """A benchmark as Inspect knows it."""

    def make(
        data: str | None = None,
        language: str | None = None,
        limit: int | None = None,
        circles: int = 1,
        seed: int | None = None,
        revision: str | None = None,
        difficulty: str | None = None,
        split: str | None = None,
        first: int | None = None,
    ) -> Task:
        options = {"data": data, "language": language, "limit": limit, "seed": seed, "revision": revision}
        return _task(known.name, circles, **options, difficulty=difficulty, split=split, first=first)

    make.__doc__ = f"{known.title}; the arguments are those of `tertulia.tasks.load`."
    make.__name__ = make.__qualname__ = known.name.replace("-", "_")
    return task(name=make.__name__)(make)


TASKS = {name: _benchmark_task(known) for name, known in tasks.BENCHMARKS.items()}


def method(
    one: Arm,
    where: Where,
    *,
    journals: str | None = None,
    seed: int = 0,
    settings: dict[str, Any] | None = None,
    beginnings: str | None = None,
    questions: str | None = None,
) -> Solver:
    """A solver that lets circles answer.

    Args:
        one: The arm.
        where: Where the circles run.
        journals: Folder for journals, one a circle; a circle that was killed goes on in its own.
        seed: Of circle 0; later circles have seeds that derive from it.
        settings: Further fields of `tertulia.settings.Settings`.
        beginnings: File of the beginnings that arms share.
        questions: File with the texts of all questions.
    """
    shared = {"seed": seed, **(settings or {})}

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        question = question_of(state)
        asked = one.asked(shared)
        bench = await BENCHES.get(where, asked, Path(beginnings) if beginnings else None)
        spend = float(state.metadata.get("spend", 0.0))
        budget = {"budget": max(round(spend), bench.profile.answer_tokens + 1)} if one.name == LONGER and spend else {}
        resolved = bench.settings(one, shared | budget, question)
        folder = Path(journals) if journals else None
        result, record = await bench.circle(
            question,
            resolved,
            circle=state.epoch - 1,
            name=one.slug,
            journals=folder,
            spend=spend if one.reference else 0.0,
            identify=bool(state.metadata.get(IDENTIFY)),
            questions=Path(questions) if questions else None,
        )
        state.metadata[RECORD] = record.to_json()
        messages = [ChatMessageUser(content=question.text)]
        state.messages = [*messages, *(ChatMessageAssistant(content=text) for text in rendering.paths(result, record))]
        state.output = ModelOutput.from_content("tertulia", rendering.verdict(result, record))
        rendering.tell(result, record)
        return state

    return solve


def _solver(name: str) -> Any:
    def make(
        paths: int | None = None,
        engine: str | None = None,
        model: str | None = None,
        threads: int = 1,
        at_once: int = 8,
        journals: str | None = None,
        seed: int = 0,
        **settings: Any,
    ) -> Solver:
        given = {key: value for key, value in {"paths": paths, **settings}.items() if value is not None}
        where = Where.of(engine=engine, model=model, threads=threads, at_once=at_once)
        return method(arm(name), where, journals=journals, seed=seed, settings=given)

    make.__doc__ = f"The method {name}; takes the fields of `tertulia.settings.Settings` as arguments."
    make.__name__ = make.__qualname__ = name.replace("-", "_")
    return solver(name=name)(make)


SOLVERS = {name: _solver(name) for name in NAMES}
leap = SOLVERS["leap"]


@solver(name="arm")
def arm_solver(label: str, **given: Any) -> Solver:
    """A method with settings of its own, as `tertulia eval --method` reads it.

    Args:
        label: Of the arm.
        **given: The fields of `tertulia.evaluation.where.Where`, and what `method` takes besides.
    """
    where = {name: given.pop(name) for name in Where.model_fields if name in given}
    return method(arm(label), Where.of(**where), **given)


@scorer(metrics={"*": [mean(), stderr()]}, name="circle")
def circle() -> Scorer:
    """Pass@1 and Cons@N of a circle, with its tokens. The answers were read from each path's own words."""

    async def score(state: TaskState, target: Target) -> Score:
        kept = state.metadata.get(RECORD)
        if kept is None:
            return Score(value={"pass@1": 0.0, "cons": 0.0}, explanation="no circle of Tertulia answered")
        record = CircleRecord.from_json(kept)
        voters = record.voters
        value = {
            "pass@1": record.pass_at_1,
            "cons": float(record.correct),
            "generated": record.generated,
            "injected": record.injected,
            "discarded": sum(path.discarded for path in record.paths),
            "seconds": record.seconds,
        }
        return Score(
            value=value,
            answer=record.verdict or "",
            explanation=f"{sum(path.right for path in voters)} of {len(voters)} paths are right",
            metadata={RECORD: kept},
        )

    return score


@hooks(name="tertulia_engines", description="Stops the engines that Tertulia's solvers started")
class StopEngines(Hooks):
    """Stops engines at the end of a run of Inspect."""

    async def on_run_end(self, data: RunEnd) -> None:
        """Called when all tasks of a run are done."""
        await asyncio.shield(BENCHES.close())


__all__ = [
    "PLACEBOS",
    "RECORD",
    "SOLVERS",
    "TASKS",
    "benchmark",
    "circle",
    "leap",
    "method",
    "question_of",
    "sample_of",
]
