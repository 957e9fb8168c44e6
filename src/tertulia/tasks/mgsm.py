"""MGSM: the first 250 problems of GSM8K, translated by people; the same ones in eleven languages.

A line of mgsm_de.tsv (invented): a question, a tab, a number; no header.

    Ada hat 3 Gläser mit je 14 Bohnen und isst 5 davon. Wie viele bleiben?	37

Numbers have commas between groups of three digits in every language ("2,125"); they are read as such.

From the hub: juletxara/mgsm, a config for each language, split test, CC-BY-SA-4.0; the answer is its column
answer_number. The commit was sighted in several public evaluation programs that pin it; it was never loaded here. As
files: mgsm_en.tsv and its ten sisters as their authors publish them in google-research/url-nlp; a file's name says its
language.
"""

from __future__ import annotations

from tertulia.tasks.benchmark import Benchmark, HubSet
from tertulia.world.language import LANGUAGES


def _hub(language: str) -> HubSet:
    columns = {"question": "question", "answer_number": "answer_number"}
    return HubSet("juletxara/mgsm", language, "test", "b2f13d426afe3be8d69a7e739b36724db8b66bbc", columns)


MGSM = Benchmark(
    name="mgsm",
    title="MGSM, 250 word problems in eleven languages",
    hub=_hub("en"),
    translations={language: _hub(language) for language in LANGUAGES if language != "en"},
    numeric=True,
)
