"""Finds out what stands behind a URL: which kind of server, and which of its models."""

from __future__ import annotations

from typing import Any

from tertulia.engines.answer import Fields
from tertulia.engines.asking import Ask, LlamaQuestions, Questions, SglangQuestions, VllmQuestions
from tertulia.engines.base import EngineError, EngineInfo
from tertulia.engines.llama import LlamaCpp
from tertulia.engines.openai import OpenAI
from tertulia.engines.servers import Dialect
from tertulia.engines.sglang import Sglang
from tertulia.engines.vllm import Vllm

DIALECTS: dict[str, tuple[type[Dialect], type[Questions]]] = {
    "llama.cpp": (LlamaCpp, LlamaQuestions),
    "vllm": (Vllm, VllmQuestions),
    "sglang": (Sglang, SglangQuestions),
    "openai": (OpenAI, Questions),
}
"""Each kind of server: how generations are asked for, and everything else."""
OWNERS = {"llamacpp": "llama.cpp", "vllm": "vllm", "sglang": "sglang"}
SIGNS = (
    ("/props", "llama.cpp", "default_generation_settings"),
    ("/get_model_info", "sglang", "model_path"),
    ("/version", "vllm", "version"),
)
"""Where to ask, and the kind of server whose answer has this field."""


def known(dialect: str | None) -> str | None:
    """The name of a dialect; None to find out.

    Raises:
        EngineError: There is none of this name.
    """
    if dialect is not None and dialect not in DIALECTS:
        raise EngineError(f"unknown dialect {dialect!r}: expected one of {', '.join(DIALECTS)}")
    return dialect


async def recognise(ask: Ask, url: str, model: str | None, dialect: str | None) -> tuple[Questions, EngineInfo]:
    """What can be asked of the server, and what it is; `model` and `dialect` where they are known.

    Raises:
        EngineError: It does not have that model, or is to say which one and does not.
    """
    models = await ask("GET", "/v1/models", optional=True)
    listed = [Fields(entry, "/v1/models") for entry in _entries(models)]
    name = dialect or await _kind(ask, listed)
    entry = _chosen(listed, url, model, name, page=isinstance(models, str) and models.lstrip().startswith("<"))
    spoken, questions = DIALECTS[name]
    server = questions(ask, spoken(model or entry.text("id")))
    return server, await server.probe(url, entry)


async def _kind(ask: Ask, listed: list[Fields]) -> str:
    owners = [owner for entry in listed if (owner := OWNERS.get(str(entry.raw("owned_by"))))]
    if owners and owners[0] != "llama.cpp":
        return owners[0]
    # Behind a proxy the owner may be somebody else; and one may pass on the list of a llama.cpp server
    # without the calls that we need.
    for path, name, key in SIGNS:
        answer = await ask("GET", path, optional=True)
        if isinstance(answer, dict) and key in answer:
            return name
    return "openai"


def _chosen(listed: list[Fields], url: str, model: str | None, name: str, *, page: bool) -> Fields:
    """The entry of the model in the server's list; `page` says that HTML came in its place."""
    found = [entry for entry in listed if model in (None, entry.raw("id"))]
    if found:
        return found[0]
    if model is not None and listed and name != "llama.cpp":
        names = ", ".join(str(entry.raw("id")) for entry in listed[:8])
        raise EngineError(f"{url} has no model {model!r}, it has: {names}")
    if model is None and name == "openai":
        odd = " (a page came, HTML)" if page else ""
        raise EngineError(
            f"{url}/v1/models is no list of models{odd}: check the address, or say which model to use (--model)"
        )
    return listed[0] if listed else Fields({})


def _entries(models: object) -> list[Any]:
    """The list of models, however the server wraps it."""
    entries = models.get("data") if isinstance(models, dict) else models
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
