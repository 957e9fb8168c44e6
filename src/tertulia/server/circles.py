"""The circles of a server, under way and over: their journals, who listens to them, and what a list says of them."""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from tertulia.circle.events import Event
from tertulia.circle.path import Step
from tertulia.errors import TertuliaError
from tertulia.journal import FORMAT, Journal, encode, line_of, read_journal
from tertulia.result import Result
from tertulia.server.refusals import Refusal

KEPT, KEPT_BYTES = 50, 64 * 2**20
"""Circles that are over and kept in memory, and the bytes of their journals, where there is no folder for them."""
REMEMBERED = 1000
"""Circles whose journal is in a folder that are known without looking there."""
LISTED = 200
_ID = re.compile(r"[0-9a-f]+-\d+")
_FILE = re.compile(rf"\d+_[^_]+_{_ID.pattern}_[0-9a-f]+")
NOBODY = "-"
"""The key where there are none: whoever may ask then may see all."""
SHOWN = 200  # characters of a question, and of a verdict, in a list
State = Literal["waiting", "running", "done", "failed", "gone"]


class Listener:
    """Hears what happens in some circles; tokens of one path that nobody has taken yet are told together.

    So what waits for a slow client is bounded by the steps of a circle and not by its tokens.
    """

    def __init__(self) -> None:
        self._heard: deque[list[Any]] = deque()
        self._open: dict[tuple[object, ...], list[Any]] = {}  # tokens that more can join, by circle, path and kind
        self._more = asyncio.Event()

    def hear(self, circle: int, event: Event | None) -> None:
        """Takes in an event of the circle of this number; None for its end."""
        self._more.set()
        if event is None or event.kind != "tokens":
            self._open.clear()
            self._heard.append([circle, event])
            return
        place = (circle, event.path, event.data["of"])
        if place in self._open:
            self._open[place][1] = _joined(self._open[place][1], event)
        else:
            self._open[place] = [circle, event]
            self._heard.append(self._open[place])

    @property
    def empty(self) -> bool:
        """Whether all has been taken."""
        return not self._heard

    async def next(self, patience: float) -> tuple[int, Event | None] | None:
        """What is next, with the number of its circle; None where nothing happened for so many seconds."""
        if not self._heard:
            self._more.clear()
            # Not `wait_for`: in Python 3.11 it forgets a cancellation that comes together with what is waited for.
            with suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await self._more.wait()
        if not self._heard:
            return None
        circle, event = self._heard.popleft()
        if event is not None and event.kind == "tokens":
            self._open.pop((circle, event.path, event.data["of"]), None)
        return circle, event


def _joined(first: Event, then: Event) -> Event:
    """Two events of tokens of one path and kind as one."""
    count, text = (first.data[name] + then.data[name] for name in ("count", "text"))
    return replace(then, data={**then.data, "count": count, "text": text})


@dataclass(eq=False)
class Kept:
    """A circle.

    Attributes:
        id: Its name in the list, and in its journal.
        question: The beginning of what it was asked.
        key: Whose it is.
        body: Hash of the request.
        model: As it was asked for.
        preset: Where settings not given came from.
        paths: How many there are.
        started: Seconds since 1970.
        file: Its journal; None where it is kept in memory.
        state: Where it stands.
        tokens: Generated so far.
        verdict: The answer it came to.
        journal: The journal in memory.
        header: The journal's first line, as a value; None before it has begun.
        lines: Lines of its journal so far, the header's first; empty again once it is over.
        size: Bytes of them.
        listeners: Who is told what happens, and by which number of the circle.
    """

    id: str
    question: str
    key: str = ""
    body: str = ""
    model: str = ""
    preset: str = ""
    paths: int = 0
    started: float = 0.0
    file: Path | None = None
    state: State = "waiting"
    tokens: int = 0
    verdict: str | None = None
    journal: Journal | None = None
    header: dict[str, Any] | None = None
    lines: list[bytes] = field(default_factory=list)
    size: int = 0
    listeners: list[tuple[int, Listener]] = field(default_factory=list)

    @property
    def over(self) -> bool:
        """Whether nothing happens in it any more."""
        return self.state in ("done", "failed", "gone")

    def to_json(self) -> dict[str, Any]:
        """What a list says of it."""
        named = ("id", "state", "started", "model", "preset", "paths", "tokens")
        verdict = self.verdict and self.verdict[:SHOWN]
        return {"question": self.question, "verdict": verdict, **{name: getattr(self, name) for name in named}}

    def observe(self, event: Event) -> None:
        """Takes in an event of the circle, and passes it on."""
        if event.kind == "tokens":
            self.tokens += event.data["count"]
        elif event.kind == "start":
            header = {name: value for name, value in event.data.items() if name not in ("engine", "notes")}
            self._begin({"tertulia_journal": FORMAT, "header": header})
        else:
            self._go_on()
        if event.kind == "verdict":
            self.verdict = event.data["answer"]
        self._tell(event)

    def end(self, state: State) -> None:
        """Nothing happens in it any more."""
        self.state = state
        self._tell(None)
        self.lines, self.listeners = [], []
        if self.file is not None:
            self.header = None

    def stored(self) -> list[bytes]:
        """The lines of its journal, as far as there are any."""
        if self.lines:
            return list(self.lines)
        if self.file is not None:
            data = self.file.read_bytes() if self.file.exists() else b""
            return data[: data.rfind(b"\n") + 1].splitlines(keepends=True)
        return self._remembered()

    def _remembered(self) -> list[bytes]:
        records = self.journal.records if self.journal else []
        return [line_of(encode(record)) for record in (self.header, *records)] if self.header else []

    def _begin(self, header: dict[str, Any]) -> None:
        self.header, self.size = header, 0
        if self.file is None:
            self.lines = self._remembered()
            self.size = sum(map(len, self.lines))
        else:
            self._go_on()

    def _go_on(self) -> None:
        """Takes in what the journal has more: it is always ahead of what is told."""
        if self.file is None:
            records = self.journal.records if self.journal else []
            new = [line_of(encode(record)) for record in records[max(0, len(self.lines) - 1) :]]
        else:
            with self.file.open("rb") as file:
                file.seek(self.size)
                data = file.read()
            new = data[: data.rfind(b"\n") + 1].splitlines(keepends=True)
        self.lines += new
        self.size += sum(map(len, new))

    def _tell(self, event: Event | None) -> None:
        for number, listener in self.listeners:
            listener.hear(number, event)


class Circles:
    """All circles of a server.

    Args:
        folder: Where their journals are kept; None to keep some in memory.

    Raises:
        TertuliaError: The folder cannot be made or read.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._circles: dict[str, Kept] = {}
        if folder is not None:
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # what is asked is nobody else's
                files = sorted(file for file in folder.glob("*.jsonl") if _FILE.fullmatch(file.stem))
            except OSError as error:
                raise TertuliaError(f"the folder {folder} cannot be used ({error.strerror}): give another") from None
            for kept in map(_of_file, files[-REMEMBERED:]):
                self._circles[kept.id] = kept

    def begin(self, question: str, key: str, identity: str | None, body: bytes, choices: int) -> list[Kept]:
        """Circles for a request, one a choice; those of an earlier one with the same identity where there was one.

        Args:
            question: What is asked.
            key: Whose request it is.
            identity: The request's `Idempotency-Key`.
            body: The request.
            choices: How many circles.

        Raises:
            Refusal: The same identity was used for another request, or that is still under way.
        """
        story = repr((key, identity)) if identity else secrets.token_hex(16)
        digest = hashlib.blake2b(story.encode(), digest_size=8).hexdigest()
        content = hashlib.blake2b(body, digest_size=8).hexdigest()
        made = [self._begin(f"{digest}-{choice}", key, content, question) for choice in range(choices)]
        for circle in made:
            self._circles.pop(circle.id, None)
            self._circles[circle.id] = circle  # the newest is last
        return made

    def _begin(self, name: str, key: str, body: str, question: str) -> Kept:
        known = self._found(name)
        if known is not None and known.body != body:
            what = "this Idempotency-Key was used for another request: give each request its own"
            raise Refusal(422, what, code="idempotency_key_reused")
        if known is not None and not known.over:
            what = "a request with this Idempotency-Key is under way: wait for it"
            raise Refusal(409, what, code="idempotency_key_in_use")
        if known is not None:
            return replace(known, question=question[:SHOWN], state="waiting", tokens=0, lines=[], listeners=[])
        now = round(time.time(), 3)
        file = self._folder / f"{now * 1000:.0f}_{key}_{name}_{body}.jsonl" if self._folder else None
        memory = None if file else Journal.open(None, {})
        return Kept(name, question[:SHOWN], key, body, started=now, file=file, journal=memory)

    def get(self, name: str, key: str) -> Kept:
        """A circle by its id; those of others are not there.

        Raises:
            Refusal: There is none.
        """
        kept = self._found(name)
        if kept is None or key not in (NOBODY, kept.key):
            raise Refusal(404, f"there is no circle {name!r}: see /circles", code="circle_not_found")
        return kept

    def _found(self, name: str) -> Kept | None:
        """A circle that is remembered, or one of long ago by its file."""
        if name in self._circles or self._folder is None or not _ID.fullmatch(name):
            return self._circles.get(name)
        file = next(self._folder.glob(f"*_*_{name}_*.jsonl"), None)
        return None if file is None else _of_file(file)

    async def listed(self, key: str) -> list[dict[str, Any]]:
        """What there is of this key, newest first."""
        own = [circle for circle in self._circles.values() if key in (NOBODY, circle.key)]
        newest = own[: -LISTED - 1 : -1]
        for circle in newest:
            if not circle.question:
                await asyncio.to_thread(_read_again, circle)
        return [circle.to_json() for circle in newest]

    @property
    def under_way(self) -> list[Kept]:
        """Those that are waiting or running."""
        return [circle for circle in self._circles.values() if not circle.over]

    def forget(self) -> None:
        """Drops the oldest that are over, above the bounds."""
        kept = [circle for circle in self._circles.values() if circle.over]
        if self._folder is not None:
            for circle in kept[:-REMEMBERED]:
                del self._circles[circle.id]
            return
        size = sum(circle.size for circle in kept)
        for at, circle in enumerate(kept):
            if len(kept) - at <= KEPT and size <= KEPT_BYTES:
                break
            size -= circle.size
            del self._circles[circle.id]


def _of_file(file: Path) -> Kept:
    """A circle of which only the name of its file is known."""
    started, key, name, body = file.stem.split("_", 3)
    return Kept(name, "", key, body, started=int(started) / 1000, file=file, state="gone")


def _read_again(circle: Kept) -> None:
    """Finds in a circle's file what it was."""
    try:
        assert circle.file is not None
        header, records = read_journal(circle.file)
        steps = [
            Step.from_json({k: v for k, v in record.items() if k != "key"}) for record in records if "place" in record
        ]
        settings = header["settings"]
        verdict = next((record for record in records if record.get("kind") == "verdict"), None)
        circle.question = str(header["question"])[:SHOWN]
        circle.preset, circle.paths = settings["preset"], settings["paths"]
        circle.model = f"{settings['method']}/{header['model']}"
    except (TertuliaError, LookupError, TypeError, ValueError, AttributeError, AssertionError):
        circle.question, circle.state = "(this journal cannot be read)", "failed"
        return
    circle.tokens = sum(step.generated for step in steps)
    if verdict is not None:
        circle.state, circle.verdict = "done", verdict.get("answer")


async def lines(circle: Kept, patience: float) -> AsyncIterator[tuple[str, Any]]:
    """The lines of a circle's journal and its tokens as they come, then "end"; "silence" after so many seconds."""
    listener = Listener()
    circle.listeners.append((0, listener))
    sent, heard = 0, None
    try:
        while True:
            over = circle.over
            new = (circle.stored() if over else circle.lines)[sent:]
            sent += len(new)
            for line in new:
                yield "line", line
            if heard is not None and heard[1] is not None and heard[1].kind == "tokens":
                yield "tokens", {"path": heard[1].path, **heard[1].data}
            if over and listener.empty:
                yield "end", None
                return
            heard = await listener.next(patience)
            if heard is None:
                yield "silence", None
    finally:
        with suppress(ValueError):
            circle.listeners.remove((0, listener))


def state_of(result: Result) -> State:
    """Where a circle stands that came to this."""
    return "done" if result.answer is not None or any(path.finished for path in result.paths) else "failed"
