"""What the endpoint refuses: each error in OpenAI's shape, with the status that its clients act upon."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from serving import Address, asked, events, served
from tertulia.engines.base import EngineError
from tertulia.engines.scripted import ScriptedEngine
from tertulia.errors import TertuliaError
from tertulia.server.guard import keys_of
from tertulia.server.models import Limits


@pytest.fixture(scope="module")
def server() -> Iterator[Address]:
    with served(limits=Limits(body=20_000), settings={"budget": 600}) as address:
        yield address


def error_of(answer: httpx.Response) -> dict[str, Any]:
    """The error of an answer, which has all that it must have."""
    error: dict[str, Any] = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"} and error["message"].strip()
    return error


@pytest.mark.parametrize(
    ("more", "status", "param", "said"),
    [
        ({"model": "leap/other"}, 404, "model", "leap/scripted"),
        ({"model": "scripted/leap"}, 404, "model", "no model"),
        ({"model": 7}, 400, "model", "string"),
        ({"messages": []}, 400, "messages", "at least 1"),
        ({"messages": [{"role": "user", "content": " "}]}, 400, "messages", "empty"),
        ({"messages": [{"role": "assistant", "content": "Hi"}]}, 400, "messages", "end with what the user asks"),
        ({"messages": [{"role": "robot", "content": "Hi"}]}, 400, "messages.0.role", "robot"),
        ({"messages": [{"role": "tool", "content": "4"}]}, 400, "messages.0.role", "tool"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}]},
            400,
            "messages.0.content",
            "text only",
        ),
        ({"max_tokens": -1}, 400, "max_tokens", "greater than or equal to 1"),
        ({"max_tokens": 3, "tertulia": {"answer_kind": "math"}}, 400, None, "a budget of 3 tokens leaves nothing"),
        ({"n": 0}, 400, "n", "greater"),
        ({"stop": 5}, 400, "stop", "valid string"),
        ({"temperature": 9}, 400, "temperature", "less than or equal to 2"),
        ({"tools": [{"type": "function"}], "tool_choice": "required"}, 400, "tool_choice", "call no tools"),
        ({"response_format": {"type": "json_object"}}, 400, "response_format", "json_object"),
        ({"logprobs": True}, 400, "logprobs", "not supported"),
        ({"frequency_penalty": 0.5}, 400, "frequency_penalty", "not supported"),
        ({"reasoning_effort": "enormous"}, 400, "reasoning_effort", "none"),
        ({"tertulia": {"budget": -5}}, 400, None, "budget is -5"),
        ({"tertulia": {"budget": 10_000_000}}, 400, "tertulia.budget", "at most 131072"),
        ({"tertulia": {"paths": 65}}, 400, "tertulia.paths", "at most 64"),
        ({"tertulia": {"colour": 1}}, 400, None, "unknown setting 'colour'"),
        ({"tertulia": {"wording": "/etc/passwd"}}, 400, "tertulia.wording", "file"),
        ({"tertulia": {"language": "../../x"}}, 400, None, "language"),
        ({"tertulia": {"words": "../x"}}, 400, None, "../x"),
    ],
)
def test_a_request_that_cannot_be_is_refused(
    server: Address, more: dict[str, Any], status: int, param: str | None, said: str
) -> None:
    answer = server.post("/v1/chat/completions", asked() | more)
    error = error_of(answer)
    assert (answer.status_code, error["param"]) == (status, param)
    assert said in error["message"]


@pytest.mark.parametrize(
    "more",
    [
        {"tools": []},
        {"tools": [{"type": "function"}], "tool_choice": "none"},
        {"tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": "auto"},
        {"functions": [{"name": "f"}], "function_call": "auto"},
        {"response_format": {"type": "text"}},
        {"logprobs": False, "frequency_penalty": 0, "presence_penalty": 0.0, "logit_bias": {}},
        {"user": "u", "store": False, "metadata": {"a": "b"}, "parallel_tool_calls": True, "keep_alive": "5m"},
        {"stop": None, "n": None, "stream": None, "max_tokens": None, "temperature": None, "seed": None},
    ],
)
def test_what_asks_for_nothing_special_is_no_reason_to_refuse(server: Address, more: dict[str, Any]) -> None:
    assert server.chat(**more).status_code == 200


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"7", b'{"model": NaN}', b"\xff", b'{"model": "\\ud800"}', b"[" * 5000]
)
def test_what_is_no_json_object_is_refused(server: Address, body: bytes) -> None:
    answer = httpx.post(f"{server.url}/v1/chat/completions", content=body)
    assert answer.status_code == 400 and error_of(answer)["type"] == "invalid_request_error"


def test_a_request_longer_than_the_cap_is_refused_however_it_comes(server: Address) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(100):
            yield b" " * 1000

    for content in (b" " * 20_001, pieces()):
        answer = httpx.post(f"{server.url}/v1/chat/completions", content=content)
        assert answer.status_code == 413 and error_of(answer)["code"] == "request_too_large"


def test_a_question_longer_than_the_context_says_so(server: Address) -> None:
    for stream in (False, True):
        answer = server.chat("What is 7 + 8? " * 900, stream=stream)
        assert error_of(answer)["code"] == "context_length_exceeded"
        assert answer.status_code == 400


@pytest.mark.parametrize("more", [{"language": "xx"}, {"tongues": ["en", "xx"]}, {"control": "nothing"}])
def test_what_no_words_are_there_for_is_refused_before_a_stream_begins(server: Address, more: dict[str, Any]) -> None:
    answer = server.chat(stream=True, tertulia=more)
    assert answer.status_code == 400 and error_of(answer)["type"] == "invalid_request_error"


def test_a_setting_that_is_null_is_as_if_it_were_not_there(server: Address) -> None:
    assert server.chat(tertulia={"seed": None, "paths": None, "budget": None}).status_code == 200


def test_an_unknown_place_and_a_wrong_method_have_errors_too(server: Address) -> None:
    assert error_of(server.get("/v1/nothing"))["message"] == "this cannot be asked: Not Found"
    assert server.get("/v1/nothing").status_code == 404
    assert server.get("/v1/chat/completions").status_code == 405
    assert error_of(server.get("/v1/models/leap/other"))["code"] == "model_not_found"
    assert error_of(server.get("/circles/nothing"))["code"] == "circle_not_found"


def test_an_engine_that_fails_is_a_bad_gateway() -> None:
    class Gone(ScriptedEngine):
        async def generate(self, request: Any, *, on_tokens: Any = None) -> Any:
            raise EngineError("the server is gone")

    with served(Gone()) as server:
        answer = server.chat()
        assert answer.status_code == 502 and "the server is gone" in error_of(answer)["message"]
        pieces = server.chat(stream=True)
        assert pieces.status_code == 200 and events(pieces.text)[-1]["error"]["code"] == "engine_error"
        assert server.get("/circles").json()[0]["state"] == "failed"
        assert server.meter("tertulia_circles_running") == 0


def test_with_keys_only_those_may_ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "keys").write_text("# ours\nalpha\n\nbeta\n", "utf-8")
    with served(keys=keys_of(tmp_path / "keys")) as server:
        for headers in ({}, {"Authorization": "Bearer gamma"}, {"Authorization": "Basic alpha"}):
            answer = server.chat(headers=headers)
            assert answer.status_code == 401 and error_of(answer)["code"] == "invalid_api_key"
        mine, yours = ({"Authorization": f"Bearer {key}"} for key in ("alpha", "beta"))
        name = server.chat(headers=mine).json()["choices"][0]["tertulia"]["circle"]
        assert [circle["id"] for circle in server.get("/circles", headers=mine).json()] == [name]
        assert server.get("/circles", headers=yours).json() == []
        assert server.get(f"/circles/{name}", headers=yours).status_code == 404
        assert server.get("/circles").status_code == server.get("/metrics").status_code == 401
        assert server.get("/health").status_code == 200
        assert server.get("/circles", headers=mine | {"Host": "elsewhere.org"}).status_code == 200
    monkeypatch.setenv("TERTULIA_SERVE_KEYS", "alpha, beta")
    assert keys_of(None) == ("alpha", "beta")


@pytest.mark.parametrize("text", ["", "# only a comment\n", "two words\n", "schlüssel\n"])
def test_a_file_without_usable_keys_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "keys").write_text(text, "utf-8")
    with pytest.raises(TertuliaError, match="key"):
        keys_of(tmp_path / "keys")


@pytest.mark.parametrize("host", ["elsewhere.org", "127.elsewhere.org", "localhost.elsewhere.org", "10.0.0.7", ""])
def test_without_keys_a_name_that_points_here_is_no_way_in(server: Address, host: str) -> None:
    assert error_of(server.chat(headers={"Host": host}))["code"] == "host_refused"


def test_without_keys_pages_of_elsewhere_cannot_ask(server: Address) -> None:
    port = server.url.rpartition(":")[2]
    for origin in ("https://elsewhere.org", "null", "http://127.0.0.1:1", f"https://127.0.0.1:{port}"):
        assert error_of(server.chat(headers={"Origin": origin}))["code"] == "origin_refused"
    assert server.chat(headers={"Origin": server.url}).status_code == 200


def test_with_keys_a_page_of_elsewhere_that_has_one_can_ask() -> None:
    with served(keys=("alpha",)) as server:
        page = {"Origin": "https://elsewhere.org"}
        asks = page | {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
        may = httpx.options(f"{server.url}/v1/chat/completions", headers=asks)
        assert may.status_code == 200 and may.headers["Access-Control-Allow-Origin"] == "*"
        assert server.chat(headers=page).status_code == 401
        answer = server.chat(headers=page | {"Authorization": "Bearer alpha"})
        assert answer.status_code == 200 and answer.headers["Access-Control-Allow-Origin"] == "*"


def test_without_keys_it_listens_on_this_machine_only() -> None:
    with pytest.raises(TertuliaError, match="there are no keys"), served(host="0.0.0.0"):
        pass


def test_nothing_that_is_asked_makes_the_server_fail() -> None:
    script = Path(__file__).parent.parent / "benchmarks" / "serve.py"
    command = [sys.executable, str(script), "fuzz", "--requests", "400", "--seed", "7"]
    told = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert told.returncode == 0, told.stdout + told.stderr
    counted = json.loads(told.stdout)["statuses"]
    assert sum(counted.values()) == 400 and counted["200"] > 50 and counted["400"] > 50
