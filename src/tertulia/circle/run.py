"""What all paths of a circle share, and what passes between a path and the engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tertulia.circle.claims import AnswerReading
from tertulia.circle.events import Event, Observer, told_tokens
from tertulia.circle.path import Path, Span, SpanKind
from tertulia.engines.base import Engine, EngineError, Generation, Request, Sampling, Token
from tertulia.errors import TertuliaError
from tertulia.journal import Journal
from tertulia.model import Closing, Dialect, Profile
from tertulia.seeds import derive
from tertulia.settings import Settings
from tertulia.templates import Turn
from tertulia.wording import Wording, fill

GREEDY = Sampling(temperature=0.0, top_p=1.0, top_k=0)


@dataclass
class Run:
    """What all paths of a circle share.

    Attributes:
        engine: Continues token ids; entered already.
        dialect: How the model is asked.
        profile: What is known about the model.
        wording: The words about the question, in its language; they are put into thoughts too, unless led elsewhere.
        settings: What the run does.
        journal: Where every step is kept.
        name: Identity of the circle, e.g. "q0/c0".
        story: Names the question for random draws; the same story is drawn the same way.
        question: The question.
        history: What was said before it.
        voices: The words of each thinking language, the first path's first, and so on in turn; empty for free thoughts.
        observer: Told what happens.
        beginnings: What the thought of each path begins with, for studies of forced beginnings; empty for none.
        every: A meeting every so many thought tokens; 0 for none on the way.
        arriving: Generations in progress, by path: what was put in for them (None for a side branch), what they write,
            the tokens so far.
        answered: Paths to which the engine has answered since they were taken out of here.
    """

    engine: Engine
    dialect: Dialect
    profile: Profile
    wording: Wording
    settings: Settings
    journal: Journal
    name: str
    story: str
    question: str
    history: Sequence[Turn] = ()
    voices: Sequence[Wording] = ()
    observer: Observer | None = None
    beginnings: Sequence[Span | None] = ()
    every: int = 0
    arriving: dict[int, tuple[tuple[Span, ...] | None, SpanKind, list[Token]]] = field(default_factory=dict)
    answered: set[int] = field(default_factory=set)

    @property
    def exact(self) -> bool:
        """Whether contexts and generations are exact ids."""
        return self.engine.info.mode == "ids"

    @property
    def forks(self) -> bool:
        """Whether paths may be asked in side branches."""
        return self.settings.forks and self.engine.info.rolls_back

    @property
    def reading(self) -> AnswerReading:
        """How answers are read."""
        return AnswerReading(self.settings.reads, self.settings.language, self.settings.sure)

    def wording_of(self, path: int) -> Wording:
        """The words that are put into a path's thought: those of the language it is led to."""
        return self.voices[path % len(self.voices)] if self.voices else self.wording

    def prompt(self, path: int, *, meets: bool) -> str:
        """What a path is asked; one that meets is told what its meetings are, where the wording does that."""
        worded = fill("{question}" if self.settings.free else self.wording.question, question=self.question)
        asked = self.led(path, worded)
        return asked + (self.wording.instruction if meets else "")

    def led(self, path: int, asked: str) -> str:
        """What a path is asked, with the word on its thinking language where the prompt leads it there."""
        by_prompt = self.voices and self.settings.thinking_by == "prompt"
        return asked + (self.wording_of(path).think_in if by_prompt else "")

    def opening(self, path: int, *, meets: bool) -> str:
        """The first sentence of a path's thought; empty where it begins freely."""
        by_sentence = self.voices and self.settings.thinking_by == "sentence"
        words = self.wording_of(path)
        return (words.thinking if by_sentence else "") + (words.thought_start if meets else "")

    def tell(self, kind: str, path: int | None, data: dict[str, Any], *, live: bool = True) -> None:
        """Tells the observer, where there is one."""
        if self.observer is not None:
            self.observer(Event(kind, path, data, live))

    async def generate(
        self,
        path: Path,
        before: Sequence[Span],
        limit: int,
        kind: SpanKind,
        *,
        stop: tuple[str, ...] = (),
        stop_at_close: bool = False,
        fork: bool = False,
    ) -> Generation:
        """Has the engine go on with the path. It tries nothing twice: the client does that.

        Args:
            path: The path as it is.
            before: What is put in first.
            limit: At most so many tokens.
            kind: What the tokens will be.
            stop: Strings that end the generation.
            stop_at_close: Whether the close of a thought ends it.
            fork: Whether it is a side branch, drawn greedily and with probabilities.

        Raises:
            EngineError: The client gave up, or nothing came.
        """
        by_id = self.dialect.close_ids if stop_at_close and len(self.dialect.close_ids) == 1 else ()
        by_text = (self.dialect.think_close,) if stop_at_close and self.dialect.think_close and not by_id else ()
        ends = self.dialect.stops if kind in ("thought", "answer") else ()
        arriving: list[Token] = []
        self.arriving[path.index] = (None if fork else tuple(before), kind, arriving)
        closing = Closing(self.dialect, kind, self.engine.info.end_ids)

        def on_tokens(tokens: Sequence[Token]) -> None:
            arriving.extend(tokens)
            for of, came in closing.parts(tokens):
                text = "".join(token.text for token in came)
                self.tell("tokens", path.index, told_tokens("fork" if fork else of, len(came), text))

        request = Request(
            path=path.name,
            ids=path.ids + tuple(token for span in before for token in span.ids),
            text=path.text + "".join(span.text for span in before),
            max_tokens=limit,
            sampling=GREEDY if fork else self.settings.sampling,
            seed=derive(self.settings.seed, self.story, path.index, path.steps, kind),
            stop=(*stop, *by_text, *ends),
            stop_ids=by_id,
            logprobs=fork,
        )
        generation = await self.engine.generate(request, on_tokens=on_tokens)
        self.answered.add(path.index)
        if not generation.count and generation.finish not in ("end", "stop"):
            raise EngineError(f"the engine gave path {path.name} not one token ({generation.finish})")
        return replace(generation, finish="end", stop=None) if generation.stop in ends else generation

    async def put(self, kind: SpanKind, text: str) -> Span:
        """Text as a span, encoded with control tokens disabled: it can open and close nothing."""
        if not self.exact:
            return Span(kind, (), text, about(text))
        ids = await self.engine.tokenize(text, special=False)
        closes = self.dialect.close_ids if len(self.dialect.close_ids) == 1 else ()  # several tokens are ordinary text
        control = {*self.engine.info.end_ids, *closes}
        if not control.isdisjoint(ids):
            raise TertuliaError(
                f"the engine reads control tokens in ordinary text ({text[:60]!r}): "
                "use another engine, for heard text could close a thought here"
            )
        return Span(kind, ids, text, len(ids))

    def close(self) -> list[Span]:
        """The close of a thought, as spans; none for a model that does not think aloud."""
        ids, text = self.dialect.close_ids, self.dialect.think_close
        return [Span("cue", ids, text, len(ids) or about(text))] if text else []


def voices(profile: Profile, settings: Settings, wording: Wording) -> tuple[Wording, ...]:
    """The words of each thinking language that the settings name.

    Args:
        profile: Of the model; its wording set is read.
        settings: Name the languages.
        wording: That of the question, which may be of the user's own; it is used for thoughts in its language.

    Raises:
        TertuliaError: A language has no wordings.
    """
    name, codes = settings.words or profile.wording, settings.thought_languages
    return tuple(wording if code == wording.language else Wording.load(name, code) for code in codes)


def about(text: str) -> int:
    """About how many tokens a text is, where the server will tell only later."""
    return 1 + len(text.encode()) // 4
