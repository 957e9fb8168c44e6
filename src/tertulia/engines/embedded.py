"""llama.cpp inside this process: its server on a loopback port, and the same client as for any server."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Self

from tertulia.engines.beginnings import ReadsOnce
from tertulia.engines.loading import SPARE_CONNECTIONS, check, loaded
from tertulia.engines.progress import Tell, untold


class EmbeddedEngine(ReadsOnce):
    """A GGUF model in this process.

    Args:
        model: GGUF file, or a name that `resolve_model` knows; None for the small model that comes with the package.
        slots: Paths in flight. More paths take turns; so they do where memory holds fewer.
        context_per_slot: Longest context of one path in tokens; llama.cpp rounds it up to a multiple of
            256 and down to what the model was trained for.
        threads: Threads that compute. Two that compete with another busy program for two cores are slower
            than one.
        timeout: Seconds of silence after which a request has failed.
        tell: Told of what happens before the first token: a download, the memory that is planned, the load.

    Attributes:
        facts: What the file says of its model, once the engine has been entered.
        plan: How it was made to fit into memory, likewise.

    Raises:
        EngineError: A number is out of bounds. When it is entered: there is no such model, it does not fit into
            memory, or llama.cpp cannot load it.
    """

    def __init__(
        self,
        model: Path | str | None = None,
        *,
        slots: int = 8,
        context_per_slot: int = 4096,
        threads: int = 1,
        timeout: float = 1800.0,
        tell: Tell = untold,
    ) -> None:
        check(slots, context_per_slot, threads)
        super().__init__(
            "http://127.0.0.1",
            dialect="llama.cpp",
            max_connections=slots + SPARE_CONNECTIONS,
            first_byte=timeout,
            progress=timeout,
            patience=timeout,
            retries=1,
        )
        self._file = model
        self._sizes = (slots, context_per_slot, threads)
        self._tell = untold if model is None else tell  # the small one is there at once
        # The port is open to every program and web page on this machine; the key keeps them out.
        self._address.key = secrets.token_urlsafe(16)

    async def __aenter__(self) -> Self:
        self._loaded = await loaded(self._file, *self._sizes, self._address.key, self._tell)
        self.facts, self.plan = self._loaded.facts, self._loaded.plan
        self.beginnings = self._loaded.beginnings(self._ask)
        self._address.url = self._loaded.url
        try:
            await super().__aenter__()
            # A server that is closed before its loop has begun never ends; this answer comes from the loop.
            await self.busy()
        except BaseException:
            await self.__aexit__()
            raise
        self.info = self._loaded.described(self.info, str(self._file), self._dialect)
        return self

    async def __aexit__(self, *error: object) -> None:
        await super().__aexit__(*error)
        self._loaded.close()
