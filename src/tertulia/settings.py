"""Everything a run can be asked for, checked before anything starts.

A setting comes from the caller, else from the preset for the model at hand (the model's profile), else from
the preset for all models (`presets.toml`), else from what suits the model, else from the default here.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from tertulia.engines.base import Sampling
from tertulia.errors import TertuliaError
from tertulia.model import Profile
from tertulia.wording import languages

Mode = Literal["sync", "board"]
Summaries = Literal["written", "aside", "read"]
VoteRule = Literal["majority", "shortest-majority", "sure", "judged"]
ThinkingBy = Literal["sentence", "prompt"]
Thinking = Literal["on", "off", "auto"]

METHODS = ["independent", "leap", "leap-single", "longer", "moa"]
ROUTERS = ["dispersed", "clustered", "hybrid", "random", "all", "answers"]
FRAMES = ["digest", "quotes", "working", "answer"]
"""Names of ways to spend tokens, of routers and of frames; a user's own are added where they are registered."""
TAGLESS = ("working", "answer")
"""Frames that put no tags into a thought, and nothing where nobody differs."""


Count = Annotated[int, Field(ge=0)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z_][\w.-]*$")]
Share = Annotated[float, Field(ge=0.0, le=1.0)]


def _codes(value: Any) -> Any:
    return tuple(map(str.strip, value.split(","))) if isinstance(value, str) else value


Codes = Annotated[tuple[str, ...], BeforeValidator(_codes)]
"""Language codes; one text with commas will do, as the shell gives it."""


class Settings(BaseModel):
    """What a run does: a field a setting. What each means stands in `settings.toml`, for help texts and docs too."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    method: Name = "leap"
    preset: str = "tertulia"
    paths: Annotated[int, Field(ge=1, le=4096)] = 8
    every: Count | Literal["auto"] = 0
    meet_at: tuple[Annotated[int, Field(ge=1)], ...] = ()
    last_call: Count = 0
    self_opened: bool = False
    heard: Count = 4
    router: Name = "answers"
    max_heard: Annotated[int, Field(ge=1)] | None = None
    frame: Name = "working"
    counts: bool = False
    summaries: Summaries = "read"
    counted: Literal["all", "heard"] = "all"
    margin: Count = 1
    doubt: Share = 0.0
    doubt_until: Count = 0
    control: str = ""
    forks: bool = True
    sure: Share = 0.0
    ask_answer: bool = True
    mode: Mode = "sync"
    budget: Annotated[int, Field(ge=1, le=10_000_000)] = 16384
    consensus_stop: Count = 0
    settle: Share = 0.0
    vote: VoteRule = "majority"
    layers: Annotated[int, Field(ge=1, le=16)] = 1
    answer_kind: Literal["math", "choice", "free"] = "math"
    language: str = "en"
    thinking: Thinking = "auto"
    thinking_language: str | None = None
    thinking_by: ThinkingBy = "sentence"
    tongues: Codes | None = None
    words: str | None = None
    wording: str | None = None
    temperature: Annotated[float, Field(ge=0.0, le=10.0)] = 0.6
    top_p: Annotated[float, Field(gt=0.0, le=1.0)] = 0.95
    top_k: Count = 40
    min_p: Share = 0.0
    seed: Count = 0

    @property
    def sampling(self) -> Sampling:
        """How tokens are drawn, as engines want it."""
        return Sampling(self.temperature, self.top_p, self.top_k, self.min_p)

    @property
    def free(self) -> bool:
        """Whether the answer may have any form: it is then asked for in none, and no path is led to one."""
        return self.answer_kind == "free"

    @property
    def reads(self) -> Literal["math", "choice"]:
        """The form in which a short answer is read."""
        return "choice" if self.answer_kind == "choice" else "math"

    @property
    def thought_languages(self) -> tuple[str, ...]:
        """Languages that thoughts are led to, the first path's first, and so on in turn; empty for free thoughts."""
        if self.tongues is not None:
            return self.tongues
        return () if self.thinking_language is None else (self.thinking_language,)

    @property
    def meets(self) -> bool:
        """Whether paths meet at all."""
        places = bool(self.every or self.meet_at or self.last_call or self.self_opened)
        return places and self.paths > 1 and self.method not in WITHOUT_MEETINGS


WITHOUT_MEETINGS = ("independent", "longer", "moa")
"""Methods whose paths never meet."""


def table() -> dict[str, dict[str, Any]]:
    """What each setting means: "help" in a line, "type" as the shell gives it, and what it "needs" to mean anything."""
    return _toml("settings.toml")


def meeting_settings() -> tuple[str, ...]:
    """Settings that mean nothing to a method without meetings."""
    return tuple(name for name, about in table().items() if "meetings" in about.get("needs", ""))


def resolve(profile: Profile, given: Mapping[str, Any]) -> Settings:
    """The settings of a run.

    Args:
        profile: What is known about the model.
        given: What the caller asked for; None stands for not given.

    Raises:
        TertuliaError: A setting is unknown, out of its range, or does not go with the others. One line.
    """
    asked = {name: value for name, value in given.items() if value is not None}
    preset = asked.get("preset", "tertulia")
    known = _toml("presets.toml")
    if preset not in known:
        raise TertuliaError(f"unknown preset {preset!r}: use one of {', '.join(known)}")
    suits = profile.sampling.model_dump(exclude_none=True)
    values = {**suits, **known[preset], **profile.presets.get(preset, {}), **asked}
    if "words" not in asked and profile.wording != "plain":
        values["words"] = profile.wording  # what it was trained on
    words = values.setdefault("words", "plain")
    if words == "paper" and preset == "tertulia":
        values = {"frame": "digest", "every": 2048} | {k: v for k, v in values.items() if k not in TAGGED or k in asked}
    method = values.get("method", "leap")
    if method in WITHOUT_MEETINGS:
        _refuse(asked, meeting_settings(), f"the paths of the method {method} do not meet")
        values |= {"every": 0, "meet_at": (), "last_call": 0, "self_opened": False, "doubt": 0.0}
    if method == "leap-single":
        once = ("meet_at", "last_call", "self_opened")
        _refuse(asked, once, "the method leap-single meets once, after `every` tokens")
        values |= {"meet_at": (), "last_call": 0, "self_opened": False}
    if profile.stepwise and ("heard" in asked or asked.get("router", "all") not in ("all", "answers")):
        # A digest of steps quotes nobody: whom a path hears shows only in whose claims are counted. A path that the
        # router "answers" chooses speaks for all who have its answer, so there all are counted.
        values.setdefault("counted", "heard")
    if "summaries" not in asked:
        values["summaries"] = _summaries(values, words, profile)
    if values.get("answer_kind") == "free":
        values["ask_answer"] = asked.get("ask_answer", False)
    settings = _validated(values)
    if not settings.heard or ("heard" not in asked and settings.heard >= settings.paths):
        settings = settings.model_copy(update={"heard": settings.paths - 1})
    _check(settings, profile, asked)
    return settings


TAGGED = ("frame", "every")
"""What the preset has for words without tags."""


def _summaries(values: Mapping[str, Any], words: str, profile: Profile) -> str:
    """How paths say where they stand, where nobody says it."""
    if words == "plain":
        return "aside" if values.get("frame") == "quotes" else "read"
    wanted = str(values.get("summaries", "written"))
    return "written" if values.get("frame") == "quotes" or not profile.reads_thought else wanted


@cache
def _toml(file: str) -> dict[str, dict[str, Any]]:
    return tomllib.loads((resources.files("tertulia") / file).read_text("utf-8"))


def _refuse(asked: Mapping[str, Any], names: Sequence[str], why: str) -> None:
    for name in names:
        if asked.get(name) and asked[name] != Settings.model_fields[name].default:
            raise TertuliaError(f"{name} is {asked[name]!r}, but {why}: leave it out, or use the method leap")


def _validated(values: Mapping[str, Any]) -> Settings:
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        if first["type"] == "extra_forbidden":
            raise TertuliaError(f"unknown setting {name!r}: use one of {', '.join(Settings.model_fields)}") from None
        expected = first["msg"][0].lower() + first["msg"][1:]
        if first["type"] == "literal_error":
            expected = "use one of " + str(first["ctx"]["expected"]).replace(" or ", ", ").replace("'", "")
            raise TertuliaError(f"unknown {name} {first['input']!r}: {expected}") from None
        meant = table()[name]["help"].rstrip(".")
        raise TertuliaError(f"{name} is {first['input']!r}, which cannot be: {expected} ({meant})") from None
    for name, known in (("method", METHODS), ("router", ROUTERS), ("frame", FRAMES)):
        if (value := getattr(settings, name)) not in known:
            hint = "; a control, such as self, is given with --control" if name == "method" else ""
            raise TertuliaError(f"unknown {name} {value!r}: use one of {', '.join(known)}{hint}")
    return settings


def _check(settings: Settings, profile: Profile, asked: Mapping[str, Any]) -> None:
    """What no single setting shows."""
    if settings.router == "all" and "heard" in asked:
        raise TertuliaError("heard has no effect on the router all: leave it out, or choose another router")
    if settings.heard >= settings.paths and settings.router != "all" and settings.paths > 1:
        raise TertuliaError(
            f"heard is {settings.heard}, each of {settings.paths} paths has {settings.paths - 1} peers: "
            "hear fewer, or take more paths"
        )
    if settings.meets and settings.summaries == "written" and settings.words == "plain":
        raise TertuliaError("summaries are 'written' between tags, which the words plain lack: use aside or read")
    if settings.meets and settings.summaries == "read" and settings.frame == "quotes":
        raise TertuliaError("summaries is 'read' from the thought, but quotes tell what was written: use aside")
    if settings.meets and settings.frame in TAGLESS and settings.words != "plain":
        raise TertuliaError(f"the frame {settings.frame} is worded in the words plain only: use digest or quotes")
    if settings.vote == "judged" and settings.words != "plain":
        raise TertuliaError(f"the vote judged is worded in the words plain only, not {settings.words}: use another one")
    if settings.control and not settings.meets:
        raise TertuliaError(f"control is {settings.control!r}, but these paths never meet: set every, or leave it out")
    if settings.method == "leap-single" and not settings.every:
        raise TertuliaError("the method leap-single meets once: set every to the thought tokens before that")
    if settings.consensus_stop > settings.paths:
        raise TertuliaError(f"consensus_stop is {settings.consensus_stop}, above {settings.paths} paths: ask for fewer")
    if (settings.consensus_stop or settings.settle) and settings.method not in ("leap", "independent"):
        what = "settle" if settings.settle else "consensus_stop"
        raise TertuliaError(f"{what} ends a circle of leap or independent early, and the method is {settings.method}")
    if settings.consensus_stop and settings.settle:
        raise TertuliaError("consensus_stop and settle both end a circle early: give one of them")
    _check_free(settings)
    _check_thinking(settings, profile, asked)
    _check_budget(settings, profile)


def _check_free(settings: Settings) -> None:
    if not settings.free:
        return
    told = "answer_kind is 'free', which no path is asked for or led to, but"
    if settings.ask_answer:
        raise TertuliaError(f"{told} ask_answer is on: leave it out")
    if settings.words == "paper":
        raise TertuliaError(f"{told} the words paper ask for a box: use the words plain")
    if settings.method == "moa":
        raise TertuliaError(f"{told} the method moa asks for a box: use leap or independent")


def _check_thinking(settings: Settings, profile: Profile, asked: Mapping[str, Any]) -> None:
    named = "thinking_language" if settings.tongues is None else "tongues"
    if settings.tongues is not None:
        told = ",".join(settings.tongues)
        if settings.thinking_language is not None:
            raise TertuliaError(
                f"tongues are {told!r} and thinking_language is {settings.thinking_language!r}: give one of them"
            )
        if settings.method == "moa":
            raise TertuliaError(f"tongues are {told!r}, but the method moa has none: use leap or independent")
        if not 1 <= len(settings.tongues) <= settings.paths:
            raise TertuliaError(
                f"tongues are {told!r}, {len(settings.tongues)} for {settings.paths} paths: "
                "give at least one, and as many paths as tongues or more"
            )
    elif settings.thinking_language is None and "thinking_by" in asked:
        raise TertuliaError(
            f"thinking_by is {settings.thinking_by!r}, but thoughts are free: give thinking_language or tongues too"
        )
    known = languages(settings.words or profile.wording)
    for code in settings.thought_languages:
        # The question's own language may come from a wording file; one that is missing is refused when it is read.
        if code not in known and code != settings.language:
            raise TertuliaError(f"unknown language {code!r} in {named}: use some of {', '.join(known)}")


UNASKED = ("majority", "shortest-majority", "read", "written")
NEEDS: dict[str, tuple[Callable[[Settings, Profile, Any], bool], str]] = {
    "circle": (lambda of, _, __: of.method != "longer", "the method longer has one path: leave it out"),
    # A path that is ended early is left room for its answer, which one of free form has not by itself.
    "company": (lambda of, _, __: of.paths > 1 or of.free, "a single path has nobody to agree with: take more paths"),
    "moa": (lambda of, _, __: of.method == "moa", "only the method moa has layers: leave it out, or use moa"),
    "tagless": (lambda of, _, __: of.frame in TAGLESS, "only working and answer tell it: use one of these frames"),
    "steps": (lambda _, profile, __: profile.stepwise, "this model states no steps to compare: leave it out"),
    "doubt": (lambda of, _, __: of.doubt > 0, "nobody doubts: set doubt too"),
    "forks": (lambda of, _, value: of.forks or value in UNASKED, "nobody may be asked in a side branch: set forks"),
    "choice": (
        lambda of, profile, _: of.frame == "quotes" or of.counted == "heard" or _digests_answers(of, profile),
        "all others are counted, whoever is chosen: set counted to heard, or frame to quotes",
    ),
}
"""What a setting may need beside meetings: whether a value of it does anything, and what is said where it does not."""
PACKAGED = {*METHODS, *FRAMES}  # a user's own may use any setting


def _digests_answers(settings: Settings, profile: Profile) -> bool:
    return settings.frame == "digest" and not profile.stepwise


def refuse_idle(profile: Profile, given: Mapping[str, Any]) -> None:
    """Refuses what was given for a single question and would change nothing.

    Where several arms or questions share settings, each need not be of use to every one: they are not asked.

    Args:
        profile: What is known about the model.
        given: As `resolve` takes it.

    Raises:
        TertuliaError: A setting has no effect, and another value than by default or in the preset. One line.
    """
    # Where it is the model's profile that has no side branches, the verdict says so.
    settings = resolve(profile, given).model_copy(update={"forks": given.get("forks") is not False})
    if not {settings.method, settings.frame} <= PACKAGED:
        return
    needs = {name: [NEEDS[need] for need in table()[name].get("needs", "").split() if need in NEEDS] for name in given}
    usual = Settings(), resolve(profile, {name: value for name, value in given.items() if not needs[name]})
    for name in [name for name, value in given.items() if value is not None]:
        value = getattr(settings, name)
        for holds, why in needs[name]:
            if not holds(settings, profile, value) and value not in (getattr(one, name) for one in usual):
                raise TertuliaError(f"{name} is {value!r}, which has no effect here: {why}")


def answer_room(settings: Settings, profile: Profile) -> int:
    """Tokens of a path's budget that are kept for its answer: half of a small one where the answer is of free form."""
    return min(profile.answer_tokens, settings.budget // 2) if settings.free else profile.answer_tokens


def _check_budget(settings: Settings, profile: Profile) -> None:
    answer, summary = answer_room(settings, profile), profile.summary_tokens
    if settings.budget <= answer:
        raise TertuliaError(
            f"a budget of {settings.budget} tokens leaves nothing to think with: "
            f"{answer} are kept for the answer, so give at least {answer + 1}"
        )
    every = 0 if settings.every == "auto" else settings.every
    places = [place for place in (every, *settings.meet_at[:1]) if place]
    if settings.meets and places:
        least = min(places) + summary + 1 + answer
        if settings.budget < least:
            raise TertuliaError(
                f"a budget of {settings.budget} tokens is smaller than one meeting: {min(places)} to think, "
                f"{summary} of summary and {answer} of answer need at least {least}"
            )
