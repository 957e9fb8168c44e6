"""Arms of an evaluation share what their paths have in common."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from circles import Recorder, TextServer
from tertulia.api import solve_with
from tertulia.engines.base import Generation, Request, Sampling, Token
from tertulia.engines.scripted import Fault
from tertulia.evaluation.sharing import Shared
from tertulia.model import Profile
from tertulia.settings import resolve

TALE = "".join(f"Line {number}.\n" for number in range(40)) + "</think>\\boxed{7}<|end|>"


def go_on(context: str, path: str, seed: int) -> str:
    """The rest of the tale after what of it stands there already."""
    return TALE.removeprefix(context.rpartition("<think>\n")[2].partition("(heard)")[0])


def counting() -> Recorder:
    return Recorder(go_on)


async def request(engine: Recorder, path: str = "a/p0", more: str = "", **asked: Any) -> Request:
    ids = await engine.tokenize(f"<|user|>?<|assistant|><think>\n{more}", special=True)
    return Request(**{"path": path, "ids": ids, "text": "", "max_tokens": 40, "seed": 5} | asked)


async def ask(shared: Shared, *requests: Request) -> list[Generation]:
    return [await shared.generate(one) for one in requests]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "evaluation" / "beginnings.jsonl"


async def test_the_same_request_of_another_arm_is_generated_once(file: Path) -> None:
    engine = counting()
    told: list[Token] = []
    async with Shared(engine, file) as shared:
        first = await shared.generate(await request(engine))
        second = await shared.generate(await request(engine, "b/p0"), on_tokens=told.extend)
    assert len(engine.calls) == 1 and first == second and first.count == 40
    assert tuple(told) == second.tokens


async def test_two_arms_that_ask_at_once_wait_for_one_generation(file: Path) -> None:
    engine = counting()
    async with Shared(engine, file) as shared:
        asked = [await request(engine, name) for name in ("a/p0", "b/p0")]
        first, second = await asyncio.gather(*(shared.generate(one) for one in asked))
    assert len(engine.calls) == 1 and first == second


@pytest.mark.parametrize("other", [{"seed": 6}, {"sampling": Sampling(temperature=0.1)}, {"more": "Line 0.\n"}])
async def test_another_seed_sampling_or_beginning_is_another_request(file: Path, other: dict[str, Any]) -> None:
    engine = counting()
    async with Shared(engine, file) as shared:
        await ask(shared, await request(engine), await request(engine, "b/p0", **other))
    assert len(engine.calls) == 2


async def test_an_arm_that_wants_more_goes_on_from_what_is_there(file: Path) -> None:
    engine = counting()
    async with Shared(engine, file) as shared:
        short, long, again = await ask(
            shared,
            await request(engine, max_tokens=10),
            await request(engine, "b/p0", max_tokens=30),
            await request(engine, "c/p0", max_tokens=30),
        )
    assert (short.count, long.count) == (10, 30) and long == again
    assert [call.max_tokens for call in engine.calls] == [10, 20]
    assert engine.calls[1].ids == engine.calls[0].ids + short.ids
    assert TALE.startswith(long.text) and long.finish == "length"


async def test_an_arm_that_wants_less_gets_the_beginning_of_what_is_there(file: Path) -> None:
    engine = counting()
    async with Shared(engine, file) as shared:
        long, short = await ask(shared, await request(engine), await request(engine, "b/p0", max_tokens=7))
    assert len(engine.calls) == 1
    assert short.ids == long.ids[:7] and short.finish == "length"


async def test_an_arm_without_a_stop_goes_on_past_that_of_another(file: Path) -> None:
    engine = counting()
    async with Shared(engine, file) as shared:
        stopped, past = await ask(
            shared, await request(engine, stop=("2.",)), await request(engine, "b/p0", max_tokens=60)
        )
        back = await shared.generate(await request(engine, "c/p0", stop=("2.",), max_tokens=60))
    assert stopped.text.endswith("2.") and (stopped.finish, stopped.stop) == ("stop", "2.")
    assert past.count == 60 and past.text.startswith(stopped.text) and past.finish == "length"
    assert back == stopped and len(engine.calls) == 2


async def test_a_stop_string_is_found_across_the_parts_it_was_generated_in(file: Path) -> None:
    engine = counting()
    whole = await counting().generate(await request(engine, max_tokens=60))
    at = next(at for at in range(60) if "".join(token.text for token in whole.tokens[:at]).endswith("Line 2"))
    async with Shared(engine, file) as shared:
        await shared.generate(await request(engine, max_tokens=at - 2))
        found = await shared.generate(await request(engine, "b/p0", max_tokens=60, stop=("Line 2.",)))
    assert len(engine.calls) == 2 and (found.finish, found.stop) == ("stop", "Line 2.")
    assert found.text.endswith("Line 2.")


async def test_a_stop_id_and_the_end_of_the_text_end_a_shared_generation_too(file: Path) -> None:
    engine = counting()
    close = engine.control_id("</think>")
    async with Shared(engine, file) as shared:
        ended, closed, again = await ask(
            shared,
            await request(engine, max_tokens=900),
            await request(engine, "b/p0", max_tokens=900, stop_ids=(close,)),
            await request(engine, "c/p0", max_tokens=1000),
        )
    assert len(engine.calls) == 1
    assert ended.finish == again.finish == "end" and ended.text == TALE.removesuffix("<|end|>")
    assert (closed.finish, closed.stop, closed.ids[-1]) == ("stop", "</think>", close)


async def test_a_path_goes_on_shared_until_it_has_heard_something(file: Path) -> None:
    engine = counting()
    async with Shared(engine, file) as shared:
        for arm in "ab":
            first = await request(engine, f"{arm}/p0", max_tokens=10)
            came = await shared.generate(first)
            second = replace(first, ids=first.ids + came.ids, seed=6)
            more = await shared.generate(second)
            assert more.count == 10
        assert len(engine.calls) == 2
        heard = await engine.tokenize("(heard)")
        for arm in "ab":
            await shared.generate(replace(second, path=f"{arm}/p0", ids=second.ids + more.ids + heard))
        assert len(engine.calls) == 4, "each asks the engine itself"


async def test_side_branches_are_not_shared(file: Path) -> None:
    engine = counting()
    async with Shared(engine, file) as shared:
        came = await ask(shared, await request(engine, logprobs=True), await request(engine, "b/p0", logprobs=True))
    assert len(engine.calls) == 2
    assert all(token.logprob is not None for one in came for token in one.tokens)


async def test_text_is_not_shared(file: Path) -> None:
    engine = TextServer(go_on)
    asked = Request("a/p0", (), "<|user|>?<|assistant|><think>\n", 40)
    async with Shared(engine, file) as shared:
        await ask(shared, asked, replace(asked, path="b/p0"))
    assert len(engine.calls) == 2


async def test_a_beginning_is_kept_and_used_when_the_evaluation_goes_on(file: Path) -> None:
    engine, later = counting(), counting()
    async with Shared(engine, file) as shared:
        first = await shared.generate(await request(engine))
    async with Shared(later, file) as shared:
        again = await shared.generate(await request(later))
        longer = await shared.generate(await request(later, "b/p0", max_tokens=50))
    assert first == again and longer.count == 50
    assert [call.max_tokens for call in later.calls] == [10]


async def test_a_connection_that_was_lost_is_lost_for_all_arms_alike_so_that_they_stay_paired(file: Path) -> None:
    engine = Recorder(go_on, faults={"a/p0": [Fault("cut", after=4)]})
    async with Shared(engine, file) as shared:
        for arm in "ab":
            first = await request(engine, f"{arm}/p0")
            lost = await shared.generate(first)
            assert (lost.finish, lost.count) == ("cut", 4)
            rest = await shared.generate(replace(first, ids=first.ids + lost.ids, seed=6))
            assert TALE.startswith(lost.text + rest.text) and rest.count == 40
    assert len(engine.calls) == 2


async def test_two_arms_of_one_question_have_the_same_thoughts_paid_for_once_and_counted_by_both(file: Path) -> None:
    engine = counting()
    profile = Profile(name="plain", answer_tokens=20)
    results = []
    async with Shared(engine, file) as shared:
        for method, more in (("leap", {"every": 0, "last_call": 1}), ("independent", {})):
            settings = resolve(profile, {"method": method, "paths": 3, "budget": 600, **more})
            results.append(await solve_with(shared, profile, "2 + 5?", settings, name=f"q/{method}"))
    spans = [[span for path in result.paths for span in path.spans] for result in results]
    assert [span.ids for span in spans[0]] == [span.ids for span in spans[1]]
    leap, independent = (sum(path.tokens.generated for path in result.paths) for result in results)
    answer = sum(span.count for span in spans[0] if span.kind == "answer")
    forked = sum(path.tokens.forked for path in results[0].paths)
    assert leap == independent + forked and forked > 0
    assert sum(came.count for _, came in engine.answered) == leap + answer, "only past the close each went its own way"
