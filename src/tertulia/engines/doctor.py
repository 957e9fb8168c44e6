"""Examines an engine: what it can do, and what Tertulia does where it cannot."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, Protocol, runtime_checkable

from tertulia.engines.base import Engine, EngineError, Generation, Request, Sampling, Token

Outcome = Literal["yes", "partly", "no", "unknown"]
WORDS = "Count slowly: one, two, three, four, five, six, seven, eight, nine, ten.\n" * 4
GREEDY = Sampling(temperature=0.0, top_p=1.0, top_k=0)
LONGEST_ABORT = 5.0  # seconds until a server must have noticed a closed connection
WARM = Sampling(temperature=1.0, top_p=1.0, top_k=0)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was examined.

    Attributes:
        name: What.
        result: "yes", "partly", "no", or "unknown" where the server lets nobody see.
        seen: What was seen, in a few words.
        note: What Tertulia does where the engine cannot; empty where it can.
        fatal: Without it no problem can be solved here.
    """

    name: str
    result: Outcome
    seen: str
    note: str = ""
    fatal: bool = False


class _EndedAtOnce(Exception):
    """The model had nothing to say."""


@runtime_checkable
class Counted(Protocol):
    """An engine that knows how many requests its server is working on."""

    async def busy(self) -> int | None:
        """Requests under way; None where the server does not say."""
        ...


async def examine(engine: Engine, told: Callable[[Check], object] = lambda check: None) -> list[Check]:
    """Try out an engine that has been entered; takes some 300 generated tokens.

    What fails is a row of its own, so that one missing ability does not hide the others.

    Args:
        engine: What is tried out.
        told: Is called with each row as soon as it is known.
    """
    checks: Sequence[tuple[str, Callable[[Engine], Coroutine[Any, Any, Check]]]] = (
        ("ids in", _ids_in),
        ("ids out", _ids_out),
        ("cached tokens", _cached),
        ("seed", _seed),
        ("stop", _stop),
        ("streaming", _streaming),
        ("abort", _abort),
    )
    rows = []
    for name, check in checks:
        try:
            row = await check(engine)
        except EngineError as error:
            row = Check(name, "no", str(error), "solving will fail here as well", fatal=True)
        except _EndedAtOnce:
            row = Check(name, "unknown", "the model ended its text at once", "nothing: another model may say more")
        rows.append(row)
        told(row)
    odd = tuple(getattr(engine, "remarks", ()))
    if odd:
        rows.append(Check("answers", "partly", "; ".join(odd), "it works with the rest of them"))
        told(rows[-1])
    return rows


async def _ids_in(engine: Engine) -> Check:
    if engine.info.mode == "text":
        note = "contexts travel as text, and the server splits them into tokens anew: every record says so"
        return Check("ids in", "no", "text only", note)
    ids = await engine.tokenize(WORDS)
    back = await engine.detokenize(ids)
    if back.strip() != WORDS.strip():
        return Check("ids in", "partly", "a text comes back changed", "the ids are kept, the text is for show")
    control = await engine.tokenize("</think><|im_end|>")
    parsed = await engine.tokenize("</think><|im_end|>", special=True)
    seen = f"{len(ids)} tokens; control tokens in a text stay text"
    if control == parsed and len(control) < 4:
        return Check("ids in", "partly", "control tokens in a text are parsed", "heard texts are stripped of them")
    return Check("ids in", "yes", seen)


async def _ids_out(engine: Engine) -> Check:
    generation = await _generate(engine, "ids", 24)
    if engine.info.mode == "text":
        note = "tokens are counted as the server's usage counts them"
        if not generation.counted:
            note = "it tells no usage: records say that the counts are unknown"
        return Check("ids out", "no", "text only", note)
    told = await engine.detokenize(generation.ids)
    if not told.startswith(generation.text):
        return Check("ids out", "partly", "ids and text differ", "the ids count, the text is for show")
    return Check("ids out", "yes", f"{generation.count} ids, their text agrees")


async def _cached(engine: Engine) -> Check:
    note = "every meeting evaluates the whole context again: prefer longer stretches between meetings"
    first = await _generate(engine, "cache", 16, keep=True)
    ids = await _context(engine) + first.ids if engine.info.mode == "ids" else ()
    second = await _generate(engine, "cache", 4, ids=ids, text=WORDS + first.text)
    if second.cached_tokens is None:
        note = "the share from cache is left out of reports (vLLM tells it with --enable-prompt-tokens-details)"
        return Check("cached tokens", "unknown", "the server does not say", note)
    share = second.cached_tokens / max(1, second.prompt_tokens)
    seen = f"{second.cached_tokens} of {second.prompt_tokens} tokens of a second call"
    if share >= 0.5:
        return Check("cached tokens", "yes", seen)
    return Check("cached tokens", "partly" if second.cached_tokens else "no", seen, note)


async def _seed(engine: Engine) -> Check:
    first = await _generate(engine, "seed", 24, sampling=WARM)
    same = await _generate(engine, "seed", 24, sampling=WARM)
    other = await _generate(engine, "seed", 24, sampling=WARM, seed=12)
    note = "a run cannot be repeated, only continued or shown again from its journal"
    if first.text != same.text:
        return Check("seed", "no", "the same seed gave two texts", note)
    if first.text == other.text:
        return Check("seed", "partly", "another seed gave the same text: is it sampled at all?", note)
    load = "" if engine.info.deterministic else "; under load the order of sums may still change a text"
    return Check("seed", "yes", f"the same seed gave the same text, another seed another{load}")


async def _stop(engine: Engine) -> Check:
    whole = await _generate(engine, "stop", 48, sampling=WARM)
    stop = next((text for text in _pairs(whole.tokens) if whole.text.find(text) > 8), None)
    if stop is None:
        return Check("stop", "unknown", "the model repeats itself too much to tell", "")
    generation = await _generate(engine, "stop", 48, sampling=WARM, stop=(stop,))
    if generation.finish != "stop" or stop not in generation.text:
        note = "stops are looked for in what comes, and the rest is thrown away"
        return Check("stop", "no", f"went on after {stop!r} ({generation.finish})", note)
    if generation.stop_assumed:
        note = "it is put back; with several stops Tertulia looks for them itself"
        return Check("stop", "partly", "stops, but leaves the stop string out of the text", note)
    return Check("stop", "yes", f"ended with the token that completed {stop!r}")


async def _streaming(engine: Engine) -> Check:
    times: list[float] = []
    await _generate(engine, "stream", 48, on_tokens=lambda tokens: times.append(time.monotonic()))
    size = engine.info.slice_tokens
    if len(times) > 1:
        return Check("streaming", "yes", f"48 tokens in {len(times)} pieces")
    if size is not None:
        note = "a cut connection loses at most one stretch; its stream would leave out ids of split characters"
        return Check("streaming", "partly", f"stretches of {size} tokens", note)
    return Check("streaming", "no", "all at once", "a cut connection loses what it had")


async def _abort(engine: Engine) -> Check:
    room = (engine.info.context or 4096) - len(await _context(engine)) - 1
    task = asyncio.create_task(_generate(engine, "abort", max(1, min(2048, room))))
    await asyncio.sleep(0.1)
    finished = task.done()
    task.cancel()
    ended = (await asyncio.gather(task, return_exceptions=True))[0]
    if isinstance(ended, EngineError):
        raise ended
    if finished:
        return Check("abort", "unknown", "the model was done before it could be stopped", "")
    if not isinstance(engine, Counted) or await engine.busy() is None:
        note = "connections are closed all the same; whether the server notices, only its own log can say"
        return Check("abort", "unknown", "the server does not say what it is working on", note)
    started = time.monotonic()
    while time.monotonic() - started < LONGEST_ABORT:
        if not await engine.busy():
            return Check("abort", "yes", f"free {time.monotonic() - started:.2f} s after the connection closed")
        await asyncio.sleep(0.02)
    note = "stopped paths keep the server busy until their tokens are used up"
    return Check("abort", "no", f"still at work after {LONGEST_ABORT:g} s (or at somebody else's work)", note)


async def _context(engine: Engine) -> tuple[int, ...]:
    return await engine.tokenize(WORDS) if engine.info.mode == "ids" else ()


async def _generate(
    engine: Engine,
    path: str,
    count: int,
    *,
    ids: tuple[int, ...] = (),
    text: str = WORDS,
    sampling: Sampling = GREEDY,
    seed: int = 11,
    stop: tuple[str, ...] = (),
    keep: bool = False,
    on_tokens: Callable[[Sequence[Token]], None] | None = None,
) -> Generation:
    path = f"doctor/{path}"
    request = Request(path, ids or await _context(engine), text, count, sampling, seed, stop)
    try:
        generation = await engine.generate(request, on_tokens=on_tokens)
        if generation.text:
            return generation
        if generation.finish == "end":
            raise _EndedAtOnce
        raise EngineError(f"no text came ({generation.finish})")
    finally:
        if not keep:
            await engine.release(path)


def _pairs(tokens: Sequence[Token]) -> list[str]:
    """What two neighbouring tokens say, later ones first: stops that end inside the text."""
    pairs = [first.text + second.text for first, second in pairwise(tokens)]
    return [pair for pair in pairs[::-1] if pair.strip()]
