"""What Tertulia knows about a model: lengths, sampling, how its claims are read, what a preset means for it.

A profile is a TOML file: the packaged ones lie in `models/<name>/profile.toml`, a user's own beside the GGUF
file as `<file>.profile.toml`. A model without one gets the defaults, which are the paper's (LeaP, section 4).
"""

from __future__ import annotations

import re
import tomllib
from fnmatch import fnmatchcase
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from tertulia.errors import TertuliaError

Length = Annotated[int, Field(ge=1)]


class ClaimPatterns(BaseModel):
    """Regular expressions that read claims; the groups of a step are its number and its value.

    Attributes:
        summary_step: A step result in a summary; None for models that state no steps.
        thought_step: A step result in the path's own thought; None where the thought cannot be read.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    summary_step: str | None = None
    thought_step: str | None = None

    @field_validator("summary_step", "thought_step")
    @classmethod
    def _two_groups(cls, pattern: str | None) -> str | None:
        try:
            if pattern is not None and re.compile(pattern).groups != 2:
                raise ValueError("needs two groups, the step's number and its value")
        except re.error as error:
            raise ValueError(f"is no regular expression: {error}") from None
        return pattern


class SamplingProfile(BaseModel):
    """Sampling that suits the model; None leaves it to the preset."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None


class Profile(BaseModel):
    """What is known about one model.

    Attributes:
        name: What the profile is called.
        models: Patterns of the model names and GGUF file names it is for, in lower case.
        wording: Wording set.
        summary_tokens: Longest summary, in tokens.
        answer_tokens: Longest answer after the budget has closed the thought, in tokens.
        meets_at_claims: Whether a meeting waits for the end of a line, and for a step stated since the last
            one. The path then goes on to the line's end, at most `tail_tokens` at a time; nothing is cut off.
        tail_tokens: Longest tail that a meeting may cut off a segment, in tokens; at most 64.
        prompt: Prompt with `{question}`, in place of the model's chat template; None to use the template.
        think_open: What opens a thought; None to take it from the chat template.
        think_close: What closes a thought.
        claims: How claims are read.
        sampling: Sampling that suits the model.
        presets: Settings that a preset has for this model, by preset.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "default"
    models: tuple[str, ...] = ()
    wording: str = "paper"
    summary_tokens: Length = 256
    answer_tokens: Length = 256
    meets_at_claims: bool = False
    tail_tokens: Annotated[int, Field(ge=0, le=64)] = 64
    prompt: str | None = None
    think_open: str | None = None
    think_close: str | None = None
    claims: ClaimPatterns = ClaimPatterns()
    sampling: SamplingProfile = SamplingProfile()
    presets: dict[str, dict[str, Any]] = Field(default_factory=dict)

    @property
    def stepwise(self) -> bool:
        """Whether the model claims step results; else its claimed answers are compared."""
        return self.claims.summary_step is not None

    @property
    def reads_thought(self) -> bool:
        """Whether the model's claims can be read from its own thought, without a summary."""
        return self.claims.thought_step is not None


def profile_for(model: str | Path | None) -> Profile:
    """The profile of a model, by its name or its GGUF file; the default profile where there is none.

    Args:
        model: A model's name, a GGUF file, or None for the packaged model.

    Raises:
        TertuliaError: A profile file cannot be read or is wrong. One line.
    """
    if model is None:
        return _packaged()["pebble"]
    own = Path(f"{model}.profile.toml")
    if str(model).endswith(".gguf") and own.is_file():
        return _parse(own.read_text("utf-8"), str(own))
    name = Path(str(model)).name.lower()
    for profile in _packaged().values():
        if any(fnmatchcase(name, pattern) for pattern in profile.models):
            return profile
    return Profile()


@cache
def _packaged() -> dict[str, Profile]:
    found = {}
    for folder in (resources.files("tertulia") / "models").iterdir():
        file = folder / "profile.toml"
        if file.is_file():
            profile = _parse(file.read_text("utf-8"), str(file))
            found[profile.name] = profile
    return found


def _parse(text: str, where: str) -> Profile:
    try:
        return Profile.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise TertuliaError(f"the profile {where} is not TOML: {error}; correct it") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise TertuliaError(f"the profile {where} is wrong at {place}: {first['msg']}; correct it") from error
