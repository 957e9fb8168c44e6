"""Groups of options that several verbs share, each handed to a verb as one value."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tertulia.cli import options
from tertulia.errors import TertuliaError

if TYPE_CHECKING:
    from tertulia.evaluation.where import Where

DATA = "Questions from a file: JSON, JSONL, CSV, TSV, parquet, arrow; for gym rg:NAME?size=200&seed=1."
Data = Annotated[Path | None, typer.Option(help=DATA, metavar="FILE")]
Revision = Annotated[str | None, typer.Option(help="Of the data set on the hub, where none is pinned.")]
Set = Annotated[list[str] | None, typer.Option("--set", help="A setting of all methods.", metavar="NAME=VALUE")]
Split = Annotated[str | None, typer.Option(help="Of the world: dev to choose settings, test to report.")]


@dataclass(frozen=True)
class Place:
    """Where circles run."""

    engine: options.EngineUrl = None
    model: options.Model = None
    threads: options.Threads = None

    def where(self, at_once: int | None = None) -> Where:
        """The same as a value of an evaluation."""
        from tertulia.evaluation.where import Where

        return Where.of(**asdict(self), at_once=at_once)


@dataclass(frozen=True)
class Posed:
    """Which questions of a benchmark are asked."""

    data: Data = None
    revision: Revision = None
    language: options.LanguageCode = None
    difficulty: options.Difficulty = None
    split: Split = None

    def given(self, **further: Any) -> dict[str, Any]:
        """The options of the task that were given, further ones beside them, as JSON values."""
        values = {name: value for name, value in (asdict(self) | further).items() if value is not None}
        return {name: str(value) if isinstance(value, Path) else value for name, value in values.items()}


@dataclass(frozen=True)
class Shared:
    """Settings that all methods share."""

    preset: options.Preset = None
    set_: Set = None

    def given(self, **further: Any) -> dict[str, Any]:
        """The settings that were given, further ones beside them.

        Raises:
            TertuliaError: As `pairs`, or one has two values. One line.
        """
        found = pairs(self.set_ or [])
        for name, value in (further | {"preset": self.preset}).items():
            if value is not None and found.setdefault(name, value) != value:
                raise TertuliaError(f"{name} is {found[name]} by --set and {value} by --{name}: give it once")
        return found


def pairs(texts: list[str]) -> dict[str, Any]:
    """Settings as NAME=VALUE.

    Raises:
        TertuliaError: One is not of this form, names no setting, or has two values. One line.
    """
    from tertulia.evaluation.arms import arm

    return dict(arm(f"leap:{','.join(texts)}").settings) if texts else {}


def grouped(verb: Callable[..., None]) -> Callable[..., None]:
    """Lets a verb take groups: each field of a parameter's dataclass becomes an option of its own."""
    own = inspect.signature(verb, eval_str=True).parameters.values()
    groups: dict[str, Any] = {one.name: one.annotation for one in own if is_dataclass(one.annotation)}
    parts = {name: inspect.signature(group, eval_str=True).parameters.values() for name, group in groups.items()}
    shown = [part.replace(kind=one.kind) for one in own for part in parts.get(one.name, (one,))]
    signature = inspect.Signature(shown)

    def act(*given: Any, **named: Any) -> None:
        bound = signature.bind(*given, **named)
        bound.apply_defaults()
        asked = dict(bound.arguments)
        for name, group in groups.items():
            asked[name] = group(**{field.name: asked.pop(field.name) for field in fields(group)})
        verb(**asked)

    act.__signature__ = signature  # type: ignore[attr-defined]
    act.__annotations__ = {one.name: one.annotation for one in shown}
    act.__doc__, act.__name__ = verb.__doc__, verb.__name__
    return act
