"""How right a reader is who makes the world's injected mistakes and no others: the noise in pebble's data.

python benchmarks/world_reader.py --questions 400
"""

from __future__ import annotations

import argparse
import random

from common import points, table, vote_share
from tertulia.world.problems import problem, settings
from tertulia.world.traces import trace


def main() -> None:
    """Draws traces without meetings and counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=400)
    parser.add_argument("--paths", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    rows = []
    for difficulty in settings()["difficulty"]:
        right, votes = [], []
        for seed in range(chosen.questions):
            drawn = problem(seed, difficulty)
            draw = random.Random(f"{chosen.seed} {seed}")
            answers = [str(trace(drawn, "en", draw, meet=False).answer) for _ in range(chosen.paths)]
            right.append(sum(answer == str(drawn.answer) for answer in answers) / chosen.paths)
            votes.append(vote_share(answers, str(drawn.answer)))
        row = {"difficulty": difficulty, "n": chosen.questions, "pass@1 %": points(right)}
        rows.append(row | {f"vote of {chosen.paths} %": points(votes)})
    print(table(rows))


if __name__ == "__main__":
    main()
