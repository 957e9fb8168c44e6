"""Whatever a model writes is text to the page: it runs nothing, and breaks nothing."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from browser import Looked, chromium
from tertulia.cli import main
from tertulia.cli.show import read
from tertulia.journal import Journal
from tertulia.server.page import POLICY, data, live_page, page_of, script

BAD = {
    "a script": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "the end of the block": "</script><script>alert(2)</script>]]></style></title>",
    "a comment": "<!-- --!> <!--<script>",
    "no space at all": "x" * 10_000,
    "marks that turn the text": "safe \u202e gnp.exe \u2066\u2067 \u200f\u200e end",
    "what ends a text": "before\x00after\x1a\x04",
    "colours of a terminal": "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x9b2J",
    "line ends of other kinds": "one\u2028two\u2029three\x85four\rfive\r\nsix",
    "half a pair": "half \ud83d and \udc00 end",
    "names of the language": "__proto__ constructor toString hasOwnProperty",
    "what templates read": "${alert(3)} {{alert(4)}} {script} {circles} javascript:alert(5)",
}


def span(kind: str, text: str, ids: object = (), count: object = 5) -> dict[str, Any]:
    return {"kind": kind, "ids": list(ids) if isinstance(ids, tuple) else ids, "text": text, "count": count}


def hostile(text: str) -> list[dict[str, Any]]:
    """A circle of two paths in which everything that can be a text is this one."""
    paths = [
        {"key": f"q0/c0/p{path}/{at}", "path": path, "mode": "ids", "prompt_tokens": 9, "finish": "length", **step}
        for path in (0, 1)
        for at, step in enumerate(
            [
                {"kind": "prompt", "place": "thinking", "spans": [span("prompt", text)]},
                {
                    "kind": "thought",
                    "place": "last call",
                    "spans": [span("thought", text)],
                    "held": span("thought", text),
                },
                {"kind": "asked", "place": "last call", "claim": text, "sure": 0.5, "fork": span("answer", text)},
                {
                    "kind": "heard",
                    "place": "thinking",
                    "release": "discard",
                    "spans": [span("heard", text)],
                    "meeting": 0,
                },
                {"kind": "answer", "place": "finished", "spans": [span("answer", text)], "answer": text},
            ]
        )
    ]
    claims = {"answer": text, "steps": {text[:60]: text, "__proto__": text, "constructor": "7"}}
    told = {"text": text, "peers": [0, 1, 1], "finding": "differ", "interrupts": True, "step": None, "other": text}
    meeting = {"key": "q0/c0/meeting/0", "kind": "meeting", "index": 0, "claims": {"0": claims, "1": {"answer": "7"}}}
    verdict = {"key": "q0/c0/verdict", "kind": "verdict", "answer": text, "votes": {text: 2}, "spoke": 2, "of": 2}
    failed = {"key": "q0/c0/p2/0", "path": 2, "mode": "ids", "kind": "failed", "place": "failed", "error": text}
    at = len(paths) // 2
    return [
        *paths[:3],
        *paths[at : at + 3],
        meeting | {"heard": {"0": told, "1": told}},
        *paths[3:at],
        *paths[at + 3 :],
        failed,
        verdict | {"tie": False, "settled": False, "note": text},
    ]


def wrong() -> list[dict[str, Any]]:
    """Records whose values are of no form that a run writes."""
    odd: list[Any] = [None, -1, 1e308, "7", [], {}, {"toString": 1}, True, 2**60]
    records: list[dict[str, Any]] = []
    for value in odd:
        records += [
            {"path": value, "kind": "thought", "place": "thinking", "spans": [span("thought", "a")]},
            {"path": 0, "kind": value, "place": value, "spans": value, "held": value, "fork": value, "answer": value},
            {"path": 0, "kind": "thought", "place": "thinking", "spans": [span("thought", "a", value, value), value]},
            {"kind": "meeting", "index": value, "claims": value, "heard": value},
            {
                "kind": "meeting",
                "index": 1,
                "claims": {"0": value},
                "heard": {"0": value, "x": value, "9999999": value},
            },
            {"kind": "meeting", "claims": {"0": {"answer": value, "steps": value}}, "heard": {"0": {"peers": value}}},
            {"kind": "meeting", "claims": {}, "heard": {"0": {"peers": [value, 0], "text": value, "step": value}}},
            {"kind": "asked", "path": 0, "place": "thinking", "claim": value, "fork": {"text": value, "ids": value}},
            {"kind": "verdict", "answer": value, "votes": value, "note": value},
        ]
    steps = count()  # of a path, in order: without one the journal would be refused as a whole
    keys = [f"p0/{next(steps)}" if "place" in record else f"odd/{at}" for at, record in enumerate(records)]
    return [{"key": f"q0/c0/{key}", **record} for key, record in zip(keys, records, strict=True)]


def written(file: Path, question: object, records: list[dict[str, Any]], settings: object = None) -> Path:
    """A journal with these records."""

    async def write() -> None:
        header = {"question": question, "model": question, "settings": settings or {"paths": 2, "budget": 99}}
        async with Journal.open(file, header) as journal:
            for record in records:
                await journal.append(record)

    # In a thread of its own: Playwright keeps an event loop open in this one.
    worker = threading.Thread(target=lambda: asyncio.run(write()))
    worker.start()
    worker.join()
    return file


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as opened:
        yield opened


def walked(looked: Looked) -> None:
    """Looks at everything that the page can show."""
    looked.panel.locator("button").first.click()
    looked.stage.focus()
    for key in ["ArrowDown", "Enter", *["ArrowRight"] * 7, "ArrowDown", "Enter", "+", "-", "0"]:
        looked.page.keyboard.press(key)
    assert looked.panel.locator(".block, .card").count() > 0
    looked.page.keyboard.press("Escape")
    for summary in looked.panel.locator("summary").all():
        summary.click()
    looked.page.keyboard.press("/")
    looked.page.keyboard.type("a")
    looked.page.keyboard.press("Enter")
    looked.panel.locator(".results").wait_for(state="attached")


@pytest.mark.parametrize("what", BAD)
def test_a_hostile_text_is_shown_and_does_nothing(browser: Any, tmp_path: Path, what: str) -> None:
    journal = written(tmp_path / "bad.jsonl", BAD[what], hostile(BAD[what]))
    assert main(["view", str(journal), "-o", str(tmp_path / "bad.html")]) == 0
    looked = Looked(browser, tmp_path / "bad.html")
    assert looked.page.locator("script").count() == 2
    assert looked.page.locator("img").count() == 0
    assert looked.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    walked(looked)
    assert looked.page.evaluate("() => ({}).polluted === undefined && Object.keys(Object.prototype).length === 0")
    assert looked.troubles == []
    looked.page.close()


def test_what_would_turn_or_hide_text_is_shown_by_its_number(browser: Any, tmp_path: Path) -> None:
    text = BAD["marks that turn the text"] + BAD["what ends a text"] + "a\U000e0041\u200bb \u200dc"
    written(tmp_path / "bad.jsonl", "?", hostile(text))
    (tmp_path / "bad.html").write_text(page_of([read(tmp_path / "bad.jsonl")]), "utf-8")
    looked = Looked(browser, tmp_path / "bad.html")
    looked.panel.get_by_role("button", name="Path 0").first.click()
    shown = looked.panel.locator(".block p").first.text_content() or ""
    assert "⟨202E⟩" in shown and "␀" in shown and "\u202e" not in shown and "\x00" not in shown
    assert "a⟨E0041⟩⟨200B⟩b" in shown
    assert "\u200f" in shown and "\u200dc" in shown, "what scripts need stays"
    looked.page.close()


@pytest.mark.parametrize(
    "settings", [{"paths": -3}, {"paths": 1e9, "budget": "x"}, "none", {"paths": 2, "mode": "board"}]
)
def test_records_of_another_program_break_nothing(browser: Any, tmp_path: Path, settings: object) -> None:
    journal = written(tmp_path / "odd.jsonl", {"not": "a text"}, wrong(), settings)
    (tmp_path / "odd.html").write_text(page_of([read(journal)]), "utf-8")
    looked = Looked(browser, tmp_path / "odd.html")
    assert looked.panel.locator("h3").inner_text() == "The circle"
    walked(looked)
    assert looked.troubles == []
    looked.page.close()


def test_a_script_that_came_into_the_page_after_all_would_not_run(browser: Any, tmp_path: Path) -> None:
    written(tmp_path / "run.jsonl", "?", hostile("7"))
    page = page_of([read(tmp_path / "run.jsonl")])
    added = "<script>document.title = 'ran'</script><img src=x onerror=\"document.title = 'ran'\">"
    (tmp_path / "run.html").write_text(page.replace("</body>", f"{added}</body>"), "utf-8")
    looked = Looked(browser, tmp_path / "run.html")
    assert looked.page.title() != "ran"
    assert any("Content Security Policy" in trouble for trouble in looked.troubles)
    put = "() => { try { document.body.innerHTML = '<b>x</b>'; return 'put'; } catch { return 'refused'; } }"
    assert looked.page.evaluate(put) == "refused"
    looked.page.close()


@pytest.mark.parametrize("what", BAD)
def test_data_in_the_page_is_the_value_again_and_ends_nothing(what: str) -> None:
    block = data({BAD[what]: [BAD[what]]})
    assert json.loads(block) == {BAD[what]: [BAD[what]]}
    assert not set(block) & set("<>&\u2028\u2029\x00")
    block.encode()


def test_the_script_makes_no_markup_of_a_text() -> None:
    code = script()
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "DOMParser"):
        assert way not in code
    assert "</script" not in code.lower() and "<!--" not in code
    assert "unsafe" not in POLICY and "*" not in POLICY
    assert "http:" not in live_page() and "https:" not in live_page()
