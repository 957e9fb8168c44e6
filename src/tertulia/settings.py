"""Everything a run can be asked for, checked before anything starts.

A setting comes from the caller, else from the preset for the model at hand (the model's profile), else from
the preset for all models (`presets.toml`), else from what suits the model, else from the default here.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from tertulia.engines.base import Sampling
from tertulia.errors import TertuliaError
from tertulia.model import Profile
from tertulia.wording import languages

MethodName = Literal["independent", "leap", "leap-single", "moa"]
Mode = Literal["sync", "board"]
FrameName = Literal["quotes", "digest"]
Summaries = Literal["written", "read"]
Placebo = Literal["echo", "false", "recheck"]
WrongKind = Literal["claims", "orders"]
RouterName = Literal["dispersed", "clustered", "hybrid", "random", "all", "answers"]
VoteRule = Literal["majority", "shortest-majority"]
ThinkingBy = Literal["sentence", "prompt"]

METHODS: tuple[str, ...] = get_args(MethodName)
ROUTERS: tuple[str, ...] = get_args(RouterName)
MEETING_SETTINGS = ("every", "meet_at", "last_call", "self_opened", "placebo", "doubt", "wrong_peers", "wrong_kind")
"""Settings that mean nothing to a method without meetings."""

Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]


def _codes(value: Any) -> Any:
    return tuple(map(str.strip, value.split(","))) if isinstance(value, str) else value


Codes = Annotated[tuple[str, ...], BeforeValidator(_codes)]
"""Language codes; one text with commas will do, as the shell gives it."""


class Settings(BaseModel):
    """What a run does. Token counts are generated tokens of one path unless said otherwise.

    Attributes:
        method: How tokens are spent on the question.
        preset: Where settings that were not given came from.
        paths: Paths in the circle.
        every: A meeting every so many generated thought tokens; 0 means never.
        meet_at: Meetings at these places, in thought tokens from the beginning.
        last_call: How often a path about to close its thought is offered a meeting, if the board disagrees.
        self_opened: Whether a path may open a meeting itself by writing the summary tag.
        heard: How many peers are heard at a meeting. Without effect on the router "all".
        router: Which peers.
        max_heard: At most so many paths hear one peer at a meeting; None for no bound.
        frame: How claims are told.
        summaries: Whether paths write a summary at a meeting ("written"), or their claims are "read" from the thought
            itself, where the model's profile can; then a path hears only of differences.
        counted: Whose claims a digest counts: those of "all" peers, or only of the peers "heard".
        margin: A digest of steps marks a step where another value has so many more holders than one's own, oneself
            counted; 0 marks it where as many have another.
        doubt: Share of agreeing paths asked to recheck all the same.
        doubt_until: Only the first so many meetings doubt; 0 for all.
        placebo: A meeting without peers' information, as a control.
        false_rate: Share of (path, meeting) pairs that get a made-up marker under the placebo "false".
        wrong_peers: Of the peers that a path hears so many are replaced by wrong ones, which agree with each other: a
            test of what an attack can do.
        wrong_kind: What these tell: wrong "claims", or "orders", text that tries to give orders.
        mode: "sync": paths wait for each other at a meeting. "board": they do not; only the last call of a path that
            ran ahead comes when half of its peers have claimed its last step, or have ended.
        budget: Hard cap on generated tokens of a path: summaries, answer and discarded tokens included.
        consensus_stop: Once so many paths have finished with one answer the rest are stopped; 0 means never.
        vote: How the verdict is reached.
        layers: Aggregation layers of the method moa.
        answer_kind: What an answer looks like: "math", a box, or "choice", a letter.
        language: Language of the question and of the words about it.
        thinking_language: Language the thought is led to, and in which all that is put into it is worded; None leaves
            the thought free, and words what is put into it in `language`.
        thinking_by: What leads a thought to its language: its first "sentence", or a word in the "prompt".
        tongues: A thinking language for each path, in turn: path i has the one at i modulo their number.
        wording: A wording file of the user's own, laid over the packaged one.
        temperature, top_p, top_k, min_p: Sampling.
        seed: All random draws derive from it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: MethodName = "leap"
    preset: str = "tertulia"
    paths: Annotated[int, Field(ge=1, le=4096)] = 8
    every: Count = 0
    meet_at: tuple[Annotated[int, Field(ge=1)], ...] = ()
    last_call: Count = 0
    self_opened: bool = False
    heard: Count = 4
    router: RouterName = "answers"
    max_heard: Annotated[int, Field(ge=1)] | None = None
    frame: FrameName = "digest"
    summaries: Summaries = "written"
    counted: Literal["all", "heard"] = "all"
    margin: Count = 1
    doubt: Share = 0.0
    doubt_until: Count = 0
    placebo: Placebo | None = None
    false_rate: Share = 0.3
    wrong_peers: Count = 0
    wrong_kind: WrongKind = "claims"
    mode: Mode = "sync"
    budget: Annotated[int, Field(ge=1)] = 16384
    consensus_stop: Count = 0
    vote: VoteRule = "majority"
    layers: Annotated[int, Field(ge=1, le=16)] = 1
    answer_kind: Literal["math", "choice"] = "math"
    language: str = "en"
    thinking_language: str | None = None
    thinking_by: ThinkingBy = "sentence"
    tongues: Codes | None = None
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
    def thinking(self) -> tuple[str, ...]:
        """Languages that thoughts are led to, the first path's first, and so on in turn; empty for free thoughts."""
        if self.tongues is not None:
            return self.tongues
        return () if self.thinking_language is None else (self.thinking_language,)

    @property
    def meets(self) -> bool:
        """Whether paths meet at all."""
        places = bool(self.every or self.meet_at or self.last_call or self.self_opened)
        return places and self.paths > 1 and self.method in ("leap", "leap-single")


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
    known = _presets()
    if preset not in known:
        raise TertuliaError(f"unknown preset {preset!r}: use one of {', '.join(known)}")
    suits = profile.sampling.model_dump(exclude_none=True)
    values = {**suits, **known[preset], **profile.presets.get(preset, {}), **asked}
    if values.get("method", "leap") in ("independent", "moa"):
        _refuse_meetings(values["method"], asked)
        values |= {"every": 0, "meet_at": (), "last_call": 0, "self_opened": False, "doubt": 0.0}
    if values.get("method") == "leap-single":
        _refuse_further_meetings(asked)
        values |= {"meet_at": (), "last_call": 0, "self_opened": False}
    if profile.stepwise and ("heard" in asked or asked.get("router", "all") not in ("all", "answers")):
        # A digest of steps quotes nobody: whom a path hears shows only in whose claims are counted. A path that the
        # router "answers" chooses speaks for all who have its answer, so there all are counted.
        values.setdefault("counted", "heard")
    if values.get("frame") == "quotes" and "summaries" not in asked:
        values["summaries"] = "written"  # there is nothing else to quote
    settings = _validated(values)
    if "heard" not in asked and settings.heard >= settings.paths:
        settings = settings.model_copy(update={"heard": settings.paths - 1})
    _check(settings, profile, asked)
    return settings


@cache
def _presets() -> dict[str, dict[str, Any]]:
    return tomllib.loads((resources.files("tertulia") / "presets.toml").read_text("utf-8"))


def _refuse_meetings(method: str, asked: Mapping[str, Any]) -> None:
    for name in MEETING_SETTINGS:
        if asked.get(name):
            raise TertuliaError(
                f"{name} is {asked[name]!r}, but the paths of the method {method} do not meet: "
                "leave it out, or use the method leap"
            )


def _refuse_further_meetings(asked: Mapping[str, Any]) -> None:
    for name in ("meet_at", "last_call", "self_opened"):
        if asked.get(name):
            raise TertuliaError(
                f"{name} is {asked[name]!r}, but the method leap-single meets once, after `every` tokens: "
                "leave it out, or use the method leap"
            )


def _validated(values: Mapping[str, Any]) -> Settings:
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        if first["type"] == "extra_forbidden":
            raise TertuliaError(f"unknown setting {name!r}: use one of {', '.join(Settings.model_fields)}") from None
        expected = first["msg"][0].lower() + first["msg"][1:]
        if first["type"] == "literal_error":
            expected = "use one of " + str(first["ctx"]["expected"]).replace(" or ", ", ").replace("'", "")
            raise TertuliaError(f"unknown {name} {first['input']!r}: {expected}") from None
        raise TertuliaError(f"{name} is {first['input']!r}, which cannot be: {expected}") from None


def _check(settings: Settings, profile: Profile, asked: Mapping[str, Any]) -> None:
    """What no single setting shows."""
    if settings.router == "all" and "heard" in asked:
        raise TertuliaError("heard has no effect on the router all: leave it out, or choose another router")
    if settings.heard >= settings.paths and settings.router != "all":
        raise TertuliaError(
            f"heard is {settings.heard}, each of {settings.paths} paths has {settings.paths - 1} peers: "
            "hear fewer, or take more paths"
        )
    if settings.meets and settings.router != "all" and not settings.heard:
        raise TertuliaError("heard is 0, so nobody would hear anybody: hear at least 1")
    if settings.summaries == "read" and settings.meets and not (profile.reads_thought and settings.frame == "digest"):
        why = "quotes tell what was written" if settings.frame == "quotes" else f"that of {profile.name} cannot be read"
        raise TertuliaError(f"summaries is 'read' from the thought, but {why}: use summaries written")
    if settings.placebo == "false" and settings.frame == "quotes":
        raise TertuliaError("the placebo false makes up markers, which quotes do not have: use frame digest")
    if settings.method == "leap-single" and not settings.every:
        raise TertuliaError("the method leap-single meets once: set every to the thought tokens before that")
    if settings.consensus_stop > settings.paths:
        raise TertuliaError(f"consensus_stop is {settings.consensus_stop}, above {settings.paths} paths: ask for fewer")
    _check_wrong(settings, asked)
    _check_thinking(settings, profile, asked)
    _check_budget(settings, profile)


def _check_wrong(settings: Settings, asked: Mapping[str, Any]) -> None:
    wrong = settings.wrong_peers
    if not wrong:
        if "wrong_kind" in asked:
            raise TertuliaError(f"wrong_kind is {settings.wrong_kind!r}, but no peer is wrong: give wrong_peers too")
        return
    if settings.placebo:
        raise TertuliaError(
            f"wrong_peers is {wrong}, but under the placebo {settings.placebo} no peer is heard: leave one of them out"
        )
    if not settings.meets:
        raise TertuliaError(f"wrong_peers is {wrong}, but these paths never meet: set every, or leave it out")
    if wrong >= settings.paths:
        raise TertuliaError(
            f"wrong_peers is {wrong}, each of {settings.paths} paths has {settings.paths - 1} peers: replace fewer"
        )


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
    known = languages(profile.wording)
    for code in settings.thinking:
        # The question's own language may come from a wording file; one that is missing is refused when it is read.
        if code not in known and code != settings.language:
            raise TertuliaError(f"unknown language {code!r} in {named}: use some of {', '.join(known)}")


def _check_budget(settings: Settings, profile: Profile) -> None:
    answer, summary = profile.answer_tokens, profile.summary_tokens
    if settings.budget <= answer:
        raise TertuliaError(
            f"a budget of {settings.budget} tokens leaves nothing to think with: "
            f"{answer} are kept for the answer, so give at least {answer + 1}"
        )
    places = [place for place in (settings.every, *settings.meet_at[:1]) if place]
    if settings.meets and places:
        least = min(places) + summary + 1 + answer
        if settings.budget < least:
            raise TertuliaError(
                f"a budget of {settings.budget} tokens is smaller than one meeting: {min(places)} to think, "
                f"{summary} of summary and {answer} of answer need at least {least}"
            )
