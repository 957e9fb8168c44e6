"""How many simple answers `tertulia grade --file` grades in a second after its start.

    python benchmarks/grade_speed.py --rows 20000 --seed 1

The command grades one row, and then so many: the difference is what the rows took. Rows are made here: solutions of a
few lines that end in a box, in words, or in a letter.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ENDS = ("So it is \\boxed{{{}}}.", "The final answer is {}.", "Also lautet die Antwort {}.", "答案是{}。", "#### {}")


def row(rng: random.Random) -> dict[str, object]:
    """A transcript with its right answer, which it states three times out of four."""
    a, b = rng.randrange(2, 500), rng.randrange(2, 500)
    lines = [f"We have {a} pens and buy {b} more.", f"That makes {a} + {b} = {a + b} pens in all."]
    if rng.random() < 0.25:
        letter = rng.choice("ABCD")
        return {
            "response": "\n".join([*lines, f"Answer: Option {letter}"]),
            "gold": rng.choice(letter * 3 + "E"),
            "kind": "choice",
        }
    gold = a + b + (rng.random() < 0.25)
    return {"response": "\n".join([*lines, rng.choice(ENDS).format(a + b)]), "gold": gold}


def seconds(rows: list[dict[str, object]], folder: Path) -> float:
    """Seconds that the command takes for these rows."""
    file = folder / "answers.jsonl"
    file.write_text("".join(json.dumps(one) + "\n" for one in rows), "utf-8")
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "tertulia", "grade", "--file", str(file)], check=True, stdout=subprocess.DEVNULL
    )
    return time.perf_counter() - start


def main() -> None:
    """Print the rate."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    rng = random.Random(asked.seed)
    rows = [row(rng) for _ in range(asked.rows + 1)]
    with tempfile.TemporaryDirectory() as folder:
        start = seconds(rows[:1], Path(folder))
        whole = seconds(rows, Path(folder))
    print(
        f"start {start:.2f} s; {asked.rows} rows in {whole - start:.2f} s: {asked.rows / (whole - start):.0f} a second"
    )


if __name__ == "__main__":
    main()
