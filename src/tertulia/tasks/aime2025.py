r"""AIME 2025: thirty competition problems (AIME I and II); every answer is an integer from 0 to 999.

A row (invented):

    {"problem": "A frog sits on $12$ stones ... Find $m+n$.", "answer": "31", "id": "7"}

English: math-ai/aime25, config default, split test, Apache-2.0 (the packaging; the problems are the Mathematical
Association of America's). The commit was read off several public evaluation programs that pin it.

Other languages: no set with these rows was found in public code; give a translated file.
"""

from __future__ import annotations

from tertulia.tasks.benchmark import Benchmark, HubSet

AIME2025 = Benchmark(
    name="aime2025",
    title="AIME 2025, 30 competition problems",
    numeric=True,
    hub=HubSet("math-ai/aime25", "default", "test", "563bb8404243c5f09de6ec262f2db674fe5bce9b"),
)
