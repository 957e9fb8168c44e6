"""What the journal has promised is on the disk, whatever happens to the process."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tertulia import journal as journal_module
from tertulia.errors import TertuliaError
from tertulia.journal import Journal, read_journal

CHILD = Path(__file__).with_name("journal_child.py")
HEADER = {"question": "¿Cuánto es 2+2?", "seed": 7, "circle": {"paths": 8, "every": 512}}

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
records = st.dictionaries(st.text().filter(lambda name: name != "key"), json_values, max_size=4)


def returning(value: dict[str, Any], log: list[str] | None = None, name: str = "") -> Any:
    async def step() -> dict[str, Any]:
        if log is not None:
            log.append(name)
        return value

    return step


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().split(b"\n") if line]


# --- once -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("on_disk", [True, False])
async def test_a_step_runs_once_and_its_value_is_what_a_resumed_run_reads(tmp_path: Path, on_disk: bool) -> None:
    path = tmp_path / "run.jsonl" if on_disk else None
    ran: list[str] = []
    async with Journal.open(path, HEADER) as journal:
        first = await journal.once("a", returning({"ids": (1, 2), "text": "二\u2028三"}, ran, "a"))
        again = await journal.once("a", returning({"ids": ()}, ran, "again"))
        assert first == again == {"ids": [1, 2], "text": "二\u2028三"}
        assert ran == ["a"]
        assert "a" in journal and "b" not in journal
        assert journal.get("a") == first and journal.get("b") is None
    if path is not None:
        async with Journal.open(path, HEADER) as journal:
            assert await journal.once("a", returning({}, ran, "resumed")) == first
            assert journal.records == [{"key": "a", **first}]
            assert ran == ["a"]


async def test_what_a_caller_does_to_a_value_does_not_change_the_journal() -> None:
    journal = Journal.open(None, HEADER)
    value = await journal.once("a", returning({"n": 1}))
    value["n"] = 2
    assert journal.get("a") == {"n": 1}


async def test_concurrent_calls_with_one_key_run_one_step(tmp_path: Path) -> None:
    ran: list[str] = []

    async def slow() -> dict[str, Any]:
        ran.append("slow")
        await asyncio.sleep(0.01)
        return {"n": len(ran)}

    async with Journal.open(tmp_path / "j", HEADER) as journal:
        values = await asyncio.gather(*(journal.once("a", slow) for _ in range(5)))
        assert values == [{"n": 1}] * 5 and ran == ["slow"]


async def test_a_step_that_fails_leaves_no_record_and_the_next_caller_tries_again(tmp_path: Path) -> None:
    async def fails() -> dict[str, Any]:
        await asyncio.sleep(0)
        raise RuntimeError("no")

    async with Journal.open(tmp_path / "j", HEADER) as journal:
        failed = asyncio.create_task(journal.once("a", fails))
        waiting = asyncio.create_task(journal.once("a", returning({"n": 1})))
        with pytest.raises(RuntimeError):
            await failed
        assert await waiting == {"n": 1}
        assert not journal._locks, "a lock for every key ever seen would be a leak"


async def test_a_caller_cancelled_while_its_step_is_being_synced_keeps_the_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "j"
    ran: list[str] = []
    async with Journal.open(path, HEADER) as journal:
        hold = threading.Event()
        sync = os.fsync
        monkeypatch.setattr(journal_module.os, "fsync", lambda fd: (hold.wait(5), sync(fd)))
        first = asyncio.create_task(journal.once("a", returning({"n": 1}, ran, "first")))
        await asyncio.sleep(0.05)
        first.cancel()
        second = asyncio.create_task(journal.once("a", returning({"n": 2}, ran, "second")))
        await asyncio.sleep(0.05)
        assert not second.done()
        hold.set()
        assert await second == {"n": 1} and ran == ["first"]
    assert Counter(line.get("key") for line in lines_of(path))["a"] == 1


async def test_a_key_is_never_recorded_twice(tmp_path: Path) -> None:
    async with Journal.open(tmp_path / "j", HEADER) as journal:
        await journal.append({"key": "a", "n": 1})
        with pytest.raises(ValueError, match="'a' is in the journal already"):
            await journal.append({"key": "a", "n": 2})
        with pytest.raises(ValueError, match='"key"'):
            await journal.once("b", returning({"key": "c"}))


# --- the disk -------------------------------------------------------------------------------------


async def test_once_does_not_return_before_the_sync_and_the_event_loop_does_not_wait_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = threading.Event()
    async with Journal.open(tmp_path / "j", HEADER) as journal:
        monkeypatch.setattr(journal_module.os, "fsync", lambda fd: synced.wait(5))
        step = asyncio.create_task(journal.once("a", returning({"n": 1})))
        for _ in range(20):
            await asyncio.sleep(0.002)
        assert not step.done() and journal.get("a") is None
        synced.set()
        assert await step == {"n": 1}


async def test_concurrent_steps_share_syncs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    sync = os.fsync

    def slow_sync(fd: int) -> None:
        calls.append(threading.current_thread().name)
        sync(fd)

    async with Journal.open(tmp_path / "j", HEADER) as journal:
        monkeypatch.setattr(journal_module.os, "fsync", slow_sync)
        await asyncio.gather(*(journal.once(f"k{n}", returning({"n": n})) for n in range(128)))
        assert len(journal.records) == 128
        assert 1 <= len(calls) == journal.syncs <= 8
        assert threading.main_thread().name not in calls
    assert len(lines_of(tmp_path / "j")) == 129


async def test_closing_writes_what_is_owed_and_a_closed_journal_says_so(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path / "j", HEADER)
    owed = [asyncio.create_task(journal.append({"n": n})) for n in range(50)]
    await asyncio.sleep(0)
    await journal.close()
    await journal.close()
    assert [line.get("n") for line in lines_of(tmp_path / "j")] == [None, *range(50)]
    await asyncio.gather(*owed)
    with pytest.raises(TertuliaError, match="is closed"):
        await journal.append({"n": 1})


def test_a_disk_that_is_full_gives_one_line_and_leaves_whole_lines(tmp_path: Path) -> None:
    pytest.importorskip("resource")
    path = tmp_path / "j"
    program = """
import asyncio, resource, sys
from tertulia.errors import TertuliaError
from tertulia.journal import Journal
async def main():
    journal = Journal.open(sys.argv[1], {"seed": 1})
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
    tasks = [asyncio.create_task(journal.append({"n": n, "text": "x" * 3000})) for n in range(2)]
    await asyncio.gather(*tasks)
    for n in range(2):
        try:
            await journal.append({"n": 2 + n, "text": "x" * 8000})
        except TertuliaError as error:
            print(error)
    await journal.close()
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    said = done.stdout.splitlines()
    assert len(said) == 2 and said[0] == said[1]
    assert said[0].startswith(f"the journal {path} cannot be written: File too large")
    assert path.read_bytes().endswith(b"\n")
    assert [line.get("n") for line in lines_of(path)] == [None, 0, 1]


@pytest.mark.parametrize("where", ["missing/run.jsonl", "file/run.jsonl", "directory"])
def test_a_file_that_cannot_be_written_gives_one_line(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "directory").mkdir()
    with pytest.raises(TertuliaError) as caught:
        Journal.open(tmp_path / where, HEADER)
    assert str(caught.value).startswith(f"the journal {tmp_path / where} cannot be written: ")
    assert "\n" not in str(caught.value)


def test_a_device_is_not_taken_for_a_journal() -> None:
    with pytest.raises(TertuliaError, match="not a regular file"):
        Journal.open("/dev/null", HEADER)


# --- the header and other people's files ----------------------------------------------------------


async def test_other_arguments_are_refused_and_each_difference_is_named(tmp_path: Path) -> None:
    path = tmp_path / "j"
    await Journal.open(path, {**HEADER, "old": True, "same": (1, 2)}).close()
    before = path.read_bytes()
    with pytest.raises(TertuliaError) as caught:
        Journal.open(
            path,
            {"question": HEADER["question"], "same": [1, 2], "seed": 8, "new": None, "circle": {"paths": 8}},
        )
    line = str(caught.value)
    assert "\n" not in line
    assert "(seed: journal 7, now 8; circle.every: journal 512, now nothing; old: journal true, now nothing; " in line
    assert "new: journal nothing, now null)" in line
    assert "same" not in line.split("give the same")[0] and "question" not in line and "paths" not in line
    assert path.read_bytes() == before
    await Journal.open(path, {**HEADER, "old": True, "same": [1, 2]}).close()  # the refusal kept no lock


async def test_a_long_value_is_shortened_in_the_refusal(tmp_path: Path) -> None:
    await Journal.open(tmp_path / "j", {"question": "a" * 5000}).close()
    with pytest.raises(TertuliaError, match=r"question: journal \"aaa") as caught:
        Journal.open(tmp_path / "j", {"question": "b" * 5000})
    assert len(str(caught.value)) < 500 + len(str(tmp_path))


@pytest.mark.parametrize("text", ["hello", "# Notes\n", '{"a": 1}\n', "\n"])
def test_a_file_that_is_no_journal_is_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "notes.md"
    path.write_text(text)
    for opening in (lambda: Journal.open(path, HEADER), lambda: read_journal(path)):
        with pytest.raises(TertuliaError, match="not a Tertulia journal"):
            opening()
    assert path.read_text() == text


async def test_another_format_and_a_damaged_line_are_told(tmp_path: Path) -> None:
    path = tmp_path / "j"
    for version in (1, 99):
        path.write_text(f'{{"tertulia_journal": {version}, "header": {{}}}}\n{{"n": 1}}\n')
        with pytest.raises(TertuliaError, match=f"has format {version}, this program reads 2"):
            Journal.open(path, {})
    path.unlink()
    async with Journal.open(path, {}) as journal:
        await journal.append({"n": 1})
        await journal.append({"n": 2})
    header, first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(header + first + b"garbage\n" + second)
    with pytest.raises(TertuliaError, match=r"line 3 of the journal .* is damaged.*head -n 2"):
        Journal.open(path, {})


@pytest.mark.parametrize(
    ("old", "new"),
    [(b'"place": "thinking", ', b""), (b"thinking", b"moon"), (b"forty", b"fifty"), (b"}\n", b', "more": 1}\n')],
)
async def test_a_line_that_somebody_changed_is_refused_although_it_is_json(
    tmp_path: Path, old: bytes, new: bytes
) -> None:
    path = tmp_path / "j"
    async with Journal.open(path, HEADER) as journal:
        await journal.append({"key": "a", "place": "thinking", "text": "forty"})
        await journal.append({"key": "b"})
    header, line, last = path.read_bytes().splitlines(keepends=True)
    changed = line.replace(old, new)
    assert changed != line and json.loads(changed)
    path.write_bytes(header + changed + last)
    for opening in (lambda: Journal.open(path, HEADER), lambda: read_journal(path)):
        with pytest.raises(TertuliaError, match=r"line 2 of the journal .* is damaged"):
            opening()


def test_no_flipped_bit_is_read_as_another_text(tmp_path: Path) -> None:
    path = tmp_path / "j"
    values = [{"key": "a", "text": "40 + 2 = 42", "crc32": "none"}, {}, {"key": "b", "ids": [1, 22, 333]}, {"n": 1.5}]

    async def write() -> None:
        async with Journal.open(path, HEADER) as journal:
            for value in values:
                await journal.append(value)

    asyncio.run(write())
    assert read_journal(path) == (HEADER, values)
    whole = path.read_bytes()
    last = whole.rindex(b"\n", 0, len(whole) - 1)  # without it the last two lines are one
    for place, bit in product(range(len(whole)), range(8)):
        data = bytearray(whole)
        data[place] ^= 1 << bit
        path.write_bytes(data)
        try:
            found = read_journal(path)
        except TertuliaError as error:
            assert "\n" not in str(error)
        else:
            assert found == (HEADER, values[: -2 if place == last else -1]), "only the last line may be taken for torn"


def test_a_journal_can_be_read_while_it_is_written(tmp_path: Path) -> None:
    async def main() -> None:
        async with Journal.open(tmp_path / "j", HEADER) as journal:
            await journal.append({"n": 1})
            assert read_journal(tmp_path / "j") == (HEADER, [{"n": 1}])

    asyncio.run(main())
    with pytest.raises(TertuliaError, match="cannot be read"):
        read_journal(tmp_path / "missing")


# --- crashes --------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(records, max_size=5), cut=st.floats(0, 1))
def test_a_file_cut_at_any_byte_resumes_with_every_whole_line(
    tmp_path_factory: pytest.TempPathFactory, values: list[dict[str, Any]], cut: float
) -> None:
    path = tmp_path_factory.mktemp("cut") / "j"

    async def write(first: int) -> list[dict[str, Any]]:
        async with Journal.open(path, HEADER) as journal:
            kept = journal.records
            for number, value in enumerate(values[first:], start=first):
                await journal.once(f"k{number}", returning(value))
        return kept

    asyncio.run(write(0))
    whole = path.read_bytes()
    torn = whole[: int(len(whole) * cut)]
    path.write_bytes(torn)
    expected = [{"key": f"k{number}", **value} for number, value in enumerate(values)]
    kept = max(torn.count(b"\n") - 1, 0)
    assert asyncio.run(write(kept)) == expected[:kept]
    assert path.read_bytes() == whole
    assert read_journal(path) == (HEADER, expected)


async def test_a_key_that_is_in_the_file_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "j"
    async with Journal.open(path, {}) as journal:
        await journal.append({"key": "a", "n": 1})
    whole = path.read_bytes()
    path.write_bytes(whole + whole.splitlines(keepends=True)[-1])
    for opening in (lambda: read_journal(path), lambda: Journal.open(path, {})):
        with pytest.raises(TertuliaError, match=r"line 3 of the journal .* records 'a' a second time: .*head -n 2"):
            opening()


async def test_garbage_in_the_last_line_is_work_still_owed(tmp_path: Path) -> None:
    path = tmp_path / "j"
    async with Journal.open(path, HEADER) as journal:
        await journal.append({"n": 1})
    whole = path.read_bytes()
    for tail in (b'{"key": "a", "n', b"\0" * 40, b"\0\0\0\n", b"\xff\xfe\n"):
        path.write_bytes(whole + tail)
        async with Journal.open(path, HEADER) as journal:
            assert journal.records == [{"n": 1}]
        assert path.read_bytes() == whole


def start(path: Path, steps: int) -> subprocess.Popen[str]:
    # The pipe is small, so that the child cannot run far ahead of the test that wants to kill it.
    command = [sys.executable, str(CHILD), str(path), str(steps)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, pipesize=4096)


@pytest.mark.skipif(os.name == "nt", reason="kill -9")
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_after_kill_9_at_any_moment_nothing_kept_is_lost_or_done_again(tmp_path: Path, seed: int) -> None:
    steps = 400
    path = tmp_path / "j"
    draw = random.Random(seed)
    kept: dict[str, str] = {}
    for kill in (True, True, False):
        child = start(path, steps)
        assert child.stdout is not None
        already = dict(kept)
        moment = len(already) + draw.randrange(20, 120)
        for number, line in enumerate(child.stdout):
            word, *rest = line.split()
            if word == "ran":
                assert rest[0] not in already, "a step that had been kept was done again"
            elif word == "kept":
                assert kept.setdefault(rest[0], rest[1]) == rest[1], "a value that had been kept was lost"
            if kill and number == moment:
                os.kill(child.pid, signal.SIGKILL)
        child.stdout.close()
        assert child.wait(60) == (-signal.SIGKILL if kill else 0)
        assert len(already) < len(kept) and (len(kept) == steps) != kill, "not killed in the middle"
        found = {record["key"]: record["value"] for record in read_journal(path)[1]}
        assert kept.items() <= found.items()
    counts = Counter(line.get("key") for line in lines_of(path))
    assert set(counts.values()) == {1} and len(counts) == steps + 1


@pytest.mark.skipif(os.name == "nt", reason="kill -9")
def test_a_second_process_is_refused_until_the_first_is_dead(tmp_path: Path) -> None:
    path = tmp_path / "j"
    child = start(path, 5_000)
    assert child.stdout is not None
    child.stdout.readline()
    with pytest.raises(TertuliaError, match="in use by another run"):
        Journal.open(path, {"steps": 5_000})
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    asyncio.run(Journal.open(path, {"steps": 5_000}).close())
