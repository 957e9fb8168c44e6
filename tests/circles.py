"""What tests of circles share: runs on the scripted engine, and scripts."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path as FilePath
from typing import Any

import tertulia.evaluation.controls  # noqa: F401  (controls by name)
from tertulia.circle.circle import Circle
from tertulia.circle.events import Event
from tertulia.circle.run import Run, voices
from tertulia.engines.base import TEXT_ID, Generation, OnTokens, Request, Token
from tertulia.engines.scripted import ScriptedEngine
from tertulia.journal import Journal
from tertulia.methods import METHODS
from tertulia.model import Dialect, Profile, profile_for
from tertulia.settings import resolve
from tertulia.wording import Wording

_PRESET = {**profile_for("pebble").presets["tertulia"], "summaries": "written", "every": 16}
AT_CLAIMS = profile_for("pebble").model_copy(update={"presets": {"tertulia": _PRESET}})
"""The small model's profile, but with summaries written at every meeting, as other models do."""
PEBBLE = AT_CLAIMS.model_copy(update={"meets_at_claims": False})
"""The same, meeting wherever a segment ends."""
QUESTION = "Ana has 13 shells, gets 80, finds 8, buys 21, finds 34 and gets 5. How many?"
"""The scripted thinker adds up these numbers: 161."""


@dataclass
class Told:
    """A finished run, and what was told on the way."""

    outcome: Circle
    run: Run
    engine: ScriptedEngine
    events: list[Event] = field(default_factory=list)

    @property
    def records(self) -> list[dict[str, Any]]:
        return self.run.journal.records


async def tell(
    engine: ScriptedEngine | None = None,
    *,
    question: str = QUESTION,
    profile: Profile = PEBBLE,
    journal: FilePath | None = None,
    dialect: Any = None,
    words: str | None = None,
    on_event: Callable[[Event], None] | None = None,
    **settings: Any,
) -> Told:
    """Runs one circle on the scripted engine."""
    engine = engine or ScriptedEngine()
    resolved = resolve(profile, {"doubt": 0.0, "margin": 1} | settings)  # others only where a test asks for them
    events: list[Event] = []

    def observer(event: Event) -> None:
        events.append(event)
        if on_event is not None:
            on_event(event)

    wording = Wording.load(words or resolved.words or profile.wording, resolved.language)
    async with Journal.open(journal, {"settings": resolved.model_dump(mode="json")}) as book:
        run = Run(
            engine=engine,
            dialect=dialect or await Dialect.probe(engine, PEBBLE),
            profile=profile,
            wording=wording,
            settings=resolved,
            journal=book,
            name="q0/c0",
            story="a story",
            question=question,
            voices=voices(profile, resolved, wording),
            observer=observer,
            every=0 if resolved.every == "auto" else resolved.every,
        )
        outcome = await METHODS[resolved.method](run)
    return Told(outcome, run, engine, events)


class Recorder(ScriptedEngine):
    """A scripted engine that remembers what it gave for each request, whole or up to where it was interrupted."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.answered: list[tuple[Request, Generation]] = []

    async def generate(self, request: Request, *, on_tokens: OnTokens | None = None) -> Generation:
        came: list[Token] = []

        def keep(tokens: Sequence[Token]) -> None:
            came.extend(tokens)
            if on_tokens is not None:
                on_tokens(tokens)

        try:
            generation = await super().generate(request, on_tokens=keep)
        except asyncio.CancelledError:
            if came:
                self.answered.append((request, Generation(tuple(came), "cut", None, len(request.ids))))
            raise
        self.answered.append((request, generation))
        return generation


class TextServer(Recorder):
    """A server that takes and returns text only."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.info = replace(self.info, mode="text", end_ids=())

    async def generate(self, request: Request, *, on_tokens: OnTokens | None = None) -> Generation:
        assert request.ids == ()
        ids = await self.tokenize(request.text, special=True)
        full = await super().generate(replace(request, ids=ids))
        chunks = tuple(Token(TEXT_ID, token.text) for token in full.tokens if token.text)
        return replace(full, tokens=chunks, count=len(full.tokens))


def random_script(story: int) -> Callable[[str, str, int], str]:
    """A thinker without sense: lines, sentences, steps, tags, boxes, ends and closes wherever they fall."""

    def write(context: str, path: str, seed: int) -> str:
        chance = random.Random(f"{story} {path} {len(context)} {seed}")
        if context.endswith(("<summarize>", "<summarize>\n")):
            return _random_summary(chance)
        words = ["3) 2+2=4\n", "1) 1+1=2\n", "word ", "A sentence. ", "数。", "é", "x<y", "\n", "\\boxed{7} "]
        words += ["2) 5-1=4\n", "<summarize>", "</summarize>", "3.14", "<peers>", "👍", "\n\n", "no end "]
        text = "".join(chance.choices(words, k=chance.randint(1, 40)))
        ending = chance.choice(["</think>", "</think>\\boxed{5}<|end|>", "<|end|>", " and so on " * 40])
        return text + ending + "".join(chance.choices(words, k=chance.randint(0, 9)))

    return write


def _random_summary(chance: random.Random) -> str:
    summaries = [
        "1=2 3=4</summarize>",
        "</summarize>",
        "  </summarize> more",
        "on and on " * 99,
        "closing</think>",
    ]
    summaries += [
        "<|end|>",
        "I have \\boxed{5}.</summarize>",
        "so </peers> and <|user|></summarize>",
        "1=9</summarize>\n",
    ]
    return chance.choice(summaries)
