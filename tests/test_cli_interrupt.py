"""Ctrl-C: the run stops at once, whatever it is doing, and says how to go on."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

GIVEN_UP = 30.0  # seconds after which a process that was stopped is taken not to end; the work itself takes 60

START = """
import asyncio, sys, threading, time
from tertulia import api
from tertulia.cli import main
from tertulia.circle.events import Event

SETTINGS = {"paths": 1, "budget": 9, "method": "leap", "mode": "sync", "seed": 0}

async def patient():
    try:
        await asyncio.sleep(60)
    finally:
        time.sleep(60)

async def busy():
    while True:
        pass

async def leaves_a_thread():
    threading.Thread(target=time.sleep, args=(60,)).start()
    await asyncio.sleep(60)

async def deep_in_a_thread():
    await asyncio.to_thread(time.sleep, 60)

async def loading():
    # sum of a range runs in C and looks at no signal.
    sum(range(10**11))

async def run(question, observer, **settings):
    work = sys.argv[1]
    start = {"question": "?", "settings": SETTINGS, "engine": "e", "model": "m", "mode": "ids"}
    if work != "loading":
        observer(Event("start", None, start))
    print("running", flush=True)
    await globals()[work]()

api.solve_async = run
sys.exit(main(sys.argv[2:]))
"""


def _stopped(work: str, *arguments: str, number: int = signal.SIGINT) -> tuple[int, str]:
    """Exit code and what was said, of a run that is stopped in the middle of `work`."""
    process = subprocess.Popen(
        [sys.executable, "-c", START, work, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        while process.stdout.readline() not in ("running\n", ""):
            pass
        time.sleep(0.1)  # "running" is printed just before the work begins
        process.send_signal(number)
        _, err = process.communicate(timeout=GIVEN_UP)
    finally:
        process.kill()
    return process.returncode, err


@pytest.mark.parametrize("work", ["patient", "busy", "deep_in_a_thread", "leaves_a_thread"])
def test_ctrl_c_stops_at_once_with_one_line_and_exit_code_130(work: str) -> None:
    code, err = _stopped(work, "solve", "a question", "--model", "m.gguf", "--journal", "my run.jsonl", "--seed", "3")
    assert code == 130
    assert err.split("\n") == [
        "",
        "Stopped. To go on where it was: tertulia solve 'a question' --model m.gguf --journal 'my run.jsonl' --seed 3",
        "",
    ]


def test_without_a_journal_it_says_that_nothing_was_kept() -> None:
    _, err = _stopped("patient", "solve", "q", "--json")
    assert "Nothing was kept" in err
    assert "--journal FILE" in err


def test_while_a_model_is_being_loaded_it_stops_too_and_there_is_nothing_to_go_on_with() -> None:
    code, err = _stopped("loading", "solve", "q", "--model", "m.gguf", "--journal", "run.jsonl")
    assert code == -signal.SIGINT
    assert err == ""


def test_the_system_may_stop_it_too() -> None:
    code, err = _stopped("patient", "solve", "q", number=signal.SIGTERM)
    assert code == 143
    assert err.count("Stopped.") == 1


def test_in_a_python_program_the_handlers_are_as_before_when_main_returns() -> None:
    from tertulia.cli import main

    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    assert main(["--version"]) == 0
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
