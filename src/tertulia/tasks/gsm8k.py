r"""GSM8K: 1,319 word problems of school mathematics; every answer is a number.

A row (invented):

    {"question": "Ada has 3 jars with 14 beans each and eats 5 beans. How many are left?",
     "answer": "3 jars hold 3*14 = <<3*14=42>>42 beans.\n42 - 5 = <<42-5=37>>37 are left.\n#### 37"}

The answer is what stands after ####; before it stands a worked solution, which is read for fine-tuning only.

From the hub: openai/gsm8k, config main, split test, MIT. The commit was sighted in public evaluation programs that pin
it and in paths of local caches; it was never loaded here. As a file: test.jsonl and train.jsonl as its authors publish
them in openai/grade-school-math. For other languages there is the task mgsm.
"""

from __future__ import annotations

from tertulia.tasks.benchmark import Benchmark, HubSet

GSM8K = Benchmark(
    name="gsm8k",
    title="GSM8K, 1,319 word problems",
    hub=HubSet("openai/gsm8k", "main", "test", "cc7b047b6e5bb11b4f1af84efc572db110a51b3c"),
    numeric=True,
)
