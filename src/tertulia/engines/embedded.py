"""llama.cpp inside this process: its server on a loopback port, and the same client as for any server."""

from __future__ import annotations

import secrets
from dataclasses import replace
from importlib import resources
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tertulia.engines.base import EngineError
from tertulia.engines.client import HttpEngine
from tertulia.errors import TertuliaError

MAX_SLOTS = 256  # llama.cpp's bound on sequences
SPARE_CONNECTIONS = 4  # for questions to the tokenizer while all slots are busy


def pebble_path() -> Path:
    """The packaged model's GGUF file.

    Raises:
        TertuliaError: The package was built without it.
    """
    path = Path(str(resources.files("tertulia"))) / "models" / "pebble" / "pebble.gguf"
    if not path.is_file():
        raise TertuliaError(
            f"the packaged model {path} is missing: install the released wheel, or give a GGUF file as model"
        )
    return path


class EmbeddedEngine(HttpEngine):
    """A GGUF model in this process.

    Args:
        model: GGUF file; None for the small model that comes with the package.
        slots: Paths in flight. More paths take turns.
        context_per_slot: Longest context of one path in tokens; llama.cpp rounds it up to a multiple of
            256 and down to what the model was trained for.
        threads: Threads that compute. Two that compete with another busy program for two cores are slower
            than one.
        timeout: Seconds of silence after which a request has failed.

    Raises:
        EngineError: There is no such file, or llama.cpp cannot load it.
    """

    def __init__(
        self,
        model: Path | None = None,
        *,
        slots: int = 8,
        context_per_slot: int = 4096,
        threads: int = 1,
        timeout: float = 1800.0,
    ) -> None:
        if not 1 <= slots <= MAX_SLOTS:
            raise EngineError(f"{slots} paths in flight: the embedded engine takes 1 to {MAX_SLOTS}")
        if context_per_slot < 1 or threads < 1:
            raise EngineError(f"context {context_per_slot} and {threads} threads: expected 1 or more of both")
        super().__init__(
            "http://127.0.0.1",
            dialect="llama.cpp",
            max_connections=slots + SPARE_CONNECTIONS,
            first_byte=timeout,
            progress=timeout,
            patience=timeout,
            retries=1,
        )
        if model is None:
            model = pebble_path()
        self._file = _checked(Path(model))
        self._shape = (slots, context_per_slot, threads)
        # The port is open to every program and web page on this machine; the key keeps them out.
        self._key = secrets.token_urlsafe(16)
        self._server: Any = None

    async def __aenter__(self) -> Self:
        self._server = self._start()
        self._url = self._server.listening_address
        try:
            await super().__aenter__()
            # A server that is closed before its loop has begun never ends; this answer comes from the loop.
            await self.busy()
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        self.info = replace(self.info, name="embedded", model=self._file.name, url=self._url)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await super().__aexit__(kind, error, trace)
        # Deleting the server ends it; what was under way ends first, for its connections are closed.
        self._server = None

    def _start(self) -> Any:
        import xllamacpp  # type: ignore[import-untyped]

        slots, context, threads = self._shape
        params = xllamacpp.CommonParams()
        params.model.path = str(self._file)
        params.n_parallel = slots
        params.n_ctx = slots * (-(-context // 256) * 256)
        params.kv_unified = False  # with one common cache each path would pay for the length of all
        params.cpuparams.n_threads = threads
        params.cpuparams_batch.n_threads = threads
        params.n_threads_http = slots + SPARE_CONNECTIONS + 2
        params.api_keys = [self._key]
        params.special = True  # control tokens have a text, so that they can be stop strings
        params.cache_ram_mib = 0  # paths keep their slots: nothing is to be kept elsewhere
        params.warmup = False
        params.ui = False
        params.endpoint_slots = True
        params.fit_params = False
        params.verbosity = -1
        try:
            return xllamacpp.Server(params)
        except RuntimeError:
            raise EngineError(
                f"llama.cpp cannot load {self._file} with {slots} slots of {context} tokens: is it a whole "
                "GGUF file of a model it knows, and is there memory enough?"
            ) from None


def _checked(file: Path) -> Path:
    """The file, if it can be one."""
    try:
        with file.open("rb") as handle:
            magic = handle.read(4)
    except OSError as error:
        raise EngineError(f"cannot read the model {file}: {error.strerror}; give a GGUF file") from None
    if magic != b"GGUF":
        raise EngineError(f"{file} is no GGUF file (it begins with {magic!r}): give a model in GGUF format")
    return file
