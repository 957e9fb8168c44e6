"""The small parts of the engines: stops, slots, texts of tokens, patience."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from email.utils import formatdate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tertulia.engines.address import retry_after
from tertulia.engines.base import StopMatcher
from tertulia.engines.patience import Patience, Retryable
from tertulia.engines.pieces import BROKEN, Pieces
from tertulia.engines.scripted import ScriptedEngine
from tertulia.engines.slots import Slots
from tertulia.engines.wire import EventSplitter

ENGINE = ScriptedEngine()


# Stops.


@settings(deadline=None)
@given(st.text("ab", max_size=30), st.lists(st.text("ab", min_size=1, max_size=4), min_size=1), st.randoms())
def test_a_stop_is_found_in_the_piece_that_completes_it(text: str, stops: list[str], chance: random.Random) -> None:
    ends = [(text.find(stop) + len(stop), stop) for stop in stops if stop in text]
    matcher, told = StopMatcher(stops), ""
    while told != text:
        piece = text[len(told) : len(told) + chance.randint(1, 5)]
        told += piece
        found = matcher.feed(piece)
        if found is not None:
            end = min(ends)[0]
            assert len(told) - len(piece) < end <= len(told)
            assert matcher.after == len(told) - end
            return
    assert not ends


# Slots.


async def test_a_path_keeps_its_slot() -> None:
    slots = Slots(3)
    seen: dict[str, set[int]] = {}
    for path in ["a", "b", "c", "a", "c", "b", "a"]:
        async with slots.hold(path) as slot:
            seen.setdefault(path, set()).add(slot)
    assert sorted(map(list, seen.values())) == [[0], [1], [2]]


async def test_a_new_path_takes_the_slot_that_was_silent_longest() -> None:
    slots = Slots(2)
    held = {}
    for path in ["a", "b", "a", "new", "a"]:
        async with slots.hold(path) as slot:
            held.setdefault(path, []).append(slot)
    assert held["new"] == held["b"]
    assert len(set(held["a"])) == 1


async def test_a_released_slot_is_taken_before_one_that_is_held() -> None:
    slots = Slots(2)
    for path in ["a", "b"]:
        async with slots.hold(path) as slot:
            freed = slot
    slots.release("b")
    async with slots.hold("c") as slot:
        assert slot == freed


async def test_more_paths_than_slots_take_turns_in_order() -> None:
    slots, order = Slots(1), []

    async def run(name: str) -> None:
        async with slots.hold(name):
            order.append(name)
            await asyncio.sleep(0)

    await asyncio.gather(*(run(name) for name in "abcde"))
    assert order == list("abcde")


async def test_one_path_generates_one_thing_at_a_time() -> None:
    slots = Slots(2)
    async with slots.hold("a"):
        with pytest.raises(RuntimeError, match="generating already"):
            async with slots.hold("a"):
                pass


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 4), st.integers(0, 2**32))
def test_no_slot_is_held_twice_and_none_is_lost(count: int, seed: int) -> None:
    chance = random.Random(seed)
    slots, held = Slots(count), set[int]()

    async def run(path: str) -> None:
        for _ in range(3):
            async with slots.hold(path) as slot:
                assert slot not in held
                held.add(slot)
                try:
                    for _ in range(chance.randint(0, 3)):
                        await asyncio.sleep(0)
                finally:
                    held.discard(slot)
            if chance.random() < 0.4:
                slots.release(path)

    async def all_paths() -> None:
        tasks = [asyncio.create_task(run(f"p{at}")) for at in range(8)]
        for task in tasks:
            await asyncio.sleep(0)
            if chance.random() < 0.3:
                task.cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(error is None or isinstance(error, asyncio.CancelledError) for error in done)
        async with asyncio.timeout(20):  # every slot can still be had
            for at in range(count):
                await slots.hold(f"last{at}").__aenter__()

    asyncio.run(all_paths())


# Texts of tokens.


class Server:
    """The scripted tokenizer, with a count of the questions; `separates` False breaks the separator."""

    def __init__(self, separates: bool = True) -> None:
        self.separates = separates
        self.asked = 0

    async def detokenize(self, ids: Sequence[int]) -> str:
        self.asked += 1
        text = await ENGINE.detokenize(ids)
        return text if self.separates else text.replace("\x1f", "", 1)

    async def tokenize(self, text: str) -> tuple[int, ...]:
        return await ENGINE.tokenize(text)


@settings(deadline=None)
@given(st.text(st.characters(exclude_characters="\x1f" + BROKEN, exclude_categories=["Cs"])), st.integers(0, 40))
def test_pieces_join_to_the_text_wherever_it_is_cut(text: str, cut: int) -> None:
    async def run() -> None:
        server = Server()
        pieces = Pieces(server.detokenize, server.tokenize)
        ids = await ENGINE.tokenize(text)
        first, pending = await pieces.texts(ids[:cut])
        second, rest = await pieces.texts(ids[cut:], pending)
        assert (len(first), len(second)) == (len(ids[:cut]), len(ids[cut:]))
        assert "".join(first + second) == text
        assert rest == ()
        for at in range(1, len(first)):
            begun = "".join(first[:at])
            assert text.startswith(begun)

    asyncio.run(run())


async def test_a_server_is_asked_once_for_what_it_told() -> None:
    server = Server()
    pieces = Pieces(server.detokenize, server.tokenize)
    ids = await ENGINE.tokenize("the plan is বাংলা")
    await pieces.texts(ids)
    asked = server.asked
    await pieces.texts(ids * 3)
    assert server.asked == asked
    assert pieces.now(ids[0]) == "the"


async def test_pieces_do_without_a_separator() -> None:
    server = Server(separates=False)
    pieces = Pieces(server.detokenize, server.tokenize)
    ids = await ENGINE.tokenize("the plan: এক")
    assert "".join((await pieces.texts(ids))[0]) == "the plan: এক"


async def test_bytes_that_are_no_character_have_no_text() -> None:
    pieces = Pieces(Server().detokenize, Server().tokenize)
    texts, pending = await pieces.texts([0xE0, 0xA6, *b"ok", 0xFF, *b"!"])
    assert ("".join(texts), pending) == ("ok!", ())


# Patience.


async def test_patience_is_bounded_in_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asyncio, "sleep", _no_sleep)
    patience = Patience(retries=3, seconds=1e9)
    assert [await patience.wait(Retryable("x")) for _ in range(5)] == [True, True, True, False, False]


async def test_patience_is_bounded_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asyncio, "sleep", _no_sleep)
    patience = Patience(retries=10**6, seconds=30)
    while await patience.wait(Retryable("x")):
        assert patience.waited <= 30
    assert patience.waited > 20


async def test_nobody_comes_before_retry_after(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asyncio, "sleep", _no_sleep)
    waits = []
    for _ in range(50):
        patience = Patience(retries=1, seconds=60)
        await patience.wait(Retryable("x", wait=5))
        waits.append(patience.waited)
    assert min(waits) >= 5
    assert len(set(waits)) > 25, "paths that failed together come back apart"


async def _no_sleep(seconds: float) -> None:
    return None


def test_retry_after_is_seconds_or_a_date() -> None:
    assert retry_after("3") == 3.0
    assert retry_after(formatdate(0)) == 0.0
    assert retry_after("soon") is None
    assert retry_after(None) is None


@settings(deadline=None)
@given(
    st.lists(st.binary(max_size=8).map(lambda b: b.replace(b"\n", b"").replace(b"\r", b"").strip())),
    st.randoms(),
)
def test_events_come_out_whole(payloads: list[bytes], chance: random.Random) -> None:
    stream = b"".join(
        b"data: " + payload + chance.choice([b"\n\n", b"\r\n\r\n"]) + chance.choice([b"", b": ping\n\n"])
        for payload in payloads
    )
    splitter, came = EventSplitter(), []
    while stream:
        size = chance.randint(1, 9)
        came += splitter.feed(stream[:size])
        stream = stream[size:]
    assert came == payloads
