"""A row and its fields: which name is what, and what is said when one is missing or wrong.

Field names count in any case; a space, a hyphen, an underscore and a capital inside are the same: "Record ID",
"record_id", "recordId".
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tertulia.errors import TertuliaError

TEXT = ("problem", "question", "prompt", "input", "query", "question_stem", "s_question")
LANGUAGE = ("language", "lang")
ID = ("id", "unique_id", "problem_idx", "record_id", "question_id", "gid", "i_index")
PARTS = (
    "body", "passage", "context", "story", "paragraph", "background", "article", "document", "premise",
    "scenario", "table", "ctx", "instruction", "input", "image", "images",
)  # fmt: skip
"""Fields that are part of a question wherever they have something in them that the question does not say."""

_PLACEHOLDER = re.compile(r"\b(?:N_\d\d|number\d)\b")
_THREE_LETTERS = {
    "eng": "en", "ben": "bn", "deu": "de", "ger": "de", "spa": "es", "fra": "fr", "fre": "fr", "jpn": "ja",
    "rus": "ru", "swa": "sw", "swh": "sw", "tel": "te", "tha": "th", "zho": "zh", "chi": "zh", "cmn": "zh",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """One row.

    Attributes:
        place: file and number, for what is said about it.
        fields: (name in the file, value) by the name in lower case with underscores; nulls are left out.
    """

    place: str
    fields: Mapping[str, tuple[str, Any]]

    @classmethod
    def of(cls, raw: Mapping[str, Any], place: str) -> Row:
        """A row as it was read.

        Raises:
            TertuliaError: two fields are the same, and say different things.
        """
        fields: dict[str, tuple[str, Any]] = {}
        row = cls(place, fields)
        for name, value in raw.items():
            if value is None:
                continue
            known, present = fields.setdefault(normal(name), (name, value))
            if known != name and present != value:
                raise row.wrong(f"the fields {known!r} and {name!r} say different things; remove one")
        return row

    def has(self, name: str) -> bool:
        """Whether a field is there and has something in it."""
        if name not in self.fields:
            return False
        value = self.fields[name][1]
        return bool(str(value).strip()) if not isinstance(value, list | dict) else bool(value)

    def find(self, names: Iterable[str]) -> str | None:
        """The first of these names that the row has, one with something in it before an empty one."""
        there = [name for name in names if name in self.fields]
        return next((name for name in there if self.has(name)), there[0] if there else None)

    def shown(self, name: str) -> str:
        """A field's name as the file has it."""
        return self.fields[name][0]

    def plain(self, name: str) -> str:
        """A field's text; a number without a fraction is written without one."""
        shown, value = self.fields[name]
        return self.plain_value(value, f"the field {shown!r}")

    def plain_value(self, value: Any, what: str) -> str:
        """A value as text; `what` says whose it is."""
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise self.wrong(f"{what} is {brief(value)}, expected a text or a number")
        if isinstance(value, float):
            if not math.isfinite(value):
                raise self.wrong(f"{what} is {value}, expected a text or a number")
            return str(int(value)) if value.is_integer() else repr(value)
        text = str(value).replace("\ufeff", "").strip()
        if not text:
            raise self.wrong(f"{what} is empty")
        return text

    def missing(self, what: str) -> TertuliaError:
        """That a field is not there, and which are."""
        names = [name for name, _ in self.fields.values()]
        there = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
        return self.wrong(f"{what} is missing; the fields there are {there or 'none'}")

    def wrong(self, what: str) -> TertuliaError:
        """An error that names the row."""
        return TertuliaError(f"{self.place}: {what}")


def normal(name: str) -> str:
    """A field's name as it is compared: in lower case with underscores."""
    return re.sub(r"[\s_-]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.strip())).lower()


def brief(value: Any) -> str:
    """A value as it is quoted in an error."""
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


def tells_language(raw: Mapping[str, Any]) -> bool:
    """Whether a row names its language."""
    return any(name and normal(name) in LANGUAGE and value for name, value in raw.items())


def language_of(row: Row, wanted: str) -> str:
    """The language that a row names ("de", "de-AT", "deu_Latn"); a row that names none is in the one wanted."""
    name = row.find(LANGUAGE)
    if name is None:
        return wanted
    code = re.split(r"[-_]", row.plain(name).lower())[0]
    return _THREE_LETTERS.get(code, code)


def text_of(row: Row, story: tuple[str, ...], task: str) -> str:
    """The question as a model is to read it, the story before it.

    Args:
        row: the row.
        story: fields that are parts of the question.
        task: name of the benchmark, for what is said.

    Raises:
        TertuliaError: there is no question, or a part of it stands in a field that the benchmark does not read.
    """
    name = row.find(TEXT)
    if name is None:
        raise row.missing(f"the question (one of {', '.join(TEXT)})")
    shown, value = row.fields[name]
    if not isinstance(value, str):
        raise row.wrong(f"the field {shown!r} is {brief(value)}, expected a text")
    text = row.plain(name)
    before = [row.plain(part) for part in story if row.has(part)]
    # A story that ends without a stop runs into the question.
    text = " ".join([part if part[-1] in ".?!,;:。।" else f"{part}." for part in before] + [text])
    for part in PARTS:
        if part not in (name, *story) and row.has(part) and not _says(text, row.fields[part][1]):
            raise row.wrong(
                f"the field {row.shown(part)!r} is a part of the question that {task} does not read: put its text into "
                f"{shown!r}, or remove it" + (", or use svamp" if part == "body" else "")
            )
    if gap := _PLACEHOLDER.search(text):
        raise row.wrong(f"the question has {gap[0]} in place of a number: put the numbers into the text")
    return text


def _says(text: str, part: Any) -> bool:
    return isinstance(part, str) and " ".join(part.split()) in " ".join(text.split())
