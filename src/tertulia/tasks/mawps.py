"""MAWPS: word problems of one or a few steps, collected from several sets; every answer is a number.

A row of a part, such as multiarith.jsonl (invented):

    {"input": "Ada has 3 jars with 14 beans each and eats 5 beans. How many are left?", "target": 37}

The sets' own JSON (sQuestion, lSolutions) is read too. Copies whose questions hold N_00 in place of numbers are not.

From the hub: MU-NLPC/Calc-mawps, config default, split test (520 problems, cleared of those that are in other sets),
MIT; the answer is its column result_float. The commit was sighted in several public programs that pin it; it was never
loaded here. As files: the parts addsub, singleop, singleeq and multiarith, as evaluation programs carry them.
"""

from __future__ import annotations

from tertulia.tasks.benchmark import Benchmark, HubSet

MAWPS = Benchmark(
    name="mawps",
    title="MAWPS, word problems of one or a few steps",
    hub=HubSet(
        "MU-NLPC/Calc-mawps",
        "default",
        "test",
        "38c10053efeafd20ab6ff4e08c3ec17de26c19b7",
        {"id": "id", "question": "question", "answer": "result_float"},
    ),
    numeric=True,
)
