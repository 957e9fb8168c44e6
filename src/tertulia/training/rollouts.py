"""Rollouts that are whole circles: the generations of one group are the paths of one circle that meets.

What TRL gets of a path is its sequence as the engine saw it: the prompt, and after it thought, summaries, cues, heard
text and answer in their order. Discarded tokens are no part of it. `env_mask` is 1 where the model wrote, 0 where
something was put in; TRL's loss is multiplied with it, so what was put in is read and never learnt.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tertulia.api import Result, solve_with
from tertulia.circle.claims import read_claims
from tertulia.circle.events import Event
from tertulia.circle.path import GENERATED_KINDS, Path, Span
from tertulia.engines.base import Engine
from tertulia.errors import TertuliaError
from tertulia.evaluation.meetings import Effect, Listener, Truth, effects
from tertulia.model import Dialect, Profile
from tertulia.seeds import derive
from tertulia.settings import Settings
from tertulia.tasks.question import Question

if TYPE_CHECKING:
    from tertulia.engines.transformers import Sampled

REWARDS = ("own", "verdict", "leaving_right", "tokens")
"""What a reward can be made of; the last two are costs, so they count below zero."""


@dataclass(frozen=True)
class Sequences:
    """One path as TRL takes it; all but the prompt have one value for each token after the prompt."""

    prompt_ids: list[int]
    completion_ids: list[int]
    logprobs: list[float | None]
    env_mask: list[int]


@dataclass(frozen=True)
class Circle:
    """One circle of a batch, and what was told on its way.

    Attributes:
        question: What was asked.
        result: What the circle came to.
        effects: What each meeting did to each path.
        heard: What each path heard, in order.
        summaries: What each path claimed at its meetings, in order: its words, or its claims where they are read.
        claimed: How many steps were claimed, by each path at each of its meetings.
    """

    question: Question
    result: Result
    effects: list[Effect]
    heard: Mapping[int, Sequence[Mapping[str, Any]]]
    summaries: Mapping[int, Sequence[str]]
    claimed: Sequence[int]


def sequences(path: Path, sampled: Mapping[int, Sampled] | None, end: int) -> Sequences:
    """A path as TRL takes it.

    Args:
        path: In id mode, at its end.
        sampled: What the engine drew, by place in the path; None where the engine does not say, and then the
            log-probabilities of generated tokens are unknown (None).
        end: Stands, masked, for a path that failed before its first token: TRL takes no empty sequence.

    Raises:
        TertuliaError: The engine drew another token than the path has.
    """
    prompt: list[int] = []
    ids: list[int] = []
    logprobs: list[float | None] = []
    mask: list[int] = []
    place = 0
    for span in path.spans:
        if span.kind == "prompt":
            prompt += span.ids
        else:
            own = span.kind in GENERATED_KINDS
            ids += span.ids
            mask += [int(own)] * len(span.ids)
            logprobs += _drawn(path, span, place, sampled) if own else [0.0] * len(span.ids)
        place += len(span.ids)
    if not ids:
        ids, logprobs, mask = [end], [0.0], [0]
    return Sequences(prompt or [end], ids, logprobs, mask)


def _drawn(path: Path, span: Span, start: int, sampled: Mapping[int, Sampled] | None) -> Sequence[float | None]:
    if sampled is None:
        return [None] * len(span.ids)
    found = [sampled.get(start + offset) for offset in range(len(span.ids))]
    if any(drawn is None or drawn.id != token for drawn, token in zip(found, span.ids, strict=True)):
        raise TertuliaError(
            f"path {path.name} has tokens from place {start} on that the engine did not draw: "
            "this is an error of the program, please report it"
        )
    return [drawn.logprob for drawn in found if drawn is not None]


def rewards(circle: Circle) -> dict[str, list[float | None]]:
    """Each part of the reward, for each path; None for a path that failed, which is not judged.

    Returns:
        own: 1 where the path's own answer is right. verdict: 1 where the circle's is. leaving_right: -1 for each
        meeting after which the path claimed something wrong in place of something right. tokens: -1 for each 1,000
        generated tokens, discarded ones included.
    """
    question, result = circle.question, circle.result
    verdict = float(question.right(result.answer))
    found: dict[str, list[float | None]] = {name: [] for name in REWARDS}
    for path in result.paths:
        left = [e for e in circle.effects if e.path == path.index and e.before is True and e.after is False]
        own = float(question.right(path.answer))
        values = (own, verdict, -float(len(left)), -path.tokens.generated / 1000)
        for name, value in zip(REWARDS, values, strict=True):
            found[name].append(None if path.place == "failed" else value)
    return found


def guards(circles: Sequence[Circle], profile: Profile, close: str) -> dict[str, float]:
    """Signs of collapse in a batch; one that has nothing to be read from is left out.

    Args:
        circles: The circles of the batch.
        profile: Of the model, for reading claims.
        close: The text that closes a thought.

    Returns:
        right: share of paths whose own answer is right. tokens: generated tokens a path. truncated: share of paths
        that ran out of budget, or came to no end. meetings: a path. summary_tokens: of a written summary, on
        average. summary_claims: steps claimed at a meeting, for models that claim steps. copied: share of what was
        said at meetings that a peer had said before or at the same meeting, word for word. unchecked: of the
        meetings at which a difference was heard, the share after which the path took another value in the first
        line it wrote, without a line of work before it. left_right: meetings after which a right claim was wrong,
        a path.
    """
    pairs = [(circle, path) for circle in circles for path in circle.result.paths]
    paths = [path for _, path in pairs]
    right = [circle.question.right(path.answer) for circle, path in pairs]
    written = [span.count for path in paths for span in path.spans if span.kind == "summary"]
    differed = [(circle, e) for circle in circles for e in circle.effects if e.category in ("influenced", "unaffected")]
    unchecked = [_unchecked(circle, e, profile, close) for circle, e in differed]
    left = sum(e.before is True and e.after is False for circle in circles for e in circle.effects)
    found: dict[str, Sequence[float]] = {
        "right": right,
        "tokens": [path.tokens.generated for path in paths],
        "truncated": [path.out_of_budget or not path.finished for path in paths],
        "meetings": [path.meetings for path in paths],
        "summary_tokens": written,
        "summary_claims": [count for circle in circles for count in circle.claimed] if profile.stepwise else [],
        "copied": [copy for circle in circles for copy in _copies(circle.summaries)],
        "unchecked": unchecked,
    }
    means = {name: sum(values) / len(values) for name, values in found.items() if values}
    return means | ({"left_right": left / len(paths)} if paths else {})


def reward_part(name: str, *, tell: bool) -> Callable[..., list[float | None]]:
    """One part of the reward as TRL asks for it; one of them tells the guards as well."""

    def part(*, guards: Sequence[dict[str, float]], log_metric: Callable[[str, float], None], **columns: Any) -> Any:
        if tell:
            for guard, value in guards[0].items():
                log_metric(f"circle/{guard}", value)
        return columns[f"reward_{name}"]

    part.__name__ = name
    return part


def _copies(summaries: Mapping[int, Sequence[str]]) -> list[bool]:
    """For each summary, whether a peer said the same at that meeting or before."""
    copies = []
    for path, texts in summaries.items():
        for place, text in enumerate(texts):
            earlier = (theirs[: place + 1] for peer, theirs in summaries.items() if peer != path)
            copies.append(any(text in theirs for theirs in earlier))
    return copies


def _unchecked(circle: Circle, effect: Effect, profile: Profile, close: str) -> bool:
    """Whether the path took another value in the very first line after it heard of a difference."""
    path = circle.result.paths[effect.path]
    told = [event["meeting"] for event in circle.heard.get(effect.path, ()) if event["text"]]
    places = [at for at, span in enumerate(path.spans) if span.kind == "heard"]
    place = dict(zip(told, places, strict=False)).get(effect.meeting)
    if effect.category != "influenced" or place is None:
        return False
    own = next((span for span in path.spans[place + 1 :] if span.kind in GENERATED_KINDS), None)
    if own is None:
        return False
    line = own.text if own.kind == "summary" else own.text.lstrip().partition("\n")[0] + "\n"
    before = path.spans[:place]
    after = [*before, Span(own.kind, (), line, 0)]
    old, new = (read_claims(spans, profile.claims, close) for spans in (before, after))
    moved = any(new.steps.get(step, value) != value for step, value in old.steps.items())
    return moved or (not old.steps and old.answer != new.answer)


class Rollouts:
    """TRL's `rollout_func`: each question of a batch, repeated once for each path, becomes one circle.

    Args:
        engine: Makes an engine, not yet entered, on the weights as they are; called once a batch.
        profile: Of the model.
        questions: By their text, which is TRL's prompt.
        settings: Those of a question; the seed is set here.
        paths: Paths in a circle.
        seed: All seeds derive from it, from the step and from the place in the batch.
        end: Id that ends a text.

    Attributes:
        last: The circles of the last batch.
    """

    def __init__(
        self,
        engine: Callable[[], Engine],
        profile: Profile,
        questions: Mapping[str, Question],
        settings: Callable[[Question], Settings],
        *,
        paths: int,
        seed: int,
        end: int,
    ) -> None:
        self._engine, self._profile, self._questions, self._settings = engine, profile, questions, settings
        self._paths, self._seed, self._end = paths, seed, end
        self.last: list[Circle] = []

    def __call__(self, prompts: Sequence[str], trainer: Any) -> dict[str, Any]:
        """The batch as TRL wants it, with the parts of the reward and the guards beside it.

        Raises:
            TertuliaError: A group does not lie together in the batch, or the engine knows no token ids. One line.
        """
        asked = list(prompts[:: self._paths])
        if [text for text in asked for _ in range(self._paths)] != list(prompts):
            raise TertuliaError(
                f"a batch of {len(prompts)} prompts does not hold whole circles of {self._paths} paths: "
                "let the number of prompts be a multiple of the number of processes"
            )
        first = trainer.accelerator.process_index * len(asked)
        seeds = [derive(self._seed, "rollout", trainer.state.global_step, first + at) for at in range(len(asked))]
        return asyncio.run(self.batch([self._questions[text] for text in asked], seeds, first))

    async def batch(self, questions: Sequence[Question], seeds: Sequence[int], first: int = 0) -> dict[str, Any]:
        """One circle for each question, all under way at once; `first` is the place of the first of them."""
        async with self._engine() as engine:
            if engine.info.mode != "ids":
                raise TertuliaError(
                    f"the server {engine.info.url} knows no token ids, and what is not exact cannot be trained on: "
                    "use vLLM, SGLang or llama.cpp"
                )
            dialect = await Dialect.probe(engine, self._profile)
            work = [
                self._circle(engine, dialect, question, seed, f"q{at}/c0")
                for at, (question, seed) in enumerate(zip(questions, seeds, strict=True), first)
            ]
            self.last = await asyncio.gather(*work)
            sampled = getattr(engine, "sampled", None)
        made = [
            sequences(path, None if sampled is None else sampled.get(path.name, {}), self._end)
            for circle in self.last
            for path in circle.result.paths
        ]
        fields = {name: [getattr(one, name) for one in made] for name in Sequences.__dataclass_fields__}
        judged = [rewards(circle) for circle in self.last]
        parts = {f"reward_{name}": [value for parts in judged for value in parts[name]] for name in REWARDS}
        return {**fields, **parts, "guards": guards(self.last, self._profile, dialect.think_close)}

    async def _circle(self, engine: Engine, dialect: Dialect, question: Question, seed: int, name: str) -> Circle:
        settings = self._settings(question).model_copy(update={"seed": seed})
        listener = Listener()
        summaries: dict[int, list[str]] = {}
        claimed: list[int] = []

        def observe(event: Event) -> None:
            listener.observe(event)
            if event.kind == "summary" and event.path is not None and event.data["text"]:
                summaries.setdefault(event.path, []).append(" ".join(event.data["text"].split()))
            if event.kind != "meeting":
                return
            for path in map(int, event.data["heard"]):
                steps = event.data["claims"][str(path)].get("steps", {})
                claimed.append(len(steps))
                if steps and settings.summaries == "read":
                    read = " ".join(f"{step}={value}" for step, value in steps.items())
                    summaries.setdefault(path, []).append(read)

        result = await solve_with(
            engine, self._profile, question.text, settings, name=name, observer=observe, dialect=dialect
        )
        truth = Truth.of(question)
        happened = await asyncio.to_thread(effects, result, listener.heard, self._profile, dialect.think_close, truth)
        return Circle(question, result, happened, listener.heard, summaries, claimed)
