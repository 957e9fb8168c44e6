"""What Tertulia knows about a model, how it is asked, and how its thought opens and closes.

A profile is a TOML file: the packaged ones lie in `models/<name>/profile.toml`, a user's own beside the GGUF
file as `<file>.profile.toml`. A model without one gets the defaults, which are the paper's (LeaP, section 4).
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from tertulia.answers.thoughts import Thoughts
from tertulia.engines.base import TEXT_ID, StopMatcher, Token
from tertulia.errors import TertuliaError
from tertulia.templates import Encode, Form, Speaker, Thinking, Turn, asked, form_of, prompt_parts

PROFILE = "TERTULIA_PROFILE"
"""Environment variable that names a profile file for whatever model is used; `--profile` sets it."""
Beginning = tuple[Literal["prompt", "cue"], tuple[int, ...], str]
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
    wording: str = "plain"
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
    given = os.environ.get(PROFILE)
    if model is None and not given:
        return _packaged()["pebble"]
    own = Path(given or f"{model}.profile.toml")
    if given or (str(model).endswith(".gguf") and own.is_file()):
        try:
            return _parse(own.read_text("utf-8"), str(own))
        except OSError as error:
            raise TertuliaError(f"the profile {own} cannot be read: {error.strerror}; give one that can be") from error
        except UnicodeDecodeError as error:
            raise TertuliaError(f"the profile {own} is not UTF-8: {error.reason} at byte {error.start}") from error
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


class Family(BaseModel):
    """What the makers of a model family say of its models (`models/families.toml`).

    Attributes:
        name: Of the family.
        models: Patterns of the names of its models, in lower case.
        sampling: How they are sampled.
        without: How with thinking off, where that is another.
        system: Whether they take a system message.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    models: tuple[str, ...]
    sampling: SamplingProfile = SamplingProfile()
    without: SamplingProfile | None = None
    system: bool = True


def family_of(model: str | Path | None) -> Family | None:
    """The family that a model's name shows; None for one that is not known."""
    name = Path(str(model or "")).name.lower()
    return next((one for one in _families() if any(fnmatchcase(name, form) for form in one.models)), None)


def sampling_of(
    model: str | Path | None, profile: Profile, told: Mapping[str, float], *, thinks: bool = True
) -> dict[str, tuple[float, str]]:
    """Sampling that suits a model, and where each value comes from, in words; what is not there is the preset's.

    Args:
        model: Its name or its file.
        profile: It comes first.
        told: What the model's file says: its `general.sampling` keys without that beginning. It comes second, and
            then what is known of the model's family.
        thinks: Whether it thinks aloud; some families are sampled otherwise without.
    """
    family = family_of(model)
    file = {"temperature" if name == "temp" else name: value for name, value in told.items()}
    known = {name: file[name] for name in SamplingProfile.model_fields if name in file}
    sources = [(known, "the model's file"), (profile.sampling.model_dump(exclude_none=True), f"profile {profile.name}")]
    if family is not None:
        suits = family.sampling if thinks or family.without is None else family.without
        sources.insert(0, (suits.model_dump(exclude_none=True), f"known of {family.name}"))
    found: dict[str, tuple[float, str]] = {}
    for values, where in sources:
        found |= {name: (int(value) if name == "top_k" else value, where) for name, value in values.items()}
    return found


@cache
def _families() -> tuple[Family, ...]:
    text = (resources.files("tertulia") / "models" / "families.toml").read_text("utf-8")
    return tuple(Family.model_validate(row) for row in tomllib.loads(text)["family"])


@dataclass(frozen=True)
class Dialect:
    """How one model is asked, and how its thought opens and closes: the same for a run and for training.

    Attributes:
        think_open: What opens a thought, as text; empty for models that do not think aloud, whose thought is
            everything up to end-of-text.
        think_close: What closes it, as text; empty for the same models.
        open_ids: Ids of `think_open`; empty in text mode.
        close_ids: Ids of `think_close`; empty in text mode. One id where it is a token of its own.
        form: How the prompt is rendered.
        encode: Ids of a text, with control tokens parsed if told so; empty in text mode.
        lead: What is put after the prompt to have the model think, or not think, where the template does not.
        system: Whether the model takes a system message.
        notes: What was decided, in words.
    """

    think_open: str
    think_close: str
    open_ids: tuple[int, ...]
    close_ids: tuple[int, ...]
    form: Form
    encode: Encode
    lead: str = ""
    system: bool = True
    notes: tuple[str, ...] = ()

    @classmethod
    async def probe(cls, engine: Speaker, profile: Profile, thinking: Thinking = "auto") -> Self:
        """Find out how the engine's model is asked.

        The profile comes first, then what the server renders, then the plain form of question and answer.

        Args:
            engine: Entered already.
            profile: Of its model.
            thinking: "on" and "off" ask the template's own switch first, and then open the thought, or close it at
                once, after the prompt. "auto" is on where the template knows a switch, else as the template has it.

        Raises:
            TertuliaError: The profile's prompt has no place for the question. One line.
        """

        async def encode(text: str, special: bool) -> tuple[int, ...]:
            return await engine.tokenize(text, special=special) if text and engine.info.mode == "ids" else ()

        form = await form_of(engine, profile, thinking, encode)
        thoughts, lead, told = _led(form, thinking)
        opened, closed = (thoughts.open, thoughts.close) if thoughts else ("", "")
        family = family_of(engine.info.model)
        return cls(
            think_open=opened,
            think_close=closed,
            open_ids=await encode(opened, True),
            close_ids=await encode(closed, True),
            form=form,
            encode=encode,
            lead=lead,
            system=family is None or family.system,
            notes=(*form.notes, told),
        )

    @property
    def begun(self) -> bool:
        """Whether the thought is open where the prompt ends."""
        return self.form.begun == "open" and not self.lead

    @property
    def after(self) -> str:
        """What stands between the open of a thought and its first word."""
        return self.form.thoughts.after if self.form.thoughts else ""

    @property
    def stops(self) -> tuple[str, ...]:
        """Where an answer has ended though the model goes on: a model without a template asks itself further."""
        return self.form.stops

    async def beginning(self, user: str, opening: str = "", history: Sequence[Turn] = ()) -> list[Beginning]:
        """What a path begins with: the prompt, then what opens its thought, then the opening sentence.

        Args:
            user: What is asked.
            opening: What the thought begins with; the thought is opened for it if the template has not.
            history: What was said before; the thoughts of earlier answers are dropped. A system message goes before
                the user's next words where the model takes none.

        Returns:
            Kind, ids (empty in text mode) and text of each part; their concatenation is what the engine sees.
        """
        frame, words = await asked(self.form, history, user, system=self.system)
        ids, text = await prompt_parts(frame, words, self.encode)
        parts: list[Beginning] = [("prompt", ids, text)]
        if self.lead:
            parts.append(("cue", await self.encode(self.lead, True), self.lead))
        elif opening and self.think_open and not self.form.begun:
            parts.append(("cue", self.open_ids, self.think_open))
            opening = self.after + opening
        if opening:
            parts.append(("cue", await self.encode(opening, False), opening))
        return parts


class Closing:
    """Tells, while the tokens of one generation come, where a thought closes and an answer begins.

    Args:
        dialect: How the thought closes. A close that is one token of its own is found by its id only.
        kind: What is generated.
        ends: Ids that end a text, which have no text of their own.
    """

    def __init__(self, dialect: Dialect, kind: str, ends: Sequence[int] = ()) -> None:
        self._kind = kind
        self._ends = ends
        self._open = kind == "thought" and bool(dialect.think_close)
        self._id = dialect.close_ids[0] if len(dialect.close_ids) == 1 else None
        self._text = StopMatcher([dialect.think_close])

    def parts(self, tokens: Sequence[Token]) -> Iterator[tuple[str, Sequence[Token]]]:
        """The tokens that have just come, by what they are; the close belongs to the thought."""
        start, tokens = 0, [replace(token, text="") if token.id in self._ends else token for token in tokens]
        for at, token in enumerate(tokens if self._open else ()):
            by_id = self._id is not None and token.id != TEXT_ID
            if token.id == self._id if by_id else self._text.feed(token.text):
                yield self._kind, tokens[: at + 1]
                self._open, self._kind, start = False, "answer", at + 1
                break
        if len(tokens) > start:
            yield self._kind, tokens[start:]


def halves(text: str, close: str) -> tuple[str, bool, str]:
    """A model's own text as its thought, whether that was closed, and its answer.

    Args:
        text: Thought and answer as the model wrote them.
        close: What closes its thought; empty for one that does not think aloud: all is both its thought and its answer.
    """
    if not close:
        return text, True, text
    thought, found, answer = text.partition(close)
    return thought, bool(found), answer


def _led(form: Form, thinking: Thinking) -> tuple[Thoughts | None, str, str]:
    """The model's thoughts in this run, what is put after the prompt for it, and both in words."""
    found, begun = form.thoughts, form.begun
    if found is None:
        told = "does not think aloud: all up to the end of its text is its thought"
        return None, "", f"thinking is on, but no way is known by which it would: {told}" if thinking == "on" else told
    marks = f"{found.open} ... {found.close}"
    by_switch = " by the template's switch" if form.switched else ""
    if begun == "closed":
        return None, "", f"thinking is off{by_switch}: the prompt ends in a closed thought"
    if thinking == "off" and begun == "open":
        return None, f"\n{found.close}\n\n", f"thinking is off: the thought is closed at once ({found.close})"
    if thinking == "off" and not form.switched:
        return None, found.skipped, f"thinking is off: the thought is closed at once ({found.close})"
    if thinking == "off":
        return None, "", f"thinking is off{by_switch}"
    if thinking == "on" and not begun:
        return found, found.open + found.after, f"thinks as {marks}, opened after the prompt{by_switch}"
    where = "opened by the template" if begun else "opened by the model"
    return found, "", f"thinks as {marks}, {where}" + (f"; on{by_switch}" if form.switched else "")
