"""Where a server is, and what opens it: its URL, and a key or a login that no message may show."""

from __future__ import annotations

import os
from base64 import b64encode
from urllib.parse import unquote, urlsplit

from tertulia.engines.base import EngineError


class Address:
    """A server's URL without "/v1", and what it takes to be let in.

    Args:
        url: As a user writes it, with or without "/v1", a scheme, and "name:password@".
        key_env: Environment variable that holds the API key, if the server wants one.

    Attributes:
        url: For requests and messages.
        login: "name:password" where the URL had them.
        key: The API key; empty for none.

    Raises:
        EngineError: It is no such URL.
    """

    def __init__(self, url: str, key_env: str) -> None:
        self.url, self.login = split(url)
        self.key = os.environ.get(key_env, "")
        self._key_env = key_env

    def headers(self) -> dict[str, str]:
        """What every request carries.

        Raises:
            EngineError: The key holds what no header can.
        """
        headers = {"Content-Type": "application/json", "Accept": "*/*", "User-Agent": "tertulia"}
        if self.login:
            return {**headers, "Authorization": f"Basic {b64encode(self.login.encode()).decode()}"}
        if not self.key.isascii() or not self.key.isprintable():
            raise EngineError(f"the API key in {self._key_env} has characters that no key has: only ASCII is sent")
        return {**headers, "Authorization": f"Bearer {self.key}"} if self.key else headers

    def closed(self, what: str) -> EngineError:
        """The error where the server lets nobody in; `what` is its answer."""
        if not self.key and not self.login:
            return EngineError(f"{self.url} wants an API key: put it into {self._key_env} ({what})")
        secret = "the name and password of its URL" if self.login else f"the API key in {self._key_env}"
        return EngineError(f"{self.url} refused {secret} ({what})")


def split(url: str) -> tuple[str, str]:
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
