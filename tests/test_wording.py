"""Wording files, the packaged ones and a user's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from refusals import refused, written
from tertulia.errors import TertuliaError
from tertulia.wording import Wording, fill, languages


def test_a_file_of_ones_own_is_laid_over_the_packaged_words(tmp_path: Path) -> None:
    own = tmp_path / "mine.toml"
    own.write_text('closing = "Time is up."\n')
    words = Wording.load("paper", "en", own)
    assert words.closing == "Time is up." and words.cues == Wording.load("paper", "en").cues


def test_a_file_can_bring_a_language_that_the_package_does_not_have(tmp_path: Path) -> None:
    own = tmp_path / "eo.toml"
    words = 'step_differ = "{step} {mine} {count} {total} {other}"\nstep_agree = "jes"\nstep_doubt = "{step}?"'
    own.write_text(f'{words}\nthinking = "Esperanto:\\n"\nthink_in = " [Esperanto]"')
    assert Wording.load("pebble", "eo", own).step_agree_text() == "<peers>jes</peers>\n"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("colour = 'red'", "unknown wording 'colour'"),
        ("closing = 3", "the wording 'closing' in .* is 3: write a text"),
        ("step_differ = 'no places'", r"the wording 'step_differ' in .* does not name \{step\}"),
        ("cues = ['no tag']", "the cue 'no tag' in .* opens no summary"),
        ("cues = []", "write a list of texts"),
        ("cue_again = 'shorter'", "must close the summary and open another"),
        ("closing = ", "is not TOML"),
    ],
)
def test_a_wrong_file_is_said_in_one_line(tmp_path: Path, text: str, line: str) -> None:
    with refused(line):
        Wording.load("paper", "en", written(tmp_path, text))


def test_a_set_or_a_language_that_is_not_there_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(TertuliaError, match="unknown wording set 'fuller'"):
        Wording.load("fuller", "en")
    with pytest.raises(TertuliaError, match="no wordings of the set pebble in language 'tlh': use one of bn, de"):
        Wording.load("pebble", "tlh")
    with pytest.raises(TertuliaError, match="cannot be read"):
        Wording.load("paper", "en", tmp_path / "missing.toml")
    (tmp_path / "half.toml").write_text("step_agree = 'jes'")
    with pytest.raises(TertuliaError, match="the wording 'thinking' is missing"):
        Wording.load("pebble", "eo", tmp_path / "half.toml")


def test_only_the_places_named_are_filled_and_only_once() -> None:
    assert fill("{a} \\boxed{} {b}", a="{b}", b="2") == "{b} \\boxed{} 2"


def test_every_set_has_english() -> None:
    assert "en" in languages("paper") and "en" in languages("pebble")
