"""What can be asked for, and the line that says why not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from circles import PEBBLE
from tertulia import solve
from tertulia.errors import TertuliaError
from tertulia.model import Profile, profile_for
from tertulia.settings import METHODS, Settings, meeting_settings, refuse_idle, resolve, table


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        ({"router": "nearest"}, "unknown router 'nearest': use one of dispersed, clustered, hybrid, random"),
        ({"method": "self"}, "unknown method 'self': .*; a control, such as self, is given with --control"),
        ({"temperature": float("nan")}, "temperature is nan, which cannot be: input should be a finite number"),
        ({"settle": float("inf")}, "settle is inf, which cannot be"),
        ({"method": "leep"}, "unknown method 'leep': use one of independent, leap, leap-single, longer, moa"),
        ({"preset": "papers"}, "unknown preset 'papers': use one of tertulia, paper"),
        ({"mode": "async"}, "unknown mode 'async': use one of sync, board"),
        ({"frame": "list"}, "unknown frame 'list': use one of digest, quotes, working, answer"),
        ({"router": "sugar"}, "unknown router 'sugar'"),
        ({"colour": 3}, "unknown setting 'colour': use one of method, preset"),
        ({"heard": 8, "router": "random"}, "heard is 8, each of 8 paths has 7 peers"),
        ({"heard": 2, "router": "all"}, "heard has no effect on the router all"),
        ({"paths": 0}, "paths is 0, which cannot be: input should be greater than or equal to 1"),
        ({"doubt": 1.5}, "doubt is 1.5, which cannot be"),
        ({"temperature": "hot"}, "temperature is 'hot', which cannot be"),
        ({"budget": 256}, "a budget of 256 tokens leaves nothing to think with: 256 are kept"),
        ({"budget": 1000, "every": 500}, r"smaller than one meeting: .* need at least 1013"),
        ({"budget": 1000, "every": 0, "meet_at": [600]}, "smaller than one meeting"),
        ({"frame": "working", "words": "paper"}, "use digest or quotes"),
        ({"method": "independent", "every": 512}, "every is 512, but the paths of the method independent"),
        ({"method": "moa", "control": "echo"}, "control is 'echo', but the paths of the method moa"),
        ({"method": "leap-single", "every": 0}, "set every to the thought tokens"),
        ({"method": "leap-single", "last_call": True}, "meets once"),
        ({"consensus_stop": 9}, "consensus_stop is 9, above 8 paths"),
        ({"settle": 0.5, "method": "longer"}, "settle ends a circle of leap or independent early"),
        ({"consensus_stop": 2, "method": "moa"}, "consensus_stop ends a circle of leap or independent early"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(asked: dict[str, Any], line: str) -> None:
    with pytest.raises(TertuliaError, match=line) as caught:
        resolve(Profile(), asked)
    assert "\n" not in str(caught.value)


IDLE = [
    ({"layers": 3}, "layers is 3, which has no effect here: only the method moa"),
    ({"margin": 5}, "states no steps"),
    ({"doubt_until": 1}, "nobody doubts: set doubt too"),
    ({"router": "random", "heard": 1}, "router is 'random', .* set counted to heard, or frame to quotes"),
    ({"max_heard": 1}, "max_heard is 1"),
    ({"counts": True, "frame": "digest"}, "counts is True, .* use one of these frames"),
    ({"sure": 0.9, "forks": False}, "sure is 0.9, .* set forks"),
    ({"vote": "sure", "forks": False}, "vote is 'sure'"),
    ({"summaries": "aside", "forks": False}, "summaries is 'aside'"),
    ({"settle": 0.375, "paths": 1}, "settle is 0.375, .* take more paths"),
    ({"method": "longer", "paths": 3}, "paths is 3, .* one path"),
]
USEFUL: list[dict[str, Any]] = [
    {"layers": 3, "method": "moa"},
    {"doubt": 1.0, "doubt_until": 1},
    {"router": "random", "heard": 1, "counted": "heard"},
    {"router": "random", "max_heard": 1, "frame": "digest"},
    {"counts": True, "frame": "answer"},
    {"sure": 0.9, "vote": "sure"},
    {"vote": "shortest-majority", "forks": False},
    {"layers": 1, "margin": 1, "router": "answers", "counts": False, "settle": None, "paths": 1},
    {"preset": "paper"},
    {"settle": 0.5, "paths": 1, "answer_kind": "free"},
]


@pytest.mark.parametrize(("asked", "line"), IDLE)
def test_what_would_change_nothing_is_refused_for_one_question_only(asked: dict[str, Any], line: str) -> None:
    resolve(Profile(), asked)  # shared by several arms, it may be of use to another one
    with pytest.raises(TertuliaError, match=line) as caught:
        refuse_idle(Profile(), asked)
    assert "\n" not in str(caught.value)
    with pytest.raises(TertuliaError, match=line):
        solve("1+1?", engine="scripted", profile=Profile(), **asked)


@pytest.mark.parametrize("asked", USEFUL)
def test_what_has_an_effect_or_is_as_it_would_be_anyway_is_taken(asked: dict[str, Any]) -> None:
    refuse_idle(Profile(), asked)


def test_a_presets_own_values_and_a_method_of_ones_own_are_not_held_against_anybody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refuse_idle(PEBBLE, {"router": "all", "margin": 2})
    refuse_idle(PEBBLE, {"router": "answers"})
    refuse_idle(PEBBLE, {"router": "random", "heard": 2})
    refuse_idle(PEBBLE, {"vote": "sure"})
    monkeypatch.setattr("tertulia.settings.METHODS", [*METHODS, "mine"])
    refuse_idle(Profile(), {"method": "mine", "layers": 3})


def test_what_is_asked_for_comes_before_the_model_and_the_model_before_the_preset() -> None:
    assert resolve(Profile(), {}).every == "auto"
    assert resolve(PEBBLE, {}).every == PEBBLE.presets["tertulia"]["every"]
    assert resolve(PEBBLE, {"every": 77}).every == 77
    assert resolve(PEBBLE, {}).temperature == PEBBLE.sampling.temperature == 1.0 != resolve(Profile(), {}).temperature
    assert resolve(PEBBLE, {"every": None}).every == PEBBLE.presets["tertulia"]["every"]


def test_the_paper_preset_has_the_papers_settings() -> None:
    paper = resolve(Profile(), {"preset": "paper"})
    assert (paper.every, paper.heard, paper.router, paper.frame, paper.mode) == (
        4096,
        4,
        "dispersed",
        "quotes",
        "sync",
    )
    assert (paper.temperature, paper.top_p, paper.top_k, paper.min_p) == (0.6, 0.95, 40, 0.05)
    assert (paper.budget, paper.last_call) == (16384, 0)


def test_a_small_circle_hears_as_many_as_there_are() -> None:
    assert resolve(Profile(), {"paths": 3}).heard == 2
    assert not resolve(Profile(), {"paths": 1}).meets


def test_whom_a_path_hears_shows_in_a_digest_of_steps_when_it_is_asked_for() -> None:
    assert resolve(PEBBLE, {}).counted == "all"
    assert resolve(PEBBLE, {"router": "random", "heard": 2}).counted == "heard"
    assert resolve(PEBBLE, {"router": "random", "counted": "all"}).counted == "all"
    assert resolve(Profile(), {"heard": 2}).counted == "all"


def test_independent_paths_do_not_meet_whatever_the_preset_says() -> None:
    for profile in (Profile(), PEBBLE):
        assert not resolve(profile, {"method": "independent"}).meets


def test_leap_single_has_no_last_call_whatever_the_preset_says() -> None:
    assert resolve(PEBBLE, {"method": "leap-single"}).last_call == 0


def test_a_profile_is_found_by_the_name_of_the_model_or_of_its_file(tmp_path: Any) -> None:
    assert profile_for("/models/Pebble-2.gguf").name == "pebble"
    assert profile_for(None).name == "pebble"
    assert profile_for("Qwen3-8B").wording == "plain"
    own = tmp_path / "mine.gguf"
    (tmp_path / "mine.gguf.profile.toml").write_text('name = "mine"\nsummary_tokens = 99\n')
    assert profile_for(own).summary_tokens == 99


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("tail_tokens = 65", "tail_tokens: Input should be less than or equal to 64"),
        ("[claims]\nsummary_step = '(a)'", "needs two groups"),
        ("[claims]\nsummary_step = '('", "is no regular expression"),
        ("name = ", "is not TOML"),
        ("colour = 1", "colour"),
        (b"name = '\xff'", "is not UTF-8: invalid start byte at byte 8"),
    ],
)
def test_a_wrong_profile_is_said_in_one_line(tmp_path: Any, text: str | bytes, line: str) -> None:
    (tmp_path / "mine.gguf.profile.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(TertuliaError, match=line) as caught:
        profile_for(tmp_path / "mine.gguf")
    assert "\n" not in str(caught.value)


def test_to_hear_0_peers_is_to_hear_all_that_the_router_gives() -> None:
    assert resolve(Profile(), {"heard": 0, "router": "random", "paths": 5}).heard == 4


def test_words_with_tags_bring_the_frame_and_the_pace_that_need_them() -> None:
    settings = resolve(Profile(), {"words": "paper"})
    assert (settings.frame, settings.summaries, settings.every) == ("digest", "written", 2048)
    assert resolve(Profile(), {"words": "paper", "frame": "quotes", "every": 7}).every == 7


def test_every_setting_is_described_once() -> None:
    assert sorted(Settings.model_fields) == sorted(table())
    assert set(meeting_settings()) < set(Settings.model_fields)


def test_docs_say_of_every_setting_what_help_says_and_its_default() -> None:
    page = (Path(__file__).parent.parent / "docs" / "settings.md").read_text("utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert rows == [row(name) for name in table()]


def row(name: str) -> str:
    """A line of docs/settings.md."""
    default = Settings.model_fields[name].default
    told = "" if default in (None, "") else f"`{str(default).lower() if isinstance(default, bool) else default}`"
    return f"| `{name}` | {table()[name]['help']} | {told if default != () else ''} |"
