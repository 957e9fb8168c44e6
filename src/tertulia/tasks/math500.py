r"""MATH-500: five hundred problems of the MATH test set (Lightman et al. 2023, Hendrycks et al. 2021).

A row (invented):

    {"problem": "What is $\frac12+\frac13$?", "solution": "... $\boxed{\frac56}$.", "answer": "\\frac{5}{6}",
     "subject": "Prealgebra", "level": 2, "unique_id": "test/prealgebra/0.json"}

Answers are mathematical expressions, not only numbers.

English: HuggingFaceH4/MATH-500, config default, split test. Its card names no licence; MATH itself is MIT. The
commit was read off several public evaluation programs that pin it.

Other languages: the translated sets on the hub hold a part of it only; give a translated file.
"""

from __future__ import annotations

from tertulia.tasks.benchmark import Benchmark, HubSet

MATH500 = Benchmark(
    name="math500",
    title="MATH-500, 500 competition problems",
    hub=HubSet("HuggingFaceH4/MATH-500", "default", "test", "6e4ed1a2a79af7d8630a6b768ec859cb5af4d3be"),
    facts=("subject", "level"),
)
