"""A page replays a journal by itself: whatever way the tokens were spent, it counts what the run counted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from browser import Looked, chromium
from tertulia import Result, solve
from tertulia.cli.show import read
from tertulia.engines.scripted import Fault, ScriptedEngine
from tertulia.evaluation.meetings import Listener, Truth, effects
from tertulia.model import profile_for
from tertulia.server.page import page_of

WAYS: dict[str, dict[str, Any]] = {
    "leap": {"every": 40},
    "board": {"every": 40, "mode": "board"},
    "independent": {"method": "independent"},
    "leap-single": {"method": "leap-single", "every": 40},
    "longer": {"method": "longer", "paths": None},
    "moa": {"method": "moa", "words": "plain"},
    "paper": {"preset": "paper", "every": 40},
    "aside": {"summaries": "aside", "frame": "quotes", "every": 40, "last_call": 1},
    "settled": {"consensus_stop": 2, "every": 40},
    "short": {"budget": 130, "every": 20},
    "judged": {"vote": "judged", "words": "plain"},
    "free": {"answer_kind": "free", "words": "plain", "world_seed": None, "question": "Two lines about water."},
    "sure": {"vote": "sure", "words": "plain"},
    "pebble": {"world_seed": 3, "paths": 8, "engine": None},  # the packaged model changes its mind
    "a path that fails": {"every": 40, "faults": True},
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, dict[str, Any], Result, dict[int, Any]]]:
    """The journal of each way, its result, and what its paths heard."""
    folder = tmp_path_factory.mktemp("ways")
    done = {}
    for name, way in WAYS.items():
        asked = {"paths": 4, "seed": 3, "world_seed": 7} | way
        faults = {"q0/c0/p1": [None, *[Fault("error")] * 9]} if asked.pop("faults", False) else {}
        file = folder / f"{name}.jsonl"
        listener = Listener()
        asked.setdefault("engine", ScriptedEngine(faults=faults))
        result = solve(journal=file, observer=listener.observe, **asked)
        done[name] = (file, result.to_json(), result, listener.heard)
    return done


@pytest.fixture(scope="module")
def browser(runs: dict[str, Any]) -> Iterator[Any]:
    """After the runs: Playwright keeps an event loop open in this thread."""
    with chromium() as opened:
        yield opened


@pytest.mark.parametrize("way", WAYS)
def test_the_page_counts_what_the_run_counted(browser: Any, runs: dict[str, Any], tmp_path: Path, way: str) -> None:
    file, result, *_ = runs[way]
    (tmp_path / "run.html").write_text(page_of([read(file)]), "utf-8")
    looked = Looked(browser, tmp_path / "run.html")
    shown = [int(text.split()[0].replace(",", "")) for text in looked.panel.locator(".tokens dd").all_inner_texts()]
    assert shown == [result["tokens"][name] for name in ("generated", "injected", "forked", "discarded")]
    rows = [row.split("\t") for row in looked.panel.locator("table.paths").first.locator("tbody tr").all_inner_texts()]
    assert [row[1] for row in rows] == [path["answer"] or rows[at][1] for at, path in enumerate(result["paths"])]
    assert [int(row[2].replace(",", "")) for row in rows] == [path["tokens"]["generated"] for path in result["paths"]]
    assert [row[4].split(",")[0].split(":")[0] for row in rows] == [path["place"] for path in result["paths"]]
    assert looked.page.locator(".verdict .chip").inner_text() == (result["verdict"] or "none")
    assert looked.colours()[looked.colour("kind-thought")][0] > 100
    assert looked.troubles == []
    looked.page.close()


@pytest.mark.parametrize("way", ["pebble", "leap", "board", "paper", "settled"])
def test_what_a_meeting_did_is_what_an_evaluation_says(
    browser: Any, runs: dict[str, Any], tmp_path: Path, way: str
) -> None:
    file, _, result, heard = runs[way]
    found = effects(result, heard, profile_for("scripted"), "</think>", Truth("0", {}))
    (tmp_path / "run.html").write_text(page_of([read(file)]), "utf-8")
    looked = Looked(browser, tmp_path / "run.html")
    looked.panel.get_by_text("Who heard whom").click()
    rows = [row.split("\t") for row in looked.panel.locator(".hearings tbody tr").all_inner_texts()]
    shown = {(int(meeting), int(path)): did.replace("moved", "influenced") for meeting, path, _, did in rows}
    said = {(effect.meeting, effect.path): effect.category for effect in found if effect.peers}
    assert shown.keys() == said.keys()
    known = [key for key in said if "unknown" not in (said[key], shown[key])]
    assert {key: shown[key] for key in known} == {key: said[key] for key in known}
    assert len(known) > len(said) / 2
    assert way != "pebble" or {"influenced", "unaffected", "consistent"} <= set(shown.values())
    looked.page.close()
