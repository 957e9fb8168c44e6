"""Clients that know nothing of circles, unchanged: OpenAI's package, LangChain, curl and Inspect."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serving import QUESTION, Address, asked, served

MESSAGES: Any = [{"role": "user", "content": QUESTION}]
MODEL = "leap/scripted"


@pytest.fixture(scope="module")
def server() -> Iterator[Address]:
    with served(keys=("alpha",)) as address:
        yield address


@pytest.fixture
def client(server: Address) -> Any:
    openai = pytest.importorskip("openai", reason="the openai package is not installed")
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="alpha", max_retries=0) as opened:
        yield opened


def answer_of(server: Address, **more: Any) -> str:
    """What the endpoint answers."""
    body = server.chat(headers={"Authorization": "Bearer alpha"}, **more).json()
    return str(body["choices"][0]["message"]["content"])


def test_openai_chats(server: Address, client: Any) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=MESSAGES, seed=3)
    assert answer.choices[0].message.content == answer_of(server, seed=3)
    assert answer.choices[0].message.reasoning_content
    assert answer.usage.completion_tokens_details.reasoning_tokens > 0
    assert answer.usage.prompt_tokens_details.cached_tokens > 0
    assert answer.usage.tertulia["paths"] == 8


def test_openai_streams_a_chat(server: Address, client: Any) -> None:
    asked_for = {"stream": True, "stream_options": {"include_usage": True}, "extra_body": {"tertulia": {"paths": 4}}}
    pieces = list(client.chat.completions.create(model=MODEL, messages=MESSAGES, seed=3, **asked_for))
    deltas = [piece.choices[0].delta for piece in pieces if piece.choices]
    assert "".join(getattr(delta, "reasoning_content", "") for delta in deltas)
    content = "".join(delta.content or "" for delta in deltas)
    assert content == answer_of(server, seed=3, tertulia={"paths": 4})
    assert pieces[-1].usage.tertulia["paths"] == 4


def test_openai_asks_for_a_response(server: Address, client: Any) -> None:
    response = client.responses.create(model=MODEL, input=QUESTION, reasoning={"effort": "low"})
    assert response.status == "completed" and response.output_text
    assert [item.type for item in response.output] == ["reasoning", "message"]
    assert response.output[0].summary[0].text
    assert response.usage.output_tokens_details.reasoning_tokens > 0
    assert response.usage.input_tokens_details.cached_tokens > 0


def test_openai_streams_a_response(server: Address, client: Any) -> None:
    conversation: Any = [
        {"role": "user", "content": [{"type": "input_text", "text": "What is 1 + 1?"}]},
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "2", "annotations": []}]},
        {"role": "user", "content": QUESTION},
    ]
    agent: Any = {
        "tools": [{"type": "function", "name": "shell", "parameters": {}, "strict": False}, {"type": "web_search"}],
        "tool_choice": "auto",
        "parallel_tool_calls": False,
        "include": ["reasoning.encrypted_content"],
        "store": False,
        "prompt_cache_key": "key",
    }
    with client.responses.stream(model=MODEL, input=conversation, instructions="Be brief.", **agent) as stream:
        events = list(stream)
        final = stream.get_final_response()
    numbers = [event.sequence_number for event in events]
    assert numbers == list(range(len(events)))
    kinds = list(dict.fromkeys(event.type for event in events))
    assert kinds == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.reasoning_summary_part.added",
        "response.reasoning_summary_text.delta",
        "response.reasoning_summary_text.done",
        "response.reasoning_summary_part.done",
        "response.output_item.done",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.completed",
    ]
    thought = "".join(event.delta for event in events if event.type == "response.reasoning_summary_text.delta")
    assert final.output[0].summary[0].text == thought
    assert final.output_text


@pytest.mark.parametrize("document", ["docs/serve.md", "README.md"])
def test_the_lines_of_the_documentation_run(document: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("openai", reason="the openai package is not installed")
    text = (Path(__file__).parent.parent / document).read_text("utf-8")
    (code,) = [block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "import OpenAI" in block]
    with served() as open_to_all:
        code = code.replace("http://127.0.0.1:8800", open_to_all.url).replace("leap/pebble", MODEL)
        exec(compile(code, document, "exec"), {})
        told = capsys.readouterr().out
        assert "1) 26+" in told and "boxed{" in told


def test_openai_lists_models(client: Any) -> None:
    assert [model.id for model in client.models.list()] == [f"{kind}/scripted" for kind in ("leap", "vote", "one")]
    assert client.models.retrieve("vote/scripted").owned_by == "tertulia"


def test_openai_completes(client: Any) -> None:
    assert client.completions.create(model=MODEL, prompt=QUESTION).choices[0].text


def test_openai_raises_the_errors_that_it_has(server: Address, client: Any) -> None:
    import openai

    def ask(**more: Any) -> None:
        client.chat.completions.create(**{"model": MODEL, "messages": MESSAGES, **more})

    with pytest.raises(openai.NotFoundError, match="no model"):
        ask(model="gpt-4o")
    with pytest.raises(openai.BadRequestError, match="call no tools") as refused:
        ask(tools=[{"type": "function", "function": {"name": "f"}}], tool_choice="required")
    assert (refused.value.param, refused.value.type) == ("tool_choice", "invalid_request_error")
    with pytest.raises(openai.AuthenticationError):
        openai.OpenAI(base_url=f"{server.url}/v1", api_key="beta", max_retries=0).models.list()
    with pytest.raises(openai.BadRequestError, match="not stored"):
        client.responses.create(model=MODEL, input=QUESTION, previous_response_id="resp_1")


@pytest.mark.parametrize("responses", [False, True], ids=["chat", "responses"])
def test_langchain_asks_and_streams(server: Address, responses: bool) -> None:
    langchain = pytest.importorskip("langchain_openai", reason="langchain-openai is not installed")
    given: Any = {"base_url": f"{server.url}/v1", "api_key": "alpha", "model": MODEL, "max_retries": 0}
    if responses:
        given |= {"reasoning": {"effort": "medium", "summary": "auto"}}
    model = langchain.ChatOpenAI(use_responses_api=responses, stream_usage=True, **given)
    answer = model.invoke(QUESTION)
    assert answer.text and answer.usage_metadata["output_token_details"]["reasoning"] > 0
    whole: Any = None
    for piece in model.stream([("system", "Be brief."), ("user", QUESTION)]):
        whole = piece if whole is None else whole + piece
    assert whole.text and whole.usage_metadata["output_tokens"] > 0
    if responses:
        for told in (answer, whole):
            (thought,) = [block for block in told.content_blocks if block["type"] == "reasoning" and block["reasoning"]]
            assert "[" in thought["reasoning"]


def test_curl_streams(server: Address) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is not installed")
    key = ["-H", "Authorization: Bearer alpha"]
    command = [curl, "-sN", f"{server.url}/v1/chat/completions", *key, "-d", json.dumps(asked(stream=True))]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    assert told.startswith("data: {") and told.endswith("data: [DONE]\n\n")


def test_inspect_evaluates_it(server: Address, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inspect_ai = pytest.importorskip("inspect_ai", reason="the extra eval is not installed")
    from inspect_ai.dataset import Sample
    from inspect_ai.scorer import includes

    monkeypatch.setenv("TERTULIA_API_KEY", "alpha")
    monkeypatch.setenv("TERTULIA_BASE_URL", f"{server.url}/v1")
    task = inspect_ai.Task([Sample(QUESTION, target=answer_of(server, seed=5))], scorer=includes())
    (log,) = inspect_ai.eval(
        task, model=f"openai-api/tertulia/{MODEL}", seed=5, log_dir=str(tmp_path), display="none", max_retries=0
    )
    assert log.status == "success" and log.results.scores[0].metrics["accuracy"].value == 1
    (usage,) = log.stats.model_usage.values()
    assert usage.reasoning_tokens > 0 and usage.output_tokens >= usage.reasoning_tokens
