"""The live view: what it shows of the run's events, and how often it draws."""

from __future__ import annotations

import asyncio
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from tertulia.api import Event
from tertulia.cli import live
from tertulia.cli.lines import Lines, LineView, Pace, who_heard_whom
from tertulia.cli.live import LiveView, picture
from tertulia.cli.scene import Scene
from tertulia.cli.watching import View


def _console(height: int = 30, width: int = 100) -> Console:
    return Console(file=StringIO(), force_terminal=True, width=width, height=height, color_system=None)


def _start(paths: int, budget: int, *, question: str = "?", mode: str = "sync") -> Event:
    settings = {"paths": paths, "budget": budget, "method": "leap", "mode": mode, "seed": 0}
    data = {"question": question, "settings": settings, "engine": "vllm", "model": "m", "mode": "text"}
    return Event("start", None, data)


def _shown(scene: Scene, height: int = 30) -> list[str]:
    console = _console(height)
    with console.capture() as capture:
        console.print(picture(scene, height))
    return capture.get().splitlines()


def _scene(*events: tuple[str, int | None, dict[str, Any]], paths: int = 3) -> Scene:
    scene = Scene()
    scene.apply(_start(paths, 200))
    for kind, path, data in events:
        scene.apply(Event(kind, path, data))  # type: ignore[arg-type]
    return scene


def _meeting(claims: dict[int, Any], heard: dict[int, list[int]], text: str = "") -> dict[str, Any]:
    told = {str(path): {"text": text, "peers": peers} for path, peers in heard.items()}
    return {"index": 0, "claims": {str(path): held for path, held in claims.items()}, "heard": told}


def test_a_row_shows_the_tokens_what_the_path_does_and_its_claim() -> None:
    scene = _scene(
        ("tokens", 0, {"count": 40}),
        ("summary", 0, {"text": "so far", "place": "meeting"}),
        ("tokens", 1, {"count": 20}),
        ("answer", 2, {"answer": "170", "place": "finished"}),
        (
            "meeting",
            None,
            _meeting(
                {0: {"steps": {"1": "93", "2": "85"}, "answer": "85"}}, {1: [0]}, "<peers>step 2: you 85</peers>\n"
            ),
        ),
        ("heard", 1, {"meeting": 1, "finding": "differ", "place": "thinking"}),
    )
    rows = _shown(scene)
    assert rows[0].split() == ["path", "tokens", "of", "200", "doing", "claim", "heard"]
    assert rows[1].split()[-4:] == ["40", "meeting", "1=93", "2=85"]
    assert rows[2].split()[-6:] == ["20", "thinking", "step", "2:", "you", "85"]
    assert rows[3].split() == ["2", "0", "finished", "170"]
    assert rows[4].strip() == "1 of 3 finished, 60 tokens"


def test_a_failed_path_says_why_and_a_path_without_answer_says_so() -> None:
    rows = _shown(
        _scene(
            ("failed", 0, {"error": "server\ngone", "place": "failed"}),
            ("answer", 1, {"answer": None, "place": "finished"}),
        )
    )
    assert rows[1].split() == ["0", "0", "failed", "server", "gone"]
    assert rows[2].split() == ["1", "0", "finished", "no", "answer"]


@pytest.mark.parametrize("kind", ["asked", "judged"])
def test_what_a_finished_path_is_asked_for_the_vote_is_not_told_as_its_answer(kind: str) -> None:
    said, asked = {"answer": "170", "place": "finished"}, {"claim": "170", "sure": 0.9, "place": "finished"}
    row = _shown(_scene(("answer", 0, said), (kind, 0, asked)))[1]
    assert row.split() == ["0", "0", "finished", "170"]
    assert Lines().of(Event("answer", 0, said)) == ["path 0 finished: 170"]
    assert Lines().of(Event(kind, 0, asked)) == []


def test_the_method_longer_is_told_as_the_one_path_that_it_is() -> None:
    start = _start(8, 200)
    start.data["settings"]["method"] = "longer"  # type: ignore[index]
    scene = Scene()
    scene.apply(start)
    assert len(scene.paths) == 1 and Lines().of(start)[1].startswith("1 path of m")


def test_more_paths_than_lines_shows_those_at_work_and_counts_the_rest() -> None:
    ends = [("answer", path, {"answer": "1", "place": "finished"}) for path in range(0, 60, 2)]
    rows = _shown(_scene(*ends, paths=60), height=20)
    assert len(rows) <= 20
    assert all("waiting" in row for row in rows[1:-1])
    assert rows[-1].strip() == "and 44 more paths; 30 of 60 finished, 0 tokens"


def test_a_claim_longer_than_the_line_is_cut_and_markup_in_it_is_text() -> None:
    row = _shown(_scene(("summary", 0, {"text": "[bold]x[/bold] " + "y" * 300, "place": "meeting"})))[1]
    assert "[bold]x[/bold]" in row
    assert len(row) <= 100


@pytest.mark.parametrize(
    ("heard", "line"),
    [
        ([[1, 2], [2, 0], [], []], "0 heard 1, 2; 1 heard 2, 0"),
        ([[1], [0], [], [0]], "0 heard 1; 1, 3 heard 0"),
        ([[1, 2], [0, 2], []], "0, 1 heard everybody else"),
        ([[4], [4], [4], [5], [5], [4]], "0-2, 5 heard 4; 3, 4 heard 5"),
        ([[], []], "nobody heard anybody"),
    ],
)
def test_a_meeting_says_who_heard_whom(heard: Any, line: str) -> None:
    assert who_heard_whom(heard) == line


def test_in_board_mode_each_path_that_hears_is_told_once_and_a_silent_one_not_at_all() -> None:
    lines = Lines()
    assert "text mode" in lines.of(_start(3, 9, mode="board"))[1]

    def told(path: int, peers: list[int]) -> list[str]:
        return lines.of(Event("meeting", None, _meeting({}, {path: peers})))

    assert told(1, [0]) == ["meeting 0: 1 heard 0"]
    assert told(0, [1, 2]) == ["meeting 0: 0 heard everybody else"]
    assert told(2, []) == []


async def test_it_draws_far_less_often_than_things_happen_and_only_what_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn = 0

    def counted(scene: Scene, height: int) -> str:
        nonlocal drawn
        drawn += 1
        return ""

    monkeypatch.setattr(live, "picture", counted)
    view = LiveView(_console())
    view.observe(_start(1, 9))
    for _ in range(500):
        view.observe(Event("tokens", 0, {"count": 1}))
        await asyncio.sleep(0.001)
    busy = drawn
    await asyncio.sleep(2.5 * live.REFRESH)
    idle = drawn - busy
    view.close()
    assert 1 <= busy < 250, "of 500 events"
    assert idle <= 1
    assert live.REFRESH >= 1 / 8


async def test_when_it_is_left_the_last_state_and_the_cursor_are_there() -> None:
    console = _console()
    view = LiveView(console)
    view.observe(_start(1, 9, question="How [many]?"))
    view.observe(Event("answer", 0, {"answer": "42", "place": "finished"}))
    view.close()
    out = console.file.getvalue()  # type: ignore[attr-defined]
    assert "How [many]?" in out
    assert "42" in out
    assert out.rindex("\x1b[?25h") > out.rindex("\x1b[?25l")
    view.close()


def test_the_pace_of_a_run_is_told_with_the_most_that_is_left_or_what_those_that_are_through_needed() -> None:
    pace = Pace()
    pace.observe(_start(2, 1000), 100.0)
    assert pace.line(109.0) == "no token yet: the model reads the question, then writes its first tokens"
    pace.observe(Event("tokens", 0, {"count": 100}), 110.0)
    pace.observe(Event("tokens", 1, {"count": 300}), 120.0)
    assert pace.line(120.0) == "400 tokens, 20 tokens/s, 0 of 2 paths done, at most 80 s left"
    pace.observe(Event("thought", 1, {"place": "last call"}), 120.0)
    assert pace.line(140.0) == "400 tokens, 10 tokens/s, 0 of 2 paths done, about 20 s left"
    pace.observe(Event("answer", 1, {"place": "finished", "answer": "7"}), 130.0)
    assert pace.line(140.0) == "400 tokens, 10 tokens/s, 1 of 2 paths done, about 20 s left"
    pace.observe(Event("tokens", 0, {"count": 200}), 150.0)
    assert pace.line(150.0) == "600 tokens, 12 tokens/s, 1 of 2 paths done"


def test_a_silent_server_is_told_on_both_views_until_it_speaks(capsys: pytest.CaptureFixture[str]) -> None:
    waiting = Event("waiting", None, {"seconds": 20.2, "what": "the server"})
    LineView().observe(waiting)
    assert capsys.readouterr().err == "waiting for the server, 20 s\n"
    View().observe(waiting)
    assert capsys.readouterr().err == ""

    async def watch(*events: Event) -> str:
        console = Console(file=StringIO(), force_terminal=True, width=100, height=20)
        view = LiveView(console)
        for event in (_start(2, 1000), *events):
            view.observe(event)
        view.close()
        return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]

    assert "waiting for the server, 20 s" in asyncio.run(watch(waiting))
    assert "waiting for" not in asyncio.run(watch(waiting, Event("tokens", 0, {"count": 3})))


def test_a_beginning_is_told_in_plain_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    view = LineView()
    for text, done in (("8 slots", None), ("loading m.gguf", 0.1), ("loading m.gguf", 1.0)):
        view.observe(Event("loading", None, {"text": text, "done": done}))
    assert capsys.readouterr().err.splitlines() == ["8 slots", "loading m.gguf"]
    View().observe(Event("loading", None, {"text": "8 slots", "done": None}))
    assert capsys.readouterr().err == ""
