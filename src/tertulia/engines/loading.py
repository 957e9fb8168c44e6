"""Loads a model into this process."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

from tertulia.engines.base import EngineError, EngineInfo
from tertulia.engines.beginnings import Ask, Beginnings, new_folder, remove
from tertulia.engines.gguf import GgufFacts, shards_of
from tertulia.engines.hub import resolve_model
from tertulia.engines.memory import MemoryPlan, free_memory, plan_memory, size
from tertulia.engines.progress import Progress, Tell, aside
from tertulia.engines.servers import Dialect
from tertulia.errors import TertuliaError

MAX_SLOTS = 256  # llama.cpp's bound on sequences
MAX_THREADS = 512  # and on threads
SPARE_CONNECTIONS = 4  # for questions to the tokenizer while all slots are busy
READ_AT_ONCE = 1 << 24
SMALL = 64 << 20  # bytes of a model that writes hundreds of tokens in the second in which a larger one writes ten
BATCH, STRETCH = 64, 8
"""Tokens that a larger model reads, and writes, for one request. The server often finds out only after a request that
nobody waits for it any more, and who writes waits while others read, so requests are short. Against 2,048 and 128
reading takes 6 % longer, and writing 5 to 7 % (Qwen2.5 0.5B, one thread).
"""


class Loaded:
    """llama.cpp's server in this process.

    Attributes:
        facts: What the file says of its model.
        plan: How it was made to fit into memory.
        folder: Where slots are saved; None for a model that cannot go back in its cache.
        url: Where it listens.
        large: Whether a request is a matter of seconds, and must be short.
    """

    def __init__(self, facts: GgufFacts, plan: MemoryPlan, threads: int, key: str) -> None:
        self.facts, self.plan = facts, plan
        self.large = facts.size > SMALL
        self.folder = new_folder() if facts.rolls_back else None
        try:
            self._server = load(facts, plan, threads, key, self.folder)
        except BaseException:
            remove(self.folder)
            raise
        self.url: str = self._server.listening_address

    def beginnings(self, ask: Ask) -> Beginnings | None:
        """Where prompts are read once, given how the server is asked; None for a model that cannot go back."""
        return Beginnings(ask, self.folder, BATCH if self.large else None) if self.folder else None

    def described(self, info: EngineInfo, model: str, dialect: Dialect) -> EngineInfo:
        """What the engine is, given what its server says of itself; a larger model is asked in short stretches."""
        if self.large:
            dialect.slice_tokens = STRETCH
        else:  # it writes a whole stretch before anybody has waited
            dialect.first = 0
        name = model if model.startswith("ollama:") else self.facts.file.name
        told = replace(info, name="embedded", model=name, rolls_back=self.facts.rolls_back)
        return replace(told, slice_tokens=dialect.slice_tokens)

    def close(self) -> None:
        """Deleting the server ends it; what was under way ends first, once its connections are closed."""
        self._server = None
        remove(self.folder)


def check(slots: int, context: int, threads: int) -> None:
    """Sees to it that llama.cpp takes these numbers.

    Raises:
        EngineError: One of them is out of bounds.
    """
    if not 1 <= slots <= MAX_SLOTS:
        raise EngineError(f"{slots} paths in flight: the embedded engine takes 1 to {MAX_SLOTS}")
    if context < 1:
        raise EngineError(f"a context of {context} tokens: expected 1 or more")
    if not 1 <= threads <= MAX_THREADS:
        raise EngineError(f"{threads} threads: the embedded engine takes 1 to {MAX_THREADS}")


async def loaded(model: Path | str | None, slots: int, context: int, threads: int, key: str, tell: Tell) -> Loaded:
    """A model's server, up. What lets no Python run comes last, so that it is no surprise.

    Args:
        model: As `EmbeddedEngine` takes it.
        slots: How many are asked for.
        context: Tokens of each.
        threads: Threads that compute.
        key: What a request must carry.
        tell: Told of a download, of the plan, and of how far the reading is.

    Raises:
        EngineError: There is no such model, it does not fit into memory, or llama.cpp cannot load it.
    """
    loop = asyncio.get_running_loop()

    def told(progress: Progress) -> None:
        loop.call_soon_threadsafe(tell, progress)

    def prepare() -> tuple[GgufFacts, MemoryPlan]:
        facts = GgufFacts.read(pebble_path() if model is None else resolve_model(model, told))
        plan = plan_memory(facts, slots, context, free_memory())
        told(Progress(plan.line))
        read_through(facts, told)
        return facts, plan

    return Loaded(*await aside(prepare), threads, key)


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


def read_through(facts: GgufFacts, tell: Tell) -> None:
    """Reads a model's files once, so that the system has them in memory.

    llama.cpp lets no Python run while it loads, and reading is the longest part of a load: this way it can be told
    how far it is.
    """
    read = 0
    text = f"loading {facts.file.name} ({size(facts.size)})"
    for file in shards_of(facts.file):
        with file.open("rb", buffering=0) as handle:
            while data := handle.read(READ_AT_ONCE):
                read += len(data)
                tell(Progress(text, min(1.0, read / max(1, facts.size))))


def load(facts: GgufFacts, plan: MemoryPlan, threads: int, key: str, folder: Path | None) -> Any:
    """llama.cpp's server on a loopback port.

    Args:
        facts: Of the model.
        plan: How it fits into memory.
        threads: Threads that compute.
        key: What a request must carry.
        folder: Where slots are saved; None where they are not.

    Raises:
        EngineError: llama.cpp cannot load it.
    """
    import xllamacpp  # type: ignore[import-untyped]

    params = xllamacpp.CommonParams()
    params.model.path = str(facts.file)
    params.n_parallel = plan.slots
    params.n_ctx = plan.slots * (-(-plan.context // 256) * 256)
    params.cache_type_k = params.cache_type_v = getattr(xllamacpp.ggml_type, f"GGML_TYPE_{plan.kv_type.upper()}")
    if facts.size > SMALL:
        params.n_batch = max(BATCH, plan.slots)
    params.kv_unified = False  # with one common cache each path would pay for the length of all
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.n_threads_http = plan.slots + SPARE_CONNECTIONS + 2
    params.api_keys = [key]
    params.special = True  # control tokens have a text, so that they can be stop strings
    params.cache_ram_mib = 0  # paths keep their slots: nothing is to be kept elsewhere
    params.warmup = False
    if folder is not None:
        params.slot_save_path = f"{folder}/"
    params.ui = False
    params.endpoint_slots = True
    params.fit_params = False
    params.verbosity = -1
    try:
        return xllamacpp.Server(params)
    except RuntimeError:
        raise EngineError(
            f"llama.cpp cannot load {facts.file} ({plan.line}): is it a whole GGUF file of a model it knows?"
        ) from None
