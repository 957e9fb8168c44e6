"""The page of a big circle in a headless Chromium: how long it takes to open, and how smoothly it scrolls and plays.

    python benchmarks/page.py --paths 32 --tokens 32768

The circle is made up: its journal has the records, the ids and the length of text that a real one of this size has.
Opening is from the command to the browser until the lanes are drawn. Frames are counted while the lanes are zoomed in
and scrolled, while they are played, and while the text of a path is scrolled.
"""

from __future__ import annotations

import argparse
import random
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from tertulia.server.page import page_of

PHRASE = "so the next step is to take what we have and add it again then check that this holds for all cases of x"
WORDS = PHRASE.split()
FRAMES = """([act, ms]) => new Promise((resolve) => {
  const stage = document.querySelector(".stage");
  const text = document.querySelector(".text");
  const start = performance.now();
  let [frames, longest, last] = [0, 0, start];
  const beat = (now) => {
    frames += 1;
    longest = Math.max(longest, now - last);
    last = now;
    const share = (now - start) / ms;
    if (act === "lanes") stage.scrollLeft = share * (stage.scrollWidth - stage.clientWidth);
    if (act === "text") text.scrollTop += 60;
    if (share >= 1) resolve({ rate: (1000 * (frames - 1)) / (now - start), longest });
    else requestAnimationFrame(beat);
  };
  requestAnimationFrame(beat);
})"""


@dataclass
class Made:
    """A circle that was made up."""

    name: str
    header: dict[str, Any]
    records: list[dict[str, Any]] = field(default_factory=list)


def circle(paths: int, tokens: int, segment: int, every: int) -> Made:
    """A circle whose paths think so many tokens each, in segments, and meet on the way."""
    draw = random.Random(0)
    settings = {"method": "leap", "paths": paths, "budget": tokens + 1000, "mode": "sync", "seed": 0}
    made = Made("q0/c0", {"question": "A question of this size.", "model": "made up", "settings": settings})
    steps = dict.fromkeys(range(paths), 0)
    claims = {path: str(draw.randrange(12)) for path in range(paths)}

    def step(path: int, kind: str, place: str, **more: Any) -> None:
        key = f"q0/c0/p{path}/{steps[path]}"
        made.records.append({"key": key, "path": path, "mode": "ids", "kind": kind, "place": place, **more})
        steps[path] += 1

    def span(kind: str, count: int) -> dict[str, Any]:
        ids = [draw.randrange(150_000) for _ in range(count)]
        return {"kind": kind, "ids": ids, "text": " ".join(draw.choices(WORDS, k=count)) + "\n", "count": count}

    for path in range(paths):
        step(path, "prompt", "thinking", spans=[span("prompt", 200)])
    for at in range(0, tokens, segment):
        meets = (at + segment) % every == 0
        for path in range(paths):
            step(path, "thought", "meeting" if meets else "thinking", spans=[span("thought", segment)], finish="length")
        if meets:
            _meet(made, draw, claims, at // every)
            for path in range(paths):
                step(path, "heard", "thinking", spans=[span("heard", 120)], meeting=at // every, finding="differ")
    for path in range(paths):
        step(path, "answer", "finished", spans=[span("answer", 30)], answer=claims[path], finish="end")
    votes = {answer: list(claims.values()).count(answer) for answer in set(claims.values())}
    made.records.append(
        {"key": "q0/c0/verdict", "kind": "verdict", "answer": max(votes, key=lambda answer: votes[answer])}
        | {"votes": votes, "spoke": paths, "of": paths, "tie": False, "settled": False, "note": ""}
    )
    return made


def _meet(made: Made, draw: random.Random, claims: dict[int, str], index: int) -> None:
    heard = {}
    for path in claims:
        peers = draw.sample([peer for peer in claims if peer != path], min(4, len(claims) - 1))
        heard[str(path)] = {"text": "Wait, let me check.", "peers": peers, "finding": "differ", "interrupts": True}
    held = {str(path): {"answer": answer} for path, answer in claims.items()}
    key = f"q0/c0/meeting/{index}"
    made.records.append({"key": key, "kind": "meeting", "index": index, "claims": held, "heard": heard})
    for path, told in heard.items():
        if draw.random() < 0.2:
            claims[int(path)] = claims[told["peers"][0]]


def measured(page: Path, seconds: float) -> Iterator[tuple[str, str]]:
    """What was measured, line by line."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=found, args=["--no-sandbox"])
        view = browser.new_page(viewport={"width": 1440, "height": 900})
        begun = time.perf_counter()
        view.goto(page.resolve().as_uri())
        view.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        yield "opens in", f"{time.perf_counter() - begun:.2f} s"
        for _ in range(6):
            view.get_by_label("Zoom in").click()
        yield "lanes scrolled", rate(view.evaluate(FRAMES, ["lanes", 1000 * seconds]))
        view.get_by_role("button", name="fit").click()
        view.get_by_role("button", name="Play").click()
        yield "played", rate(view.evaluate(FRAMES, ["play", 1000 * seconds]))
        view.get_by_role("button", name="Pause").click()
        begun = time.perf_counter()
        view.locator(".panel").get_by_role("button", name="Path 3", exact=True).click()
        view.locator(".text .block").first.wait_for()
        yield "a path's text is there in", f"{time.perf_counter() - begun:.2f} s"
        yield "text scrolled", rate(view.evaluate(FRAMES, ["text", 1000 * seconds]))
        begun = time.perf_counter()
        view.locator("#search").fill("check that this holds")
        view.locator(".results").wait_for()
        yield "all texts searched in", f"{time.perf_counter() - begun:.2f} s"
        browser.close()


def rate(found: dict[str, float]) -> str:
    """Frames a second, and the longest frame."""
    return f"{found['rate']:.0f} frames a second, the longest frame {found['longest']:.0f} ms"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--paths", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=32768, help="thought tokens of a path")
    parser.add_argument("--segment", type=int, default=512, help="tokens of a record")
    parser.add_argument("--every", type=int, default=2048, help="tokens between two meetings")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each count of frames")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        made = circle(asked.paths, asked.tokens, asked.segment, asked.every)
        print(f"{asked.paths} paths of {asked.tokens:,} tokens, {len(made.records):,} records; made in", end=" ")
        print(f"{time.perf_counter() - begun:.1f} s")
        begun = time.perf_counter()
        page = Path(folder) / "page.html"
        page.write_text(page_of([made]), "utf-8")
        print(f"page of {page.stat().st_size / 1e6:.1f} MB written in {time.perf_counter() - begun:.1f} s")
        for what, how in measured(page, asked.seconds):
            print(f"{what}: {how}")


if __name__ == "__main__":
    main()
