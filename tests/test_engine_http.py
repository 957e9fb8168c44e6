"""The HTTP engine against servers that speak three dialects, and fail in every way they can."""

from __future__ import annotations

import asyncio
import json
import re
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from engine_fakes import STORY, Fake, Trouble
from tertulia.engines.address import Address
from tertulia.engines.base import TEXT_ID, EngineError, Generation, Request, Token
from tertulia.engines.client import HttpEngine
from tertulia.engines.llama import LlamaCpp
from tertulia.engines.servers import Part
from tertulia.engines.sglang import Sglang
from tertulia.engines.vllm import Vllm
from tertulia.engines.wire import Wire

WHOLE = STORY.removesuffix("<|end|>")
IDS = ("vllm", "sglang", "llama.cpp")
STREAMS = ("vllm", "sglang", "openai")
OPTIONS = ("first_byte", "progress", "retries", "patience", "max_connections")


@asynccontextmanager
async def serving(kind: str, **more: Any) -> AsyncIterator[tuple[Fake, HttpEngine]]:
    options = {name: more.pop(name) for name in OPTIONS if name in more}
    async with Fake(kind, **more).serving() as fake, HttpEngine(fake.url, **options) as engine:
        fake.paths.clear()
        yield fake, engine


async def ask(fake: Fake, engine: HttpEngine, path: str = "q0/c0/p0", **more: Any) -> Generation:
    text = "<|user|>How much?<|assistant|><think>"
    ids = await fake.words.tokenize(text, special=True)
    on_tokens = more.pop("on_tokens", None)
    request = Request(path, ids, text, more.pop("max_tokens", 400), seed=7, **more)
    return await engine.generate(request, on_tokens=on_tokens)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110  (a fake server sets no events)
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("kind", IDS)
@pytest.mark.parametrize("chunk", [1, 3])
@pytest.mark.parametrize("spaces", [False, True])
async def test_every_id_comes_back_with_its_text(kind: str, chunk: int, spaces: bool) -> None:
    async with serving(kind, chunk=chunk, spaces=spaces) as (fake, engine):
        generation = await ask(fake, engine)
        assert generation.ids == await fake.story()
        assert generation.text == WHOLE
        assert (generation.finish, generation.count) == ("end", len(generation.ids))
        assert generation.tokens[-1] == Token(fake.end, "")
        assert engine.info.end_ids == (fake.end,)
        context = fake.bodies[0].get("prompt") or fake.bodies[0]["input_ids"]
        assert (generation.prompt_tokens, generation.cached_tokens) == (len(context), len(context) - 1)


async def test_a_text_that_looks_like_ids_is_a_text() -> None:
    tricky = '{"token_ids":[7],"finish_reason":null}'
    payload = {"choices": [{"text": tricky, "finish_reason": "length", "token_ids": [1, 2]}], "usage": None}
    dialect, part = Vllm(""), Part()
    assert not dialect.glance(part, json.dumps(payload, separators=(",", ":")).encode())
    payload["choices"][0]["finish_reason"] = None  # type: ignore[index]
    assert dialect.glance(part, json.dumps(payload, separators=(",", ":")).encode())
    payload["choices"][0]["token_ids"] = []  # type: ignore[index]
    assert dialect.glance(part, json.dumps(payload, separators=(",", ":")).encode())
    assert part.ids == [1, 2]


async def test_a_split_character_belongs_to_the_last_of_its_tokens() -> None:
    async with serving("vllm") as (fake, engine):
        texts = [token.text for token in (await ask(fake, engine)).tokens]
        assert texts[texts.index("🙂") - 3 : texts.index("🙂")] == ["", "", ""]


@pytest.mark.parametrize("incremental", [False, True])
async def test_sglang_may_repeat_itself_or_tell_only_what_is_new(incremental: bool) -> None:
    async with serving("sglang", incremental=incremental, chunk=2) as (fake, engine):
        assert (await ask(fake, engine)).ids == await fake.story()


@pytest.mark.parametrize("kind", IDS)
async def test_a_stop_string_keeps_the_whole_token_that_completed_it(kind: str) -> None:
    async with serving(kind) as (fake, engine):
        generation = await ask(fake, engine, stop=("d", "ar"))  # " start" is one token, so is " and"
        assert generation.text == "Plan: start"
        assert (generation.finish, generation.stop) == ("stop", "ar")
        assert generation.ids == (await fake.story())[: generation.count]


@pytest.mark.parametrize("kind", IDS)
async def test_a_stop_id_ends_the_generation_and_is_part_of_it(kind: str) -> None:
    async with serving(kind) as (fake, engine):
        close = fake.words.control_id("</think>")
        generation = await ask(fake, engine, stop_ids=(close,))
        assert (generation.finish, generation.stop) == ("stop", "</think>")
        assert generation.ids[-1] == close


@pytest.mark.parametrize("kind", IDS)
async def test_length_is_bounded(kind: str) -> None:
    async with serving(kind) as (fake, engine):
        generation = await ask(fake, engine, max_tokens=9)
        assert (generation.finish, generation.count) == ("length", 9)


async def test_long_generations_are_asked_for_in_stretches_that_join(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sglang, "slice_tokens", 10)
    async with serving("sglang") as (fake, engine):
        generation = await ask(fake, engine, stop=("93*2",))
        assert WHOLE.startswith(generation.text) and generation.text.endswith("93*2")
        assert len(fake.bodies) > 3
        assert len({body["sampling_params"]["sampling_seed"] for body in fake.bodies}) == len(fake.bodies)


async def test_a_stop_that_begins_in_one_stretch_and_ends_in_the_next_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serving("sglang") as (fake, engine):
        for size in range(2, 9):
            monkeypatch.setattr(Sglang, "slice_tokens", size)
            generation = await ask(fake, engine, stop=("doubles.\n1)",))
            assert generation.text == "Plan: start and add the doubles.\n1)", size
            assert generation.finish == "stop"


@pytest.mark.parametrize("kind", STREAMS)
async def test_a_cut_stream_goes_on_where_it_was(kind: str) -> None:
    troubles = deque([Trouble(cut_after=5), Trouble(cut_after=0), Trouble(cut_after=20)])
    async with serving(kind, troubles=troubles) as (fake, engine):
        seen: list[Token] = []
        generation = await ask(fake, engine, on_tokens=seen.extend)
        assert generation.text == WHOLE
        assert [token.id for token in seen] == [token.id for token in generation.tokens]
        assert len(fake.bodies) == 4
        if kind != "openai":
            assert generation.ids == await fake.story()
            key = "prompt" if kind == "vllm" else "input_ids"
            assert len(fake.bodies[1][key]) == len(fake.bodies[0][key]) + 5


async def test_a_llama_that_is_cut_goes_on_with_the_stretch_it_was_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LlamaCpp, "slice_tokens", 60)
    troubles = deque([Trouble(), Trouble(cut_after=0), Trouble(503)])
    async with serving("llama.cpp", troubles=troubles) as (fake, engine):
        generation = await ask(fake, engine)
        assert generation.ids == await fake.story()
        lengths = [len(body["prompt"]) for body in fake.bodies]
        assert lengths[1] == lengths[2] == lengths[3] == lengths[0] + 60
        assert (generation.prompt_tokens, generation.cached_tokens) == (lengths[0], lengths[0] - 1)


async def test_the_first_stretches_are_short_so_that_who_waits_sees_something(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LlamaCpp, "first", 8)
    async with serving("llama.cpp") as (fake, engine):
        told: list[int] = []
        generation = await ask(fake, engine, on_tokens=lambda tokens: told.append(len(tokens)))
        assert generation.ids == await fake.story()
        assert [body["n_predict"] for body in fake.bodies[:4]] == [8, 8, 16, 32]
        assert told[:3] == [8, 8, 16] and sum(told) == generation.count


async def test_a_llama_that_takes_too_long_is_asked_for_less_at_once() -> None:
    async with serving("llama.cpp", delay=0.02, first_byte=1.0) as (fake, engine):
        assert (await ask(fake, engine)).ids == await fake.story()
        assert [body["n_predict"] for body in fake.bodies][:3] == [128, 64, 32]


async def test_a_path_stays_in_its_slot() -> None:
    async with serving("llama.cpp") as (fake, engine):
        for _ in range(2):
            await asyncio.gather(*(ask(fake, engine, path, max_tokens=3) for path in "abc"))
        slots = [body["id_slot"] for body in fake.bodies]
        assert slots[:3] == slots[3:] == [0, 1, 2]
        await engine.release("b")
        await ask(fake, engine, "new", max_tokens=3)
        assert fake.bodies[-1]["id_slot"] == 1


async def test_a_stop_id_is_asked_for_as_a_control_token_with_a_text() -> None:
    async with serving("llama.cpp") as (fake, engine):
        await ask(fake, engine, stop=("b",), stop_ids=(fake.words.control_id("</think>"),))
        assert fake.bodies[0]["stop"] == fake.bodies[0]["preserved_tokens"] == ["b", "</think>"]


async def test_a_stop_id_that_is_only_spelled_out_stops_nothing() -> None:
    def spelled(answer: dict[str, Any], at: int) -> bytes:
        return json.dumps(answer | {"tokens": answer["tokens"][:9], "stopping_word": "</think>"}).encode()

    async with serving("llama.cpp", troubles=deque([Trouble(mangle=spelled)])) as (fake, engine):
        generation = await ask(fake, engine, stop_ids=(fake.words.control_id("</think>"),))
        assert len(fake.bodies) == 2, "the server stopped"
        assert (generation.stop, generation.text.endswith("right?\n</think>")) == ("</think>", True)


async def test_a_stop_across_a_cut_is_found() -> None:
    async with serving("vllm", troubles=deque([Trouble(cut_after=4)])) as (fake, engine):
        story = await fake.story()
        across = await fake.words.detokenize(story[2:6])
        generation = await ask(fake, engine, stop=(across,))
        assert (generation.stop, generation.ids) == (across, story[:6])


async def test_a_cut_for_good_leaves_what_had_come() -> None:
    async with serving("vllm", troubles=deque([Trouble(cut_after=5)] * 9), retries=1) as (fake, engine):
        generation = await ask(fake, engine)
        assert (generation.finish, generation.count) == ("cut", 10)
        assert generation.ids == (await fake.story())[:10]


@pytest.mark.parametrize("kind", (*IDS, "openai"))
async def test_failures_that_pass_are_tried_again(kind: str) -> None:
    async with serving(kind, troubles=deque([Trouble(500), Trouble(503), Trouble(429)])) as (fake, engine):
        assert (await ask(fake, engine)).text == WHOLE
        assert len(fake.bodies) == 4


async def test_retry_after_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    waited, sleep = list[float](), asyncio.sleep

    async def noted(seconds: float) -> None:
        waited.append(seconds)
        await sleep(0)

    monkeypatch.setattr(asyncio, "sleep", noted)
    async with serving("vllm", troubles=deque([Trouble(429, retry_after="40")])) as (fake, engine):
        assert (await ask(fake, engine)).text == WHOLE
        assert 40 <= max(waited) <= 41


async def test_retry_after_beyond_all_patience_gives_up_at_once() -> None:
    troubles = deque([Trouble(429, retry_after="3600")])
    async with asyncio.timeout(20), serving("vllm", troubles=troubles) as (fake, engine):
        with pytest.raises(EngineError, match="asks to wait 3600 s"):
            await ask(fake, engine)
        assert len(fake.bodies) == 1


async def test_patience_ends_in_one_clear_line() -> None:
    async with serving("vllm", troubles=deque([Trouble(500)] * 9), retries=2) as (fake, engine):
        with pytest.raises(EngineError, match=r"HTTP 500: too much to do.*gave up after 3 attempts") as caught:
            await ask(fake, engine)
        assert "\n" not in str(caught.value)
        assert len(fake.bodies) == 3


async def test_a_request_that_is_wrong_is_not_tried_again() -> None:
    async with serving("vllm", troubles=deque([Trouble(400)])) as (fake, engine):
        with pytest.raises(EngineError, match="refused the request"):
            await ask(fake, engine)
        assert len(fake.bodies) == 1


async def test_silence_is_a_failure_that_may_pass() -> None:
    async with serving("vllm", troubles=deque([Trouble(stall_after=3)]), progress=0.5) as (fake, engine):
        generation = await ask(fake, engine)
        assert generation.ids == await fake.story()
        assert len(fake.bodies) == 2


async def test_a_slow_stream_is_no_silence() -> None:
    async with serving("vllm", delay=0.02, progress=1.0) as (fake, engine):
        assert (await ask(fake, engine)).text == WHOLE
        assert len(fake.bodies) == 1


@pytest.mark.parametrize("reason", ["abort", "content_filter", "error"])
@pytest.mark.parametrize("kind", STREAMS)
async def test_a_request_that_the_server_gave_up_on_is_given_up(kind: str, reason: str) -> None:
    async with serving(kind, troubles=deque([Trouble(finish=reason)])) as (fake, engine):
        with pytest.raises(EngineError, match=f"gave the request up: {reason}"):
            await ask(fake, engine)
        assert len(fake.bodies) == 1


async def test_the_key_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Fake("vllm", key="right").serving() as fake:
        with pytest.raises(EngineError, match="wants an API key: put it into TERTULIA_API_KEY") as caught:
            await HttpEngine(fake.url).__aenter__()
        assert "\n" not in str(caught.value)
        monkeypatch.setenv("MY_KEY", "wrong")
        with pytest.raises(EngineError, match="refused the API key in MY_KEY"):
            await HttpEngine(fake.url, api_key_env="MY_KEY").__aenter__()
        assert len(fake.paths) == 2, "a wrong key is not tried again"
        monkeypatch.setenv("MY_KEY", "right")
        async with HttpEngine(fake.url, api_key_env="MY_KEY") as engine:
            assert (await ask(fake, engine)).text == WHOLE


async def test_cancelling_closes_the_connection_and_frees_the_server() -> None:
    async with serving("vllm", delay=0.02) as (fake, engine):
        seen: list[Token] = []
        task = asyncio.create_task(ask(fake, engine, on_tokens=seen.extend))
        await until(lambda: len(seen) > 2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: not fake.running)
        assert fake.aborted == 1
        assert tuple(token.id for token in seen) == (await fake.story())[: len(seen)]
        assert (await ask(fake, engine)).text == WHOLE, "the engine works on"


@pytest.mark.parametrize("kind", (*IDS, "openai"))
async def test_what_is_under_way_when_the_engine_closes_fails_and_asks_no_more(kind: str) -> None:
    """The second path is told to come again when the engine is gone."""
    async with Fake(kind, delay=0.02).serving() as fake:
        async with HttpEngine(fake.url) as engine:
            first = asyncio.create_task(ask(fake, engine, "first"))
            await until(lambda: len(fake.bodies) == 1)
            fake.troubles.append(Trouble(503, retry_after="1"))
            second = asyncio.create_task(ask(fake, engine, "second"))
            await until(lambda: len(fake.bodies) == 2)
        async with asyncio.timeout(20):
            ended = await asyncio.gather(first, second, return_exceptions=True)
        for error in ended:
            assert isinstance(error, EngineError), error
            assert str(error) == f"{fake.url}: the engine was closed while it was at work"
        assert len(fake.bodies) == 2


async def test_connections_are_limited() -> None:
    async with serving("vllm", delay=0.001, max_connections=3) as (fake, engine):
        await asyncio.gather(*(ask(fake, engine, f"p{at}", max_tokens=10) for at in range(12)))
        assert fake.most == 3
        assert fake.connections <= 3, "connections are kept"


async def test_a_kept_connection_that_the_server_closed_is_no_failure() -> None:
    async with serving("vllm", close_after_answer=True, retries=0) as (fake, engine):
        for _ in range(3):
            assert (await ask(fake, engine, max_tokens=3)).count == 3


async def test_a_connection_with_bytes_that_nobody_asked_for_is_not_used_again() -> None:
    connections = 0

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 20")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    async with server:
        wire = Wire(Address(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"), max_connections=1)
        for _ in range(3):
            assert (await wire.exchange("GET", "/", limits=(5.0, 5.0))).body == b"{}"
        await wire.close()
    assert connections == 3


@pytest.mark.parametrize("kind", STREAMS)
async def test_answers_may_be_torn_anywhere(kind: str) -> None:
    async with serving(kind, fragments=True, chunk=7) as (fake, engine):
        assert (await ask(fake, engine)).text == WHOLE


async def test_a_path_names_itself() -> None:
    async with serving("vllm") as (fake, engine):
        await ask(fake, engine, "q1/c0/p3", max_tokens=2)
        assert fake.headers[0]["x-session-id"] == "q1/c0/p3"
        assert fake.bodies[0]["session_id"] == "q1/c0/p3"
        assert engine.info.session


async def test_text_mode_puts_the_one_stop_back_and_says_so() -> None:
    async with serving("openai") as (fake, engine):
        assert engine.info.mode == "text"
        generation = await ask(fake, engine, stop=("93*2",))
        assert generation.text.endswith("\n2) 93*2")
        assert (generation.finish, generation.stop, generation.stop_assumed) == ("stop", "93*2", True)
        assert {token.id for token in generation.tokens} == {TEXT_ID}


async def test_text_mode_looks_for_several_stops_itself() -> None:
    async with serving("openai", delay=0.001, chunk=4) as (fake, engine):
        generation = await ask(fake, engine, stop=("</think>", "doubles"))
        assert generation.text == "Plan: start and add the doubles"
        assert (generation.finish, generation.stop, generation.stop_assumed) == ("stop", "doubles", False)
        assert "stop" not in fake.bodies[0]
        await until(lambda: fake.aborted == 1)


async def test_text_mode_counts_what_the_server_counts() -> None:
    async with serving("openai", chunk=5) as (fake, engine):
        generation = await ask(fake, engine)
        assert generation.count == len(await fake.story()) > len(generation.tokens)
        assert (generation.finish, generation.cached_tokens) == ("end", generation.prompt_tokens - 1)


async def test_control_tokens_in_a_text_stay_text() -> None:
    for kind in IDS:
        async with serving(kind) as (fake, engine):
            text = "he wrote </think> and <|end|> and <b>, x</think>"
            ids = await engine.tokenize(text)
            control = {fake.end, fake.words.control_id("</think>")}
            assert not control & set(ids)
            assert await engine.detokenize(ids) == text
            assert control & set(await engine.tokenize(text, special=True))


async def test_texts_are_encoded_once() -> None:
    async with serving("vllm") as (fake, engine):
        assert await engine.tokenize("<summarize>") == await engine.tokenize("<summarize>")
        assert fake.paths.count("/tokenize") <= 2  # the text, and whether it is a control token


async def test_a_full_context_is_said_before_it_is_asked_for() -> None:
    async with serving("vllm", context=40) as (fake, engine):
        generation = await ask(fake, engine)
        assert generation.finish == "length"
        assert generation.prompt_tokens + generation.count == 40
        request = Request("p", tuple([fake.think] * 40), "", 5)
        with pytest.raises(EngineError, match="the context holds 40"):
            await engine.generate(request)


async def test_what_is_wrong_with_the_server_is_one_line() -> None:
    async with Fake("vllm").serving() as fake:
        with pytest.raises(EngineError, match=r"has no model 'other', it has: story"):
            await HttpEngine(fake.url, model="other").__aenter__()
    for url, line in (
        ("http://127.0.0.1:9", "cannot be reached: connection refused"),
        ("ftp://there", "is no server's URL"),
    ):
        with pytest.raises(EngineError, match=re.escape(line)) as caught:
            await HttpEngine(url, retries=1).__aenter__()
        assert "\n" not in str(caught.value)
    with pytest.raises(EngineError, match="unknown dialect 'lama'"):
        HttpEngine("http://localhost", dialect="lama")


async def test_a_proxy_that_passes_on_the_list_of_a_llama_server_but_not_its_calls_is_used_in_text_mode() -> None:
    async with serving("openai", owner="llamacpp") as (_fake, engine):
        assert engine.info.name == "openai"
    async with serving("vllm", owner="somebody") as (_fake, engine):
        assert engine.info.name == "openai", "this one has no /version"
