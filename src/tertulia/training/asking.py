"""Questions as a run asks them, for training on a transformers tokenizer: the same functions, and so the same ids."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tertulia.errors import TertuliaError
from tertulia.model import Beginning, Dialect, Profile
from tertulia.tasks.question import Question
from tertulia.wording import Wording, fill

Led = Literal["free", "prompt", "sentence"]


@dataclass(frozen=True)
class Prompt:
    """A question as it is asked.

    Attributes:
        question: What is asked.
        parts: The beginning of a path, up to where the model writes.
        opened: Whether the thought is open there.
    """

    question: Question
    parts: tuple[Beginning, ...]
    opened: bool

    @property
    def ids(self) -> list[int]:
        """What the model reads."""
        return [token for _, ids, _ in self.parts for token in ids]

    @property
    def text(self) -> str:
        """The same as text, control tokens included."""
        return "".join(text for _, _, text in self.parts)


def dialect_of(tokenizer: Any, profile: Profile) -> Dialect:
    """How the model of a tokenizer is asked."""
    from tertulia.engines.transformers import TransformersTokenizer

    return asyncio.run(Dialect.probe(TransformersTokenizer(tokenizer), profile))


def prompts_of(questions: Sequence[Question], profile: Profile, thinking: Led, dialect: Dialect) -> list[Prompt]:
    """Questions in the model's prompt, led to think in their language or not.

    Args:
        questions: To ask.
        profile: Of the model.
        thinking: Whether a word in the prompt, or the first sentence of the thought, leads it to the language.
        dialect: How the model is asked.
    """

    async def asked(question: Question) -> Prompt:
        words = Wording.load(profile.wording, question.language)
        text = fill(words.question, question=question.text) + (words.think_in if thinking == "prompt" else "")
        parts = await dialect.beginning(text, words.thinking if thinking == "sentence" else "")
        return Prompt(question, tuple(parts), dialect.begun or len(parts) > 1)

    async def all_of_them() -> list[Prompt]:
        return [await asked(question) for question in questions]

    return asyncio.run(all_of_them())


def text_for_trl(prompt: Prompt, tokenizer: Any) -> str:
    """A prompt as TRL is to get it, which encodes it again: a token that encoding puts before it is left out.

    Raises:
        TertuliaError: Encoded again it is not what a run asks. One line.
    """
    first = tokenizer.bos_token
    adds = first and first in tokenizer.decode(tokenizer("")["input_ids"])
    text = prompt.text.removeprefix(first) if adds else prompt.text
    if list(tokenizer(text)["input_ids"]) != prompt.ids:
        raise TertuliaError(
            f"question {prompt.question.id} ({prompt.question.language}) reads otherwise where TRL encodes it, for it "
            "holds control tokens or begins inside a token: leave it out of data.file, or set thinking to 'free'"
        )
    return text
