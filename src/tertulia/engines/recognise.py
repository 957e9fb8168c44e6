"""Finds out what stands behind a URL: which kind of server, and which of its models."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlsplit

from tertulia.engines.answer import Fields
from tertulia.engines.base import EngineError, EngineInfo
from tertulia.engines.llama import LlamaCpp
from tertulia.engines.servers import Ask, Dialect, OpenAI, Vllm
from tertulia.engines.sglang import Sglang

DIALECTS: dict[str, type[Dialect]] = {kind.name: kind for kind in (LlamaCpp, Vllm, Sglang, OpenAI)}
OWNERS = {"llamacpp": "llama.cpp", "vllm": "vllm", "sglang": "sglang"}
SIGNS = (
    ("/props", "llama.cpp", "default_generation_settings"),
    ("/get_model_info", "sglang", "model_path"),
    ("/version", "vllm", "version"),
)
"""Where to ask, and the kind of server whose answer has this field."""


def address(url: str) -> tuple[str, str]:
    """The URL of a server without "/v1", and "name:password" where it had them, which no message may show.

    Raises:
        EngineError: It is no such URL.
    """
    shown = url.rpartition("@")[2]
    why = ""
    try:
        parts = urlsplit(url if "//" in url else f"http://{url}")
        port = "" if parts.port is None else f":{parts.port}"
        host = (parts.hostname or "").encode("idna").decode()
        login = unquote(f"{parts.username or ''}:{parts.password or ''}") if "@" in parts.netloc else ""
        if parts.scheme in ("http", "https") and host:
            host = f"[{host}]" if ":" in host else host
            return f"{parts.scheme}://{host}{port}{parts.path}".rstrip("/").removesuffix("/v1"), login
    except ValueError as error:
        why = f" ({error})"
    raise EngineError(f"{shown!r} is no server's URL{why}: expected something like http://localhost:8000")


async def recognise(ask: Ask, url: str, model: str | None, dialect: str | None) -> tuple[Dialect, EngineInfo]:
    """The server's dialect and what it is; `model` and `dialect` where they are known.

    Raises:
        EngineError: It does not have that model, or is to say which one and does not.
    """
    models = await ask("GET", "/v1/models", optional=True)
    listed = [Fields(entry, "/v1/models") for entry in _entries(models)]
    name = dialect or await _kind(ask, listed)
    entry = _chosen(listed, url, model, name)
    spoken = DIALECTS[name](ask, model or entry.text("id"))
    return spoken, await spoken.probe(url, entry)


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


def _chosen(listed: list[Fields], url: str, model: str | None, name: str) -> Fields:
    """The entry of the model in the server's list."""
    found = [entry for entry in listed if model in (None, entry.raw("id"))]
    if found:
        return found[0]
    if model is not None and listed and name != "llama.cpp":
        names = ", ".join(str(entry.raw("id")) for entry in listed[:8])
        raise EngineError(f"{url} has no model {model!r}, it has: {names}")
    if model is None and name == "openai":
        raise EngineError(f"{url} does not list its models: say which one to use")
    return listed[0] if listed else Fields({})


def _entries(models: object) -> list[Any]:
    """The list of models, however the server wraps it."""
    entries = models.get("data") if isinstance(models, dict) else models
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
