"""What a server is asked once, before any token: its chat template, and how a text begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tertulia.engines.answer import Fields

if TYPE_CHECKING:
    from tertulia.engines.servers import Dialect

Messages = Sequence[Mapping[str, str]]
Options = Mapping[str, Any] | None
"""Variables of a chat template beside its messages."""


def said(messages: Messages, options: Options) -> dict[str, Any]:
    """Messages and the variables of the chat template, as all servers take them."""
    return {"messages": list(messages), **({"chat_template_kwargs": dict(options)} if options else {})}


async def beginning(server: Dialect) -> str:
    """What the tokenizer of a server (vLLM, SGLang) puts before a text, as text."""
    whole = await server.ask("POST", "/tokenize", {"model": server.model, "prompt": "a"}, optional=True)
    more = Fields(whole, "/tokenize").ids("tokens") if isinstance(whole, dict) else []
    first = more[: len(more) - len(await server.tokenize("a", special=True))]
    return await server.detokenize(first) if first else ""
