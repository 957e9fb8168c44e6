"""What is kept from standard error is what nobody can do anything about, and nothing else."""

from __future__ import annotations

import importlib
import logging
import subprocess
import sys
import warnings
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from tertulia.errors import TertuliaError
from tertulia.evaluation.quiet import LINES, quiet, without_tracebacks


def test_a_panel_with_a_traceback_is_not_shown_and_all_else_is() -> None:
    stream = StringIO()
    shown = without_tracebacks(stream)
    print("5 of 8", file=shown)
    print("╭─ Traceback (most recent call last) ─╮\n│ x.py:3 │", end="", file=shown)
    print("done", file=shown)
    assert stream.getvalue() == "5 of 8\ndone\n" and not shown.isatty()


class Heard(logging.Handler):
    """Notes the lines of a logger."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@pytest.fixture
def heard() -> Any:
    handler = Heard()
    for name in LINES:
        logging.getLogger(name).addHandler(handler)
    yield handler
    for name in LINES:
        logging.getLogger(name).removeHandler(handler)


@pytest.mark.parametrize("name", LINES)
def test_only_a_useless_line_is_dropped_and_only_meanwhile(name: str, heard: Heard) -> None:
    logger = logging.getLogger(name)
    with quiet():
        logger.warning(f"{LINES[name]} and so on")
        logger.warning("There were missing keys in the checkpoint model loaded: ['model.norm.weight'].")
    logger.warning(LINES[name])
    assert heard.lines == [
        "There were missing keys in the checkpoint model loaded: ['model.norm.weight'].",
        LINES[name],
    ]


def test_only_a_useless_warning_is_dropped() -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with quiet():
            warnings.warn("`past_key_values` is deprecated", FutureWarning, stacklevel=1)
            warnings.warn("the loss is not a number", UserWarning, stacklevel=1)
    assert [str(one.message) for one in told] == ["the loss is not a number"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("sft", {}),
        ("leap_rl", {"training": {"steps": 1, "prompts": 1, "learning_rate": 1e-4}, "circle": {"paths": 2}}),
        ("parallel", {"training": {"steps": 1, "prompts": 1, "learning_rate": 1e-4}, "data": {"languages": ["de"]}}),
    ],
)
def test_each_training_is_quiet(
    name: str, text: dict[str, Any], tmp_path: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("trl", reason="needs the extra train")
    module = importlib.import_module(f"tertulia.training.{name}")

    def noisy(*given: Any) -> None:
        logging.getLogger("transformers.trainer").warning(LINES["transformers.trainer"])
        raise TertuliaError("that far")

    monkeypatch.setattr(module, "make_trainer", noisy)
    (tmp_path / "traces").touch()
    given = (module.Run.model_validate(text), *([tmp_path / "traces"] if name == "sft" else []), tmp_path / "out")
    with pytest.raises(TertuliaError, match="that far"):
        module.train(*given)
    assert heard.lines == []


@pytest.mark.skipif(sys.platform == "win32", reason="nothing has to be removed there")
def test_a_kill_leaves_no_line_about_semaphores() -> None:
    code = "from tertulia.evaluation.quiet import quiet_tracker; import multiprocessing, os, signal; quiet_tracker(); "
    code += "kept = multiprocessing.get_context('spawn').Semaphore(); os.kill(os.getpid(), signal.SIGKILL)"
    for text, lines in ((code, 0), (code.replace("quiet_tracker(); ", ""), 1)):
        done = subprocess.run([sys.executable, "-c", text], stderr=subprocess.PIPE, text=True, timeout=60)
        assert done.stderr.count("leaked semaphore") == lines, done.stderr
