"""Where a server is, what opens it, and what it means by an answer without a result."""

from __future__ import annotations

import math
import os
import ssl
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from tertulia.engines.answer import Malformed, Refused, told_by
from tertulia.engines.base import EngineError
from tertulia.engines.patience import Patience, Retryable

KEY = "TERTULIA_API_KEY"
RETRIED_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})


class Unwelcome(EngineError):
    """The server does not take the request as it is; `told` is all that it says."""

    def __init__(self, message: str, told: str) -> None:
        super().__init__(message)
        self.told = told


class Address:
    """A server's URL without "/v1", and what it takes to be let in: a key or a login, which no message may show.

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

    def __init__(self, url: str, key_env: str = KEY) -> None:
        self.url, self.login = split(url)
        self.key = os.environ.get(key_env, "")
        self._key_env = key_env

    def where(self) -> dict[str, Any]:
        """What a connection is opened with."""
        parts = urlsplit(self.url)
        tls = ssl.create_default_context() if parts.scheme == "https" else None
        return {"host": parts.hostname or "", "port": parts.port or (443 if tls else 80), "ssl": tls}

    def prefix(self) -> str:
        """What stands before every path."""
        return quote(urlsplit(self.url).path.rstrip("/"), safe="/%:@!$&'()*+,;=~")

    def headers(self) -> dict[str, str]:
        """What every request carries.

        Raises:
            EngineError: The key holds what no header can.
        """
        host = urlsplit(self.url).netloc.encode("idna").decode()
        headers = {"Host": host, "Content-Type": "application/json", "Accept": "*/*", "User-Agent": "tertulia"}
        if self.login:
            return {**headers, "Authorization": f"Basic {b64encode(self.login.encode()).decode()}"}
        if not self.key.isascii() or not self.key.isprintable():
            raise EngineError(f"the API key in {self._key_env} has characters that no key has: only ASCII is sent")
        return {**headers, "Authorization": f"Bearer {self.key}"} if self.key else headers

    @contextmanager
    def wall(self) -> Iterator[None]:
        """Whatever the server answers becomes one kind of error here."""
        try:
            yield
        except Malformed as error:
            raise EngineError(f"{self.url} sent a malformed answer: {error}") from None
        except Refused as error:
            raise EngineError(f"{self.url} gave the request up: {error}") from None

    def gave_up(self, failure: Retryable, patience: Patience) -> EngineError:
        """The error where patience is at an end."""
        tries = f"{patience.attempts} attempt{'s' if patience.attempts > 1 else ''}"
        if failure.wait is not None and failure.wait > patience.seconds:
            tries += f", and it asks to wait {failure.wait:g} s"
        why = f"{self.url}: {failure} (gave up after {tries}); is the server running and able to cope?"
        return EngineError(why, away=True)

    def refused(self, status: int, headers: Mapping[str, str], body: bytes) -> Exception:
        """The error that an answer without a result is: to be tried again, to be let in for, or for good."""
        told = told_by(body)
        what = f"HTTP {status}{f': {told}' if told.strip() else ''}"
        if status in (401, 403):
            return self._closed(what)
        if status in RETRIED_STATUS:
            return Retryable(what, retry_after(headers.get("retry-after")))
        return Unwelcome(f"{self.url} refused the request ({what})", body.decode("utf-8", "replace"))

    def _closed(self, what: str) -> EngineError:
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


def retry_after(value: str | None) -> float | None:
    """Seconds of a Retry-After header, which holds seconds or an HTTP date; None if there is none to read."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, OverflowError):
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def unreachable(error: OSError) -> str:
    """Why no connection could be opened."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, ConnectionRefusedError) or "Connect call failed" in str(error):
        return "connection refused"
    return error.strerror or str(error) or type(error).__name__
