"""Who may begin, who has gone, and what is left of a server that is stopped or killed."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from engine_fakes import Fake
from serving import QUESTION, Address, asked, events, served, thinker, until
from tertulia.circle.events import Event
from tertulia.engines.base import Generation, OnTokens, Request
from tertulia.engines.client import HttpEngine
from tertulia.engines.scripted import ScriptedEngine
from tertulia.journal import read_journal
from tertulia.server.app import Stream
from tertulia.server.circles import Listener
from tertulia.server.refusals import Refusal
from tertulia.server.serving import Served, serve
from tertulia.server.turns import Turns

SLOW = """
import sys
from tertulia.engines.scripted import ScriptedEngine
ScriptedEngine.__init__.__kwdefaults__["delay"] = 0.004
from tertulia.cli import main
sys.exit(main(sys.argv[1:]))
"""
NEVER = 30.0  # seconds for a token: such a circle does not end while a test runs


def idle(server: Address) -> bool:
    """Whether nothing is under way and nobody waits."""
    return server.meter("tertulia_circles_running") == server.meter("tertulia_circles_waiting") == 0


def begin(server: Address, **more: Any) -> socket.socket:
    """A connection on which a request has been made."""
    body = json.dumps(asked(**more)).encode()
    host, port = server.url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)))
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: {len(body)}\r\n\r\n"
    connection.sendall(head.encode() + body)
    return connection


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_goes_away_ends_its_circle(stream: bool) -> None:
    engine = thinker(delay=NEVER)
    with served(engine, at_once=1) as server:
        connection = begin(server, stream=stream, n=1)
        until(lambda: engine.running == 8)
        connection.close()
        until(lambda: engine.running == 0 and idle(server))
        assert server.get("/circles").json()[0]["state"] == "gone"
        assert server.meter('tertulia_circles_total{state="gone"}') == 1


def test_a_client_that_goes_away_leaves_the_line() -> None:
    with served(thinker(delay=NEVER), at_once=1) as server:
        first, second = begin(server, stream=True), begin(server)
        until(lambda: server.meter("tertulia_circles_waiting") == 1)
        second.close()
        until(lambda: server.meter("tertulia_circles_waiting") == 0)
        assert server.meter("tertulia_circles_running") == 1
        first.close()
        until(lambda: idle(server))


def test_who_comes_when_the_line_is_full_is_told_when_to_come_again() -> None:
    with served(thinker(delay=NEVER), at_once=1, queue=1) as server:
        held = [begin(server, stream=True), begin(server, stream=True)]
        until(lambda: server.meter("tertulia_circles_waiting") == 1)
        answer = server.chat()
        assert answer.status_code == 429 and answer.json()["error"]["code"] == "rate_limit_exceeded"
        assert int(answer.headers["Retry-After"]) >= 1
        for connection in held:
            connection.close()
        until(lambda: idle(server))


def test_a_waiting_stream_has_its_first_bytes_at_once() -> None:
    with served(thinker(delay=NEVER), at_once=1) as server:
        held = begin(server, stream=True)
        until(lambda: server.meter("tertulia_circles_running") == 1)
        with httpx.stream("POST", f"{server.url}/v1/chat/completions", json=asked(stream=True), timeout=60) as answer:
            first = next(answer.iter_lines())
        assert json.loads(first.removeprefix("data: "))["choices"][0]["delta"]["role"] == "assistant"
        held.close()
        until(lambda: idle(server))


def test_a_stream_shows_that_it_is_alive_while_there_is_nothing_to_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tertulia.server.rounds.ALIVE", 0.05)
    answers = ScriptedEngine(lambda context, path, seed: "1) 4+5=9\n</think>" + "on " * 2000, delay=0.005)
    with served(answers) as server:
        body = asked(stream=True, tertulia={"paths": 2})
        with httpx.stream("POST", f"{server.url}/v1/chat/completions", json=body, timeout=60) as answer:
            assert any(line == ": still thinking" for line in answer.iter_lines())


async def test_keys_take_turns_however_many_circles_one_of_them_wants() -> None:
    turns = Turns(at_once=1, longest=10)
    (running,) = turns.enter("busy")
    line = [*turns.enter("busy", 3), *turns.enter("calm"), *turns.enter("late")]
    order = []
    for _ in line:
        running.leave()
        (running,) = [place for place in line if place.ready.is_set() and place not in order]
        order.append(running)
    assert [place.key for place in order] == ["busy", "calm", "late", "busy", "busy"]
    running.leave()
    running.leave()
    assert turns.running == turns.waiting == 0


async def test_a_request_enters_with_all_its_circles_or_with_none() -> None:
    turns = Turns(at_once=1, longest=2, per_key=3)
    turns.enter("a")
    with pytest.raises(Refusal, match="are under way and 0 wait, of 2"):
        turns.enter("b", 3)
    assert (turns.running, turns.waiting) == (1, 0)
    turns.enter("a", 2)
    with pytest.raises(Refusal, match="this key has 3 circles") as refused:
        turns.enter("a")
    assert refused.value.status == 429


@pytest.mark.parametrize("kept", ["in memory", "in a folder"])
def test_a_circle_is_listed_and_its_journal_read(kept: str, tmp_path: Path) -> None:
    with served(journals=tmp_path / "circles" if kept == "in a folder" else None) as server:
        answer = server.chat("What is 4 + 5 + 6?", model="vote/scripted").json()
        (listed,) = server.get("/circles").json()
        name = answer["choices"][0]["tertulia"]["circle"]
        assert listed == {
            "id": name,
            "question": "What is 4 + 5 + 6?",
            "state": "done",
            "started": listed["started"],
            "model": "vote/scripted",
            "preset": "tertulia",
            "verdict": answer["choices"][0]["tertulia"]["answer"],
            "paths": 8,
            "tokens": answer["usage"]["completion_tokens"],
        }
        (tmp_path / "copy.jsonl").write_bytes(server.get(f"/circles/{name}").content)
        header, records = read_journal(tmp_path / "copy.jsonl")
        assert header["question"] == "What is 4 + 5 + 6?" and records[-1]["kind"] == "verdict"
        told = server.get(f"/circles/{name}/events").text
        lines = [line.removeprefix("data: ") for line in told.splitlines() if line.startswith("data: ")]
        assert "\n".join(lines[:-1]) + "\n" == server.get(f"/circles/{name}").text
        assert told.endswith("\n\n") and "event: end" in told


@pytest.mark.parametrize("kept", ["in memory", "in a folder"])
def test_a_circle_is_watched_while_it_goes_on(kept: str, tmp_path: Path) -> None:
    watched = threading.Event()

    class Waits(ScriptedEngine):
        async def generate(self, request: Request, *, on_tokens: OnTokens | None = None) -> Generation:
            await asyncio.to_thread(watched.wait)
            return await super().generate(request, on_tokens=on_tokens)

    with served(Waits(), journals=tmp_path if kept == "in a folder" else None) as server:
        begun = begin(server, stream=True)
        until(lambda: server.get("/circles").json())
        name = server.get("/circles").json()[0]["id"]
        with httpx.stream("GET", f"{server.url}/circles/{name}/events", timeout=60) as answer:
            pieces = answer.iter_text()
            told = next(pieces)
            watched.set()
            told += "".join(pieces)
        blocks = [block.splitlines() for block in told.split("\n\n")]
        lines = [block[0].removeprefix("data: ") for block in blocks if block and block[0].startswith("data: ")]
        tokens = [json.loads(block[1][6:]) for block in blocks if block and block[0] == "event: tokens"]
        assert set(tokens[0]) == {"path", "count", "text", "of"}
        assert "\n".join(lines) + "\n" == server.get(f"/circles/{name}").text
        assert '"tertulia_journal"' in lines[0] and '"verdict"' in lines[-1]
        assert blocks[-2][0] == "event: end" and json.loads(blocks[-2][1][6:])["state"] == "done"
        begun.close()


def test_only_the_last_circles_are_kept_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tertulia.server.circles.KEPT", 3)
    with served() as server:
        names = [server.chat(model="one/scripted").json()["choices"][0]["tertulia"]["circle"] for _ in range(5)]
        assert [circle["id"] for circle in server.get("/circles").json()] == names[:1:-1]


def test_a_circle_of_long_ago_is_found_by_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tertulia.server.circles.REMEMBERED", 2)
    mine = {"Idempotency-Key": "mine"}
    (tmp_path / "notes.jsonl").write_text("not a circle's", "utf-8")
    engine = thinker()
    with served(engine, journals=tmp_path) as server:
        first = server.chat(headers=mine).json()["choices"][0]["tertulia"]["circle"]
        for _ in range(3):
            server.chat(model="one/scripted")
        assert len(server.get("/circles").json()) == 2
        assert '"verdict"' in server.get(f"/circles/{first}").text
        calls = len(engine.calls)
        assert server.chat(headers=mine).status_code == 200 and len(engine.calls) == calls
        assert server.get("/circles").json()[0]["id"] == first
        assert server.get("/circles/*").status_code == 404


@contextmanager
def child(*arguments: str) -> Iterator[tuple[Address, subprocess.Popen[str]]]:
    """A server in a process of its own."""
    command = [sys.executable, "-c", SLOW, "serve", "--engine", "scripted", "--port", "0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.search(r"http://\S+:\d+", line)
            assert found, line
            yield Address(found[0]), process
        finally:
            process.kill()


def test_what_is_under_way_at_sigterm_is_finished() -> None:
    with child() as (server, process):
        told: list[str] = []
        client = threading.Thread(target=lambda: told.append(server.chat(stream=True).text))
        client.start()
        until(lambda: server.meter("tertulia_circles_running") == 1)
        process.send_signal(signal.SIGTERM)
        client.join(60)
        assert process.wait(60) == 0
        assert events(told[0])[-1]["choices"][0]["finish_reason"] == "stop"
        with pytest.raises(httpx.ConnectError):
            server.get("/health")


def test_what_does_not_come_to_its_end_in_time_is_ended_with_the_server(caplog: pytest.LogCaptureFixture) -> None:
    engine = thinker(delay=NEVER)
    with served(engine, drain=0.2, at_once=2) as server:
        connections = [begin(server, stream=stream) for stream in (True, False)]
        until(lambda: engine.running == 16)
    assert engine.running == 0 and "Traceback" not in caplog.text
    streamed, whole = (connection.makefile("rb").read() for connection in connections)
    assert b'"role": "assistant"' in streamed and b"503" in whole.splitlines()[0]
    assert all(b"the server ended before the answer was there" in told for told in (streamed, whole))


async def test_an_engine_that_goes_away_is_an_error_and_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(HttpEngine.__init__.__kwdefaults__, "retries", 0)
    told: list[str] = []
    started: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    async with httpx.AsyncClient(timeout=60) as client:
        async with Fake("llama.cpp", slots=8, stories=1).serving() as fake:
            wanted = Served(engine=fake.url, port=0, settings={"paths": 2, "budget": 600})
            serving = asyncio.create_task(serve(wanted, say=told.append, started=started.set_result))
            server = await started
            found = re.search(r"(http://\S+:\d+)/v1 \((\S+),", told[0])
            assert found
            url, name = found.groups()
            body = asked(model=name)
            assert (await client.get(f"{url}/ready")).status_code == 200
            assert (await client.post(f"{url}/v1/chat/completions", json=body)).status_code == 200
        for path, status in (("/ready", 503), ("/health", 200)):
            assert (await client.get(f"{url}{path}")).status_code == status
        answer = await client.post(f"{url}/v1/chat/completions", json=body)
        assert answer.status_code == 502 and answer.json()["error"]["code"] == "engine_error"
        server.should_exit = True
        await serving


def test_a_request_whose_journal_is_of_another_run_is_refused(tmp_path: Path) -> None:
    again = {"Idempotency-Key": "mine"}
    with served(journals=tmp_path) as server:
        assert server.chat(headers=again).status_code == 200
    with served(journals=tmp_path, settings={"paths": 3}) as server:
        answer = server.chat(headers=again)
        assert answer.status_code == 422 and str(tmp_path) not in answer.text
        (file,) = tmp_path.glob("*.jsonl")
        file.write_text("no journal", "utf-8")
        answer = server.chat(headers=again)
        assert answer.status_code == 503 and str(tmp_path) not in answer.text


def test_no_prompt_is_in_the_log_unless_it_is_asked_for() -> None:
    logs = {}
    for flag in ((), ("--log-prompts",)):
        with child(*flag) as (server, process):
            server.chat("Zanzibar has 4 + 5 cats?", model="one/scripted")
            process.send_signal(signal.SIGTERM)
            logs[flag] = process.communicate(timeout=60)[1]
    assert ["Zanzibar" in log for log in logs.values()] == [False, True]
    assert all("POST /v1/chat/completions 200" in log for log in logs.values())


def test_a_killed_server_still_shows_its_circles_and_goes_on_with_a_request(tmp_path: Path) -> None:
    named = {"Idempotency-Key": "mine"}
    with child("--journal-dir", str(tmp_path)) as (server, process):
        done = server.chat("What is 4 + 5?", seed=1, headers={"Idempotency-Key": "done"}).json()
        begun = threading.Thread(target=lambda: _ignored(server.chat, seed=2, headers=named))
        begun.start()
        until(lambda: len(list(tmp_path.glob("*.jsonl"))) == 2)
        (file,) = [file for file in tmp_path.glob("*.jsonl") if QUESTION in file.read_text("utf-8").partition("\n")[0]]
        until(lambda: file.read_text("utf-8").count("\n") > 20)
        assert server.chat(seed=2, headers=named).status_code == 409
        process.send_signal(signal.SIGKILL)
        begun.join(60)
    before = file.read_text("utf-8")
    engine = thinker()
    with served(engine, journals=tmp_path) as server:
        killed, old = server.get("/circles").json()
        assert (old["state"], old["tokens"]) == ("done", done["usage"]["completion_tokens"])
        assert (killed["state"], killed["question"]) == ("gone", QUESTION) and killed["tokens"] > 0
        again = server.chat("What is 4 + 5?", seed=1, headers={"Idempotency-Key": "done"}).json()
        assert again["choices"][0]["tertulia"] == done["choices"][0]["tertulia"] and again["usage"] == done["usage"]
        assert again["choices"][0]["message"]["content"] == done["choices"][0]["message"]["content"]
        assert not engine.calls, "what is finished is told again without the engine"
        assert server.chat(seed=3, headers=named).status_code == 422
        assert server.chat(seed=2, headers=named).status_code == 200
        assert file.read_text("utf-8").startswith(before[: before.rfind("\n") + 1])
        assert [circle["state"] for circle in server.get("/circles").json()] == ["done", "done"]


def _ignored(call: Any, **arguments: Any) -> None:
    """A call of a server that is going to be killed."""
    with suppress(httpx.HTTPError):
        call(**arguments)


async def test_tokens_that_nobody_has_taken_yet_are_told_together() -> None:
    listener, said = Listener(), "abcabc"
    for at, text in enumerate(said):
        listener.hear(0, Event("tokens", at % 3, {"count": 1, "text": text, "of": "thought"}))
    listener.hear(0, Event("meeting", None, {}))
    listener.hear(0, Event("tokens", 0, {"count": 1, "text": "d", "of": "thought"}))
    listener.hear(0, None)
    heard = [await listener.next(1) for _ in range(6)]
    told = [(one[1].path, one[1].data) for one in heard if one and one[1]]
    of = {"of": "thought"}
    assert told == [
        (0, {"count": 2, "text": "aa", **of}),
        (1, {"count": 2, "text": "bb", **of}),
        (2, {"count": 2, "text": "cc", **of}),
        (None, {}),
        (0, {"count": 1, "text": "d", **of}),
    ]
    assert heard[-1] == (0, None)
    assert listener.empty and await asyncio.wait_for(listener.next(0.01), 5) is None


async def test_who_leaves_just_as_something_happens_has_left() -> None:
    listener = Listener()
    waiting = asyncio.create_task(listener.next(NEVER))
    await asyncio.sleep(0)
    listener.hear(0, None)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_a_stream_that_nobody_reads_from_gives_up_its_place() -> None:
    left: list[str] = []

    async def pieces() -> AsyncGenerator[bytes, None]:
        left.append("begun")
        yield b""

    async def gone() -> dict[str, str]:
        return {"type": "http.disconnect"}

    async def full(message: object) -> None:
        await asyncio.sleep(NEVER)

    await asyncio.wait_for(Stream(pieces(), lambda: left.append("left"))({}, gone, full), NEVER)
    assert left == ["left"]
