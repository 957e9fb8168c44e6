"""Chat completions of the endpoint, as any client gets them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from serving import QUESTION, Address, asked, events, served, thinker
from tertulia import solve
from tertulia.engines.base import Generation, OnTokens, Request
from tertulia.engines.scripted import ScriptedEngine
from tertulia.server.page import POLICY, live_page


@pytest.fixture(scope="module")
def server() -> Iterator[Address]:
    with served() as address:
        yield address


def joined(pieces: list[dict[str, Any]], name: str) -> str:
    """What the deltas of a stream put together."""
    deltas = [piece["choices"][0]["delta"] for piece in pieces if piece["choices"]]
    return "".join(delta.get(name) or "" for delta in deltas)


def test_a_circle_answers_in_a_chat(server: Address) -> None:
    answer = server.chat(seed=7).json()
    same = solve(QUESTION, engine=thinker(), seed=7, answer_kind="free")
    (choice,) = answer["choices"]
    assert choice["finish_reason"] == "stop" and choice["message"]["content"] == same.words
    assert choice["tertulia"]["answer"] == same.answer and choice["tertulia"]["votes"] == same.votes
    usage = answer["usage"]
    assert usage["completion_tokens"] == same.tokens.generated
    assert (usage["prompt_tokens"], usage["tertulia"]["prompt"]) == (same.tokens.sent, same.tokens.prompt)
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert usage["prompt_tokens_details"]["cached_tokens"] == same.tokens.cached
    assert 0 < usage["completion_tokens_details"]["reasoning_tokens"] < usage["completion_tokens"]
    assert [usage["tertulia"][name] for name in ("paths", "injected", "forked", "discarded")] == [
        8,
        same.tokens.injected,
        same.tokens.forked,
        same.tokens.discarded,
    ]


def test_the_thought_comes_under_both_names_and_before_the_answer(server: Address) -> None:
    pieces = events(server.chat(seed=7, stream=True).text)
    whole = server.chat(seed=7).json()["choices"][0]["message"]
    assert pieces[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert joined(pieces, "reasoning").strip() == joined(pieces, "reasoning_content").strip() == whole["reasoning"]
    assert joined(pieces, "content") == whole["content"]
    kinds = ["content" if piece["choices"][0]["delta"].get("content") else "other" for piece in pieces]
    assert kinds.index("content") == len(kinds) - 2
    assert pieces[-1]["choices"][0]["finish_reason"] == "stop"
    assert "think>" not in joined(pieces, "reasoning")


def test_meetings_are_told_in_a_line_of_the_reasoning(server: Address) -> None:
    told = joined(events(server.chat(seed=7, stream=True).text), "reasoning")
    (line, *_) = [line for line in told.splitlines() if line.startswith("[") and "hear" in line]
    assert " of 8 paths have " in line


def test_the_usage_of_a_stream_comes_where_it_is_asked_for(server: Address) -> None:
    without = events(server.chat(seed=7, stream=True).text)
    assert all(piece["choices"] for piece in without)
    *_, last = events(server.chat(seed=7, stream=True, stream_options={"include_usage": True}).text)
    assert last["choices"] == [] and last["usage"] == server.chat(seed=7).json()["usage"]


def test_a_stream_may_tell_of_all_paths(server: Address) -> None:
    pieces = events(server.chat(seed=7, stream=True, tertulia={"stream_paths": True}).text)
    told = [piece["tertulia"] for piece in pieces if "kind" in piece.get("tertulia", {})]
    assert {event["path"] for event in told if event["kind"] == "tokens"} == set(range(8))
    assert any(event["kind"] == "meeting" and event["heard"] for event in told)
    assert told[-1]["kind"] == "verdict"


def test_models_are_ways_to_spend_tokens(server: Address) -> None:
    names = [model["id"] for model in server.get("/v1/models").json()["data"]]
    assert names == ["leap/scripted", "vote/scripted", "one/scripted"]
    assert server.get("/v1/models/vote/scripted").json()["id"] == "vote/scripted"
    paths = {name: server.chat(model=name).json()["usage"]["tertulia"]["paths"] for name in (*names, "scripted")}
    assert paths == {"leap/scripted": 8, "vote/scripted": 8, "one/scripted": 1, "scripted": 8}
    assert server.chat(model="vote/scripted").json()["usage"]["tertulia"]["injected"] == 0


@pytest.mark.parametrize(("effort", "paths"), [("none", 1), ("low", 4), ("medium", 8), ("high", 16)])
def test_effort_chooses_how_many_paths_think(server: Address, effort: str, paths: int) -> None:
    answer = server.chat(reasoning_effort=effort).json()
    assert answer["usage"]["tertulia"]["paths"] == paths


def test_any_setting_is_given_by_its_name(server: Address) -> None:
    answer = server.chat(tertulia={"paths": 3, "answer_kind": "math", "method": "independent"}).json()
    assert answer["usage"]["tertulia"]["paths"] == 3 and sum(answer["choices"][0]["tertulia"]["votes"].values()) == 3


def test_several_choices_are_several_circles(server: Address) -> None:
    answer = server.chat(n=3, model="one/scripted").json()
    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2]
    assert len({choice["tertulia"]["circle"] for choice in answer["choices"]}) == 3
    assert answer["usage"]["tertulia"]["paths"] == 3
    pieces = events(server.chat(n=2, stream=True).text)
    ended = [piece["choices"][0]["index"] for piece in pieces if piece["choices"][0]["finish_reason"]]
    assert sorted(ended) == [0, 1]


def test_a_choice_is_told_when_its_own_circle_is_over() -> None:
    second = asyncio.Event()

    class Waits(ScriptedEngine):
        async def generate(self, request: Request, *, on_tokens: OnTokens | None = None) -> Generation:
            if "-1/" in request.path:
                await second.wait()
            return await super().generate(request, on_tokens=on_tokens)

    with served(Waits()) as server, httpx.Client(timeout=60) as client:
        body = asked(model="one/scripted", n=2, stream=True)
        with client.stream("POST", f"{server.url}/v1/chat/completions", json=body) as answer:
            for line in answer.iter_lines():
                if '"finish_reason": "stop"' in line:
                    break
            assert json.loads(line.removeprefix("data: "))["choices"][0]["index"] == 0


def test_the_answer_is_cut_before_a_stop_string(server: Address) -> None:
    whole = server.chat(seed=7).json()["choices"][0]["message"]["content"]
    cut = server.chat(seed=7, stop=[whole[2:4]]).json()["choices"][0]["message"]["content"]
    assert whole.startswith(cut) and len(cut) < len(whole)


@pytest.mark.parametrize(("name", "most"), [("max_tokens", 1), ("max_completion_tokens", 2)])
def test_what_was_cut_by_its_budget_says_so(server: Address, name: str, most: int) -> None:
    answer = server.chat("What is 1 + 2 + 3 + 4 + 5 + 6 + 7 + 8 + 9?", model="one/scripted", **{name: most}).json()
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == most


class Aloud(ScriptedEngine):
    """A model that does not think aloud."""

    def __init__(self, text: str) -> None:
        super().__init__(lambda context, path, seed: text)
        self.info = replace(self.info, model="any", chat_template="{{ content }}")

    async def render(self, messages: Any, options: Any = None) -> str:
        return f"<|user|>{messages[-1]['content']}<|assistant|>"


@pytest.mark.parametrize(
    ("stop", "told"), [(None, "Clear skies,\n\nthen rain. STOP there."), (" STOP", "Clear skies,\n\nthen rain.")]
)
def test_a_single_path_that_does_not_think_aloud_streams_its_answer_as_it_writes(stop: str | None, told: str) -> None:
    with served(Aloud("\nClear skies,\n\nthen rain. STOP there. \n<|end|>")) as server:
        one = {"model": "one/any", "stop": stop}
        (choice,) = server.chat(**one).json()["choices"]
        assert choice["message"] == {"role": "assistant", "content": told, "refusal": None}
        pieces = events(server.chat(stream=True, **one).text)
        assert joined(pieces, "content") == told and joined(pieces, "reasoning") == ""
        assert sum(bool(piece["choices"][0]["delta"].get("content")) for piece in pieces) > 1


def test_a_response_of_such_a_path_streams_its_answer_too() -> None:
    with served(Aloud("Clear skies,\n\nthen rain.<|end|>")) as server:
        body = {"model": "one/any", "input": "What will it be?", "stream": True}
        told = events(server.post("/v1/responses", body).text)
        texts = [event["delta"] for event in told if event["type"] == "response.output_text.delta"]
        assert len(texts) > 1 and "".join(texts) == "Clear skies,\n\nthen rain."
        assert [event["type"] for event in told].count("response.output_item.added") == 1
        (item,) = told[-1]["response"]["output"]
        assert item["content"][0]["text"] == "".join(texts)


def test_completions_ask_without_a_chat(server: Address) -> None:
    body = {"model": "leap/scripted", "prompt": QUESTION, "seed": 7}
    answer = server.post("/v1/completions", body).json()
    same = server.chat(seed=7).json()
    assert answer["object"] == "text_completion"
    assert answer["choices"][0]["text"] == same["choices"][0]["message"]["content"]
    pieces = events(server.post("/v1/completions", body | {"stream": True}).text)
    assert "".join(piece["choices"][0]["text"] for piece in pieces) == answer["choices"][0]["text"]


def test_a_question_may_come_in_parts(server: Address) -> None:
    parts = [{"type": "text", "text": "What is 13 + 80"}, {"type": "text", "text": "+ 8?"}]
    body = asked() | {"messages": [{"role": "user", "content": parts}]}
    assert server.post("/v1/chat/completions", body).status_code == 200
    assert server.get("/circles").json()[0]["question"] == "What is 13 + 80\n+ 8?"


def test_a_conversation_is_a_question_with_what_was_said_before() -> None:
    engine = thinker()
    said = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What is 70 + 7?"},
        {"role": "assistant", "content": "77", "reasoning_content": "seventy and seven"},
        {"role": "user", "content": QUESTION},
    ]
    with served(engine) as server:
        assert server.post("/v1/chat/completions", asked() | {"messages": said}).status_code == 200
        assert server.get("/circles").json()[0]["question"] == QUESTION
    prompts = [call.text for call in engine.calls]
    assert all("What is 70 + 7?" in prompt and QUESTION in prompt for prompt in prompts)
    assert not any("seventy" in prompt for prompt in prompts)


def test_the_page_comes_with_its_policy(server: Address) -> None:
    page = server.get("/")
    assert page.headers["Content-Security-Policy"] == POLICY and page.headers["Content-Type"].startswith("text/html")
    assert page.text == live_page()


def test_it_is_alive_and_ready(server: Address) -> None:
    assert server.get("/health").json() == {"status": "ok"}
    assert server.get("/ready").json() == {"status": "ready", "model": "scripted"}


def test_what_was_done_is_counted_without_a_word_of_it(server: Address) -> None:
    before = server.meter('tertulia_tokens_total{kind="generated"}')
    usage = server.chat("Zanzibar has 4 + 5 cats?").json()["usage"]
    assert server.meter('tertulia_tokens_total{kind="generated"}') == before + usage["completion_tokens"]
    assert server.meter("tertulia_circles_running") == 0
    told = server.get("/metrics").text
    assert 'tertulia_requests_total{route="/v1/chat/completions",status="200"}' in told and "Zanzibar" not in told
