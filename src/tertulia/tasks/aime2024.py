r"""AIME 2024: thirty competition problems (AIME I and II); every answer is an integer from 0 to 999.

A row (invented):

    {"id": 7, "problem": "A frog sits on $12$ stones ... Find $m+n$.", "solution": "... so $\boxed{31}$.",
     "answer": "031", "url": "https://...", "year": "2024"}

English: HuggingFaceH4/aime_2024, config default, split train. Its card names no licence; the problems are the
Mathematical Association of America's. The commit was read off several public evaluation programs that pin it, and
off the data set's own list of commits on the hub.

All eleven languages: amphora/MCLM, config MT-AIME2024, split test (MCLM, Son et al. 2025; machine translations,
MIT). It has a row for each problem and a column for each language, Chinese under zh-cn, and id is its Indonesian
text, not an identity. No commit of it was found in public code, so one has to be named.
"""

from __future__ import annotations

from tertulia.tasks.benchmark import Benchmark, HubSet


def _translated(column: str) -> HubSet:
    columns = {"problem": column, "answer": "answer"}
    return HubSet("amphora/MCLM", "MT-AIME2024", "test", revision=None, columns=columns)


AIME2024 = Benchmark(
    name="aime2024",
    title="AIME 2024, 30 competition problems",
    numeric=True,
    hub=HubSet("HuggingFaceH4/aime_2024", "default", "train", "2fe88a2f1091d5048c0f36abc874fb997b3dd99a"),
    translations={
        **{language: _translated(language) for language in ("bn", "de", "es", "fr", "ja", "ru", "sw", "te", "th")},
        "zh": _translated("zh-cn"),
    },
)
