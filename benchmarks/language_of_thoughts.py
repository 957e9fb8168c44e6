"""How often the instrument for languages of thoughts is wrong, on texts whose language is known.

    python benchmarks/language_of_thoughts.py --mgsm "mgsm/mgsm_{language}.tsv" --skip 50 --gsm8k gsm8k/test.jsonl

MGSM's files as their authors publish them (question TAB answer): each question is held against its own language, and
against the ten others ("missed": it was not called off target). GSM8K's file: each worked solution, without its
calculator notes, likewise for English. Nothing here is random.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tertulia.errors import TertuliaError
from tertulia.evaluation.statistics import Estimate, mean_over_questions
from tertulia.evaluation.tongues import off_target, sentences
from tertulia.world.language import LANGUAGES


def rates(name: str, texts: Sequence[str], language: str) -> str:
    """One row of the table: how the texts, all in one language, are judged."""
    marks: list[list[float]] = []
    switched: list[list[float]] = []
    judged = whole = silent = 0
    wrong: Counter[str] = Counter()
    for text in texts:
        found = off_target(text, language)
        whole += len(sentences(text))
        judged += found.sentences
        if found.language is None:
            silent += 1
            continue
        marks.append([float(found.language != language)])
        switched.append([found.switched])
        wrong[found.language] += found.language != language
    taken_for = ", ".join(f"{code} {count}" for code, count in wrong.most_common() if count) or "-"
    others = [off_target(text, other).off_target for text in texts for other in LANGUAGES if other != language]
    missed = 100 * sum(not other for other in others) / len(others)
    cells = [name, str(len(texts)), percent(mean_over_questions(marks)), percent(mean_over_questions(switched))]
    cells += [f"{100 * silent / len(texts):.1f}", f"{100 * (1 - judged / whole):.1f}", f"{missed:.2f}", taken_for]
    return "| " + " | ".join(cells) + " |"


def percent(estimate: Estimate) -> str:
    """A share with its interval, in percent."""
    return f"{100 * estimate.mean:.2f} [{100 * estimate.low:.2f}, {100 * estimate.high:.2f}]"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mgsm", help="path of MGSM's files, with {language} for the code")
    parser.add_argument("--skip", type=int, default=0, help="so many questions of each language are left out")
    parser.add_argument("--gsm8k", type=Path, help="a file of GSM8K")
    asked = parser.parse_args()
    if not asked.mgsm and not asked.gsm8k:
        raise TertuliaError("nothing to measure: give --mgsm, --gsm8k or both")
    print(
        "| texts | n | off target % | switched % | no verdict % | sentences without verdict % | missed % | taken for |"
    )
    print("|---|---|---|---|---|---|---|---|")
    if asked.mgsm:
        for language in LANGUAGES:
            rows = Path(asked.mgsm.format(language=language)).read_text("utf-8").splitlines()
            print(rates(f"MGSM {language}", [row.partition("\t")[0] for row in rows][asked.skip :], language))
    if asked.gsm8k:
        answers = [json.loads(row)["answer"] for row in asked.gsm8k.read_text("utf-8").splitlines()]
        plain = [re.sub(r"<<.*?>>", "", answer).partition("####")[0] for answer in answers]
        print(rates("GSM8K solutions, en", plain, "en"))


if __name__ == "__main__":
    main()
