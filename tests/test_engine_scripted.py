"""The scripted engine does what a script says, fails when told to, and is the same every time."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from typing import Any

import pytest

from tertulia.engines.adder import think
from tertulia.engines.base import Engine, EngineError, Request, Token
from tertulia.engines.scripted import Fault, ScriptedEngine

PATH = "q0/c0/p0"


def request(ids: tuple[int, ...] = (1, 2), **more: Any) -> Request:
    return Request(PATH, ids, "", more.pop("max_tokens", 100), **more)


async def test_texts_come_in_turn_and_then_nothing() -> None:
    engine = ScriptedEngine({PATH: ["start", "</think>answer<|end|>"]})
    assert isinstance(engine, Engine)
    first = await engine.generate(request(stop=("art",)))
    assert (first.text, first.finish, first.stop) == ("start", "stop", "art")
    second = await engine.generate(request(first.ids))
    assert (second.text, second.finish) == ("</think>answer", "end")
    assert second.ids[0] == engine.control_id("</think>") and second.ids[-1] == engine.control_id("<|end|>")
    assert (await engine.generate(request())).finish == "end"


async def test_length_stop_string_and_stop_id() -> None:
    close = ScriptedEngine().control_id("</think>")
    engine = ScriptedEngine({PATH: ["1) 2+3=5 and so on</think> 5"] * 3})
    assert (await engine.generate(request(max_tokens=4))).finish == "length"
    assert (await engine.generate(request(stop=("an",)))).text == "1) 2+3=5 and"
    generation = await engine.generate(request(stop_ids=(close,)))
    assert (generation.finish, generation.stop, generation.ids[-1]) == ("stop", "</think>", close)


async def test_characters_are_split_and_come_with_their_last_token() -> None:
    engine = ScriptedEngine({PATH: ["é🙂"]})
    generation = await engine.generate(request())
    assert [token.text for token in generation.tokens] == ["", "é", "", "", "", "🙂", ""]


async def test_control_tokens_are_parsed_only_when_asked_for() -> None:
    engine = ScriptedEngine()
    text = "a</think><|end|>"
    assert engine.control_id("</think>") not in await engine.tokenize(text)
    assert len(await engine.tokenize(text, special=True)) == 3
    for special in (False, True):
        assert await engine.detokenize(await engine.tokenize(text, special=special)) == text


async def test_faults_happen_in_order() -> None:
    faults = {PATH: [Fault("error"), Fault("cut", after=2), Fault("cut"), Fault("empty"), None]}
    engine = ScriptedEngine({PATH: ["abcdef"] * 5}, faults=faults)
    with pytest.raises(EngineError, match="scripted error"):
        await engine.generate(request())
    generation = await engine.generate(request())
    assert (generation.text, generation.finish) == ("ab", "cut")
    with pytest.raises(EngineError, match="before the first token"):
        await engine.generate(request())
    assert (await engine.generate(request())).tokens == (Token(engine.control_id("<|end|>"), ""),)
    assert (await engine.generate(request())).text == "abcdef"


async def test_a_cancelled_path_leaves_the_tokens_that_were_told() -> None:
    engine, seen = ScriptedEngine({PATH: ["x" * 50]}, delay=0.005), list[Token]()
    task = asyncio.create_task(engine.generate(request(), on_tokens=seen.extend))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert 0 < len(seen) < 50
    assert engine.running == 0


async def test_a_stall_takes_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    slept = list[float]()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    engine = ScriptedEngine({PATH: ["x"]}, faults={PATH: [Fault("stall", seconds=70)]})
    assert (await engine.generate(request())).text == "x"
    assert 70 in slept


async def test_the_common_beginning_is_cached_until_the_path_is_released() -> None:
    engine = ScriptedEngine({PATH: ["abc"] * 3})
    first = await engine.generate(request((1, 2, 3)))
    again = await engine.generate(request((1, 2, 3, *first.ids, 9)))
    assert (first.cached_tokens, again.cached_tokens) == (0, 3 + first.count)
    await engine.release(PATH)
    assert (await engine.generate(request((1, 2, 3)))).cached_tokens == 0


async def test_a_fork_is_thrown_away_and_the_path_goes_on_from_before_it() -> None:
    engine = ScriptedEngine(lambda context, path, seed: "aside" if context.endswith("?") else "on")
    thought = await engine.generate(request(max_tokens=2))
    fork = await engine.generate(request((1, 2, *thought.ids, *await engine.tokenize("?")), max_tokens=5))
    after = await engine.generate(request((1, 2, *thought.ids), max_tokens=2))
    assert (thought.text, fork.text, after.text) == ("on", "aside", "on")
    assert after.cached_tokens == 2 + thought.count - 1, "of the fork nothing is reused but what came before it"


async def test_probabilities_are_told_where_they_are_asked_for() -> None:
    engine = ScriptedEngine({PATH: ["ab", "ab"]}, logprob=lambda path, text: -2.0 if text == "b" else -0.5)
    assert {token.logprob for token in (await engine.generate(request())).tokens} == {None}
    assert [token.logprob for token in (await engine.generate(request(logprobs=True))).tokens] == [-0.5, -2.0, -0.5]


async def test_a_context_that_is_too_long_is_refused() -> None:
    with pytest.raises(EngineError, match="do not fit"):
        await ScriptedEngine(context=10).generate(request(tuple(range(8)), max_tokens=3))


async def test_the_thinker_thinks_summarises_hears_and_answers() -> None:
    prompt = "<|user|>3 pears, 4 more, 5 more<|assistant|><think>\n"
    assert think("<|user|>3, 4<|assistant|><think>\nPlan: start 3; a", PATH, 0).startswith("dd the rest\n1) 3+4=")
    paths = [f"p{at}" for at in range(100)]
    answers = [think(prompt, path, 1).rpartition("</think>")[0].splitlines()[-1] for path in paths]
    answers = [answer.rpartition("=")[2] for answer in answers]
    assert 40 < answers.count("12") < 75, "about three in four steps are right"
    thought = prompt + "Plan: start 3; add the rest\n1) 3+4=7\n<summarize>"
    assert think(thought, PATH, 1) == "1=7</summarize>"
    heard = thought + "1=7</summarize>\n<peers>step 1: you 7, 4 of 7 have 9</peers>\n"
    assert think(heard, PATH, 1).startswith("Again: 1) add 4\n1) 3+4=7\n2) 7+5=12\n</think>")
    assert think(prompt + "1) 3+4=7\n2) 7+5=12\n</think>", PATH, 1) == "\\boxed{12}<|end|>"


def test_the_thinker_says_the_same_in_every_process() -> None:
    line = "print(think('<|user|>1 2 3 4<|assistant|><think>', 'p', 5))"
    program = f"from tertulia.engines.adder import think; {line}"
    said = {
        subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1
