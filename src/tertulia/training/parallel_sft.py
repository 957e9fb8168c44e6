"""Fine-tuning in parallel languages: right solutions to the questions that GRPO would ask, no loss on the prompt.

The other paradigm of `tertulia.training.parallel`: the same questions in the same order, as many batches of as many
prompts, and one solution each. A solution to a problem of the world is a trace without meetings, in the question's
language, whose reading of the problem is right; any other is the column `solution` of the file. Every solution ends in
the right answer, boxed after the end of the thought, and is followed by the end token.
"""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

from tertulia.answers.extract import extract_answer
from tertulia.answers.thoughts import thought_and_answer
from tertulia.errors import TertuliaError
from tertulia.model import Dialect
from tertulia.tasks.question import Question
from tertulia.training.asking import Prompt, dialect_of, prompts_of
from tertulia.training.masks import PROBE, Part, Trace, fingerprint, labels
from tertulia.training.parallel_run import Run, judged, questions_of
from tertulia.training.sft import sft_arguments, sft_trainer

DRAWS = 2000
"""Traces of a problem that are drawn at most until one is right; a reader is right in one of a few."""


def make_trainer(run: Run, out: Path) -> Any:
    """TRL's trainer for a run of fine-tuning; its checkpoints lie in ``out/checkpoints``, its logs in ``out/log``.

    Raises:
        TertuliaError: Something in the run file, the model or the data is not as it must be. One line.
    """
    from tertulia.training.start import load_start

    arguments = _arguments(run, out)
    model, tokenizer = load_start(run.model.start, run.seed)
    context = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    learnt = [{"input_ids": trace.ids, "labels": labels(trace)} for trace in traces(run, tokenizer, context)]
    return sft_trainer(model, tokenizer, learnt, arguments, out)


def traces(run: Run, tokenizer: Any, context: int | None = None) -> list[Trace]:
    """What is learnt, one solution for each question of each batch, in their order.

    Args:
        run: The run.
        tokenizer: Of the model.
        context: Tokens that the model reads at most; None where it does not say.

    Raises:
        TertuliaError: A question has no solution, a wrong one, or one that is too long. One line.
    """
    profile = run.model.known
    mark = fingerprint(tokenizer(PROBE, add_special_tokens=False)["input_ids"])
    found = []
    dialect = dialect_of(tokenizer, profile)
    for prompt in prompts_of(questions_of(run), profile, run.thinking, dialect):
        question = prompt.question
        thought, answer = solution(run, prompt, dialect)
        spans = [Part(kind, list(ids)) for kind, ids, _ in prompt.parts]
        spans.append(Part("thought", _ids(thought, tokenizer)))
        spans.append(Part("answer", [*_ids(answer, tokenizer), tokenizer.eos_token_id]))
        trace = Trace(question.id, 0, 0, "solution", question.gold, True, 0, mark, spans)
        if context is not None and len(trace.ids) > context:
            raise TertuliaError(
                f"question {question.id} has {len(trace.ids)} tokens with its solution, and the model reads {context}: "
                "leave it out of data.file, or take a model with a longer context"
            )
        found.append(trace)
    return found


def solution(run: Run, prompt: Prompt, dialect: Dialect) -> tuple[str, str]:
    """Thought with its end, and answer, as the model is to write them after a prompt.

    Args:
        run: The run.
        prompt: What they answer.
        dialect: How the model's thought opens and closes, whatever marks the solution has.

    Raises:
        TertuliaError: There is no solution, or it is wrong. One line.
    """
    question = prompt.question
    of_the_world = run.data.task == "world" and run.data.file is None
    written = (world_thought if of_the_world else file_solution)(question, run.seed)
    thought, closed, answer = thought_and_answer(written)
    right = not ("\\boxed" in thought and not closed) or question.right(extract_answer(thought, question.kind))
    if not closed:
        answer = f"\n\\boxed{{{question.gold}}}"
    if not right or not judged(answer, question):
        raise TertuliaError(
            f"the solution of question {question.id} ({question.language}) does not come to its answer "
            f"{question.gold!r}: correct one of them"
        )
    thought = thought.strip("\n").rstrip() + "\n" + dialect.think_close
    if dialect.think_open and not prompt.opened:
        thought = dialect.think_open + dialect.after + thought
    return thought, answer


def world_thought(question: Question, seed: int) -> str:
    """A thought about a problem of the world, in the question's language, that reads and solves it rightly.

    Args:
        question: Of the world.
        seed: Of the run; the same question gets the same thought.

    Raises:
        TertuliaError: No trace of `DRAWS` is right. One line.
    """
    from tertulia.world.language import Language
    from tertulia.world.problems import problem
    from tertulia.world.traces import trace

    posed = problem(question.data["seed"], question.data["difficulty"], question.data["split"])
    words = Language.load(question.language)
    operations = [step.operation for step in posed.steps]
    reading = "; ".join(f"{at}) {words.word(one.kind, one.number)}" for at, one in enumerate(operations, 1))
    draw = random.Random(f"{seed} solution {question.id}")
    for _ in range(DRAWS):
        drawn = trace(posed, question.language, draw, meet=False)
        thought = next(span.text for span in drawn.spans if span.kind == "thought")
        if drawn.answer == posed.answer and thought.startswith(f"{reading}\n"):
            return thought.removesuffix("</think>")
    raise TertuliaError(f"no trace of {DRAWS} of question {question.id} is right: take an easier data.difficulty")


def file_solution(question: Question, seed: int) -> str:
    """The solution that the file has.

    Raises:
        TertuliaError: It has none. One line.
    """
    text = str(question.data.get("solution", "")).strip()
    if not text:
        raise TertuliaError(
            f"question {question.id} ({question.language}) has no solution, which fine-tuning learns from: give every "
            "row of data.file a column solution, or set training.paradigm to 'grpo'"
        )
    return text


def _ids(text: str, tokenizer: Any) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def _arguments(run: Run, out: Path) -> Any:
    """The run in TRL's words: a batch of questions is a batch of solutions, in the order of the questions."""
    dials, processes = run.training, int(os.environ.get("WORLD_SIZE", "1"))
    if dials.prompts % processes:
        raise TertuliaError(f"training.prompts is {dials.prompts}, no multiple of {processes} processes: choose one")
    rows = dials.prompts // processes
    at_once = dials.paths_at_once or rows
    if rows % at_once:
        raise TertuliaError(
            f"training.paths_at_once is {at_once}, and the {rows} solutions of a process are no multiple of it: "
            "choose one"
        )
    return sft_arguments(
        dials,
        out,
        run.seed,
        max_steps=run.steps,
        per_device_train_batch_size=at_once,
        gradient_accumulation_steps=rows // at_once,
        warmup_steps=round(dials.warm_up * run.steps),
        train_sampling_strategy="sequential",
    )
