"""The problem world: word problems with an exact answer, the same problem in eleven languages.

There are no rows: a problem is drawn from its seed (`tertulia.world.problems`), so nothing is downloaded. As a row
it would be (invented):

    {"id": "en-default-17", "problem": "Ana has 12 pears. ... How many pears does Ana have?", "answer": "31",
     "seed": 17, "difficulty": "default", "split": "test", "steps": ["24", "31"]}
"""

from __future__ import annotations

from tertulia.errors import TertuliaError
from tertulia.tasks.benchmark import Benchmark
from tertulia.tasks.question import Question
from tertulia.world.problems import Split, problem

WITHOUT_LIMIT = 200


def generate(
    language: str = "en",
    limit: int | None = None,
    difficulty: str = "default",
    split: Split = "test",
    first: int = 0,
) -> list[Question]:
    """The problems of the seeds first, first + 1, and so on.

    Args:
        language: code of one of the eleven languages.
        limit: how many; None for 200.
        difficulty: name of the dials, as in ``world.toml``.
        split: ``train``, ``dev`` or ``test``.
        first: the first seed.

    Raises:
        TertuliaError: language, difficulty or split is unknown, or first is no whole number.
    """
    if not isinstance(first, int) or isinstance(first, bool):
        raise TertuliaError(f"first is {first!r}: expected the first seed, a whole number")
    count = WITHOUT_LIMIT if limit is None else limit
    return [_question(seed, language, difficulty, split) for seed in range(first, first + count)]


def _question(seed: int, language: str, difficulty: str, split: Split) -> Question:
    drawn = problem(seed, difficulty, split)
    parts = [language, difficulty, *([] if split == "test" else [split]), str(seed)]
    return Question(
        id="-".join(parts),
        text=drawn.question(language),
        gold=str(drawn.answer),
        kind="math",
        language=language,
        data={
            "seed": seed,
            "difficulty": difficulty,
            "split": split,
            "steps": [str(value) for value in drawn.states],
        },
    )


WORLD = Benchmark(
    name="world",
    title="the problem world, any number of word problems",
    options=("difficulty", "split", "first"),
    generate=generate,
)
