"""The page of a server: circles are seen while they go on, with a key where there is one, over lost connections."""

from __future__ import annotations

import asyncio
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from browser import Looked, chromium
from tertulia.engines.adder import think
from tertulia.engines.base import Generation
from tertulia.engines.scripted import ScriptedEngine
from tertulia.server.page import POLICY, live_page

QUESTION = "What is 13 + 80 + 8 + 21?"
MORE = """(than) => {
  const shown = document.querySelector(".facts").textContent.match(/([\\d,]+) tokens/);
  return Number(shown[1].replace(",", "")) > than;
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as opened:
        yield opened


class Halting(ScriptedEngine):
    """The scripted thinker, which halts after so many calls until it is told to go on."""

    def __init__(self, calls: int) -> None:
        super().__init__(lambda context, path, seed: think(context, path.rpartition("/")[2], seed))
        self.before, self.go_on = calls, threading.Event()

    async def generate(self, *given: Any, **more: Any) -> Generation:
        if len(self.calls) >= self.before:
            await asyncio.to_thread(self.go_on.wait, 60)
        return await super().generate(*given, **more)


@contextmanager
def asked(address: Any, **more: Any) -> Iterator[Callable[[], Any]]:
    """A question that is under way; what is yielded waits for its answer."""
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(address.chat(QUESTION, **more)))
    thread.start()

    def answer() -> Any:
        thread.join(60)
        return answers[0].json()["choices"][0]["message"]["content"]

    yield answer
    thread.join(60)


def tokens(looked: Looked) -> int:
    """How many the page says have been generated."""
    fact = looked.page.locator(".facts .said", has_text="tokens").inner_text()
    return int(fact.split()[0].replace(",", ""))


def test_a_circle_is_seen_while_it_thinks_and_when_it_is_over(browser: Any) -> None:
    pytest.importorskip("starlette", reason="the server is not installed (extra serve)")
    from serving import served

    engine = Halting(16)
    with served(engine) as server, asked(server) as answer:
        looked = Looked(browser, f"{server.url}/")
        looked.page.locator(".circles a").first.wait_for()
        assert looked.page.locator(".circles .question").inner_text() == QUESTION
        looked.page.wait_for_function(MORE, arg=0)
        assert "no verdict yet" in looked.page.locator(".verdict").inner_text()
        looked.panel.get_by_role("button", name="Path 0").first.click()
        before, read = tokens(looked), len(looked.panel.locator(".text").text_content() or "")
        engine.go_on.set()
        looked.page.wait_for_function(MORE, arg=before)
        looked.page.wait_for_function("(than) => document.querySelector('.text').textContent.length > than", arg=read)
        said = answer()
        verdict = looked.page.locator(".verdict .chip")
        verdict.wait_for()
        assert verdict.inner_text() in said
        looked.page.locator(".circles a .chip").wait_for()
        listed = server.get("/circles").json()[0]
        assert tokens(looked) == listed["tokens"] and listed["state"] == "done"
        assert QUESTION in (looked.panel.locator(".block p").first.text_content() or "")
        assert looked.troubles == []
        looked.page.close()


def test_the_key_is_asked_for_and_kept_for_this_window(browser: Any) -> None:
    pytest.importorskip("starlette", reason="the server is not installed (extra serve)")
    from serving import served

    with served(keys=("right",)) as server:
        with asked(server, headers={"Authorization": "Bearer right"}) as answer:
            answer()
        looked = Looked(browser, f"{server.url}/")
        for key in ("wrong", "schlüssel", "right"):
            looked.page.get_by_label("Key of the server").fill(key)
            looked.page.get_by_role("button", name="Use it").click()
        looked.page.locator(".circles a").first.wait_for()
        assert looked.page.locator(".key").count() == 0
        looked.page.reload()
        looked.page.locator(".stage").wait_for()
        assert looked.page.locator(".key").count() == 0
        assert all("401" in trouble for trouble in looked.troubles)
        looked.page.close()


class Fake(http.server.BaseHTTPRequestHandler):
    """A server whose first connection is lost in the middle of a circle."""

    lost: threading.Event

    def do_GET(self) -> None:
        circle = {"id": "a/b c", "question": "<b>?</b>", "state": "running", "model": "m", "tokens": 3}
        if self.path == "/":
            self.answer("text/html; charset=utf-8", live_page().encode())
        elif self.path == "/circles":
            self.answer("application/json", json.dumps([circle]).encode())
        elif self.path == "/circles/a%2Fb%20c/events":
            self.answer("text/event-stream", self.told().encode())
        else:
            self.send_error(404)

    def told(self) -> str:
        header = {"tertulia_journal": 2, "header": {"question": "<b>?</b>", "settings": {"paths": 2, "budget": 50}}}
        span = {"kind": "thought", "ids": [], "text": "one two", "count": 7}
        step = {"key": "c/p0/0", "path": 0, "kind": "thought", "place": "thinking", "spans": [span]}
        lines = [": hello\n\n", f"data: {json.dumps(header)}\n\n", f"data: {json.dumps(step)}\n\n"]
        if self.lost.is_set():
            verdict = {"key": "c/verdict", "kind": "verdict", "answer": "7", "votes": {"7": 1}}
            lines += ["data: no json\n\n", f"data: {json.dumps(verdict)}\r\n\r\n", "event: end\ndata: {}\n\n"]
        else:
            arriving = {"path": 1, "count": 5, "text": "three", "of": "thought"}
            lines += [f"event: tokens\ndata: {json.dumps(arriving)}\n\n", 'data: {"torn']
        self.lost.set()
        return "".join(lines)

    def answer(self, kind: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Security-Policy", POLICY)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


def test_a_lost_connection_is_taken_up_again_and_nothing_is_told_twice(browser: Any) -> None:
    handler = type("Handler", (Fake,), {"lost": threading.Event()})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever).start()
    try:
        looked = Looked(browser, f"http://127.0.0.1:{server.server_port}/")
        looked.page.locator(".verdict .chip").wait_for()
        assert tokens(looked) == 7, "what was arriving when the connection was lost is told again, or never came"
        assert looked.page.locator(".circles a[aria-current=true] .question").inner_text() == "<b>?</b>"
        assert looked.troubles == []
        looked.page.close()
    finally:
        server.shutdown()
        server.server_close()
