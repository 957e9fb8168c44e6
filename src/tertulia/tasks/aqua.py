"""AQuA: 254 questions of algebra, each with one right option of five.

A row (invented):

    {"question": "3 jars hold 14 beans each. How many beans is that?", "options": ["A)31", "B)40", "C)42", "D)45",
     "E)None of these"], "rationale": "3 times 14 is 42. Answer: C", "correct": "C"}

The options carry their letters, which are taken off and written as everywhere here. They keep their order, because the
right one is at no fixed place and the last one often speaks of those above it.

From the hub: deepmind/aqua_rat, config raw, split test, Apache-2.0. The commit was sighted in several public programs
that pin it; it was never loaded here. As a file: test.json (JSON lines) as its authors publish it in
google-deepmind/AQuA.
"""

from __future__ import annotations

from tertulia.tasks.benchmark import Benchmark, HubSet

AQUA = Benchmark(
    name="aqua",
    title="AQuA, 254 questions of algebra with five options",
    kind="choice",
    hub=HubSet("deepmind/aqua_rat", "raw", "test", "33301c6a050c96af81f63cad5562cb5363e88971"),
    shuffle=False,
)
