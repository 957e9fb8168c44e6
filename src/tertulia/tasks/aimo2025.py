"""AIMO 2025: the ten public reference problems of the AI Mathematical Olympiad's Progress Prize 2.

A row of the competition's reference.csv (invented):

    id,problem,answer
    0a1b2c,"A frog sits on $12$ stones ... Find $m+n$.",31

Every answer is an integer from 0 to 999. The file is part of the competition's data on Kaggle, under the rules of
the competition, which have to be accepted there. On the hub there are only copies made by single users, so it is
read from a file.
"""

from __future__ import annotations

from tertulia.tasks.benchmark import Benchmark

AIMO2025 = Benchmark(
    name="aimo2025",
    title="AIMO Progress Prize 2, 10 reference problems",
    numeric=True,
    source="reference.csv of the AIMO Progress Prize 2, from Kaggle",
    options=(),
)
