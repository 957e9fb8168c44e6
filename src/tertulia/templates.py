"""How a model's chat template is rendered around a question and the chat before it, and what it does about thoughts."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

from tertulia.answers.thoughts import Thoughts, families, marks
from tertulia.engines.base import EngineError, EngineInfo
from tertulia.errors import TertuliaError

# What stands for the words of the question, and of each turn before it, while the template is rendered: no template
# changes it, no user writes it.
USER, TURN = "tertulia0user0words", "tertulia0turn{}0words"
PLAIN = "Question: {question}\nAnswer:"
"""How a model without a chat template is asked."""
NEXT = "\nQuestion:"
"""Where a model that is asked in the plain form has begun to ask itself."""
TOLD = {"user": "{}\n", "assistant": "Answer: {}\n\nQuestion: "}
"""How a chat is told before the question where no template can be rendered with it."""
ROLES = ("system", "user", "assistant")
FALLBACK = "<|im_start|>"
SWITCHES = ("enable_thinking", "thinking")
"""Variables by which chat templates switch thinking on and off."""
_CONTROL = re.compile(r"<[^<>\s]+>|\[/?[A-Z_]+\]|◁[^◁▷]+▷")

Messages = Sequence[Mapping[str, str]]
Thinking = Literal["auto", "on", "off"]
Encode = Callable[[str, bool], Awaitable[tuple[int, ...]]]
Frame = Callable[[tuple[str, ...]], Awaitable[str | None]]
_FRAMES = 256  # prompts of a chat's shape that are remembered


class Turn(NamedTuple):
    """What was said before the question: a role of `ROLES`, and the words."""

    role: str
    content: str


def chat(messages: Iterable[Mapping[str, Any]]) -> tuple[Turn, ...]:
    """The messages of a chat; of each only its role and its content are read, so thoughts kept beside it are dropped.

    Raises:
        TertuliaError: A role or a content is not as it must be. One line.
    """
    turns = []
    for at, message in enumerate(messages, 1):
        if not isinstance(message, Mapping):
            raise TertuliaError(f"message {at} of the history is {message!r:.60}: give a role and a content")
        role, content = message.get("role"), message.get("content")
        if role not in ROLES:
            raise TertuliaError(f"message {at} of the history has the role {role!r:.60}: use one of {', '.join(ROLES)}")
        if not isinstance(content, str):
            raise TertuliaError(f"message {at} of the history has the content {content!r:.60}: give a text")
        turns.append(Turn(role, whole(content, f"message {at} of the history")))
    return tuple(turns)


def whole(text: str, what: str) -> str:
    """The text.

    Raises:
        TertuliaError: It holds half of a character, which no tokenizer can read.
    """
    if broken := re.search(r"[\ud800-\udfff]", text):
        raise TertuliaError(
            f"{what} has half of a surrogate pair at character {broken.start() + 1}: give whole characters"
        )
    return text


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
        frame: Renders the prompt around `USER` and a `TURN` for each turn before it, given their roles; None where the
            template refuses such a chat, or leaves some of it out.
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
    prompt = await frame(()) or ""
    thoughts, begun = (None, "") if stops else await _thoughts(prompt, engine.info.chat_template, encode)
    if profile.think_open is not None and profile.think_close is not None:
        named = Thoughts("profile", profile.think_open, profile.think_close)
        if thoughts is None or thoughts.open != named.open:
            thoughts = named if named.close else None
            begun = "open" if named.open and prompt.rstrip().endswith(named.open) else ""
    return Form(frame, thoughts, begun, switched, (note,), stops)


async def asked(form: Form, turns: Sequence[Turn], question: str, *, system: bool) -> tuple[str, dict[str, str]]:
    """A rendered prompt, and the words that are to be put into it.

    A template that refuses the chat, or leaves some of it out, gets system messages before the next words of the user,
    and what one side says in a row as one turn; one that knows a single question gets the chat told before it.

    Args:
        form: How the model is asked.
        turns: What was said before.
        question: What is asked now.
        system: Whether the model takes system messages.

    Raises:
        EngineError: Nothing can be rendered any more.
    """
    said = [Turn(role, _answer(words, form.thoughts) if role == "assistant" else words) for role, words in turns]
    for *before, last in _ways([Turn(*map(str.strip, turn)) for turn in (*said, Turn("user", question))], system):
        text = await form.frame(tuple(turn.role for turn in before))
        if text is not None:
            return text, {TURN.format(at): turn.content for at, turn in enumerate(before)} | {USER: last.content}
    raise EngineError("the model's chat template cannot be rendered any more: look whether the server still answers")


async def prompt_parts(frame: str, words: Mapping[str, str], encode: Encode) -> tuple[tuple[int, ...], str]:
    """A rendered prompt with the words put in, as ids (empty in text mode) and as text.

    The template's control tokens are tokens; what was said in the chat is encoded with control tokens disabled. Where
    these words have none the whole is encoded at once, as the model has learnt it.
    """
    parts = [(words.get(part), part) for part in re.split(f"({'|'.join(map(re.escape, words))})", frame)]
    text = "".join(part if written is None else written for written, part in parts)
    given = "\n\n".join(filter(None, words.values()))
    if await encode(given, True) == await encode(given, False):
        return await encode(text, True), text
    ids: list[int] = []
    for written, part in parts:
        ids += await encode(part, True) if written is None else await encode(written, False)
    return tuple(ids), text


def _answer(said: str, thoughts: Thoughts | None) -> str:
    """What a model has said without its thought, as templates drop it."""
    if thoughts is None:
        return said
    _, closed, answer = said.rpartition(thoughts.closing)
    return answer if closed else "" if said.lstrip().startswith(thoughts.open) else said


def _ways(said: Sequence[Turn], system: bool) -> Iterator[Sequence[Turn]]:
    """Ways to say the same, the question last, from the most to the least that a template must know."""
    if system or all(turn.role != "system" for turn in said):
        yield said
    joined: list[Turn] = []
    for turn in said:
        role = "user" if turn.role == "system" else turn.role
        if joined and joined[-1].role == role:
            joined[-1] = Turn(role, f"{joined[-1].content}\n\n{turn.content}")
        else:
            joined.append(Turn(role, turn.content))
    yield joined
    *before, last = joined
    yield [Turn("user", "".join(TOLD[turn.role].format(turn.content) for turn in before) + last.content)]


def _written(prompt: str) -> Frame:
    if "{question}" not in prompt:
        raise TertuliaError(f"the profile's prompt {prompt!r} has no place for the question: write {{question}} there")

    async def frame(roles: tuple[str, ...]) -> str | None:
        return None if roles else prompt.replace("{question}", USER)

    return frame


def _rendered(engine: Renderer, options: Mapping[str, Any]) -> Frame:
    known: dict[tuple[str, ...], str | None] = {}

    async def frame(roles: tuple[str, ...]) -> str | None:
        if roles in known:
            return known[roles]
        text = await _render(engine, options, roles)
        if len(known) >= _FRAMES:
            known.clear()
        return known.setdefault(roles, text)

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


async def _render(engine: Renderer, options: Mapping[str, Any], roles: tuple[str, ...] = ()) -> str | None:
    said = [*((role, TURN.format(at)) for at, role in enumerate(roles)), ("user", USER)]
    try:
        text = await engine.render([{"role": role, "content": words} for role, words in said], options or None)
    except EngineError:  # a server without a template refuses, and some templates refuse a system message
        return None
    return text if text is not None and all(words in text for _, words in said) else None


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
