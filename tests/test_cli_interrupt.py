"""Ctrl-C: the run stops within a second, whatever the engine is doing, and says how to go on."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from tertulia.cli.interrupt import PATIENCE

BUSY_MACHINE = 2.0  # seconds that starting a thread and ending a process may take where others work too

START = """
import asyncio, sys, threading, time
from tertulia.cli import interrupt, main, solve

async def patient():
    try:
        await asyncio.sleep(60)
    finally:
        print("closed", flush=True)

async def stubborn():
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass

async def busy():
    while True:
        pass

async def leaves_a_thread():
    threading.Thread(target=time.sleep, args=(60,)).start()
    await asyncio.sleep(60)

async def deep_in_a_thread():
    await asyncio.to_thread(time.sleep, 60)

async def run(call, observer):
    print("running", flush=True)
    await globals()[sys.argv[1]]()

solve._solve = run
interrupt.run.__kwdefaults__["patience"] = float(sys.argv[2])
sys.exit(main(sys.argv[3:]))
"""


def _started(work: str, *arguments: str, patience: float = PATIENCE) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", START, work, str(patience), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "running\n"
    return process


def _stopped(
    process: subprocess.Popen[str], number: signal.Signals, times: int = 1
) -> tuple[float, str, str]:
    begin = time.perf_counter()
    for _ in range(times):
        process.send_signal(number)
        time.sleep(0.05 if times > 1 else 0)
    try:
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
    return time.perf_counter() - begin, out, err


@pytest.mark.parametrize("work", ["patient", "stubborn", "busy", "deep_in_a_thread", "leaves_a_thread"])
def test_ctrl_c_stops_at_once_with_one_line_and_exit_code_130(work: str) -> None:
    process = _started(work, "solve", "a question", "--journal", "my run.jsonl", "--seed", "3")
    seconds, out, err = _stopped(process, signal.SIGINT)
    assert seconds < PATIENCE + BUSY_MACHINE
    assert process.returncode == 130
    assert err.split("\n") == [
        "",
        "Stopped. To go on where it was: tertulia solve 'a question' --journal 'my run.jsonl' --seed 3",
        "",
    ]
    assert out == ("closed\n" if work == "patient" else "")


def test_without_a_journal_it_says_that_nothing_was_kept() -> None:
    process = _started("patient", "solve", "q")
    _, _, err = _stopped(process, signal.SIGINT)
    assert "Nothing was kept" in err
    assert "--journal FILE" in err


def test_what_must_close_gets_less_than_a_second() -> None:
    assert PATIENCE < 0.8


def test_a_second_ctrl_c_does_not_wait() -> None:
    process = _started("stubborn", "solve", "q", patience=60)
    _, _, err = _stopped(process, signal.SIGINT, times=2)
    assert process.returncode == 130
    assert err.count("Stopped.") == 1


def test_the_system_may_stop_it_too() -> None:
    process = _started("patient", "solve", "q")
    _, out, _ = _stopped(process, signal.SIGTERM)
    assert process.returncode == 143
    assert out == "closed\n"
