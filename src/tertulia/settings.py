"""Everything a run can be asked for, checked before anything starts.

A setting comes from the caller, else from the preset, else from the default here. Presets are data:
`presets.toml` for all models, and a model's profile may say what a preset means for that model.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib import resources
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from tertulia.engines.base import Sampling
from tertulia.errors import TertuliaError

MethodName = Literal["independent", "leap", "leap-single", "moa"]
Mode = Literal["sync", "board"]
FrameName = Literal["quotes", "digest"]
Placebo = Literal["echo", "false", "recheck"]
RouterName = Literal["dispersed", "clustered", "hybrid", "random", "all", "answers"]
VoteRule = Literal["majority", "shortest-majority"]

METHODS: tuple[str, ...] = get_args(MethodName)
ROUTERS: tuple[str, ...] = get_args(RouterName)

Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]


class Settings(BaseModel):
    """What a run does. Token counts are generated tokens of one path unless said otherwise.

    Attributes:
        method: How tokens are spent on the question.
        preset: Where settings that were not given came from.
        paths: Paths in the circle.
        every: A meeting every so many generated thought tokens; 0 means never.
        meet_at: Meetings at these places, in thought tokens from the beginning.
        last_call: Whether a path about to close its thought is offered a meeting when the board disagrees.
        self_opened: Whether a path may open a meeting itself by writing the summary tag.
        heard: How many peers are heard at a meeting; 0 means as many as the router gives.
        router: Which peers.
        max_heard: At most so many paths hear one peer at a meeting; None for no bound.
        frame: How claims are told.
        doubt: Share of agreeing paths asked to recheck all the same.
        placebo: A meeting without peers' information, as a control.
        false_rate: Share of (path, meeting) pairs that get a made-up marker under the placebo "false".
        mode: "sync": paths wait for each other at a meeting. "board": they do not.
        budget: Hard cap on generated tokens of a path: summaries, answer and discarded tokens included.
        consensus_stop: Once so many paths have finished with one answer the rest are stopped; 0 means never.
        vote: How the verdict is reached.
        layers: Aggregation layers of the method moa.
        language: Language of the wordings.
        thinking_language: Language the thought is steered to; None means no steering.
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
    last_call: bool = False
    self_opened: bool = False
    heard: Count = 4
    router: RouterName = "answers"
    max_heard: Annotated[int, Field(ge=1)] | None = None
    frame: FrameName = "digest"
    doubt: Share = 0.0
    placebo: Placebo | None = None
    false_rate: Share = 0.3
    mode: Mode = "sync"
    budget: Annotated[int, Field(ge=1)] = 16384
    consensus_stop: Count = 0
    vote: VoteRule = "majority"
    layers: Annotated[int, Field(ge=1, le=16)] = 1
    language: str = "en"
    thinking_language: str | None = None
    wording: str | None = None
    temperature: Annotated[float, Field(ge=0.0, le=10.0)] = 0.6
    top_p: Annotated[float, Field(gt=0.0, le=1.0)] = 0.95
    top_k: Count = 40
    min_p: Share = 0.0
    seed: Count = 0
