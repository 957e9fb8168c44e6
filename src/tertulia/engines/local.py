"""Servers that are up on this machine already, at the ports where they are usually found."""

from __future__ import annotations

import http.client
import json
import threading
import time
from dataclasses import dataclass

from tertulia.engines.base import EngineError
from tertulia.engines.progress import Progress, Tell

PORTS = {
    9931: "llama-server",
    8080: "llama-server",
    11434: "Ollama",
    1234: "LM Studio",
    8000: "vLLM",
    30000: "SGLang",
}
"""What usually listens where; the first that is up is taken first."""
PATIENCE = 0.18  # seconds, for all of them together
LONGEST = 1 << 20  # bytes of an answer


@dataclass(frozen=True, slots=True)
class LocalServer:
    """A server on this machine.

    Attributes:
        name: What usually listens there.
        url: Where.
        models: Names of its models.
    """

    name: str
    url: str
    models: tuple[str, ...]

    def __str__(self) -> str:
        more = f" and {len(self.models) - 1} more" if len(self.models) > 1 else ""
        return f"{self.name} at {self.url} ({self.models[0]}{more})" if self.models else f"{self.name} at {self.url}"


def local_servers() -> list[LocalServer]:
    """The servers that are up and list their models, in the order of `PORTS`; takes at most 0.2 s."""
    found: dict[int, LocalServer] = {}

    def ask(port: int) -> None:
        models = _models(port)
        if models is not None:
            found[port] = LocalServer(PORTS[port], f"http://127.0.0.1:{port}", models)

    threads = [threading.Thread(target=ask, args=(port,), daemon=True) for port in PORTS]
    for thread in threads:
        thread.start()
    until = time.monotonic() + PATIENCE
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    return [found[port] for port in PORTS if port in found]


def local_server(tell: Tell) -> str:
    """URL of the server to use where "auto" is asked for.

    Args:
        tell: Told which one it is, and which others there are.

    Raises:
        EngineError: None is up.
    """
    servers = local_servers()
    if not servers:
        ports = ", ".join(map(str, PORTS))
        raise EngineError(f"no server is up on this machine (looked at ports {ports}): start one, or give --engine URL")
    others = f"; there are also {', '.join(map(str, servers[1:]))}" if len(servers) > 1 else ""
    tell(Progress(f"using {servers[0]}{others}"))
    return servers[0].url


def _models(port: int) -> tuple[str, ...] | None:
    """Names of the models that a server lists as OpenAI's does; None where there is no such server."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", "/v1/models")
        answer = connection.getresponse()
        listed = json.loads(answer.read(LONGEST))["data"] if answer.status == 200 else None
        return None if listed is None else tuple(str(entry["id"]) for entry in listed)
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return None
    finally:
        connection.close()
