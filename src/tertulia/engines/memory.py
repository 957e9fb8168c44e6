"""Whether a model fits into this machine's memory, and with how many paths and how long contexts."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from tertulia.engines.base import EngineError
from tertulia.engines.gguf import CACHE_TYPES, GgufFacts

BATCH = 512  # tokens that llama.cpp computes at once
USED = 0.9
"""Share of the free memory that is planned with: other programs go on living."""
UNKNOWN_CONTEXT = 1 << 20  # where a file does not say what it was trained for
SMALLEST = 512  # a context that is worth an advice


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """How a model is to be run.

    Attributes:
        slots: Paths in flight.
        context: Tokens of context a path.
        kv_type: Type of the key and value cache, "f16" or "q8_0".
        model: Bytes of the weights.
        cache: Bytes of the caches of all slots.
        work: Bytes that computing takes beside them, a bound.
        free: Bytes that were free.
        asked_slots: Paths in flight that were asked for.
        capped: Whether the context is shorter than asked: it is what the model was trained for.
    """

    slots: int
    context: int
    kv_type: str
    model: int
    cache: int
    work: int
    free: int
    asked_slots: int
    capped: bool

    @property
    def line(self) -> str:
        """The plan in one line."""
        eight = " in 8 bits" if self.kv_type == "q8_0" else ""
        trained = " (all that the model was trained for)" if self.capped else ""
        turns = f" ({self.asked_slots} do not fit: paths take turns)" if self.slots < self.asked_slots else ""
        return (
            f"{self.slots} slot{'s' * (self.slots > 1)}{turns} of {self.context:,} tokens{trained}, {size(self.model)} "
            f"model + {size(self.cache)} cache{eight} of {size(self.free)} free"
        )


def plan_memory(facts: GgufFacts, slots: int, context: int, free: int) -> MemoryPlan:
    """What fits: all slots with a cache in 16 bits, else in 8, else fewer slots; the context stays as asked.

    Args:
        facts: Of the model.
        slots: Paths in flight that are wanted.
        context: Tokens of context a path; never more than the model was trained for.
        free: Bytes.

    Raises:
        EngineError: Not even one path fits. One line, with what would.
    """
    asked = min(context, facts.trained_context or UNKNOWN_CONTEXT)
    rounded = -(-asked // 256) * 256  # llama.cpp does so
    work = (64 << 20) + 512 * facts.vocabulary + 64 * BATCH * facts.embedding
    room = int(free * USED) - facts.size - work
    for kind in _types(facts):
        one = facts.cache_bytes(rounded, kind, BATCH)
        fitting = min(slots, room // max(1, one)) if room > 0 else 0
        if fitting >= slots or (fitting >= 1 and kind == _types(facts)[-1]):
            return MemoryPlan(fitting, asked, kind, facts.size, fitting * one, work, free, slots, asked < context)
    raise EngineError(_refusal(facts, rounded, room, facts.size + work, free))


def free_memory() -> int:
    """Bytes that this process may still take: of the machine, of its control group, of its own limit."""
    import psutil  # type: ignore[import-untyped]

    free: list[int] = [
        psutil.virtual_memory().available,
        *group_rooms(Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")),
    ]
    if sys.platform != "win32":
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit != resource.RLIM_INFINITY:
            free.append(limit - psutil.Process().memory_info().vms)
    return max(0, min(free))


def size(count: float) -> str:
    """Bytes for people: "0.4 GB", or "12 MB" below a tenth of that."""
    if count >= 1e8:
        return f"{count / 1e9:.1f} GB" if count < 1e10 else f"{count / 1e9:.0f} GB"
    return f"{count / 1e6:.1f} MB" if count < 1e7 else f"{count / 1e6:.0f} MB"


def _types(facts: GgufFacts) -> list[str]:
    """Types that the cache of the model can have, the best first: 8 bits come in blocks of 32."""
    blocks = facts.key_length % 32 == 0 and facts.value_length % 32 == 0
    return list(CACHE_TYPES) if blocks else ["f16"]


def _refusal(facts: GgufFacts, context: int, room: int, alone: int, free: int) -> str:
    kind = _types(facts)[-1]
    needed = alone + facts.cache_bytes(context, kind, BATCH)
    said = (
        f"{facts.file.name} needs {size(needed / USED)} for a single path of {context:,} tokens, "
        f"but {size(free)} of memory are free"
    )
    per_token = facts.cache_bytes(context, kind, BATCH) / context
    fitting = int(room / max(1.0, per_token)) // 256 * 256 if room > 0 else 0
    if fitting >= SMALLEST:
        return f"{said}: {fitting:,} tokens would fit, so lower the budget, or take a smaller model"
    return f"{said}: take a smaller model or quantisation, or free some memory"


def group_rooms(groups: Path, root: Path) -> list[int]:
    """What is left in the control groups that the process is in, of version 1 and 2, in bytes.

    Args:
        groups: The file that names them, `/proc/self/cgroup`.
        root: Where they are mounted.
    """
    try:
        lines = groups.read_text().splitlines()
    except OSError:
        return []
    rooms = []
    for line in lines:
        _, controllers, inside = line.split(":", 2)
        if controllers == "":
            rooms += _rooms(root, inside, "memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            limit, used = "memory.limit_in_bytes", "memory.usage_in_bytes"
            rooms += _rooms(root / "memory", inside, limit, used, "total_inactive_file")
    return rooms


def _rooms(root: Path, inside: str, limit: str, used: str, cached: str) -> list[int]:
    """Of a group and of all around it: the limit less what is used, where cached files do not count."""
    folder = Path(os.path.normpath(root / inside.lstrip("/")))
    rooms = []
    for group in (folder, *folder.parents):
        try:
            most, now = int((group / limit).read_text()), int((group / used).read_text())
            stat = dict(line.split(None, 1) for line in (group / "memory.stat").read_text().splitlines())
            rooms.append(most - now + int(stat.get(cached, 0)))
        except (OSError, ValueError):  # no such group in this view of the file system, or "max"
            pass
        if group == root:
            break
    return rooms
