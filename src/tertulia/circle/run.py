"""What all paths of a run share: the engine, the model's ways, the words, the settings, the journal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tertulia.circle.events import Event, EventKind, Observer
from tertulia.circle.journal import Journal
from tertulia.circle.path import Span
from tertulia.engines.base import Engine
from tertulia.model import Dialect, Profile
from tertulia.settings import Settings
from tertulia.wording import Wording, fill


@dataclass(frozen=True)
class Run:
    """What all paths of a run share.

    Attributes:
        engine: Continues token ids; entered already.
        dialect: How the model is asked.
        profile: What is known about the model.
        wording: The words about the question, in its language; they are put into thoughts too, unless led elsewhere.
        settings: What the run does.
        journal: Where every step is kept.
        voices: The words of each thinking language, the first path's first, and so on in turn; empty for free thoughts.
        observer: Told what happens.
        beginnings: What the thought of each path begins with, for studies of forced beginnings; empty for none.
    """

    engine: Engine
    dialect: Dialect
    profile: Profile
    wording: Wording
    settings: Settings
    journal: Journal
    voices: Sequence[Wording] = ()
    observer: Observer | None = None
    beginnings: Sequence[Span | None] = ()

    @property
    def exact(self) -> bool:
        """Whether contexts and generations are exact ids."""
        return self.engine.info.mode == "ids"

    def wording_of(self, path: int) -> Wording:
        """The words that are put into a path's thought: those of the language it is led to."""
        return self.voices[path % len(self.voices)] if self.voices else self.wording

    def prompt(self, path: int, question: str, *, meets: bool) -> str:
        """What a path is asked; one that meets is told what its meetings are.

        Args:
            path: Index of the path.
            question: The question.
            meets: Whether the path meets others.
        """
        asked = self.led(path, fill(self.wording.question, question=question))
        return asked + (self.wording.instruction if meets else "")

    def led(self, path: int, asked: str) -> str:
        """What a path is asked, with the word on its thinking language where the prompt leads it there."""
        by_prompt = self.voices and self.settings.thinking_by == "prompt"
        return asked + (self.wording_of(path).think_in if by_prompt else "")

    def first_sentence(self, path: int) -> str:
        """What leads a path's thought to its language where a first sentence does; empty where none does."""
        by_sentence = self.voices and self.settings.thinking_by == "sentence"
        return self.wording_of(path).thinking if by_sentence else ""

    def tell(self, kind: EventKind, path: int | None, **data: Any) -> None:
        """Tells the observer, where there is one."""
        if self.observer is not None:
            self.observer(Event(kind, path, data))


def voices(profile: Profile, settings: Settings, wording: Wording) -> tuple[Wording, ...]:
    """The words of each thinking language that the settings name.

    Args:
        profile: Of the model; its wording set is read.
        settings: Name the languages.
        wording: That of the question, which may be of the user's own; it is used for thoughts in its language.

    Raises:
        TertuliaError: A language has no wordings.
    """
    return tuple(
        wording if code == wording.language else Wording.load(profile.wording, code) for code in settings.thinking
    )
