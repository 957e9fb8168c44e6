"""Benchmarks as questions: one file each, read from the Hugging Face hub at a pinned commit or from a file.

`BENCHMARKS` is all that the program knows of: a benchmark that is put into it is found by its name everywhere.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from tertulia.errors import TertuliaError
from tertulia.tasks.aime2024 import AIME2024
from tertulia.tasks.aime2025 import AIME2025
from tertulia.tasks.aimo2025 import AIMO2025
from tertulia.tasks.aqua import AQUA
from tertulia.tasks.benchmark import Benchmark, HubSet
from tertulia.tasks.files import read_rows
from tertulia.tasks.gpqa_diamond import GPQA_DIAMOND
from tertulia.tasks.gsm8k import GSM8K
from tertulia.tasks.gym import GYM, PREFIX
from tertulia.tasks.hub import fetch
from tertulia.tasks.math500 import MATH500
from tertulia.tasks.mawps import MAWPS
from tertulia.tasks.mgsm import MGSM
from tertulia.tasks.question import Question
from tertulia.tasks.rows import questions
from tertulia.tasks.svamp import SVAMP
from tertulia.tasks.world import WORLD
from tertulia.world.language import LANGUAGES

__all__ = ["BENCHMARKS", "Benchmark", "HubSet", "Question", "load"]

BENCHMARKS: dict[str, Benchmark] = {
    benchmark.name: benchmark
    for benchmark in (
        AIME2024, AIME2025, AIMO2025, AQUA, GPQA_DIAMOND, GSM8K, GYM, MATH500, MAWPS, MGSM, SVAMP, WORLD,
    )
}  # fmt: skip


def load(
    task: str | Benchmark,
    *,
    data: Path | str | None = None,
    language: str | None = None,
    limit: int | None = None,
    seed: int = 1,
    facts: tuple[str, ...] = (),
    **options: Any,
) -> list[Question]:
    """The questions of a benchmark, in the order of its rows.

    Args:
        task: a name in `BENCHMARKS`, or a benchmark of the caller's own.
        data: a file of questions (JSON, JSON lines, a table, parquet, arrow) in place of the hub; for gym
            "rg:NAME?size=200&seed=1".
        language: code of one of the eleven languages; None for the one that a file's name ends in, as mgsm_de.tsv
            does, and else English.
        limit: takes this many of the first questions; None for all, and 200 of the world.
        seed: shuffles the options of a choice, each question's by itself.
        facts: further fields of the rows that are kept in `Question.data`, in lower case with underscores.
        options: for the world difficulty, split and first (seed); for a set on the hub revision, a commit in
            place of the pinned one.

    Raises:
        TertuliaError: task, language or an option is unknown, a row is wrong, or the hub does not give the rows.
    """
    if isinstance(task, str) and task not in BENCHMARKS:
        raise TertuliaError(f"unknown task {task!r}: expected one of {', '.join(BENCHMARKS)}")
    if language is not None and language not in LANGUAGES:
        raise TertuliaError(f"unknown language {language!r}: expected one of {', '.join(LANGUAGES)}")
    if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 1):
        raise TertuliaError(f"limit is {limit!r}: expected a number of questions, at least 1")
    benchmark = BENCHMARKS[task] if isinstance(task, str) else task
    benchmark = replace(benchmark, facts=(*benchmark.facts, *facts))
    for name in options:
        if name not in benchmark.options:
            known = f"use one of {', '.join(benchmark.options)}" if benchmark.options else "it has none"
            raise TertuliaError(f"unknown option {name!r} of {benchmark.name}: {known}")
    if benchmark.generate:
        if "data" in benchmark.options:
            options["data"] = None if data is None else str(data)
        elif data is not None:
            raise TertuliaError(f"{benchmark.name} makes its questions and reads no file: leave out --data {data}")
        return benchmark.generate(language=language or "en", limit=limit, **options)
    if str(data).startswith(PREFIX):
        raise TertuliaError(f"{data} names problems of the task gym, not of {benchmark.name}: ask for gym")
    if data is None:
        language = language or "en"
        hub = _on_hub(benchmark, language)
        rows, source = fetch(hub, benchmark.name, **options), hub.name
    elif options:
        raise TertuliaError(f"revision is for the hub, and {data} is a file: leave one of them out")
    else:
        language = _language(Path(data), language)
        rows, source = read_rows(Path(data).expanduser()), str(data)
    return questions(rows, benchmark, source=source, language=language, seed=seed)[:limit]


def _language(file: Path, asked: str | None) -> str:
    """The language that is asked for, or that a file's name ends in; the two do not contradict each other."""
    named = re.split(r"[_.-]", file.stem.lower())[-1]
    if named == file.stem.lower() or named not in LANGUAGES:
        return asked or "en"
    if asked not in (None, named):
        raise TertuliaError(f"{file} has questions in {named} by its name: leave out --language {asked}, or rename it")
    return named


def _on_hub(benchmark: Benchmark, language: str) -> HubSet:
    """Where a benchmark's questions in a language are on the hub."""
    hub = benchmark.hub if language == "en" else benchmark.translations.get(language)
    if hub is None and language != "en":
        raise TertuliaError(
            f"no set of {benchmark.name} in the language {language!r} is known: give translated questions, --data FILE"
        )
    if hub is None:
        raise TertuliaError(f"{benchmark.name} has no set on the hub: give --data FILE ({benchmark.source})")
    return hub
