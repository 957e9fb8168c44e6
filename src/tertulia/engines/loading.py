"""Loads a model into this process."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

from tertulia.engines.base import EngineError
from tertulia.engines.gguf import GgufFacts, shards_of
from tertulia.engines.hub import resolve_model
from tertulia.engines.memory import MemoryPlan, free_memory, plan_memory, size
from tertulia.engines.progress import Progress, Tell
from tertulia.errors import TertuliaError

MAX_SLOTS = 256  # llama.cpp's bound on sequences
MAX_THREADS = 512  # and on threads
READ_AT_ONCE = 1 << 24


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


def prepare(model: Path | str | None, slots: int, context: int, tell: Tell) -> tuple[GgufFacts, MemoryPlan]:
    """Everything before the load, which lets no Python run: it must not come as a surprise.

    Args:
        model: As `EmbeddedEngine` takes it.
        slots: How many are asked for.
        context: Tokens of each.
        tell: Told of a download, of the plan, and of how far the reading is.

    Returns:
        What the file says of its model, and how it is made to fit into memory.
    """
    facts = GgufFacts.read(pebble_path() if model is None else resolve_model(model, tell))
    plan = plan_memory(facts, slots, context, free_memory())
    tell(Progress(plan.line))
    read_through(facts, tell)
    return facts, plan


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


def load(facts: GgufFacts, plan: MemoryPlan, threads: int, spare: int, key: str, folder: Path | None) -> Any:
    """llama.cpp's server on a loopback port.

    Args:
        facts: Of the model.
        plan: How it fits into memory.
        threads: Threads that compute.
        spare: Connections beside those of the slots.
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
    params.kv_unified = False  # with one common cache each path would pay for the length of all
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.n_threads_http = plan.slots + spare + 2
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
