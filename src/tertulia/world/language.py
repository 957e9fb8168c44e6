"""One language of the world: its sentences and the words of its traces, read from ``languages/<code>.toml``."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from tertulia.errors import TertuliaError

LANGUAGES = ("en", "bn", "de", "es", "fr", "ja", "ru", "sw", "te", "th", "zh")


class Name:
    """A person's name; its cases are attributes, written ``{name.gen}`` in a template."""

    def __init__(self, forms: str | dict[str, str]):
        self._forms = {"nom": forms} if isinstance(forms, str) else forms

    def __str__(self) -> str:
        return self._forms["nom"]

    def __getattr__(self, case: str) -> str:
        try:
            return self._forms[case]
        except KeyError:
            raise AttributeError(case) from None


def plural_category(language: str, n: int) -> str:
    """The CLDR plural category of n; only Russian among the eleven has more than ``other`` for n above 1."""
    if language != "ru":
        return "other"
    if n % 10 == 1 and n % 100 != 11:
        return "one"
    return "few" if 2 <= n % 10 <= 4 and not 12 <= n % 100 <= 14 else "many"


@dataclass(frozen=True, eq=False)
class Language:
    """Sentences and trace words of one language."""

    code: str
    data: dict[str, Any]

    @staticmethod
    @cache
    def load(code: str) -> Language:
        """The language of a code.

        Raises:
            TertuliaError: it is not one of the eleven.
        """
        if code not in LANGUAGES:
            raise TertuliaError(f"unknown language {code!r}: expected one of {', '.join(LANGUAGES)}")
        text = resources.files("tertulia.world").joinpath("languages", f"{code}.toml").read_text("utf-8")
        return Language(code, tomllib.loads(text))

    @staticmethod
    def distractor_kinds() -> list[str]:
        """Keys of the sentences that name a number without any bearing."""
        return list(Language.load("en").data["distractors"])

    @staticmethod
    def item_kinds() -> list[str]:
        """Keys of the things that are counted."""
        return list(Language.load("en").data["items"])

    @property
    def join(self) -> str:
        """What stands between two sentences."""
        return str(self.data["join"])

    def before(self, key: str, name: int, item: str, n: int) -> str:
        """The sentence of a key, told as something done just before."""
        told = self.sentence(key, name, item, n)
        if self.data["lower_after_before"] and not told.startswith(str(Name(self.data["names"][name]))):
            told = told[0].lower() + told[1:]
        return str(self.data["sentences"]["before"]) + told

    def sentence(self, key: str, name: int, item: str, n: int) -> str:
        """The sentence of a key, about a person, a thing and a number."""
        thing = self.data["items"][item]
        count = thing["count"][plural_category(self.code, n)].format(n=n)
        person = Name(self.data["names"][name])
        template: str = self.data["sentences"][key]
        return template.format(name=person, count=count, plural=thing["plural"], n=n)

    def distractor(self, kind: str, n: int) -> str:
        """A sentence that names a number without any bearing."""
        return str(self.data["distractors"][kind]).format(n=n)

    def word(self, key: str, n: int | None = None) -> str:
        """A word of the traces, with its number where it takes one."""
        return str(self.data["trace"][key]).format(n=n)
