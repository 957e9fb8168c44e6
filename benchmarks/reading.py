"""How answers are read from what people wrote: which are read, and whether that is what the writer meant.

    python benchmarks/reading.py --aqua aqua/test.json --gsm8k gsm8k/test.jsonl --math math500/test.jsonl

The files are those that the sets' authors publish. AQuA: the letter in each rationale against `correct`. GSM8K: the
value of each worked solution with its last line against the number there; and without that line, where nothing is
announced, how often something is read all the same. MATH: the box of each solution, and what is read in words where
the boxes are taken off.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tertulia.answers.extract import extract_answer, is_correct, stated_answer

Row = dict[str, Any]


def count(name: str, rows: Iterable[Row], read: Callable[[Row], str | None], right: Callable[[Row, str], bool]) -> None:
    """Print one row of the table."""
    found = [(row, read(row)) for row in rows]
    judged = [right(row, answer) for row, answer in found if answer is not None]
    print(f"| {name} | {len(found)} | {len(judged)} | {sum(judged)} | {len(judged) - sum(judged)} |")


def rows_of(file: Path) -> list[Row]:
    """The rows of a file of JSON lines."""
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("aqua", "gsm8k", "math"):
        parser.add_argument(f"--{name}", type=Path)
    asked = parser.parse_args()
    print("| texts | n | read | as meant | otherwise |\n|---|---|---|---|---|")
    if asked.aqua:
        rows = rows_of(asked.aqua)
        count(
            "AQuA rationales, a letter in words",
            rows,
            lambda row: stated_answer(row["rationale"], "choice"),
            lambda row, answer: answer == row["correct"],
        )
    if asked.gsm8k:
        rows = rows_of(asked.gsm8k)
        parts = [dict(zip(("way", "gold"), row["answer"].split("####"), strict=True)) for row in rows]
        whole = "{way}####{gold}"
        count(
            "GSM8K solutions",
            parts,
            lambda row: extract_answer(whole.format(**row)),
            lambda row, answer: is_correct(answer, row["gold"]),
        )
        for kind, what in (("math", "value"), ("choice", "letter")):
            count(
                f"GSM8K solutions without their last line, a {what}",
                parts,
                lambda row, kind=kind: stated_answer(row["way"], kind),  # type: ignore[misc]
                lambda row, answer: is_correct(answer, row["gold"]),
            )
    if asked.math:
        rows = rows_of(asked.math)
        count(
            "MATH solutions",
            rows,
            lambda row: extract_answer(row["solution"]),
            lambda row, answer: is_correct(answer, row["answer"]),
        )
        count(
            "MATH solutions without boxes, a value in words",
            rows,
            lambda row: stated_answer(row["solution"].replace("\\boxed", "")),
            lambda row, answer: is_correct(answer, row["answer"]),
        )


if __name__ == "__main__":
    main()
