"""Who may ask: keys, and without keys only programs of this machine. Nothing here reads a body."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from tertulia.errors import TertuliaError
from tertulia.server.circles import NOBODY
from tertulia.server.refusals import Refusal

KEYS = "TERTULIA_SERVE_KEYS"
OPEN = ("/health", "/ready", "/", "/favicon.ico")
"""What needs no key: they say nothing of anybody's questions."""


def keys_of(file: Path | None) -> tuple[str, ...]:
    """The keys of a file, one a line, or of the environment, with commas; none where there are neither.

    Raises:
        TertuliaError: The file cannot be read, holds no key, or one that no header can carry.
    """
    if file is None:
        keys = [key.strip() for key in os.environ.get(KEYS, "").split(",")]
    else:
        try:
            lines = file.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise TertuliaError(f"the keys cannot be read from {file} ({error}): give a text file") from None
        keys = [line.strip() for line in lines if not line.lstrip().startswith("#")]
        if not any(keys):
            raise TertuliaError(f"there is no key in {file}: write one a line")
    if any(not key.isascii() or not key.isprintable() or " " in key for key in keys):
        raise TertuliaError("a key holds blanks or letters outside ASCII: no header can carry it")
    return tuple(dict.fromkeys(filter(None, keys)))


def name_of(key: str) -> str:
    """What a key is called where it must not be shown."""
    return hashlib.blake2b(key.encode(), digest_size=4).hexdigest() if key else NOBODY


def is_loopback(host: str) -> bool:
    """Whether a name or an address is this machine's own."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:  # a name, and 127.elsewhere.org is one
        return False


class Guard:
    """Lets a request through, with the name of its key in `scope["state"]["key"]`, or refuses it.

    Args:
        app: What it guards.
        keys: Keys that may ask; none where everybody on this machine may.
    """

    def __init__(self, app: ASGIApp, keys: Sequence[str] = ()) -> None:
        self._app = app
        self._keys = [key.encode() for key in keys]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Takes one connection."""
        if scope["type"] == "http":
            connection = HTTPConnection(scope)
            try:
                key = self._key(connection) if self._keys else self._own(connection)
            except Refusal as refusal:
                await JSONResponse(refusal.body, refusal.status, refusal.headers)(scope, receive, send)
                return
            scope.setdefault("state", {})["key"] = key
        await self._app(scope, receive, send)

    def _key(self, connection: HTTPConnection) -> str:
        scheme, _, given = connection.headers.get("authorization", "").partition(" ")
        asked = given.strip().encode("latin-1", "replace")
        known = [key for key in self._keys if hmac.compare_digest(key, asked)]  # all of them: time tells nothing
        if scheme.lower() == "bearer" and known:
            return name_of(known[0].decode())
        if connection.url.path in OPEN:
            return name_of("")
        why = "the key is not known" if given else "there is no key: send it as 'Authorization: Bearer KEY'"
        raise Refusal(401, why, code="invalid_api_key", headers={"WWW-Authenticate": "Bearer"})

    def _own(self, connection: HTTPConnection) -> str:
        """Without keys: a page of elsewhere cannot ask, not even under a name of its own for this machine."""
        host = connection.headers.get("host", "")
        if not is_loopback(_name(f"//{host}")):
            raise Refusal(403, f"the host {host!r} is not this machine's: use http://127.0.0.1", code="host_refused")
        origin = connection.headers.get("origin")
        if origin is not None and origin != f"{connection.url.scheme}://{host}":
            raise Refusal(403, f"a page of {origin!r} cannot ask here: start with --keys", code="origin_refused")
        return name_of("")


def _name(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
