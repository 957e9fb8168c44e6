"""How requests are read: the fields of OpenAI's that mean something to a circle, and what is refused of the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from tertulia.server.refusals import Refusal

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh"]
Tokens = Annotated[int, Field(ge=1)]
Turn = dict[str, str]
"""A message: its "role" and its "content"."""
TEXTS = ("text", "input_text", "output_text")
ROLES = {"developer": "system", "system": "system", "user": "user", "assistant": "assistant"}
MOST_CHOICES = 16
Body = TypeVar("Body", bound="Common")


class Lenient(BaseModel):
    """What OpenAI has beside these fields is left aside."""

    model_config = ConfigDict(extra="allow", strict=True)


class Part(Lenient):
    """A piece of a message."""

    type: str
    text: str | None = None


class Message(Lenient):
    """One message of a conversation; earlier thoughts, under either name, are not read."""

    type: Literal["message"] | None = None
    role: str
    content: str | list[Part] | None = None
    tool_calls: list[Any] | None = None

    def turn(self, param: str) -> Turn:
        """Its words.

        Raises:
            Refusal: It holds something else.
        """
        if self.role not in ROLES:
            raise Refusal(400, f"the role {self.role!r} is not answered: use {', '.join(ROLES)}", param=f"{param}.role")
        if self.tool_calls:
            raise Refusal(400, "there are no tools here: leave tool_calls out", param=f"{param}.tool_calls")
        parts = [Part(type="text", text=self.content)] if isinstance(self.content, str) else self.content or []
        for part in parts:
            if part.type not in TEXTS or part.text is None:
                what = f"a part of type {part.type!r} cannot be read: circles read text only"
                raise Refusal(400, what, param=f"{param}.content", code="unsupported_content")
        return {"role": ROLES[self.role], "content": "\n".join(part.text or "" for part in parts)}


class StreamOptions(Lenient):
    """What is wanted of a stream."""

    include_usage: bool | None = None


class Format(Lenient):
    """The form an answer is wanted in."""

    type: str


class Reasoning(Lenient):
    """How much is to be thought."""

    effort: Effort | None = None


class Text(Lenient):
    """How text is wanted."""

    format: Format | None = None


class Common(Lenient):
    """What the three ways to ask have in common."""

    model: str
    stream: bool | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    tools: list[Any] | None = None
    tool_choice: Any = None
    tertulia: dict[str, Any] | None = None

    def refuse(self) -> None:
        """Refuses what would be ignored against the caller's meaning."""
        if self.tools and self.tool_choice not in (None, "auto", "none"):
            raise Refusal(400, "circles call no tools: set tool_choice to 'auto' or 'none'", param="tool_choice")

    def sampling(self) -> dict[str, Any]:
        """Settings of the same name."""
        return {"temperature": self.temperature, "top_p": self.top_p, "seed": self.seed}


class Choices(Common):
    """What completions of both kinds have in common."""

    n: Annotated[int, Field(ge=1, le=MOST_CHOICES)] | None = None
    max_tokens: Tokens | None = None
    stop: str | Annotated[list[str], Field(max_length=16)] | None = None
    stream_options: StreamOptions | None = None
    logprobs: bool | int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: dict[str, Any] | None = None

    def refuse(self) -> None:
        """As `Common.refuse`."""
        super().refuse()
        for name in ("logprobs", "presence_penalty", "frequency_penalty", "logit_bias"):
            if getattr(self, name):
                raise Refusal(400, f"{name} is not supported: leave it out", param=name, code="unsupported_parameter")

    @property
    def stops(self) -> tuple[str, ...]:
        """Strings before which an answer is cut."""
        given = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return tuple(string for string in given if string)


class Chat(Choices):
    """The body of `POST /v1/chat/completions`."""

    messages: Annotated[list[Message], Field(min_length=1)]
    max_completion_tokens: Tokens | None = None
    reasoning_effort: Effort | None = None
    response_format: Format | None = None
    functions: list[Any] | None = None
    function_call: Any = None
    modalities: list[str] | None = None
    audio: Any = None

    def refuse(self) -> None:
        """As `Common.refuse`."""
        super().refuse()
        _refuse_format(self.response_format, "response_format")
        if self.functions and self.function_call not in (None, "auto", "none"):
            raise Refusal(
                400, "circles call no functions: set function_call to 'auto' or 'none'", param="function_call"
            )
        if self.audio or set(self.modalities or ()) - {"text"}:
            raise Refusal(400, "circles write text only: leave audio and modalities out", param="modalities")


class Completion(Choices):
    """The body of `POST /v1/completions`: the prompt is a question, and the answer is what completes it."""

    prompt: str | Annotated[list[str], Field(min_length=1, max_length=1)]
    suffix: str | None = None
    echo: bool | None = None

    def refuse(self) -> None:
        """As `Common.refuse`."""
        super().refuse()
        for name in ("suffix", "echo"):
            if getattr(self, name):
                raise Refusal(400, f"{name} is not supported: leave it out", param=name, code="unsupported_parameter")


class Responses(Common):
    """The body of `POST /v1/responses`."""

    input: str | Annotated[list[dict[str, Any]], Field(min_length=1)]
    instructions: str | None = None
    max_output_tokens: Tokens | None = None
    reasoning: Reasoning | None = None
    text: Text | None = None
    previous_response_id: str | None = None
    conversation: Any = None
    background: bool | None = None
    prompt: Any = None
    metadata: dict[str, str] | None = None

    def refuse(self) -> None:
        """As `Common.refuse`."""
        super().refuse()
        _refuse_format(self.text.format if self.text else None, "text.format")
        for name in ("previous_response_id", "conversation", "background", "prompt"):
            if getattr(self, name):
                what = f"{name} is not supported, for responses are not stored: send the whole conversation as input"
                raise Refusal(400, what, param=name, code="unsupported_parameter")

    def turns(self) -> list[Turn]:
        """The conversation; what a model thought before is left out."""
        turns = [{"role": "system", "content": self.instructions}] if self.instructions else []
        if isinstance(self.input, str):
            return [*turns, {"role": "user", "content": self.input}]
        for at, item in enumerate(self.input):
            if item.get("type") != "reasoning":
                turns.append(_read(Message, item, f"input.{at}").turn(f"input.{at}"))
        return turns


@dataclass(frozen=True)
class Asked:
    """A request, read.

    Attributes:
        model: As it was asked for.
        turns: The conversation so far; the last turn is the question.
        settings: Settings of `tertulia.settings.Settings` that were given, by name.
        effort: How much is to be thought; None for as usual.
        most_tokens: Bound of a path's budget; None for the usual one.
        choices: How many circles.
        stops: Strings before which an answer is cut.
        stream: Whether it is answered in pieces.
        usage: Whether a stream ends with the usage.
        all_paths: Whether a stream tells what all paths do.
    """

    model: str
    turns: Sequence[Turn]
    settings: dict[str, Any] = field(default_factory=dict)
    effort: Effort | None = None
    most_tokens: int | None = None
    choices: int = 1
    stops: tuple[str, ...] = ()
    stream: bool = False
    usage: bool = False
    all_paths: bool = False

    @property
    def question(self) -> str:
        """What is asked last."""
        return self.turns[-1]["content"]

    @property
    def history(self) -> list[Turn]:
        """What was said before."""
        return list(self.turns[:-1])


def read_chat(data: bytes) -> Asked:
    """The body of `POST /v1/chat/completions`."""
    body = _body(Chat, data)
    turns = [message.turn(f"messages.{at}") for at, message in enumerate(body.messages)]
    most = body.max_completion_tokens or body.max_tokens
    return _asked(body, turns, "messages", effort=body.reasoning_effort, most_tokens=most, **_choices(body))


def read_completion(data: bytes) -> Asked:
    """The body of `POST /v1/completions`."""
    body = _body(Completion, data)
    prompt = body.prompt if isinstance(body.prompt, str) else body.prompt[0]
    return _asked(body, [{"role": "user", "content": prompt}], "prompt", most_tokens=body.max_tokens, **_choices(body))


def read_responses(data: bytes) -> tuple[Asked, Responses]:
    """The body of `POST /v1/responses`, read and as it came."""
    body = _body(Responses, data)
    effort = body.reasoning.effort if body.reasoning else None
    return _asked(body, body.turns(), "input", effort=effort, most_tokens=body.max_output_tokens), body


def _asked(body: Common, turns: list[Turn], param: str, **more: Any) -> Asked:
    if not turns or turns[-1]["role"] != "user":
        raise Refusal(400, "the last message is not the user's: end with what the user asks", param=param)
    if not turns[-1]["content"].strip():
        raise Refusal(400, "the user's last message is empty: give a text", param=param)
    own = dict(body.tertulia or {})
    all_paths = own.pop("stream_paths", False)
    if not isinstance(all_paths, bool):
        raise Refusal(400, f"stream_paths is {all_paths!r}, expected true or false", param="tertulia.stream_paths")
    if "wording" in own:
        raise Refusal(400, "wording is a file of the server's: it cannot be asked for here", param="tertulia.wording")
    given = {name: value for name, value in (body.sampling() | own).items() if value is not None}
    return Asked(body.model, turns, given, stream=bool(body.stream), all_paths=all_paths, **more)


def _choices(body: Choices) -> dict[str, Any]:
    usage = bool(body.stream_options and body.stream_options.include_usage)
    return {"choices": body.n or 1, "stops": body.stops, "usage": usage}


def _refuse_format(form: Format | None, param: str) -> None:
    if form is not None and form.type != "text":
        what = f"the format {form.type!r} cannot be promised: circles answer in plain text"
        raise Refusal(400, what, param=param, code="unsupported_parameter")


def _body(kind: type[Body], data: bytes) -> Body:
    try:
        value = from_json(data, allow_inf_nan=False)
    except ValueError as error:
        raise Refusal(400, f"the body is no JSON ({error}): send a JSON object", code="invalid_json") from None
    if not isinstance(value, dict):
        raise Refusal(400, f"the body is a JSON {type(value).__name__}: send an object")
    body = _read(kind, value)
    body.refuse()
    return body


Model = TypeVar("Model", bound=BaseModel)


def _read(kind: type[Model], value: Any, where: str = "") -> Model:
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        # Of a field that may be one of several things, the first is what it is expected to be.
        first = error.errors(include_url=False, include_context=False)[0]
        named = [part for part in first["loc"] if part != "str"]
        place = ".".join(map(str, (*([where] if where else []), *named)))
        raise Refusal(400, f"{place or 'the body'}: {first['msg']}", param=place or None) from None
