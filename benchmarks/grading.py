"""How far the comparison of answers can be trusted: agreement, rewritings of right answers, national ways, time.

    python benchmarks/grading.py --gsm8k DATA/gsm8k/test.jsonl --math DATA/math500/test.jsonl \
        --mgsm DATA/mgsm/mgsm_*.tsv --numbers DATA/svamp/test.jsonl DATA/mawps/*.jsonl --count 40000 --seed 1

The files are the user's own, as their authors publish them; each table is left out where its files are not given.
`--pairs` takes judgements of anybody: JSON lines with `gold`, `answer`, `right` and, if known, `language`.
`--tables` (alone: `benchmarks/public_tables.toml`) compares with what the public tests of other graders judge.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import re
import statistics
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from rewritings import WAYS, changed_digit, harmful_formula, harmful_number, harmless_formula, harmless_number, written
from tertulia.answers import equivalent

HOSTILE = (
    r"\prod_{k=1}^{10^{8}} k", "9^{9^{9^{9}}}", "(x+1)^{10^{9}}", r"\sin(10^{10^{10}})", r"\sum_{k=1}^{3900} k^{300}",
    "5000!" * 190, "1," * 400 + "1", "(" * 400 + "x" + ")" * 400, r"\sqrt{" * 140 + "2" + "}" * 140, "x^" * 400 + "2",
    "1 thousand " * 90, r"\frac" * 190, r"\sin(\cos(\tan(" * 55 + "x" + ")))" * 55, "x!" * 300, "2^{99999} " * 90,
    r"\sum_{k=1}^{3900} k^{5000}", r"\sum_{k=1}^{900} (k+x)!", r"\sum_{k=1}^{1300}\sin(kx)", "тысяч" * 200,
)  # fmt: skip
"""Answers that would take long to compute."""

TABLES = Path(__file__).with_name("public_tables.toml")
"""What the public tests of other graders judge."""

SHOWN = 12
"""Misses that are printed of a table."""

Pair = tuple[str, str, bool, str | None]
Rewrite = Callable[[random.Random], tuple[str, str, str | None] | None]


def rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]


def boxed(text: str) -> str | None:
    """What the last box holds."""
    start = text.rfind("\\boxed{")
    depth = 0
    for place in range(start + 6, len(text)) if start >= 0 else ():
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if not depth:
            return text[start + 7 : place]
    return None


def gsm8k_pairs(path: Path) -> list[Pair]:
    """The answer of each worked solution against the result of each of its steps; Python's floats are the judge."""
    pairs: list[Pair] = []
    for row in rows(path):
        solution, _, final = row["answer"].partition("####")
        for step in re.findall(r"=([\d.,/-]+)>>", solution):
            try:
                right = float(step) == float(final.replace(",", ""))
            except ValueError:
                continue  # a step that is no plain number judges nothing
            pairs.append((final.strip(), step, right, None))
    return pairs


def gsm8k_words(path: Path) -> list[Pair]:
    """The last number of each worked solution with the words behind it, 18 dollars a day; and the next number."""
    pairs: list[Pair] = []
    for row in rows(path):
        solution, _, final = row["answer"].partition("####")
        found = re.search(r">>\s?([\d,.]+)(\s+[A-Za-z][^<>=\d]{0,40}?)\.?\s*$", solution.strip())
        gold = final.strip().replace(",", "")
        if found and found[1].replace(",", "").rstrip(".") == gold and gold.isdecimal():
            pairs += [(str(int(gold) + more), found[1] + found[2], not more, "en") for more in (0, 1)]
    return pairs


def math_pairs(path: Path) -> list[Pair]:
    """The answer of each row against the box of its own worked solution, which is right by definition."""
    found = ((row["answer"], boxed(row["solution"])) for row in rows(path) if "solution" in row)
    return [(gold, box, True, None) for gold, box in found if box is not None]


def mgsm_golds(paths: Sequence[Path]) -> dict[str, list[str]]:
    """The right answers of each language, as published."""
    golds = {}
    for path in paths:
        with path.open(encoding="utf-8", newline="") as lines:
            cells = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
            golds[path.stem.rpartition("_")[2]] = [row[1].strip() for row in cells]
    return golds


def mgsm_pairs(golds: dict[str, list[str]]) -> list[Pair]:
    """Each right answer against the same row and the next row of English; integers are the judge."""
    english = golds.get("en", next(iter(golds.values())))
    pairs: list[Pair] = []
    for language, answers in golds.items():
        for place, gold in enumerate(answers):
            for other in (english[place], english[(place + 1) % len(english)]):
                right = int(gold.replace(",", "")) == int(other.replace(",", ""))
                pairs.append((gold, other.replace(",", ""), right, language))
    return pairs


def given_pairs(path: Path) -> list[Pair]:
    """Judgements that somebody else has made."""
    return [(row["gold"], row["answer"], bool(row["right"]), row.get("language")) for row in rows(path)]


def agreement(name: str, pairs: Iterable[Pair]) -> None:
    """Prints how many pairs are judged alike, and those that are not."""
    judged = [(pair, equivalent(pair[0], pair[1], pair[3])) for pair in pairs]
    misses = [(pair, got) for pair, got in judged if got != pair[2]]
    right = sum(pair[2] for pair, _ in judged)
    print(f"{name}: {len(judged) - len(misses)} of {len(judged)} agreed ({right} right, {len(judged) - right} wrong)")
    for pair, got in misses[:SHOWN]:
        print(f"    {pair[0]!r} and {pair[1]!r}: {'same' if got else 'different'} here, {pair[2]} there")


def compared(table: dict[str, Any]) -> tuple[int, list[dict[str, Any]]]:
    """The pairs of a source of `public_tables.toml`, and those that are judged otherwise here.

    Args:
        table: `same` and `different` pairs, and `disputed` ones: whether `same` there, who is `right`, and `why`.

    Returns:
        How many pairs there are, and those that differ; `right` is "unknown" where nobody has judged who is right.
    """
    pairs = [dict(row) for row in table["disputed"]]
    for verdict in ("same", "different"):
        pairs += [
            {"gold": gold, "answer": answer, "same": verdict == "same", "right": "unknown", "why": ""}
            for gold, answer in table[verdict]
        ]
    return len(pairs), [pair for pair in pairs if equivalent(pair["gold"], pair["answer"]) is not pair["same"]]


def public_tables(path: Path) -> None:
    """Prints, for each source, how many pairs are judged alike, and who is right about each other one."""
    for source, table in tomllib.loads(path.read_text("utf-8")).items():
        count, misses = compared(table)
        rights = Counter(miss["right"] for miss in misses)
        said = ", ".join(f"{who} {rights[who]}" for who in ("ours", "theirs", "open", "unknown") if rights[who])
        print(f"{source}: {count - len(misses)} of {count} agreed" + (f"; right: {said}" if said else ""))
        for miss in misses:
            verdict = "same" if miss["same"] else "different"
            print(
                f"    {miss['gold']!r} and {miss['answer']!r}: {verdict} there; right: {miss['right']}, {miss['why']}"
            )


def numbers(paths: Sequence[Path]) -> list[int]:
    """Right answers that are whole numbers from 0 on, of files of any of the known shapes."""
    found = []
    for path in paths:
        for row in rows(path):
            value = str(row.get("target", row.get("Answer", row.get("answer", "")))).rpartition("####")[2].strip()
            value = value.replace(",", "").removesuffix(".0")
            if value.isdecimal() and value.isascii() and len(value) <= 8:
                found.append(int(value))
    return found


def rewritten(name: str, count: int, wanted: bool, rewrite: Rewrite, seed: int) -> None:
    """Prints how many rewritings are accepted, and those that should not be, or should.

    Args:
        name: What is rewritten.
        count: Rewritings.
        wanted: Whether they are the same answer.
        rewrite: Gives a right answer, a rewriting and the language; None where it finds nothing to rewrite.
        seed: Of the draws.
    """
    draw = random.Random(f"{name}/{seed}")
    misses: Counter[tuple[str, str, str | None]] = Counter()
    done = 0
    while done < count:
        if (found := rewrite(draw)) is None:
            continue
        done += 1
        if equivalent(*found) is not wanted:
            misses[found] += 1
    accepted = misses.total() if not wanted else count - misses.total()
    print(f"{name}: {accepted} of {count} accepted ({100 * accepted / count:.2f} %)")
    for (gold, answer, language), times in misses.most_common(SHOWN):
        print(f"    {gold!r} and {answer!r}" + (f" in {language}" if language else "") + f", {times} times")


def national(golds: dict[str, list[str]]) -> None:
    """Prints in how many national ways all right answers are accepted, and none with another digit."""
    wholly, ways = 0, [(language, way) for language in sorted(WAYS) for way in WAYS[language]["ways"]]
    count = 0
    for language, way in ways:
        draw, misses = random.Random(f"{language}/{way}"), []
        for gold in golds.get(language, golds["en"]):
            number = int(gold.replace(",", ""))
            count += 2
            if not equivalent(gold, written(number, way, language), language):
                misses.append(f"{gold} is not {written(number, way, language)}")
            other = int(changed_digit(str(number), draw))
            if equivalent(gold, written(other, way, language), language):
                misses.append(f"{gold} is {written(other, way, language)}")
        wholly += not misses
        if misses:
            print(f"    {language} {way}: {'; '.join(misses[:3])}")
    print(f"MGSM golds in national ways: {wholly} of {len(ways)} ways wholly right, {count} comparisons")


def timed() -> None:
    """Prints the time of a comparison, each of answers not seen before."""
    draw = random.Random(1)
    kinds: dict[str, list[tuple[str, str]]] = {
        "plain integers": [(str(draw.randrange(10**6)), str(draw.randrange(10**6))) for _ in range(20_000)],
        "plain decimals": [(f"{draw.random():.2f}", f"{draw.random():.4f}") for _ in range(20_000)],
        "grouped, with a unit": [(str(n), f"{n:,} apples") for n in draw.sample(range(10**6), 5000)],
        "fractions": [(f"{n}/7", rf"\frac{{{n}}}{{7}}") for n in draw.sample(range(10**6), 5000)],
        "formulas": [(rf"{n}\sqrt{{2}} + x", rf"x + {n}\sqrt{{2}}") for n in draw.sample(range(10**6), 1000)],
    }
    kinds["hostile"] = [(hostile, "x + 17") for hostile in HOSTILE]
    start = time.thread_time()
    equivalent(r"\sqrt{2} + \sin x", "x")
    print(f"the first formula, with what it loads: {1e3 * (time.thread_time() - start):.0f} ms")
    for name, pairs in kinds.items():
        spent = []
        for pair in pairs:
            start = time.thread_time()  # of this thread's own work: others may be busy on the machine
            equivalent(*pair)
            spent.append(time.thread_time() - start)
        print(
            f"{name}: median {1e6 * statistics.median(spent):.1f} us, longest {1e3 * max(spent):.2f} ms, n {len(spent)}"
        )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("gsm8k", "math", "mgsm", "numbers", "pairs"):
        parser.add_argument(f"--{name}", type=Path, nargs="+", default=[])
    parser.add_argument("--tables", type=Path, nargs="?", const=TABLES, help="a file like %(const)s")
    parser.add_argument("--count", type=int, default=40_000, help="rewritings of each table")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    for path in arguments.gsm8k:
        agreement(f"GSM8K steps, {path.name}", gsm8k_pairs(path))
        agreement(f"GSM8K numbers with words, {path.name}", gsm8k_words(path))
    for path in arguments.math:
        agreement(f"MATH boxes, {path.name}", math_pairs(path))
    if arguments.tables:
        public_tables(arguments.tables)
    for path in arguments.pairs:
        agreement(f"judgements, {path.name}", given_pairs(path))
    whole = numbers([*arguments.gsm8k, *arguments.numbers])
    if arguments.mgsm:
        golds = mgsm_golds(arguments.mgsm)
        agreement("MGSM rows", mgsm_pairs(golds))
        national(golds)
        whole += [int(gold.replace(",", "")) for answers in golds.values() for gold in answers]
    if whole:

        def number(draw: random.Random, other: Callable[..., tuple[str, str | None]]) -> tuple[str, str, str | None]:
            gold = draw.choice(whole)
            return str(gold), *other(gold, draw)

        count, seed = arguments.count, arguments.seed
        rewritten("harmless, numbers", count, True, lambda draw: number(draw, harmless_number), seed)
        rewritten("harmful, numbers", count, False, lambda draw: number(draw, harmful_number), seed)
    formulas = [row["answer"] for path in arguments.math for row in rows(path)]
    if formulas:

        def formula(draw: random.Random, other: Callable[..., str | None]) -> tuple[str, str, None] | None:
            gold = draw.choice(formulas)
            found = other(gold, draw)
            return None if found is None else (gold, found, None)

        count, seed = arguments.count, arguments.seed
        rewritten("harmless, formulas", count, True, lambda draw: formula(draw, harmless_formula), seed)
        rewritten("harmful, formulas", count, False, lambda draw: formula(draw, harmful_formula), seed)
    timed()


if __name__ == "__main__":
    main()
