"""Where circles run: one value, for run files, evaluations, studies and the shell."""

from __future__ import annotations

from typing import Any, Self

from pydantic import ValidationError

from tertulia.errors import TertuliaError
from tertulia.run_file import Positive, Table


class Where(Table):
    """Where circles run; a run file has these keys among its own.

    Attributes:
        engine: URL of a server, "scripted", or None for the embedded engine.
        model: Name of the server's model, or a GGUF file; None for the packaged one.
        threads: Threads of the embedded engine.
        at_once: Circles under way at once.
    """

    engine: str | None = None
    model: str | None = None
    threads: Positive = 1
    at_once: Positive = 8

    @classmethod
    def of(cls, **given: Any) -> Where:
        """Made of values of the shell; None leaves the default.

        Raises:
            TertuliaError: A value cannot be. One line.
        """
        return Where().at(**given)

    @property
    def where(self) -> Where:
        """These keys alone."""
        return Where(**{name: getattr(self, name) for name in Where.model_fields})

    def at(self, **given: Any) -> Self:
        """The same with other values; None leaves what is there.

        Raises:
            TertuliaError: A value cannot be. One line.
        """
        asked = {name: str(value) if name == "model" else value for name, value in given.items() if value is not None}
        try:
            Where.model_validate(asked)
        except ValidationError as error:
            first = error.errors()[0]
            name, said = first["loc"][0], first["msg"][0].lower() + first["msg"][1:]
            raise TertuliaError(f"{str(name).replace('_', '-')} is {first['input']!r}: {said}") from None
        return self.model_copy(update=asked)
