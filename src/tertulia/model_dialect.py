"""How a model is asked, and how its thought opens and closes."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, Self, runtime_checkable

from tertulia.engines.base import Engine
from tertulia.errors import TertuliaError

# How the thoughts of known model families open and close.
THOUGHTS = (
    ("<think>", "</think>"),
    ("[THINK]", "[/THINK]"),
    ("<seed:think>", "</seed:think>"),
    ("◁think▷", "◁/think▷"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<thinking>", "</thinking>"),
    ("<reasoning>", "</reasoning>"),
)
# What stands for the user's words while the template is rendered: no template changes it, no user writes it.
USER, SYSTEM = "tertulia0user0words", "tertulia0system0words"

Messages = Sequence[Mapping[str, str]]


class Wishes(Protocol):
    """What a profile says about a model's format; None leaves it to the model."""

    @property
    def prompt(self) -> str | None:
        """Prompt with `{question}` in place of the chat template."""
        ...

    @property
    def think_open(self) -> str | None:
        """What opens a thought."""
        ...

    @property
    def think_close(self) -> str | None:
        """What closes a thought."""
        ...


@runtime_checkable
class Renderer(Protocol):
    """An engine that can put messages into the model's chat template."""

    async def render(self, messages: Messages) -> str | None:
        """The text with the beginning of the model's turn, control tokens spelled out; None if unknown."""
        ...


@dataclass(frozen=True)
class ModelDialect:
    """How one model is asked, and how its thought opens and closes.

    Attributes:
        think_open: What opens a thought, as text; empty for models that do not think aloud, whose thought is
            everything up to end-of-text.
        think_close: What closes it, as text; empty for the same models.
        open_ids: Ids of `think_open`; empty in text mode.
        close_ids: Ids of `think_close`; empty in text mode. One id where it is a token of its own.
        frame: Renders the prompt around `USER` and `SYSTEM`, given whether there is a system message.
        encode: Ids of a text, with control tokens parsed if told so; empty in text mode.
    """

    think_open: str
    think_close: str
    open_ids: tuple[int, ...]
    close_ids: tuple[int, ...]
    frame: Callable[[bool], Awaitable[str]]
    encode: Callable[[str, bool], Awaitable[tuple[int, ...]]]

    @classmethod
    async def probe(cls, engine: Engine, profile: Wishes) -> Self:
        """Find out how the engine's model is asked.

        The profile comes first, then what the server renders, then the chat template it shows.

        Raises:
            TertuliaError: There is neither a prompt in the profile nor a chat template. One line.
        """

        async def encode(text: str, special: bool) -> tuple[int, ...]:
            return await engine.tokenize(text, special=special) if engine.info.mode == "ids" else ()

        frame = _template_frame(engine) if profile.prompt is None else _profile_frame(profile.prompt)
        prompt = await frame(False)
        opened, closed = profile.think_open, profile.think_close
        if opened is None or closed is None:
            found = await _thought(prompt, engine.info.chat_template, encode)
            opened, closed = opened or found[0], closed or found[1]
        return cls(
            think_open=opened,
            think_close=closed,
            open_ids=await encode(opened, True) if opened else (),
            close_ids=await encode(closed, True) if closed else (),
            frame=frame,
            encode=encode,
        )

    async def prompt_ids(self, system: str, user: str) -> tuple[tuple[int, ...], str]:
        """The prompt with the beginning of the model's turn.

        The template's control tokens are tokens; what the user wrote is encoded with control tokens disabled.

        Returns:
            Ids (empty in text mode) and text.
        """
        frame = await self.frame(bool(system))
        words = {USER: user.strip(), SYSTEM: system.strip()}
        if system and SYSTEM not in frame:
            # The template knows no system message: it goes before the user's words.
            words[USER] = f"{words[SYSTEM]}\n\n{words[USER]}"
        ids: list[int] = []
        text = ""
        for part in re.split(f"({USER}|{SYSTEM})", frame):
            written = words.get(part)
            text += part if written is None else written
            ids += await self.encode(part, True) if written is None else await self.encode(written, False)
        return tuple(ids), text


def _profile_frame(prompt: str) -> Callable[[bool], Awaitable[str]]:
    if "{question}" not in prompt:
        raise TertuliaError(f"the profile's prompt {prompt!r} has no place for the question: write {{question}} there")

    async def frame(system: bool) -> str:
        return prompt.replace("{question}", USER).replace("{system}", SYSTEM if system else "")

    return frame


def _template_frame(engine: Engine) -> Callable[[bool], Awaitable[str]]:
    known: dict[bool, str] = {}

    async def frame(system: bool) -> str:
        if system not in known:
            user = {"role": "user", "content": USER}
            messages = [{"role": "system", "content": SYSTEM}, user] if system else [user]
            text = await engine.render(messages) if isinstance(engine, Renderer) else None
            if text is None or USER not in text:
                raise TertuliaError(
                    f"{engine.info.model or 'the model'} has no chat template that {engine.info.name} can "
                    "render: give a profile with a prompt, such as prompt = 'Question: {question}\\nAnswer:'"
                )
            known[system] = text
        return known[system]

    return frame


async def _thought(
    prompt: str, template: str | None, encode: Callable[[str, bool], Awaitable[tuple[int, ...]]]
) -> tuple[str, str]:
    """How the model's thought opens and closes, empty if it does not think aloud."""
    for opened, closed in THOUGHTS:
        if prompt.rstrip().endswith(opened) or opened in (template or "") or closed in (template or ""):
            return opened, closed
    if template is None:
        # Without a template the vocabulary tells: both are tokens of their own in models that think aloud.
        for opened, closed in THOUGHTS:
            if len(await encode(opened, True)) == len(await encode(closed, True)) == 1:
                return opened, closed
    return "", ""
