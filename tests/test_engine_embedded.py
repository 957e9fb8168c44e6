"""A real llama.cpp in this process, on a tiny model with random weights."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("gguf", reason="writing the test's model needs the gguf package")
from make_gguf import make_gguf
from tertulia.engines import loading
from tertulia.engines.base import EngineError, Generation, Request, Sampling, Token
from tertulia.engines.beginnings import Beginnings
from tertulia.engines.client import HttpEngine
from tertulia.engines.embedded import EmbeddedEngine
from tertulia.engines.gguf import GgufFacts
from tertulia.engines.llama import LlamaCpp
from tertulia.engines.memory import plan_memory
from tertulia.engines.progress import Progress

GREEDY = Sampling(temperature=0.0)
WILD = Sampling(temperature=2.5, top_p=1.0, top_k=0)
PROMPT = "<|user|>go 13, পরি 🙂<|assistant|><think>\nPlan: start 13; 1) add 80; 2) take 8; 3) double\n"


@pytest.fixture(scope="module")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny.gguf"
    make_gguf(path)
    return path


@pytest.fixture
async def engine(gguf: Path) -> AsyncIterator[EmbeddedEngine]:
    async with EmbeddedEngine(gguf, slots=4, context_per_slot=1024) as engine:
        yield engine


async def ask(engine: HttpEngine, path: str = "p0", text: str = PROMPT, **more: Any) -> Generation:
    ids = more.pop("ids", None) or await engine.tokenize(text, special=True)
    on_tokens = more.pop("on_tokens", None)
    return await engine.generate(Request(path, ids, text, more.pop("max_tokens", 40), **more), on_tokens=on_tokens)


async def test_it_starts_and_says_what_it_is(gguf: Path) -> None:
    async with EmbeddedEngine(gguf, slots=8, context_per_slot=700) as engine:
        info = engine.info
        assert (info.name, info.mode, info.model, info.slots) == ("embedded", "ids", "tiny.gguf", 8)
        assert info.context == 768, "rounded up to a multiple of 256"
        assert info.end_ids == await engine.tokenize("<|end|>", special=True)
        assert info.chat_template


async def test_control_tokens_are_parsed_only_when_asked_for(engine: EmbeddedEngine) -> None:
    text = "a </think> বাং 🙂<|end|>"
    plain, parsed = await engine.tokenize(text), await engine.tokenize(text, special=True)
    assert len(plain) > len(parsed)
    assert not set(plain) & set(await engine.tokenize("</think><|end|>", special=True))
    assert await engine.detokenize(plain) == await engine.detokenize(parsed) == text


@pytest.mark.parametrize("seed", range(4))
async def test_no_id_is_lost_where_characters_are_split(engine: EmbeddedEngine, seed: int) -> None:
    """The server's own stream leaves such ids out; the count of this generation would be short."""
    generation = await ask(engine, sampling=WILD, seed=seed, max_tokens=300)
    if generation.finish == "length":
        assert len(generation.ids) == 300
    said = (await engine.detokenize(generation.ids)).removesuffix("<|end|>")
    assert [c for c in said if c != "\ufffd"] == [c for c in generation.text if c != "\ufffd"]
    assert any(token.text == "" for token in generation.tokens)


async def test_the_probability_of_each_token_comes_with_it(engine: EmbeddedEngine) -> None:
    generation = await ask(engine, sampling=GREEDY, logprobs=True)
    assert all(token.logprob is not None and token.logprob <= 0 for token in generation.tokens)
    for seed in range(4):
        generation = await ask(engine, sampling=Sampling(1.0), seed=seed, logprobs=True)
        assert all(token.logprob is not None for token in generation.tokens if token.text)
    wild = await ask(engine, sampling=WILD, logprobs=True, max_tokens=200)
    assert any(token.logprob is None for token in wild.tokens), "the server tells none of a token that splits one"
    assert sum(token.logprob is not None for token in wild.tokens) > 100, "and goes on with those after it"


async def test_stretches_join_to_the_same_text(engine: EmbeddedEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = await ask(engine, "p0", sampling=GREEDY, max_tokens=120)
    monkeypatch.setattr(LlamaCpp, "slice_tokens", 7)
    seen: list[Token] = []
    pieces = await ask(engine, "p1", sampling=GREEDY, max_tokens=120, on_tokens=seen.extend)
    assert pieces.tokens == whole.tokens == tuple(seen)
    assert (pieces.prompt_tokens, pieces.count, pieces.finish) == (whole.prompt_tokens, 120, "length")


async def test_a_larger_model_is_read_and_asked_in_short_requests_and_writes_the_same(
    gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with EmbeddedEngine(gguf, slots=2, context_per_slot=1024) as small:
        whole = await ask(small, text=PROMPT * 20, sampling=GREEDY)
    monkeypatch.setattr(loading, "SMALL", 0)
    async with EmbeddedEngine(gguf, slots=2, context_per_slot=1024) as large:
        came: list[int] = []
        first = await ask(large, text=PROMPT * 20, sampling=GREEDY, on_tokens=lambda tokens: came.append(len(tokens)))
        again = await ask(large, "p1", text=PROMPT * 20, sampling=GREEDY)
    assert (small.info.slice_tokens, large.info.slice_tokens) == (128, 8) and max(came) <= 8
    assert first.tokens == again.tokens == whole.tokens
    assert (first.prompt_tokens, first.cached_tokens) == (whole.prompt_tokens, whole.cached_tokens)


async def test_a_prompt_of_a_larger_model_is_read_up_to_where_its_path_is_cancelled(tmp_path: Path) -> None:
    read: list[int] = []

    async def ask_server(method: str, path: str, body: dict[str, Any]) -> None:
        if path == "/completion":
            read.append(len(body["prompt"]))
            if len(read) == 2:
                task.cancel()
            await asyncio.sleep(0)

    beginnings = Beginnings(ask_server, tmp_path, 64)
    task = asyncio.create_task(beginnings.put("p0", tuple(range(1000)), 0))
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled() and read == [64, 128]
    await beginnings.put("p1", tuple(range(150)), 1)
    assert read[2:] == [64, 128, 150] and beginnings.read == {"p1": 150}


async def test_a_stop_string_keeps_the_whole_token_that_completed_it(
    engine: EmbeddedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = await ask(engine, sampling=GREEDY)
    at = next(at for at, token in enumerate(whole.tokens) if at > 5 and len(token.text) > 3)
    stop = whole.tokens[at - 1].text + whole.tokens[at].text[:2]
    for size in (128, 3):
        monkeypatch.setattr(LlamaCpp, "slice_tokens", size)
        generation = await ask(engine, f"p{size}", sampling=GREEDY, stop=(stop, "never"))
        first = "".join(token.text for token in whole.tokens).index(stop) + len(stop)
        told = len(generation.text) - len(generation.tokens[-1].text)
        assert told < first <= len(generation.text)
        assert (generation.finish, generation.stop) == ("stop", stop)
        assert whole.tokens[: generation.count] == generation.tokens


async def test_a_stop_id_ends_the_generation_and_is_part_of_it(engine: EmbeddedEngine) -> None:
    (close,) = await engine.tokenize("</think>", special=True)
    for seed in range(30):
        generation = await ask(engine, sampling=WILD, seed=seed, max_tokens=600, stop_ids=(close,))
        if generation.finish == "stop":
            break
    assert (generation.ids[-1], generation.stop, generation.tokens[-1].text) == (
        close,
        "</think>",
        "</think>",
    )
    assert close not in generation.ids[:-1]


async def test_the_end_of_the_text_is_the_last_id(engine: EmbeddedEngine) -> None:
    generation = await ask(engine, text="<|user|>\n</think>\\boxed{170}", sampling=GREEDY)
    assert (generation.finish, generation.ids) == ("end", engine.info.end_ids)
    assert generation.text == ""


async def test_a_path_that_comes_back_has_its_context_in_the_cache(engine: EmbeddedEngine) -> None:
    ids = await engine.tokenize(PROMPT * 4, special=True)
    paths = [f"p{at}" for at in range(4)]
    first = await asyncio.gather(*(ask(engine, path, ids=ids, seed=at) for at, path in enumerate(paths)))
    heard = await engine.tokenize("\n<peers>no difference</peers>\n")
    again = await asyncio.gather(
        *(ask(engine, path, ids=ids + came.ids + heard) for path, came in zip(paths, first, strict=True))
    )
    for came, more in zip(first, again, strict=True):
        assert more.prompt_tokens == len(ids) + came.count + len(heard)
        assert (more.cached_tokens or 0) >= len(ids) + came.count - 1


async def test_more_paths_than_slots_all_come_to_an_end(engine: EmbeddedEngine) -> None:
    generations = await asyncio.gather(*(ask(engine, f"p{at}", seed=at) for at in range(11)))
    assert all(generation.count for generation in generations)
    for at in range(11):
        await engine.release(f"p{at}")


async def test_the_same_seed_gives_the_same_tokens_again(engine: EmbeddedEngine) -> None:
    first, again = [
        [await ask(engine, f"p{seed}", seed=seed, sampling=Sampling(0.8)) for seed in range(4)] for _ in range(2)
    ]
    assert [generation.ids for generation in first] == [generation.ids for generation in again]
    assert len({generation.ids for generation in first}) > 1


async def test_a_cancelled_path_frees_its_slot(engine: EmbeddedEngine) -> None:
    for _ in range(5):
        task = asyncio.create_task(ask(engine, max_tokens=900, sampling=GREEDY))
        await asyncio.sleep(0.03)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    async with asyncio.timeout(20):
        while await engine.busy():  # noqa: ASYNC110  (the server sets no events)
            await asyncio.sleep(0.01)
    assert (await ask(engine, max_tokens=5)).count == 5


async def test_it_closes_while_it_is_at_work(gguf: Path) -> None:
    async with EmbeddedEngine(gguf, slots=4, context_per_slot=1024) as engine:
        tasks = [asyncio.create_task(ask(engine, f"p{at}", max_tokens=900)) for at in range(6)]
        await asyncio.sleep(0.05)
        under_way = [task for task in tasks if not task.done()]
    async with asyncio.timeout(20):
        ended = await asyncio.gather(*under_way, return_exceptions=True)
    assert ended, "there was more to say"
    for error in ended:
        assert isinstance(error, EngineError) and "the engine was closed while it was at work" in str(error), error


async def test_the_end_of_the_context_is_a_length(engine: EmbeddedEngine) -> None:
    ids = await engine.tokenize(" 13" * 330)
    assert len(ids) < 1024
    generation = await ask(engine, ids=ids, max_tokens=2000, sampling=Sampling(0.1))
    assert generation.finish == "length"
    assert generation.prompt_tokens + generation.count == 1024
    with pytest.raises(EngineError, match="the context holds 1024"):
        await ask(engine, ids=ids * 2)


async def test_a_model_that_cannot_be_loaded_is_one_line(tmp_path: Path, gguf: Path) -> None:
    text, torn = tmp_path / "text.gguf", tmp_path / "torn.gguf"
    text.write_text("hello")
    torn.write_bytes(await asyncio.to_thread(gguf.read_bytes))
    os.truncate(torn, 200_000)
    for file, line in (
        (tmp_path / "none.gguf", "cannot read the model"),
        (tmp_path, "cannot read the model"),
        (text, "no GGUF file"),
        (torn, "llama.cpp cannot load"),
    ):
        with pytest.raises(EngineError, match=line) as caught:
            await EmbeddedEngine(file).__aenter__()
        assert str(file) in str(caught.value) and "\n" not in str(caught.value)
    for wrong in ({"slots": 0}, {"slots": 1000}, {"threads": 0}, {"context_per_slot": 0}):
        with pytest.raises(EngineError):
            EmbeddedEngine(gguf, **wrong)


async def test_nothing_is_written_to_the_terminal(gguf: Path) -> None:
    program = f"""
import asyncio, pathlib
from tertulia.engines.embedded import EmbeddedEngine
from tertulia.engines.base import Request
async def main():
    async with EmbeddedEngine(pathlib.Path({str(gguf)!r}), slots=2) as engine:
        await engine.generate(Request("p", (1, 2), "", 5))
asyncio.run(main())
"""
    done = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", program], capture_output=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


async def test_a_server_started_by_hand_is_used_by_its_url(gguf: Path) -> None:
    """As somebody else's llama.cpp: control tokens have no text there unless they are asked for."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(gguf)
    params.n_parallel, params.n_ctx = 2, 2048
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.verbosity = -1
    server = xllamacpp.Server(params)
    async with HttpEngine(server.listening_address + "/v1/") as engine:
        assert (engine.info.name, engine.info.slots, engine.info.context) == ("llama.cpp", 2, 1024)
        (close,) = await engine.tokenize("</think>", special=True)
        stops = [await ask(engine, sampling=WILD, seed=seed, max_tokens=600, stop_ids=(close,)) for seed in range(12)]
        stopped = [generation for generation in stops if generation.finish == "stop"]
        assert stopped
        for generation in stopped:
            assert (generation.ids[-1], generation.tokens[-1].text) == (close, "</think>")
            assert close not in generation.ids[:-1]
    del server


async def test_nobody_else_gets_in_without_the_key(engine: EmbeddedEngine) -> None:
    with pytest.raises(EngineError, match="wants an API key"):
        await HttpEngine(engine.info.url).__aenter__()


async def test_a_beginning_is_told_before_the_load(gguf: Path) -> None:
    told: list[Progress] = []
    async with EmbeddedEngine(gguf, slots=2, context_per_slot=1024, tell=told.append) as engine:
        assert engine.plan.line == told[0].text and told[0].done is None
        assert "2 slots of 1,024 tokens" in told[0].text
        assert "loading tiny.gguf" in told[1].text
        assert told[-1].done == 1.0


async def test_no_slot_is_longer_than_what_the_model_was_trained_for(gguf: Path) -> None:
    """Whatever the budget: a context beyond it would take memory that no path can use."""
    async with EmbeddedEngine(gguf, slots=2, context_per_slot=2_000_000_000) as engine:
        assert engine.info.context == engine.facts.trained_context == 2048
        assert (await ask(engine, max_tokens=5)).count == 5


async def test_with_little_memory_the_cache_has_8_bits_and_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "wide.gguf"
    make_gguf(file, width=128)
    facts = GgufFacts.read(file)
    whole = plan_memory(facts, 4, 2048, 10**10)
    need = whole.model + whole.cache * 0.7 + whole.work
    monkeypatch.setattr(loading, "free_memory", lambda: int(need / 0.9))
    async with EmbeddedEngine(file, slots=4, context_per_slot=2048) as engine:
        assert (engine.plan.slots, engine.plan.kv_type) == (4, "q8_0")
        first = await ask(engine, max_tokens=20)
        again = await ask(engine, ids=await engine.tokenize(PROMPT, special=True) + first.ids, max_tokens=5)
        assert (again.cached_tokens or 0) > 20
    monkeypatch.setattr(loading, "free_memory", lambda: 80_000_000)
    with pytest.raises(EngineError, match=r"for a single path of 2,048 tokens, but 80 MB of memory are free"):
        await EmbeddedEngine(file, context_per_slot=2048).__aenter__()


async def test_with_fewer_slots_than_paths_they_take_turns(gguf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = GgufFacts.read(gguf)
    one = plan_memory(facts, 1, 1024, 10**10)
    monkeypatch.setattr(loading, "free_memory", lambda: int((one.model + one.work + 2.5 * one.cache) / 0.9))
    async with EmbeddedEngine(gguf, slots=6, context_per_slot=1024) as engine:
        assert engine.info.slots == engine.plan.slots == 2
        generations = await asyncio.gather(*(ask(engine, f"p{at}", seed=at) for at in range(6)))
        assert all(generation.count for generation in generations)


async def test_a_prompt_that_paths_share_is_read_once(gguf: Path) -> None:
    async with EmbeddedEngine(gguf, slots=4, context_per_slot=1024) as engine:
        ids = await engine.tokenize(PROMPT * 4, special=True)
        alone = await ask(engine, "alone", ids=ids, sampling=GREEDY)
        assert alone.cached_tokens == 0
        shared = await asyncio.gather(*(ask(engine, f"p{at}", ids=ids, sampling=GREEDY) for at in range(3)))
        assert [generation.cached_tokens for generation in shared] == [len(ids) - 1] * 3
        assert {generation.ids for generation in shared} == {alone.ids}, "and it makes no difference"


async def test_paths_that_begin_at_once_wait_for_one_that_reads(gguf: Path) -> None:
    async with EmbeddedEngine(gguf, slots=4, context_per_slot=1024) as engine:
        ids = await engine.tokenize(PROMPT * 4, special=True)
        began = await asyncio.gather(*(ask(engine, f"p{at}", ids=ids, max_tokens=5) for at in range(4)))
        assert sorted(generation.cached_tokens or 0 for generation in began) == [0, *[len(ids) - 1] * 3]


async def test_a_reader_that_is_stopped_keeps_nobody_waiting(gguf: Path) -> None:
    async with EmbeddedEngine(gguf, slots=4, context_per_slot=1024) as engine:
        ids = await engine.tokenize(PROMPT * 4, special=True)
        first = asyncio.create_task(ask(engine, "first", ids=ids))
        rest = [asyncio.create_task(ask(engine, f"p{at}", ids=ids, max_tokens=5)) for at in range(3)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        first.cancel()
        async with asyncio.timeout(60):
            assert [generation.count for generation in await asyncio.gather(*rest)] == [5, 5, 5]


async def test_a_path_that_lost_its_slot_finds_its_prompt_again(gguf: Path) -> None:
    async with EmbeddedEngine(gguf, slots=1, context_per_slot=1024) as engine:
        ids = await engine.tokenize(PROMPT * 4, special=True)
        first = await ask(engine, "first", ids=ids, max_tokens=5)
        await ask(engine, "other", text="<|user|>something else altogether, and long enough<|assistant|>" * 3)
        again = await ask(engine, "first", ids=ids + first.ids, max_tokens=5)
        assert (again.cached_tokens or 0) >= len(ids) - 1


async def test_what_was_saved_is_gone_in_the_end(gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "tertulia-slots-999999999-x").mkdir()  # of a process that was killed
    async with EmbeddedEngine(gguf, slots=1, context_per_slot=1024) as engine:
        await ask(engine)
        (folder,) = os.listdir(tmp_path)
        assert os.listdir(tmp_path / folder)
    assert os.listdir(tmp_path) == []
