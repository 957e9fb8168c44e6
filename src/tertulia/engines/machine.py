"""What this machine makes of a model: how fast it reads and writes, and what of its processor is used."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path

from tertulia.engines.base import Engine, EngineInfo, Request, Sampling
from tertulia.engines.doctor import Check
from tertulia.engines.embedded import EmbeddedEngine
from tertulia.engines.progress import duration

TOGETHER = 8  # paths of a circle, unless somebody says otherwise
READ = "The quick brown fox jumps over the lazy dog, and the dog goes on sleeping. " * 4
LONGEST, SECONDS = 32, 4  # a measurement takes as many tokens, or about as long
THOUGHT = 2000  # tokens of a thought as people's questions need it
SLOW = 1.0  # tokens a second of all paths together

# Instructions that make llama.cpp faster: its name for them, and the system's.
INSTRUCTIONS = {
    "AVX2": "avx2", "AVX_VNNI": "avx_vnni", "AVX512": "avx512f", "AVX512_VNNI": "avx512_vnni",
    "AVX512_BF16": "avx512_bf16", "AMX_INT8": "amx_int8",
    "NEON": "asimd", "DOTPROD": "asimddp", "MATMUL_INT8": "i8mm", "SVE": "sve",
}  # fmt: skip


async def speed(engine: Engine) -> Check:
    """Measures tokens a second, alone and with as many paths as a circle has.

    Raises:
        EngineError: The engine failed.
    """
    began = time.monotonic()
    ids = await engine.tokenize(READ) if engine.info.mode == "ids" else ()
    first = await engine.generate(_request("speed/0", ids, READ, 1))
    reads = max(1, first.prompt_tokens) / (time.monotonic() - began)
    alone = await _writes(engine, ids, 1, LONGEST // 2)
    together = await _writes(engine, ids, TOGETHER, max(4, min(LONGEST, int(alone * SECONDS / TOGETHER))))
    if not together:
        return Check("speed", "unknown", "the model ended its text at once", "nothing: another model may say more")
    seen = f"reads {reads:,.0f} tokens/s, writes {alone:,.1f} alone and {together:,.1f} with {TOGETHER} paths"
    thought = min(THOUGHT, engine.info.context or THOUGHT)
    takes = duration(TOGETHER * thought / together)
    note = f"{TOGETHER} thoughts of {thought:,} tokens take about {takes}"
    return Check("speed", "yes" if together > SLOW else "partly", seen, note)


def room(info: EngineInfo, paths: int, budget: int) -> Check | None:
    """What to change on a server with too little room for a circle; None where it has enough, or does not say.

    Args:
        info: What it says of itself.
        paths: Of a circle.
        budget: Tokens that each of them may generate.
    """
    few = info.slots is not None and info.slots < paths
    short = info.context is not None and info.context < budget
    if not few and not short:
        return None
    seen = " of ".join([f"{info.slots} slots"] * few + [f"{info.context:,} tokens of context a path"] * short)
    notes = [f"{paths} paths take turns: give more slots, or lower --paths"] * few
    notes += [f"a path ends before its budget of {budget:,} tokens: give more context, or lower --budget"] * short
    if info.name == "llama.cpp":
        notes.append(f"llama-server --parallel {paths} --ctx-size {paths * budget} has room for all")
    return Check("room", "partly", seen, "; ".join(notes))


def memory(engine: EmbeddedEngine) -> Check:
    """How the model was made to fit."""
    plan = engine.plan
    tight = plan.slots < plan.asked_slots or plan.kv_type != "f16"
    return Check("memory", "partly" if tight else "yes", plan.line, "lower --budget or --paths for more room" * tight)


def recommended(engine: EmbeddedEngine) -> Check:
    """What the model's file recommends."""
    told = ", ".join(f"{name} {value:g}" for name, value in engine.facts.sampling.items())
    return Check("sampling", "yes" if told else "unknown", told or "the file recommends nothing")


def instructions() -> Check:
    """Whether llama.cpp in this process uses what the processor can."""
    import xllamacpp  # type: ignore[import-untyped]

    try:
        told = Path("/proc/cpuinfo").read_text()
    except OSError:
        told = ""
    return compared(xllamacpp.get_system_info(), told)


def compared(built: str, processor: str) -> Check:
    """Sets what llama.cpp was built for against what the processor can.

    Args:
        built: llama.cpp's account of itself, such as "CPU : AVX2 = 1 | FMA = 1".
        processor: Linux's account of the processor.
    """
    line = re.search(r"^(?:flags|Features)\s*:(.*)$", processor, re.MULTILINE)
    if line is None:
        return Check("processor", "unknown", "the system does not say what it can")
    used = set(re.findall(r"(\w+) = 1", built))
    can = [name for name, flag in INSTRUCTIONS.items() if flag in line[1].split()]
    missing = [name for name in can if name not in used]
    has = ", ".join(name for name in can if name in used) or "none of the fast ones"
    if not missing:
        return Check("processor", "yes", f"uses {has}")
    note = "llama.cpp's own server, built on this machine, is faster: start it and give --engine URL"
    return Check("processor", "partly", f"uses {has}; not {', '.join(missing)}, which this processor has", note)


async def _writes(engine: Engine, ids: tuple[int, ...], paths: int, count: int) -> float:
    """Tokens a second of so many paths together, once they have read what they go on from."""
    names = [f"speed/{path}" for path in range(paths)]
    read = await asyncio.gather(*(engine.generate(_request(name, ids, READ, 1, at)) for at, name in enumerate(names)))
    began = time.monotonic()
    written = await asyncio.gather(
        *(
            engine.generate(_request(name, ids and ids + one.ids, READ + one.text, count, at))
            for at, (name, one) in enumerate(zip(names, read, strict=True))
        )
    )
    seconds = time.monotonic() - began
    for name in names:
        await engine.release(f"doctor/{name}")
    return sum(one.count for one in written) / max(1e-6, seconds)


def _request(path: str, ids: tuple[int, ...], text: str, count: int, seed: int = 0) -> Request:
    return Request(f"doctor/{path}", ids, text, count, Sampling(temperature=1.0, top_p=1.0, top_k=0), seed)
