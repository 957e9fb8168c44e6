"""The page of a run: lanes, who heard whom, and texts, as a browser shows them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pytest

from browser import Looked, chromium
from tertulia import solve
from tertulia.cli import main
from tertulia.cli.show import read
from tertulia.server.page import page_of

PATHS = 4


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A circle with meetings: its journal, and its result."""
    file = tmp_path_factory.mktemp("run") / "run.jsonl"
    asked: dict[str, Any] = {"paths": PATHS, "every": 40, "seed": 7}
    return file, solve(world_seed=7, engine="scripted", journal=file, **asked).to_json()


def opened(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> list[str]:
    """What a browser was told to open."""
    addresses: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda address: bool(addresses.append(address)) or True)
    assert main([*arguments, "--open"]) == 0
    return addresses


def test_a_run_opens_its_page_when_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    solving = ["solve", "--world-seed", "7", "--engine", "scripted", "--paths", "2"]
    (address,) = opened(monkeypatch, *solving, "--json")
    said = capsys.readouterr()
    page = Path(url2pathname(urlsplit(address).path))
    assert json.loads(said.out)["verdict"] and said.err == f"page: {page}\n"
    assert page.is_relative_to(tmp_path) and "Content-Security-Policy" in page.read_text("utf-8")

    kept = tmp_path / "kept.jsonl"
    assert opened(monkeypatch, *solving, "--journal", str(kept)) == [(tmp_path / "kept.html").as_uri()]
    assert f"page: {tmp_path / 'kept.html'}" in capsys.readouterr().out


def test_a_page_takes_the_place_of_no_journal(run: tuple[Path, Any], capsys: pytest.CaptureFixture[str]) -> None:
    before = run[0].read_bytes()
    other_name = run[0].parent / ".." / run[0].parent.name / run[0].name
    for file in (run[0], other_name):
        assert main(["view", str(run[0]), "-o", str(file)]) == 2
        assert "would take the place of the journal" in capsys.readouterr().err
    assert main(["view", *[str(run[0])] * 3]) == 2
    assert "3 journals were given: give one, or two" in capsys.readouterr().err
    assert run[0].read_bytes() == before


def test_a_folder_is_no_journal_and_no_page(
    run: tuple[Path, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["view", "."]) == 2
    assert "the journal . cannot be read: Is a directory" in capsys.readouterr().err
    for command in (["view", str(run[0]), "-o", "."], ["show", str(run[0]), "--otlp", "."]):
        assert main(command) == 2
        assert "cannot write .: " in capsys.readouterr().err
    assert main(["view", str(run[0]), "-o", "-"]) == 2
    assert "-o - names no file, and the page is not printed: give a name" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def browser(run: tuple[Path, dict[str, Any]]) -> Iterator[Any]:
    """After the run: Playwright keeps an event loop open in this thread."""
    with chromium() as opened:
        yield opened


@pytest.fixture
def looked(browser: Any, run: tuple[Path, dict[str, Any]], tmp_path: Path) -> Iterator[Looked]:
    """The page of that circle, open."""
    assert main(["view", str(run[0]), "-o", str(tmp_path / "run.html")]) == 0
    shown = Looked(browser, tmp_path / "run.html")
    yield shown
    assert shown.troubles == []
    shown.page.close()


def told_something(file: Path) -> list[dict[str, Any]]:
    """The steps by which something heard came into a path."""
    return [record for record in read(file).records if record["kind"] == "heard" and record.get("spans")]


def test_the_page_says_what_was_asked_and_what_it_came_to(looked: Looked, run: tuple[Path, dict[str, Any]]) -> None:
    _, result = run
    assert looked.page.locator("h2").inner_text() == result["question"]
    assert looked.page.locator(".verdict .chip").inner_text() == result["verdict"]
    rows = looked.panel.locator("table.paths").first.locator("tbody tr")
    shown = [[cell.strip() for cell in row.inner_text().split("\t")] for row in rows.all()]
    assert [row[0] for row in shown] == [f"Path {path}" for path in range(PATHS)]
    assert [row[1] for row in shown] == [path["answer"] for path in result["paths"]]
    assert [int(row[2].replace(",", "")) for row in shown] == [path["tokens"]["generated"] for path in result["paths"]]


def test_who_heard_whom_is_what_the_run_says(looked: Looked, run: tuple[Path, dict[str, Any]]) -> None:
    looked.panel.get_by_text("Who heard whom").click()
    rows = [row.inner_text().split("\t") for row in looked.panel.locator(".hearings tbody tr").all()]
    shown = [(int(meeting), int(path), [int(peer) for peer in heard.split(", ")]) for meeting, path, heard, _ in rows]
    assert shown == [
        (meeting["index"], path, peers)
        for meeting in run[1]["meetings"]
        for path, peers in enumerate(meeting["heard"])
        if peers
    ]
    assert shown


def test_what_was_heard_and_by_whom_is_drawn_in_the_lanes(looked: Looked, run: tuple[Path, dict[str, Any]]) -> None:
    colours = looked.colours()
    assert colours[looked.colour("kind-thought")][0] > 100 * PATHS
    heard = colours[looked.colour("kind-heard")]
    assert heard[0] > 50 * len(told_something(run[0]))
    arrows = [looked.colour(f"effect-{name}") for name in ("influenced", "moved", "unaffected")]
    assert sum(colours.get(name, [0])[0] for name in arrows) > 20


def test_a_click_on_what_was_heard_shows_its_exact_text(looked: Looked, run: tuple[Path, dict[str, Any]]) -> None:
    _, x, y = looked.colours()[looked.colour("kind-heard")]
    looked.stage.click(position={"x": x + 2, "y": y + 5})
    block = looked.panel.locator(".block[aria-current]")
    texts = {record["spans"][-1]["text"] for record in told_something(run[0])}
    assert block.locator("p").text_content() in texts
    looked.panel.get_by_role("button", name="ids").click()
    ids = json.loads("[" + (looked.panel.locator(".ids").text_content() or "").replace(" ", ",") + "]")
    assert ids in [record["spans"][-1]["ids"] for record in told_something(run[0])]


def test_a_path_is_read_from_its_question_to_its_answer(looked: Looked, run: tuple[Path, dict[str, Any]]) -> None:
    looked.panel.get_by_role("button", name="Path 2").first.click()
    texts = [text for text in looked.panel.locator(".block p").all_text_contents()]
    spans = [
        span["text"]
        for record in read(run[0]).records
        if record.get("path") == 2
        for span in [*record.get("spans", []), *([record["held"]] if "held" in record else [])]
    ]
    assert "".join(texts) == "".join(spans)


def test_a_meeting_shows_claims_side_by_side_and_what_was_told(
    looked: Looked, run: tuple[Path, dict[str, Any]]
) -> None:
    record = next(record for record in read(run[0]).records if record["kind"] == "meeting")
    looked.panel.get_by_text("Who heard whom").click()
    looked.panel.locator(".hearings tbody button").first.click()
    cards = looked.panel.locator(".card")
    assert [cards.nth(path).locator(".chip").first.inner_text() for path in range(PATHS)] == [
        record["claims"][str(path)]["answer"] or "no claim" for path in range(PATHS)
    ]
    told = [what["text"] for what in record["heard"].values() if what["text"]]
    assert [text for text in looked.panel.locator("blockquote").all_text_contents()] == told
    cells = [int(cell) for cell in looked.panel.locator(".matrix tr :not(.self, .corner, th)").all_text_contents()]
    assert len(cells) == PATHS * (PATHS - 1) and all(0 <= cell <= 100 for cell in cells)


def test_all_texts_are_searched(looked: Looked, run: tuple[Path, dict[str, Any]]) -> None:
    record = told_something(run[0])[0]
    looked.page.keyboard.press("/")
    looked.page.keyboard.type(record["spans"][-1]["text"].strip().upper())
    looked.page.keyboard.press("Enter")
    found = looked.panel.locator(".result")
    assert found.count() >= 1
    found.first.click()
    assert looked.panel.locator(".block[aria-current] mark").count() >= 1


def test_keys_move_along_a_path_and_open_what_is_there(looked: Looked) -> None:
    looked.stage.focus()
    said = looked.page.locator("[aria-live]").first
    looked.page.keyboard.press("ArrowDown")
    assert (said.text_content() or "").startswith("Path 0, thought, ")
    looked.page.keyboard.press("ArrowLeft")
    assert (said.text_content() or "").startswith("Path 0, asked, ")
    looked.page.keyboard.press("ArrowRight")
    looked.page.keyboard.press("ArrowDown")
    assert (said.text_content() or "").startswith("Path 1, ")
    looked.page.keyboard.press("Enter")
    assert looked.panel.locator("h3").inner_text().startswith("Path 1")
    looked.panel.locator(".text").focus()
    looked.page.keyboard.press("Escape")
    assert looked.panel.locator("h3").inner_text() == "The circle"


def test_playing_begins_with_nothing_and_ends_with_everything(looked: Looked) -> None:
    whole = looked.colours()[looked.colour("kind-thought")][0]
    slider = looked.page.get_by_label("Moment")
    slider.fill("100")
    assert looked.colours()[looked.colour("kind-thought")][0] < whole / 2
    looked.page.get_by_role("button", name="Play").click()
    looked.page.wait_for_function("() => Number(document.querySelector('input[type=range]').value) > 150")
    slider.fill("1000")
    assert looked.colours()[looked.colour("kind-thought")][0] == whole
    assert looked.page.get_by_role("button", name="Play").count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_in_light_and_dark(
    browser: Any, run: tuple[Path, dict[str, Any]], tmp_path: Path, scheme: str
) -> None:
    (tmp_path / "run.html").write_text(page_of([read(run[0])]), "utf-8")
    looked = Looked(browser, tmp_path / "run.html", viewport={"width": 390, "height": 800}, color_scheme=scheme)
    assert looked.page.evaluate("() => document.documentElement.scrollWidth") <= 390
    assert looked.colours()[looked.colour("kind-thought")][0] > 100
    assert looked.troubles == []
    looked.page.close()


def test_two_runs_stand_side_by_side_in_the_same_colours_and_are_played_together(
    browser: Any, run: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    assert main(["view", str(run[0]), str(run[0]), "-o", str(tmp_path / "two.html"), "--gold", "85"]) == 0
    looked = Looked(browser, tmp_path / "two.html", viewport={"width": 1600, "height": 900})
    assert looked.page.locator(".stage").count() == 2
    left, right = (looked.page.locator(".run").nth(at).bounding_box() for at in (0, 1))
    assert left["y"] == right["y"] and left["x"] + left["width"] <= right["x"]
    looked.page.get_by_label("Moment").first.fill("300")
    assert [slider.input_value() for slider in looked.page.get_by_label("Moment").all()] == ["300", "300"]
    assert looked.troubles == []
    looked.page.close()


def test_where_the_right_answer_is_known_it_is_marked(
    browser: Any, run: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    (tmp_path / "run.html").write_text(page_of([read(run[0])], gold=f"{run[1]['verdict']}.0"), "utf-8")
    looked = Looked(browser, tmp_path / "run.html")
    assert looked.page.locator(".verdict .chip").inner_text() == f"{run[1]['verdict']} ✓"
    answers = [
        row.locator(".chip").inner_text() for row in looked.panel.locator("table.paths").first.locator("tbody tr").all()
    ]
    assert answers == [
        f"{path['answer']} {'✓' if path['answer'] == run[1]['verdict'] else '✗'}" for path in run[1]["paths"]
    ]
    looked.page.close()
