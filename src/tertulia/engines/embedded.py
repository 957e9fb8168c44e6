"""llama.cpp inside this process: its server on a loopback port, and the same client as for any server."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import replace
from importlib import resources
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tertulia.engines.base import EngineError
from tertulia.engines.client import HttpEngine
from tertulia.engines.gguf import GgufFacts, shards_of
from tertulia.engines.hub import resolve_model
from tertulia.engines.memory import MemoryPlan, free_memory, plan_memory, size
from tertulia.engines.progress import Progress, Tell, aside, untold
from tertulia.errors import TertuliaError

MAX_SLOTS = 256  # llama.cpp's bound on sequences
MAX_THREADS = 512  # and on threads
SPARE_CONNECTIONS = 4  # for questions to the tokenizer while all slots are busy
READ_AT_ONCE = 1 << 24


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

    facts: GgufFacts
    plan: MemoryPlan

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
        if not 1 <= slots <= MAX_SLOTS:
            raise EngineError(f"{slots} paths in flight: the embedded engine takes 1 to {MAX_SLOTS}")
        if context_per_slot < 1:
            raise EngineError(f"a context of {context_per_slot} tokens: expected 1 or more")
        if not 1 <= threads <= MAX_THREADS:
            raise EngineError(f"{threads} threads: the embedded engine takes 1 to {MAX_THREADS}")
        super().__init__(
            "http://127.0.0.1",
            dialect="llama.cpp",
            max_connections=slots + SPARE_CONNECTIONS,
            first_byte=timeout,
            progress=timeout,
            patience=timeout,
            retries=1,
        )
        self._asked = model
        self._slots_asked, self._context, self._threads = slots, context_per_slot, threads
        self._tell = untold if model is None else tell  # the small one is there at once
        # The port is open to every program and web page on this machine; the key keeps them out.
        self._key = secrets.token_urlsafe(16)
        self._server: Any = None

    async def __aenter__(self) -> Self:
        await aside(self._prepare)
        self._server = self._start()
        self._url = self._server.listening_address
        try:
            await super().__aenter__()
            # A server that is closed before its loop has begun never ends; this answer comes from the loop.
            await self.busy()
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        name = str(self._asked) if str(self._asked).startswith("ollama:") else self.facts.file.name
        self.info = replace(self.info, name="embedded", model=name, url=self._url, rolls_back=self.facts.rolls_back)
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

    def _prepare(self) -> None:
        """Everything before the load, which lets no Python run: it must not come as a surprise."""
        file = pebble_path() if self._asked is None else resolve_model(self._asked, self._tell)
        self.facts = GgufFacts.read(file)
        self.plan = plan_memory(self.facts, self._slots_asked, self._context, free_memory())
        self._tell(Progress(self.plan.line))
        # The load itself says nothing, but reading the file is the longest part of it: it is read here first.
        for read, name in _read_through(self.facts):
            self._tell(Progress(f"loading {name} ({size(self.facts.size)})", read / max(1, self.facts.size)))

    def _start(self) -> Any:
        import xllamacpp  # type: ignore[import-untyped]

        plan = self.plan
        params = xllamacpp.CommonParams()
        params.model.path = str(self.facts.file)
        params.n_parallel = plan.slots
        params.n_ctx = plan.slots * (-(-plan.context // 256) * 256)
        params.cache_type_k = params.cache_type_v = getattr(xllamacpp.ggml_type, f"GGML_TYPE_{plan.kv_type.upper()}")
        params.kv_unified = False  # with one common cache each path would pay for the length of all
        params.cpuparams.n_threads = self._threads
        params.cpuparams_batch.n_threads = self._threads
        params.n_threads_http = plan.slots + SPARE_CONNECTIONS + 2
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
                f"llama.cpp cannot load {self.facts.file} ({plan.line}): is it a whole GGUF file of a model it knows?"
            ) from None


def _read_through(facts: GgufFacts) -> Iterator[tuple[int, str]]:
    """Reads all files of a model, so that the system has them in memory; yields how far it is."""
    read = 0
    for file in shards_of(facts.file):
        with file.open("rb", buffering=0) as handle:
            while data := handle.read(READ_AT_ONCE):
                read += len(data)
                yield read, facts.file.name
