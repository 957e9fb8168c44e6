"""How a model's chat template is rendered, and what it does about the model's thought."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from tertulia.answers.thoughts import Thoughts, families, marks
from tertulia.engines.base import EngineError, EngineInfo
from tertulia.errors import TertuliaError

# What stands for the user's words while the template is rendered: no template changes it, no user writes it.
USER, SYSTEM = "tertulia0user0words", "tertulia0system0words"
PLAIN = "Question: {question}\nAnswer:"
"""How a model without a chat template is asked."""
NEXT = "\nQuestion:"
"""Where a model that is asked in the plain form has begun to ask itself."""
FALLBACK = "<|im_start|>"
SWITCHES = ("enable_thinking", "thinking")
"""Variables by which chat templates switch thinking on and off."""
_CONTROL = re.compile(r"<[^<>\s]+>|\[/?[A-Z_]+\]|◁[^◁▷]+▷")

Messages = Sequence[Mapping[str, str]]
Thinking = Literal["auto", "on", "off"]
Encode = Callable[[str, bool], Awaitable[tuple[int, ...]]]
Frame = Callable[[bool], Awaitable[str]]


class Speaker(Protocol):
    """What of an engine is needed to find out how its model is asked."""

    @property
    def info(self) -> EngineInfo:
        """What the engine is and can do."""
        ...

    async def tokenize(self, text: str, *, special: bool = False) -> tuple[int, ...]:
        """Ids of `text`; control tokens are parsed only with `special`."""
        ...


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

    async def render(self, messages: Messages, options: Mapping[str, Any] | None = None) -> str | None:
        """The text with the beginning of the model's turn, control tokens spelled out; None if unknown.

        Args:
            messages: What is said, by role.
            options: Further variables of the template, such as `enable_thinking`.
        """
        ...


@dataclass(frozen=True)
class Form:
    """How a model is asked, as found out.

    Attributes:
        frame: Renders the prompt around `USER` and `SYSTEM`, given whether there is a system message.
        thoughts: How the model's thought opens and closes; None for one that does not think aloud.
        begun: What the prompt does with the thought: it is "open", "closed" at once, or "" where it does nothing.
        switched: Whether the template knows a switch for thinking.
        notes: What was decided, in words.
        stops: Where an answer has ended though the model goes on.
    """

    frame: Frame
    thoughts: Thoughts | None
    begun: Literal["", "open", "closed"]
    switched: bool
    notes: tuple[str, ...]
    stops: tuple[str, ...] = ()


async def form_of(engine: Speaker, profile: Wishes, thinking: Thinking, encode: Encode) -> Form:
    """Finds out how the engine's model is asked: by the profile, else by its chat template, else in the plain form."""
    switched, stops = False, tuple[str, ...]()
    if profile.prompt is not None:
        frame, note = _written(profile.prompt), "asked by the profile's prompt"
    else:
        template, switched = await _template(engine, thinking, encode)
        if template is not None:
            frame, note = template, "asked by the model's chat template"
        else:
            frame, stops = _written(engine.info.beginning + PLAIN), (NEXT,)
            note = (
                f"no chat template that {engine.info.name} can render: asked as {PLAIN.replace(chr(10), ' ')!r} "
                "(a profile with a prompt asks otherwise)"
            )
    prompt = await frame(False)
    thoughts, begun = (None, "") if stops else await _thoughts(prompt, engine.info.chat_template, encode)
    if profile.think_open is not None and profile.think_close is not None:
        named = Thoughts("profile", profile.think_open, profile.think_close)
        if thoughts is None or thoughts.open != named.open:
            thoughts = named if named.close else None
            begun = "open" if named.open and prompt.rstrip().endswith(named.open) else ""
    return Form(frame, thoughts, begun, switched, (note,), stops)


async def prompt_parts(frame: str, words: Mapping[str, str], encode: Encode) -> tuple[tuple[int, ...], str]:
    """A rendered prompt with the words put in, as ids (empty in text mode) and as text.

    The template's control tokens are tokens; what the user wrote is encoded with control tokens disabled. Where the
    user's words have none the whole is encoded at once, as the model has learnt it.
    """
    parts = [(words.get(part), part) for part in re.split(f"({'|'.join(map(re.escape, words))})", frame)]
    text = "".join(part if written is None else written for written, part in parts)
    given = [written for written, _ in parts if written]
    if all([await encode(written, True) == await encode(written, False) for written in given]):
        return await encode(text, True), text
    ids: list[int] = []
    for written, part in parts:
        ids += await encode(part, True) if written is None else await encode(written, False)
    return tuple(ids), text


def _written(prompt: str) -> Frame:
    if "{question}" not in prompt:
        raise TertuliaError(f"the profile's prompt {prompt!r} has no place for the question: write {{question}} there")

    async def frame(system: bool) -> str:
        return prompt.replace("{question}", USER).replace("{system}", SYSTEM if system else "")

    return frame


def _rendered(engine: Renderer, options: Mapping[str, Any]) -> Frame:
    known: dict[bool, str] = {}

    async def frame(system: bool) -> str:
        if system not in known:
            # Some templates refuse a system message, others leave it out: it then goes before the user's words.
            known[system] = await _render(engine, options, system=system) or await _render(engine, options) or ""
        return known[system]

    return frame


async def _template(engine: Speaker, thinking: Thinking, encode: Encode) -> tuple[Frame | None, bool]:
    """The model's chat template, None where none can be rendered; and whether it knows a switch for thinking."""
    plain = await _render(engine, {}) if isinstance(engine, Renderer) else None
    if plain is None or not isinstance(engine, Renderer):
        return None, False
    if FALLBACK in plain and len(await encode(FALLBACK, True)) > 1:
        # llama.cpp renders ChatML for a model without a template; one that knows ChatML has its marks as tokens.
        return None, False
    shown = engine.info.chat_template
    if shown is not None and not any(name in shown for name in SWITCHES):
        return _rendered(engine, {}), False
    on, off = (dict.fromkeys(SWITCHES, value) for value in (True, False))
    with_it, without = await _render(engine, on), await _render(engine, off)
    if with_it is None or without is None or with_it == without:
        return _rendered(engine, {}), False
    return _rendered(engine, off if thinking == "off" else on), True


async def _render(engine: Renderer, options: Mapping[str, Any], *, system: bool = False) -> str | None:
    user = {"role": "user", "content": USER}
    messages = [{"role": "system", "content": SYSTEM}, user] if system else [user]
    try:
        text = await engine.render(messages, options or None)
    except EngineError:  # a server without a template refuses, and some templates refuse a system message
        return None
    return text if text is not None and USER in text else None


async def _thoughts(
    prompt: str, template: str | None, encode: Encode
) -> tuple[Thoughts | None, Literal["", "open", "closed"]]:
    """How the model's thought opens and closes, and what the prompt does with it."""
    known = {family.name: family for family in families()}
    last = list(marks(prompt.rpartition(USER)[2]))[-1:]
    if last:
        return known[last[0].family], "open" if last[0].opens else "closed"
    for family in families():
        if any(mark in text for mark in (family.open, family.closing) for text in (prompt, template or "")):
            return family, ""
    if template is None:
        # Without a template the vocabulary tells: the marks are tokens of their own in models that think aloud.
        for family in families():
            if all([len(await encode(mark, True)) == 1 for mark in _CONTROL.findall(family.open + family.close)]):
                return family, ""
    return None, ""
