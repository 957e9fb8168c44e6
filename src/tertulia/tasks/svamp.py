"""SVAMP: 1,000 word problems of one or two steps, each a change of a simpler one; every answer is a number.

A row of SVAMP.json (invented):

    {"ID": "chal-0", "Body": "Ada has 3 jars with 14 beans each", "Question": "How many beans does she have?",
     "Equation": "( 3.0 * 14.0 )", "Answer": 42.0, "Type": "Multiplication"}

The story stands in Body, without a stop at its end; it is put before the question.

From the hub: ChilleD/SVAMP, config default, its two splits together, which are the 1,000 problems (in another order
than the file), MIT. The commit was sighted in several public programs that pin it; it was never loaded here. As a file:
SVAMP.json as its authors publish it in arkilpatel/SVAMP.
"""

from __future__ import annotations

from tertulia.tasks.benchmark import Benchmark, HubSet

SVAMP = Benchmark(
    name="svamp",
    title="SVAMP, 1,000 word problems of one or two steps",
    hub=HubSet("ChilleD/SVAMP", "default", "train+test", "5e0bf1e5e7c0e9c4bc39180d224f41f3f801b7ef"),
    facts=("type",),
    numeric=True,
    story=("body",),
)
