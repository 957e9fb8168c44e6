"""`solve`, from Python."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from tertulia import Event, solve, solve_async
from tertulia.engines.scripted import ScriptedEngine
from tertulia.errors import TertuliaError
from tertulia.seeds import story_of
from tertulia.templates import chat

QUESTION = "Ana has 13 shells, gets 80, finds 8 and buys 21. How many?"


def test_a_question_is_solved_and_told_in_plain_values() -> None:
    events: list[Event] = []
    result = solve(QUESTION, engine="scripted", seed=7, observer=events.append)
    told = json.loads(json.dumps(result.to_json()))
    assert result.answer == told["verdict"] == "125" and told["correct"] is None  # most of its votes, and wrong
    assert sum(told["votes"].values()) == told["spoke"] == len(told["paths"]) == 8
    assert {"id", "answer", "finished", "spans", "tokens"} <= set(told["paths"][0])
    assert {"generated", "injected", "discarded", "cached"} <= set(told["tokens"])
    assert told["meetings"][0]["index"] == 0 and len(told["meetings"][0]["heard"]) == 8
    assert (told["engine"], told["method"], told["mode"], told["seed"]) == ("scripted", "leap", "ids", 7)
    kinds = [event.kind for event in events]
    assert kinds[0] == "start" and kinds[-1] == "verdict" and kinds.count("answer") == 8
    counted = sum(event.data["count"] for event in events if event.kind == "tokens")
    assert counted == told["tokens"]["generated"]


@pytest.mark.parametrize("method", ["leap", "independent"])
def test_the_text_of_tokens_is_told_as_it_comes(method: str) -> None:
    came: dict[tuple[int | None, str], str] = defaultdict(str)

    def watch(event: Event) -> None:
        if event.kind == "tokens":
            came[event.path, event.data["of"]] += event.data["text"]

    result = solve(QUESTION, engine="scripted", method=method, observer=watch)
    for path in result.paths:
        own = {kind: "".join(span.text for span in path.spans if span.kind == kind) for kind in ("thought", "answer")}
        assert came[path.index, "answer"] == own["answer"]
        assert came[path.index, "thought"].endswith("</think>")
        assert path.tokens.discarded or came[path.index, "thought"] == own["thought"]


def test_a_world_problem_brings_its_answer() -> None:
    from tertulia.world.problems import problem

    result = solve(world_seed=7, engine="scripted")
    assert result.question == problem(7).question("en")
    assert result.correct == (result.answer == str(problem(7).answer))


def test_the_same_call_tells_the_same_story() -> None:
    one, two = (solve(world_seed=7, seed=7, engine="scripted").to_json() for _ in range(2))
    assert one | {"seconds": 0} == two | {"seconds": 0}


def test_a_finished_journal_is_told_again_without_the_engine(tmp_path: Path) -> None:
    events: list[Event] = []
    first = solve(QUESTION, engine="scripted", journal=tmp_path / "run.jsonl").to_json()
    again = solve(QUESTION, engine="scripted", journal=tmp_path / "run.jsonl", observer=events.append).to_json()
    assert first | {"seconds": 0} == again | {"seconds": 0}
    assert sum(event.data["count"] for event in events if event.kind == "tokens") == first["tokens"]["generated"]


CHAT = [{"role": "user", "content": "Ana has 4 shells. How many?"}, {"role": "assistant", "content": "4"}]


def test_what_was_said_before_is_in_every_prompt_and_a_resume_goes_on_with_it(tmp_path: Path) -> None:
    first = solve(QUESTION, history=CHAT, engine="scripted", journal=tmp_path / "run.jsonl")
    for path in first.paths:
        assert path.spans[0].text.index("Ana has 4 shells") < path.spans[0].text.index(QUESTION)
    lines = (tmp_path / "run.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "run.jsonl").write_bytes(b"".join(lines[:12]))
    again = solve(QUESTION, history=CHAT, engine="scripted", journal=tmp_path / "run.jsonl")
    assert again.verdict == first.verdict and again.tokens.generated == first.tokens.generated
    assert [path.spans for path in again.paths] == [path.spans for path in first.paths]


def test_another_chat_is_another_run_and_another_story(tmp_path: Path) -> None:
    solve(QUESTION, history=CHAT, engine="scripted", journal=tmp_path / "run.jsonl")
    for other in ((), CHAT[:1]):
        with pytest.raises(TertuliaError, match="history: journal"):
            solve(QUESTION, history=other, engine="scripted", journal=tmp_path / "run.jsonl")
    assert len({story_of(QUESTION), story_of(QUESTION, chat(CHAT)), story_of(QUESTION, chat(CHAT[:1]))}) == 3


def test_half_of_a_character_in_a_question_is_refused_in_a_line() -> None:
    with pytest.raises(TertuliaError, match="the question has half of a surrogate pair at character 3"):
        solve("1+\udcff", engine="scripted")


def test_a_journal_of_another_question_is_refused(tmp_path: Path) -> None:
    solve(QUESTION, engine="scripted", journal=tmp_path / "run.jsonl")
    with pytest.raises(TertuliaError, match="question: journal"):
        solve(QUESTION + " Quick!", engine="scripted", journal=tmp_path / "run.jsonl")


def test_an_engine_of_ones_own_is_used_as_it_is() -> None:
    engine = ScriptedEngine()
    assert solve(QUESTION, engine=engine, seed=1).answer == "122"
    assert engine.calls


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({}, "there is no question"),
        ({"question": " "}, "the question is empty"),
        ({"question": "1+1?", "world_seed": 3}, "there is a question and a world seed"),
        ({"question": "1+1?", "router": "x"}, "unknown router 'x'"),
        ({"question": "1+1?", "language": "tlh"}, "no wordings of the set pebble in language 'tlh'"),
        ({"question": "1+1? " * 3000}, "the question takes"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(arguments: dict[str, object], line: str) -> None:
    with pytest.raises(TertuliaError, match=line) as caught:
        solve(**{"engine": "scripted"} | arguments)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


async def test_in_a_running_loop_one_is_told_to_await() -> None:
    with pytest.raises(TertuliaError, match="await solve_async"):
        solve(QUESTION, engine="scripted")
    assert (await solve_async(QUESTION, engine="scripted", paths=2)).answer == "122"


async def test_questions_asked_at_once_can_share_one_engine() -> None:
    class OneAtATime(ScriptedEngine):
        """Refuses a second request for a path that is generating, as slots do."""

        async def generate(self, request: Any, *, on_tokens: Any = None) -> Any:
            assert request.path not in busy
            busy.add(request.path)
            await asyncio.sleep(0)
            came = await super().generate(request, on_tokens=on_tokens)
            busy.discard(request.path)
            return came

    busy: set[str] = set()
    engine = OneAtATime()
    results = await asyncio.gather(*(solve_async(world_seed=seed, engine=engine) for seed in range(3)))
    assert len({path.name for result in results for path in result.paths}) == 24
    assert all(path.finished for result in results for path in result.paths)
