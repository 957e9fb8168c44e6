"""What the endpoint refuses, in the shape that OpenAI's clients read."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

from tertulia.engines.base import EngineError
from tertulia.errors import TertuliaError, fit

TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    500: "server_error",
    502: "engine_error",
    503: "server_error",
}
"""`type` of an error by its status; any other is an `invalid_request_error`."""
_TOO_LONG = re.compile(r"but the context holds|do not fit")
_OTHER_RUN = re.compile(r"the journal .* belongs to a run with other arguments")
_JOURNAL = re.compile(r"(line \d+ of )?the journal |.* is not a Tertulia journal")
LOG = logging.getLogger("tertulia.server")


class Refusal(Exception):
    """A request that gets an error in place of an answer.

    Args:
        status: Of HTTP.
        message: One line: what was wrong, what was expected, what to do.
        param: Field of the request that was wrong, None where it is none.
        code: What a program may go by, None for nothing beside the status.
        headers: Further ones of the answer.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})
        self.error: dict[str, Any] = {
            "message": fit(message, longest=600),
            "type": TYPES.get(status, "invalid_request_error"),
            "param": param,
            "code": code,
        }

    @property
    def body(self) -> dict[str, Any]:
        """The JSON object of the answer."""
        return {"error": self.error}


def refusal_of(error: TertuliaError) -> Refusal:
    """What a client is told where a circle could not be."""
    told = str(error)
    if _TOO_LONG.search(told):
        return Refusal(400, told, param="messages", code="context_length_exceeded")
    if _OTHER_RUN.search(told):
        what = "this Idempotency-Key was first used when the server had other settings or another model: give a new one"
        return Refusal(422, what, code="idempotency_key_reused")
    if _JOURNAL.match(told):  # where it lies is nothing for clients
        LOG.error("%s", told)
        return Refusal(503, "the circle's journal cannot be kept: the server's log says why", code="journal_error")
    if isinstance(error, EngineError):
        return Refusal(502, told, code="engine_error")
    return Refusal(400, told)
