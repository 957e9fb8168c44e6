"""Where a generation ends: the many words that servers have for it, and what they leave out or say twice."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from typing import Any

import pytest

from engine_fakes import Trouble
from tertulia.engines.answer import Fields, Malformed
from tertulia.engines.base import EngineError, Request, Token
from tertulia.engines.generation import Continuation
from tertulia.engines.servers import Part
from tertulia.engines.sglang import Sglang
from tertulia.engines.usage import Usage
from test_engine_http import IDS, STREAMS, WHOLE, ask, serving

THOUGHT = WHOLE.partition("</think>")[0]


@pytest.mark.parametrize("kind", STREAMS)
@pytest.mark.parametrize("reason", ["eos", "eos_token", "stop_sequence", "tool_calls", "STOP", None])
async def test_every_other_reason_to_finish_is_an_end(kind: str, reason: str | None) -> None:
    """None: only [DONE] tells that it was the end."""
    async with serving(kind, reason=reason) as (fake, engine):
        generation = await ask(fake, engine, stop=("never said",))
        assert (generation.text, generation.finish) == (WHOLE, "end")
        assert len(fake.bodies) == 1


@pytest.mark.parametrize("kind", STREAMS)
async def test_a_length_that_only_done_tells_is_a_length(kind: str) -> None:
    async with serving(kind, reason=None) as (fake, engine):
        generation = await ask(fake, engine, max_tokens=9)
        assert (generation.count, generation.finish, len(fake.bodies)) == (9, "length", 1)


async def test_done_alone_is_no_empty_answer() -> None:
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\ndata: [DONE]\n\n"
    for kind in STREAMS:
        async with serving(kind, troubles=deque([Trouble(raw=raw)])) as (fake, engine):
            with pytest.raises(EngineError, match="without a token"):
                await ask(fake, engine)


@pytest.mark.parametrize("kind", STREAMS)
async def test_an_error_after_tokens_ends_the_request_with_the_words_of_the_server(kind: str) -> None:
    def breaks(event: dict[str, Any], at: int) -> bytes:
        return json.dumps({"error": {"message": "CUDA out of memory", "code": 503}} if at == 2 else event).encode()

    async with serving(kind, troubles=deque([Trouble(mangle=breaks)] * 9)) as (fake, engine):
        seen: list[Token] = []
        with pytest.raises(EngineError, match="gave the request up: CUDA out of memory"):
            await ask(fake, engine, on_tokens=seen.extend)
        assert (len(fake.bodies), len(seen)) == (1, 2)


@pytest.mark.parametrize("kind", STREAMS)
async def test_an_error_in_the_place_of_a_stream_is_told(kind: str) -> None:
    for body in (b'{"error": {"message": "CUDA out of memory"}}', b"CUDA out of memory\n"):
        raw = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        async with serving(kind, troubles=deque([Trouble(raw=raw)] * 9)) as (fake, engine):
            with pytest.raises(EngineError, match="no stream of events: CUDA out of memory"):
                await ask(fake, engine)
            assert len(fake.bodies) == 1


async def test_a_last_event_without_a_line_end_counts() -> None:
    event = b'data: {"choices": [{"text": "Plan", "finish_reason": "length"}]}'
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(event), event)
    async with serving("openai", troubles=deque([Trouble(raw=raw)])) as (fake, engine):
        assert (await ask(fake, engine)).text == "Plan"


async def test_another_completion_in_the_stream_is_left_alone() -> None:
    def doubled(event: dict[str, Any], at: int) -> bytes:
        first = event["choices"][:1]
        other = [{**choice, "index": 1, "text": "another"} for choice in first]
        return json.dumps(event | {"choices": other + first if at % 2 else first + other}).encode()

    for kind in ("vllm", "openai"):
        async with serving(kind, troubles=deque([Trouble(mangle=doubled)])) as (fake, engine):
            assert (await ask(fake, engine)).text == WHOLE


async def test_a_usage_of_nothing_where_something_came_is_unknown() -> None:
    def nothing(event: dict[str, Any], at: int) -> bytes:
        return json.dumps(event | {"usage": {"prompt_tokens": 9, "completion_tokens": 0}}).encode()

    async with serving("openai", troubles=deque([Trouble(mangle=nothing)])) as (fake, engine):
        generation = await ask(fake, engine)
        assert (generation.text, generation.counted) == (WHOLE, False)
        assert generation.count == len(generation.tokens)


@pytest.mark.parametrize("kind", ["vllm", "openai"])
async def test_a_server_that_takes_no_stream_options_is_asked_without_them_from_then_on(kind: str) -> None:
    async with serving(kind, refuses=("stream_options",)) as (fake, engine):
        assert (await ask(fake, engine)).text == WHOLE
        assert (await ask(fake, engine)).text == WHOLE
        assert ["stream_options" in body for body in fake.bodies] == [True, False, False]
    async with serving(kind, refuses=("temperature",)) as (fake, engine):
        with pytest.raises(EngineError, match="refused the request"):
            await ask(fake, engine)
        assert len(fake.bodies) == 1, "what decides the text is not left out"


@pytest.mark.parametrize("left", [0, 1, 4, 7])
async def test_a_part_of_the_stop_that_stays_in_the_text_is_not_told_twice(left: int) -> None:
    async with serving("openai", trims=left) as (fake, engine):
        generation = await ask(fake, engine, stop=("</think>",))
        assert (generation.text, generation.stop) == (f"{THOUGHT}</think>", "</think>")


async def test_a_stop_that_comes_first_is_an_empty_generation_that_stopped() -> None:
    for counts in (True, False):
        async with serving("openai", counts=counts) as (fake, engine):
            generation = await ask(fake, engine, stop=("Plan: start",))
            assert (generation.text, generation.finish, generation.stop) == ("Plan: start", "stop", "Plan: start")
            assert generation.count >= 1
    work = Continuation(Request("p", (), "", 5, stop=("</think>",)), None, None)
    work.add(Part(finish="stop", usage=Usage(count=1), text=True), [])
    assert (work.result().finish, work.result().count) == ("stop", 1)


@pytest.mark.parametrize("kind", STREAMS)
async def test_no_more_tokens_are_taken_than_were_asked_for(kind: str) -> None:
    async with serving(kind, overrun=30, delay=0.001) as (fake, engine):
        seen: list[Token] = []
        generation = await ask(fake, engine, max_tokens=9, on_tokens=seen.extend)
        assert (generation.count, generation.finish, len(seen)) == (9, "length", 9)
        assert WHOLE.startswith(generation.text)
        assert engine.remarks == ["ignored: more than the 9 tokens that were asked for"]
        async with asyncio.timeout(10):
            while not fake.aborted:  # noqa: ASYNC110  (a fake server sets no events)
                await asyncio.sleep(0.01)


async def test_without_usage_the_counts_are_unknown() -> None:
    async with serving("openai", counts=False, chunk=5) as (fake, engine):
        generation = await ask(fake, engine)
        assert (generation.counted, generation.count, generation.prompt_tokens) == (False, len(generation.tokens), 0)
    for kind in IDS:
        async with serving(kind, counts=False) as (fake, engine):
            assert (await ask(fake, engine)).counted, "ids are counted here"


# SGLang.


def sglang(*events: tuple[list[int], int | None], prompt: tuple[int, ...] = (7, 8, 9, 10), **last: Any) -> list[int]:
    """Ids that are read from a stream of (output_ids, completion_tokens); `last` is the last event's finish_reason."""
    part, dialect = Part(prompt=prompt), Sglang("")
    for at, (ids, total) in enumerate(events):
        meta = {"completion_tokens": total, "finish_reason": last if last and at == len(events) - 1 else None}
        dialect.read(part, Fields({"output_ids": ids, "meta_info": meta}))
    return part.ids


STOP = {"type": "stop"}


def test_sglang_repeats_itself_or_tells_what_is_new() -> None:
    assert sglang(([1], 1), ([1, 2], 2), ([1, 2, 2], 3), **STOP) == [1, 2, 2]
    assert sglang(([1], 1), ([2], 2), ([2, 1], 4), ([], 4), **STOP) == [1, 2, 2, 1]
    assert sglang(([1, 1], 2), ([1, 1], 4), type="length") == [1, 1, 1, 1]


def test_sglang_may_put_the_context_before_its_tokens() -> None:
    assert sglang(([9, 10, 1], 1), ([9, 10, 1, 2], 2), ([9, 10, 1, 2, 3], 3), **STOP) == [1, 2, 3]
    assert sglang(([7, 8, 9, 10, 1, 2], 2), **STOP) == [1, 2]


def test_sglang_may_leave_out_the_token_that_ended_the_text() -> None:
    assert sglang(([1], 1), ([1, 2], 2), ([1, 2], 3), **STOP) == [1, 2]
    assert sglang(([1], 1), ([2], 2), ([], 3), **STOP) == [1, 2]
    assert sglang(([1], 1), ([1], 2), type="stop", matched=2) == [1]


@pytest.mark.parametrize(
    "events",
    [
        [([1, 2, 3], 1)],  # no context of ours
        [([1], 1), ([1], 2)],  # one token twice, or one and the end
        [([1], 1), ([1, 2], 2), ([1, 3], 3)],  # another past
        [([1], 1), ([2], 2), ([3], 5)],  # tokens are missing
        [([1, 2], 2), ([1], 1)],
        [([1], None)],
    ],
)
def test_what_fits_nothing_of_this_is_an_error_and_never_a_guess(events: list[tuple[list[int], int | None]]) -> None:
    with pytest.raises(Malformed, match="output_ids holds"):
        sglang(*events, **STOP)


# Probabilities.


@pytest.mark.parametrize("kind", (*IDS, "openai"))
@pytest.mark.parametrize("incremental", [False, True])
async def test_the_probability_of_each_token_comes_with_it(kind: str, incremental: bool) -> None:
    async with serving(kind, incremental=incremental) as (fake, engine):
        seen: list[Token] = []
        generation = await ask(fake, engine, logprobs=True, on_tokens=seen.extend)
        story = await fake.story()
        if kind == "openai":
            assert {token.logprob for token in generation.tokens} <= {-token / 100 for token in story}
        else:
            assert [token.logprob for token in generation.tokens] == [-token / 100 for token in story]
            assert [token.logprob for token in seen] == [token.logprob for token in generation.tokens]
        assert {token.logprob for token in (await ask(fake, engine)).tokens} == {None}


async def test_a_server_that_refuses_probabilities_gives_none() -> None:
    async with serving("openai", refuses=("logprobs",)) as (fake, engine):
        generation = await ask(fake, engine, logprobs=True)
        assert (generation.text, generation.tokens[0].logprob) == (WHOLE, None)


async def test_a_fork_of_a_path_is_thrown_away_and_the_path_goes_on() -> None:
    for kind in IDS:
        async with serving(kind) as (fake, engine):
            thought = await ask(fake, engine, max_tokens=8)
            before = fake.words.tokenize("<|user|>How much?<|assistant|><think>", special=True)
            aside = Request("q0/c0/p0", (*await before, *thought.ids, fake.think), "", 5)
            await engine.generate(aside)
            rest = Request("q0/c0/p0", aside.ids[:-1], "", 400)
            assert thought.text + (await engine.generate(rest)).text == WHOLE
            assert len({body.get("id_slot") for body in fake.bodies}) == 1, "the fork sits in its path's slot"
