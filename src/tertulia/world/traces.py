"""Reasoning traces of the world, as spans: what pebble is trained on.

A trace plans early, in one line, and most of its mistakes lie there: operations misread, steps told in reverse order
done in the order of telling, numbers taken from another sentence. Then it calculates a line a step. Some wrong plans
are noticed and repaired without help. In half of the traces the path meets its peers, in one of three manners: its
results are read from its thought and it hears of differences only; it writes a summary and hears a digest; or it
writes a summary and hears its peers' summaries as they are (``tertulia.circle.frames`` writes the same texts at run
time). A difference is always answered in one way: read that step again from the question, just as noisily as the
first time, and calculate from there. What comes out is held if it is what one had, or what the peers have; a third
value is not, and the path goes back to what it had.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from tertulia.wording import Wording, fill
from tertulia.world.language import Language
from tertulia.world.problems import Operation, Problem, run, settings

Kind = Literal["prompt", "thought", "cue", "summary", "heard", "answer"]
Manner = Literal["read", "written", "quotes"]
TRAINED: frozenset[str] = frozenset({"thought", "summary", "answer"})
EARLY = 2
"""Steps at the beginning that are misread more often."""


@dataclass(frozen=True)
class TraceSpan:
    """Text of one kind; only ``thought``, ``summary`` and ``answer`` are trained on."""

    kind: Kind
    text: str


@dataclass(frozen=True)
class Trace:
    """A problem, its language, and one way to think about it."""

    problem: Problem
    language: str
    spans: tuple[TraceSpan, ...]
    answer: int | None
    meetings: int
    thinking: str


def read(problem: Problem, places: list[int], draw: random.Random) -> dict[int, Operation]:
    """What a reader takes the steps at these places for, with the mistakes of ``world.toml``.

    A first reading and any later one are equally noisy, and independent of each other.

    Args:
        problem: what is read.
        places: step numbers, from 0.
        draw: source of the mistakes.
    """
    rates, operations = settings()["mistakes"], settings()["operations"]
    taken = {place: problem.steps[place].operation for place in places}
    for place in places:
        pair = place if place in problem.reversed_pairs else place - 1
        told_in_reverse = pair in problem.reversed_pairs and (place == pair or pair not in taken)
        if told_in_reverse and draw.random() < rates["swapped"]:
            for here, there in ((pair, pair + 1), (pair + 1, pair)):
                if here in taken:
                    taken[here] = problem.steps[there].operation
    for place in places:
        source = next(step for step in problem.steps if step.operation == taken[place])
        early = rates["early"] if place < EARLY else 1.0
        if draw.random() < operations[source.verb]["misread"] * early:
            taken[place] = _misread(problem, place, taken[place], draw)
    return taken


def _misread(problem: Problem, place: int, operation: Operation, draw: random.Random) -> Operation:
    """Another sign or multiple, another number of the text, or a number near it: each sort as likely as the others."""
    if operation.number is None:
        return Operation(draw.choice([kind for kind in ("double", "triple", "half") if kind != operation.kind]))
    others = [number for _, _, number in problem.distractors]
    others += [step.operation.number for at, step in enumerate(problem.steps) if at != place and step.operation.number]
    near = [operation.number + off for off in settings()["mistakes"]["off"]]
    sorts = [[number for number in sort if number > 0 and number != operation.number] for sort in (others, near)]
    found = [Operation("take" if operation.kind == "add" else "add", operation.number)]
    return draw.choice(found + [Operation(operation.kind, draw.choice(sort)) for sort in sorts if sort])


@dataclass
class Writer:
    """Writes one trace, line by line."""

    problem: Problem
    language: Language
    wording: Wording
    draw: random.Random
    manner: Manner | None  # of its meetings; None without
    spans: list[TraceSpan] = field(default_factory=list)
    done: int = 0  # lines written and still standing
    fresh: int = 0  # first step written since the last summary
    meetings: int = 0

    def __post_init__(self) -> None:
        self.plan = self._first_plan()
        self.truth = self.problem.states

    def _first_plan(self) -> list[Operation]:
        places = list(range(len(self.problem.steps)))
        while True:
            taken = read(self.problem, places, self.draw)
            plan = [taken[place] for place in places]
            if self._bounded(plan):
                return plan

    def _bounded(self, plan: list[Operation]) -> bool:
        return all(0 <= value <= settings()["numbers"]["largest"] for value in run(self.problem.start, plan))

    @property
    def states(self) -> tuple[int, ...]:
        """The numbers after the steps written so far."""
        return run(self.problem.start, self.plan)[: self.done]

    def operation(self, place: int) -> str:
        """A planned operation in words, with its step number."""
        taken = self.plan[place]
        return f"{place + 1}) {self.language.word(taken.kind, taken.number)}"

    def write(self, kind: Kind, text: str) -> None:
        """Adds a span, or lengthens the last one of the same kind."""
        if self.spans and self.spans[-1].kind == kind:
            text = self.spans.pop().text + text
        self.spans.append(TraceSpan(kind, text))

    def thought(self, problem_answer: bool = True) -> None:
        """The whole thought and its answer."""
        self.write("thought", "; ".join(map(self.operation, range(len(self.plan)))) + "\n")
        own_check = self._own_check()
        countdown = self._next_meeting()
        while True:
            while self.done < len(self.plan):
                self._step()
                if own_check and self.done == own_check[1]:
                    self._reread(own_check[0])
                    own_check = None
                    continue
                countdown -= 1
                if self.manner and countdown <= 0:
                    self._meeting()
                    countdown = self._next_meeting()
            if not (self.manner and self.meetings < 12 and self.draw.random() < 0.5):
                break
            marked = self._hear(last_call=True)
            if not marked:
                break
        self.write("thought", "</think>")

    def _next_meeting(self) -> int:
        return self.draw.choice((1, 1, 2, 2, 3, 4))

    def _step(self) -> None:
        before = self.states[-1] if self.done else self.problem.start
        self.write("thought", f"{self.done + 1}) {self.plan[self.done].equation(before)}\n")
        self.done += 1

    def _own_check(self) -> tuple[int, int] | None:
        """(step to read again, after how many lines): most wrong plans are never noticed."""
        wrong = [at for at, taken in enumerate(self.plan) if taken != self.problem.steps[at].operation]
        rates = settings()["mistakes"]
        if self.draw.random() >= (rates["noticed"] if wrong else rates["needless"]):
            return None
        place = wrong[0] if wrong else self.draw.randrange(len(self.plan))
        return place, min(len(self.plan), place + self.draw.choice((1, 1, 2)))

    def _reread(self, place: int) -> None:
        """Reads the step again (with the other of a reversed pair, if it is the first) and goes on from there."""
        places = [place]
        if place in self.problem.reversed_pairs:
            places.append(place + 1)
        for _ in range(20):
            taken = read(self.problem, places, self.draw)
            plan = [taken.get(at, kept) for at, kept in enumerate(self.plan)]
            if self._bounded(plan):
                self.plan = plan
                break
        self.done = place
        self.fresh = min(self.fresh, place)
        said = "; ".join(map(self.operation, places))
        self.write("thought", f"{self.language.word('again')} {said}\n")

    def _meeting(self) -> None:
        self.meetings += 1
        if self.manner != "read":
            self.write("cue", self.wording.cues[0])
            self.write("summary", f"{self._results(self.states)}</summarize>")
        if self.manner == "quotes":
            self._quotes()
        else:
            self._hear(last_call=False)
        self.fresh = self.done

    def _results(self, states: tuple[int, ...]) -> str:
        return " ".join(f"{at + 1}={states[at]}" for at in range(self.fresh, self.done))

    def _quotes(self) -> None:
        """Hears the summaries of some peers; reads again the first step at which most of them have another value."""
        count = self.draw.choice((2, 3, 4, 4))
        peers = [Writer(self.problem, self.language, self.wording, self.draw, None) for _ in range(count)]
        states = [run(self.problem.start, peer.plan)[: self.done] for peer in peers]
        names = self.draw.sample(range(1, 9), len(peers))
        quotes = [
            fill(self.wording.quote, peer=name, summary=self._results(theirs))
            for name, theirs in zip(names, states, strict=True)
        ]
        self.write("heard", "\n" + self.wording.framed(self.wording.quote_join.join(quotes)))
        for step in range(self.fresh, self.done):
            values = [theirs[step] for theirs in states]
            other, count = max(Counter(values).items(), key=lambda value: value[1])
            if other != self.states[step] and count > values.count(self.states[step]) + 1:
                self._answer_to(step, other)
                return

    def _answer_to(self, step: int, heard: int) -> None:
        """Reads a step again at which peers have another value, and goes back where a third value comes out."""
        mine, plan, fresh = self.states[step], self.plan, self.fresh
        self._reread(step)
        value = run(self.problem.start, self.plan)[step]
        if value in (mine, heard):
            return
        self._step()
        self.plan, self.done, self.fresh = plan, step, min(fresh, step)
        places = [step, step + 1] if step in self.problem.reversed_pairs else [step]
        self.write("thought", f"{self.language.word('again')} {'; '.join(map(self.operation, places))}\n")

    def _hear(self, last_call: bool) -> bool:
        """Writes what is heard now, and the re-reading if a step is marked; True if one was."""
        step, heard, text = self._digest(last_call)
        if text is None:
            return False
        silent = last_call or self.manner == "read"
        self.write("heard", text if silent else "\n" + text)
        if step is None:
            return False
        self.meetings += last_call
        if heard is None:
            self._reread(step)
        else:
            self._answer_to(step, heard)
        return True

    def _digest(self, last_call: bool) -> tuple[int | None, int | None, str | None]:
        """The step that a digest marks, the value that the peers have there, and the text; None where there is none."""
        wrong = next((at for at, value in enumerate(self.states) if value != self.truth[at]), None)
        peers = self.draw.choice((2, 3, 3, 4, 5, 6, 7, 7, 7, 7, 9, 15))
        chance = self.draw.random()
        if wrong is not None and chance < 0.8:
            return self._marked(wrong, self.truth[wrong] if self.draw.random() < 0.85 else None, peers)
        if wrong is None and chance < 0.2:
            return self._marked(self.draw.randrange(self.done), None, peers)
        if chance > 0.9:
            step = self.draw.randrange(self.done)
            return step, None, self.wording.step_doubt_text(step=step + 1)
        silent = last_call or self.manner == "read"
        return None, None, (None if silent else self.wording.step_agree_text())

    def _marked(self, step: int, value: int | None, peers: int) -> tuple[int, int, str]:
        """A marker at a step; where no value is given, one that another reading of the step leads to."""
        mine = self.states[step]
        before = self.states[step - 1] if step else self.problem.start
        if value is None:
            truth = self.problem.steps[step].operation
            options = [_misread(self.problem, step, truth, self.draw).apply(before) for _ in range(3)]
            options = [option for option in [*options, self.truth[step]] if option != mine and option >= 0]
            value = self.draw.choice(options or [mine + 1])
        count = self.draw.randint(min(peers, max(2, (peers + 2) // 3)), peers)
        text = self.wording.step_differ_text(step=step + 1, mine=mine, count=count, total=peers, other=value)
        return step, value, text


MANNERS: dict[Manner, float] = {"read": 0.55, "written": 0.25, "quotes": 0.2}
"""Share of each manner among the traces with meetings."""


def trace(
    problem: Problem,
    language: str,
    draw: random.Random,
    *,
    meet: bool,
    thinking: str | None = None,
    told: tuple[Literal["prompt", "thought"], str] | None = None,
) -> Trace:
    """One way to think about a problem, with or without meetings.

    Args:
        problem: what is thought about.
        language: of the question.
        draw: source of mistakes, meetings and what is heard.
        meet: whether the path meets its peers.
        thinking: language of the thought and of what is heard; that of the question if not given.
        told: where the path is told that language: ``(where, which)`` with where ``prompt`` or ``thought`` (its
            first line), or None. A path need not do as the prompt says.
    """
    spoken = thinking or language
    manner = draw.choices(list(MANNERS), list(MANNERS.values()))[0] if meet else None
    writer = Writer(problem, Language.load(spoken), Wording.load("pebble", spoken), draw, manner)
    where, which = told or (None, language)
    hint = Wording.load("pebble", which).think_in if where == "prompt" else ""
    writer.write("prompt", prompt(problem.question(language) + hint))
    if where == "thought":
        writer.write("cue", Wording.load("pebble", which).thinking)
    writer.thought()
    writer.write("answer", f"\n\\boxed{{{writer.states[-1]}}}<|end|>")
    return Trace(problem, language, tuple(writer.spans), writer.states[-1], writer.meetings, spoken)


def prompt(question: str) -> str:
    """The prompt of pebble's chat template up to the opened thought."""
    return f"<|user|>{question}<|assistant|><think>\n"
