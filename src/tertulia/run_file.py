"""Run files: TOML tables whose every key is checked, each mistake told in one line."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tertulia.errors import TertuliaError

Positive = Annotated[int, Field(ge=1)]
Weight = Annotated[float, Field(ge=0)]


class Table(BaseModel):
    """A table of a run file: unknown keys are refused.

    Attributes:
        example: Of a table that is a whole file: a run file that shows what there is; named in errors.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    example: ClassVar[str] = ""

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads a run file.

        Raises:
            TertuliaError: The file is missing, is no TOML, has an unknown, missing or wrong key, or is refused by
                `check`. One line.
        """
        try:
            run = cls.model_validate(tomllib.loads(path.read_text("utf-8")))
        except OSError as error:
            raise TertuliaError(f"cannot read the run file {path}: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise TertuliaError(f"the run file {path} is not TOML: {error}") from error
        except ValidationError as error:
            raise TertuliaError(_told(error.errors()[0], path, cls.example)) from None
        run.check()
        return run

    def check(self) -> None:
        """Checks what no type can.

        Raises:
            TertuliaError: Keys do not go together. One line.
        """


def _told(first: Any, path: Path, example: str) -> str:
    place = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        return f"unknown key {place} in {path}: {example} shows what there is"
    if first["type"] == "missing":
        return f"the run file {path} lacks {place}: {example} shows an example"
    expected = first["msg"][0].lower() + first["msg"][1:]
    return f"{place} in {path} is {first['input']!r}, which cannot be: {expected}"
