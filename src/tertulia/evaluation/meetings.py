"""What each meeting did to each path: consistent, unaffected or influenced (LeaP, section 5; the rules are ours).

The paper names the three categories and does not say how it told them apart. Here a program does, from claims alone:

* consistent: nothing that was heard differs from what the path claims;
* unaffected: something differs, and what the path claims next is what it claimed before;
* influenced: something differs, and its next claim is another. It *helped* where a wrong claim became right, it
  *harmed* where a right one became wrong, and neither where both are right or both are wrong.

A path that claimed nothing before, or nothing after, cannot be told: "unknown".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from tertulia.answers.equivalence import equivalent
from tertulia.answers.extract import is_correct
from tertulia.api import Result
from tertulia.circle.claims import AnswerReading, Claims, claims_of, read_claims
from tertulia.circle.events import Event
from tertulia.circle.path import Path
from tertulia.model import Profile
from tertulia.tasks.question import Question
from tertulia.wording.harmless import neutral

Category = Literal["consistent", "unaffected", "influenced", "unknown"]
CATEGORIES: tuple[Category, ...] = ("consistent", "unaffected", "influenced", "unknown")


@dataclass(frozen=True, slots=True)
class Effect:
    """What one meeting did to one path.

    Attributes:
        path: Index of the path.
        meeting: Number of the meeting, from 0; in board mode each path counts its own.
        finding: "differ", "agree", "doubt" or "none": how its claims compared with its peers'.
        peers: Peers whose claims were counted or whose words were quoted.
        category: What the meeting did.
        before: Whether the claim was right before; None where nobody knows.
        after: Whether the next one is.
        step: The step at which a difference was marked, or that was to be rechecked; None without one, as with answers.
        marked_before: Whether the path's claim at that step, or its answer, was right then; None where nothing was
            marked or nobody knows.
        marked_after: Whether what it next claims there is right, before it is told anything again; None also where it
            claims nothing there by then.
        took: Whether that is the value that peers were told to have at the marked step; None without one.
        lie: Whether the difference was made up (`tertulia.evaluation.controls`).
    """

    path: int
    meeting: int
    finding: str
    peers: tuple[int, ...]
    category: Category
    before: bool | None = None
    after: bool | None = None
    step: int | None = None
    marked_before: bool | None = None
    marked_after: bool | None = None
    took: bool | None = None
    lie: bool = False


@dataclass(frozen=True)
class Truth:
    """What is right: the answer and, where they are known, the steps on the way."""

    answer: str
    steps: Mapping[int, str]
    judge: Callable[[str | None], bool] | None = None

    @classmethod
    def of(cls, question: Question) -> Truth:
        """The truth of a question, by its own scoring and its further facts ("steps": one value a step)."""
        steps = enumerate(question.data.get("steps", ()), 1)
        return cls(question.gold, {place: str(value) for place, value in steps}, question.right)

    def right(self, answer: str | None) -> bool:
        """Whether an answer is right."""
        return self.judge(answer) if self.judge else is_correct(answer, self.answer)


class Listener:
    """An observer that keeps what each path heard and wrote aside, in order; give `observe` to a run."""

    def __init__(self) -> None:
        self.heard: dict[int, list[Mapping[str, Any]]] = {}
        self.asides: dict[int, list[str]] = {}
        self._told: dict[int, Mapping[str, Any]] = {}

    def observe(self, event: Event) -> None:
        """Keeps what is heard: decided at a meeting, put into the path by a step of its own. No meeting, no peers."""
        if event.kind == "meeting":
            self._told |= {int(path): told for path, told in event.data["heard"].items()}
        elif event.kind == "aside" and event.path is not None:
            self.asides.setdefault(event.path, []).append(event.data["fork"]["text"])
        elif event.kind == "heard" and event.path in self._told:
            put = any(span["kind"] == "heard" for span in event.data.get("spans", ()))
            told = {**self._told[event.path], "meeting": event.data["meeting"]}
            self.heard.setdefault(event.path, []).append(told if put else told | {"text": ""})


def effects(
    result: Result, heard: Mapping[int, Sequence[Mapping[str, Any]]], profile: Profile, close: str, truth: Truth
) -> list[Effect]:
    """What each meeting did to each path that was there. Compares answers: off the event loop.

    Args:
        result: What the circle came to.
        heard: What a `Listener` kept.
        profile: Of the model, for reading claims.
        close: The text that closes a thought.
        truth: What is right.
    """
    found = []
    for path in result.paths:
        told = iter([place for place, span in enumerate(path.spans) if span.kind == "heard"])
        events = {event["meeting"]: event for event in heard.get(path.index, ())}
        for meeting in result.meetings:
            peers = meeting.heard[path.index] if path.index < len(meeting.heard) else None
            event = events.get(meeting.index)
            if event is not None:
                place = next(told, None) if event["text"] else None
                found.append(_effect(path, event, place, profile, close, truth))
            elif peers is not None:  # it was there, nothing differed, and it was told nothing
                found.append(Effect(path.index, meeting.index, "agree", tuple(peers), "consistent"))
    return found


def _effect(
    path: Path, event: Mapping[str, Any], place: int | None, profile: Profile, close: str, truth: Truth
) -> Effect:
    def effect(category: Category, before: bool | None = None, after: bool | None = None) -> Effect:
        return Effect(path.index, event["meeting"], event["finding"], tuple(event["peers"]), category, before, after)

    if event["finding"] in ("agree", "none"):
        return effect("consistent")
    if place is None:
        return effect("unknown")
    later = (at for at, span in enumerate(path.spans) if at > place and span.kind == "heard")
    before = read_claims(path.spans[:place], profile.claims, close)
    after = _claims_until(path, next(later, len(path.spans)), profile, close)
    found = effect(*_compared(before, after, truth))
    step, other = event.get("step"), event.get("other")
    marked = _right_at(before, step, truth), _right_at(after, step, truth)
    claimed = None if step is None else after.steps.get(step)
    took = None if other is None or claimed is None else neutral(claimed) == other
    return replace(
        found, step=step, marked_before=marked[0], marked_after=marked[1], took=took, lie=event.get("lie", False)
    )


def _compared(before: Claims, after: Claims, truth: Truth) -> tuple[Category, bool | None, bool | None]:
    """The category, and whether the claim that changed was right before and is right now."""
    for step, value in before.steps.items():
        if after.steps.get(step, value) != value:
            right = truth.steps.get(step)
            known = (None, None) if right is None else (value == right, after.steps[step] == right)
            return "influenced", *known
    if before.steps:
        last = max(before.steps)
        right = truth.steps.get(last)
        known_now = None if right is None else before.steps[last] == right
        return "unaffected", known_now, known_now
    if before.answer is None or after.answer is None:
        return "unknown", None, None
    rights = truth.right(before.answer), truth.right(after.answer)
    same = before.answer == after.answer or equivalent(before.answer, after.answer)
    return ("unaffected" if same else "influenced"), *rights


def _right_at(claims: Claims, step: int | None, truth: Truth) -> bool | None:
    """Whether the claim at this step is right, or the answer where no step was marked; None where nobody knows."""
    if step is not None:
        right, claimed = truth.steps.get(step), claims.steps.get(step)
        return None if right is None or claimed is None else claimed == right
    if claims.steps or claims.answer is None:  # a difference between steps, in a record that does not tell which
        return None
    return truth.right(claims.answer)


def _claims_until(path: Path, place: int, profile: Profile, close: str) -> Claims:
    """What the path claimed before this span; at its end, its answer."""
    if place < len(path.spans) or not path.finished:
        return read_claims(path.spans[:place], profile.claims, close)
    return claims_of(path, profile.claims, close, AnswerReading())
