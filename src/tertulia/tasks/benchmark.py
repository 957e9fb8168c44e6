"""What is known about a benchmark: the form of its answers, and where its questions come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from tertulia.tasks.question import Question


@dataclass(frozen=True, slots=True)
class HubSet:
    """A data set on the Hugging Face hub, at one commit.

    Attributes:
        name: its repository, such as "owner/name".
        config: the configuration of the data set.
        split: the split that holds the questions.
        revision: the commit (40 hex digits), or None where none is known: then the caller names one. A branch
            would be a different benchmark tomorrow.
        columns: field as `tertulia.tasks.fields` knows it -> column; all other columns are left out. Empty where
            the columns have the usual names.
        gated: whether its terms have to be accepted on the hub first.
    """

    name: str
    config: str
    split: str
    revision: str | None
    columns: Mapping[str, str] = field(default_factory=dict)
    gated: bool = False


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A benchmark.

    Attributes:
        name: what it is called on the command line.
        title: what it is, in a few words.
        kind: what form its answers have.
        hub: its English questions on the hub, or None.
        translations: language -> the same questions in that language on the hub.
        source: where a file of its questions comes from, said where the hub has none.
        facts: fields of a row that are kept in `Question.data`, in lower case with underscores.
        options: what `tertulia.tasks.load` takes besides its own arguments.
        generate: makes the questions, for a benchmark that has no rows.
        numeric: whether every right answer is a number; a row whose answer is not is refused.
        story: fields that stand before the question, as parts of it.
        shuffle: whether the options of a choice are shuffled, for sets that have the right one at a fixed place.
    """

    name: str
    title: str
    kind: Literal["math", "choice"] = "math"
    hub: HubSet | None = None
    translations: Mapping[str, HubSet] = field(default_factory=dict)
    source: str = ""
    facts: tuple[str, ...] = ()
    options: tuple[str, ...] = ("revision",)
    generate: Callable[..., list[Question]] | None = None
    numeric: bool = False
    story: tuple[str, ...] = ()
    shuffle: bool = True
