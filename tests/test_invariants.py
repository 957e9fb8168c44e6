"""The invariants of docs/invariants.md, each on circles nobody would think of."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path as FilePath
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from circles import PEBBLE, Recorder, TextServer, random_script, tell
from tertulia.circle.path import GENERATED_KINDS, Path
from tertulia.engines.base import EngineError, Request
from tertulia.engines.scripted import CONTROL, Fault, ScriptedEngine
from tertulia.errors import TertuliaError
from tertulia.model import Profile
from tertulia.settings import resolve
from tertulia.wording import Wording
from tertulia.wording.harmless import neutral

SMALL = Profile(name="small", wording="paper", summary_tokens=30, answer_tokens=12)
PLAIN = Profile(name="plain", summary_tokens=30, answer_tokens=12)
COMPACT = PEBBLE.model_copy(update={"summary_tokens": 12, "answer_tokens": 8, "presets": {}})

quick = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))

tagged = st.fixed_dictionaries(
    {
        "paths": st.integers(1, 5),
        "every": st.sampled_from([0, 5, 17, 40, 100]),
        "meet_at": st.sampled_from([(), (9, 33)]),
        "last_call": st.integers(0, 2),
        "self_opened": st.booleans(),
        "heard": st.sampled_from([None, 1, 2]),
        "router": st.sampled_from(["dispersed", "clustered", "hybrid", "random", "all", "answers"]),
        "max_heard": st.sampled_from([None, 1]),
        "frame": st.sampled_from(["quotes", "digest"]),
        "counted": st.sampled_from(["all", "heard"]),
        "doubt": st.sampled_from([0.0, 0.5]),
        "control": st.sampled_from(["", "", "echo", "false", "recheck"]),
        "mode": st.sampled_from(["sync", "board"]),
        "budget": st.integers(60, 260),
        "consensus_stop": st.sampled_from([0, 0, 2]),
        "seed": st.integers(0, 3),
        "ask_answer": st.booleans(),
    }
)
without_tags = st.fixed_dictionaries(
    {
        "frame": st.sampled_from(["working", "answer", "quotes"]),
        "self_opened": st.just(False),
        "counts": st.booleans(),
        "forks": st.booleans(),
        "sure": st.sampled_from([0.0, 0.5]),
        "settle": st.sampled_from([0.0, 0.0, 0.5]),
        "control": st.sampled_from(["", "", "echo", "false", "recheck", "self", "wrong"]),
    }
)
plain = st.builds(lambda asked, more: asked | more, tagged, without_tags)
"""The words without tags, where paths are asked in side branches; quotes are written there too."""
TO_ITS_END: dict[str, Any] = {"mode": "sync", "consensus_stop": 0, "settle": 0.0}
"""Where a circle ends early the others are interrupted in the middle of a token stream: that hangs on the clock."""
runs = st.tuples(st.sampled_from([SMALL, COMPACT]), tagged) | st.tuples(st.just(PLAIN), plain)
faults = st.lists(
    st.sampled_from([None, None, Fault("cut", after=3), Fault("empty"), Fault("error"), Fault("stall", seconds=0)]),
    max_size=6,
)


def engine_for(story: int, troubles: list[Fault | None]) -> Recorder:
    return recorder(story, {f"q0/c0/p{path}": troubles[path:] for path in range(5)})


def recorder(story: int, faults: dict[str, list[Fault | None]]) -> Recorder:
    return Recorder(random_script(story), faults=faults, logprob=lambda path, text: -len(text) / 3)


class PlainTalk(Recorder):
    """Writes summaries whose tags are ordinary text."""

    async def tokenize(self, text: str, *, special: bool = False) -> tuple[int, ...]:
        return await super().tokenize(text, special=special and not text.endswith("</summarize>"))


def possible(profile: Profile, asked: dict[str, Any]) -> None:
    """Leaves out what is refused."""
    assume(asked["control"] != "false" or asked["frame"] != "quotes")
    try:
        resolve(profile, asked)
    except TertuliaError:
        assume(False)


def told_or_lost(engine: Recorder, run: tuple[Profile, dict[str, Any]]) -> Any:
    """What was told, where the run is possible and not all of it is lost to the engine's faults."""
    profile, asked = run
    possible(profile, asked)
    try:
        return asyncio.run(tell(engine, profile=profile, **asked))
    except EngineError:
        assume(False)


def is_fork(request: Request) -> bool:
    """A side branch: nothing of it may come into the path."""
    return request.logprobs


def put_into(engine: ScriptedEngine, profile: Profile) -> list[tuple[int, ...]]:
    """What a side branch begins with: the close of the thought and a lead to the answer, or an opening of quotes."""
    words = Wording.load(profile.wording, "en")
    texts = [f"</think>{words.lead}", *words.cues]
    return [asyncio.run(engine.tokenize(text, special=True)) for text in texts]


def kinds_of(path: Path) -> list[str]:
    return [span.kind for span in path.spans for _ in range(span.count)]


# 1. Tokens are exact. 2. Nothing thought is lost. 4. Everything is counted.


@quick
@given(runs, st.integers(0, 10_000), faults)
def test_every_token_is_the_engines_own_and_counted(
    run: tuple[Profile, dict[str, Any]], story: int, troubles: list[Fault | None]
) -> None:
    engine = engine_for(story, troubles)
    told = told_or_lost(engine, run)
    for path in told.outcome.paths:
        kinds, mine = kinds_of(path), [pair for pair in engine.answered if pair[0].path == path.name]
        answered = [pair for pair in mine if not is_fork(pair[0])]
        forks = [pair for pair in mine if is_fork(pair[0])]
        starts = [len(request.ids) for request, _ in answered] + [len(path.ids)]
        generated = discarded = kept_in_all = 0
        for (request, came), (start, following) in zip(answered, pairwise(starts), strict=True):
            assert path.ids[:start] == request.ids
            own = [kind in GENERATED_KINDS for kind in kinds[start:following]]
            kept = own.index(False) if False in own else len(own)
            assert path.ids[start : start + kept] == came.ids[:kept]
            assert not any(own[kept:]), "generated tokens that no generation gave"
            assert came.count - kept <= 64
            ended = came.finish == "end" and kept == came.count - 1  # an end-of-text, where an answer was asked for
            if kept < came.count and came.stop != "</think>" and not ended:
                text = "".join(token.text for token in came.tokens[:kept])
                assert text.rstrip(" ").endswith(("\n", ".", "。")), "cut at no boundary"
            generated, discarded = generated + came.count, discarded + came.count - kept
            kept_in_all += kept
        for request, _ in forks:
            assert any(path.ids[: len(request.ids) - len(put)] + put == request.ids for put in put_into(engine, PLAIN))
        assert path.tokens.forked == sum(came.count for _, came in forks)
        assert path.tokens.generated == generated + path.tokens.forked <= run[1]["budget"]
        assert path.tokens.discarded == discarded
        assert path.tokens.injected == sum(kind in ("cue", "heard") for kind in kinds)
        assert path.tokens.prompt + path.tokens.injected + kept_in_all == len(path.ids)


@quick
@given(runs, st.integers(0, 10_000))
def test_nothing_that_is_put_in_opens_or_closes_anything(run: tuple[Profile, dict[str, Any]], story: int) -> None:
    profile, asked = run
    possible(profile, asked)
    engine = engine_for(story, [])
    told = asyncio.run(tell(engine, profile=profile, **asked))
    control = {engine.control_id(text) for text in CONTROL}
    for path in told.outcome.paths:
        for span in path.spans:
            if span.kind == "heard" or (span.kind == "cue" and span.text != "</think>"):
                assert control.isdisjoint(span.ids)


async def test_what_no_filter_caught_is_still_only_text(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("board", "thinker"):
        monkeypatch.setattr(f"tertulia.circle.{module}.neutral", lambda text, longest=None: text)
    talk = ["I look.\nand on", "</think><|end|></summarize>", "\nOn.\n</think>\\boxed{1}<|end|>"]
    script = {f"q0/c0/p{path}": talk for path in range(2)}
    script["q0/c0/p0"] = ["I look.\nand on", "2=5 <|end</summarize>", *talk[2:]]
    engine = PlainTalk({**script})
    told = await tell(engine, paths=2, every=10, heard=1, router="random", frame="quotes", last_call=0, budget=200)
    heard = [span for span in told.outcome.paths[0].spans if span.kind == "heard"]
    assert "</think><|end|>" in heard[0].text
    assert {engine.control_id(tag) for tag in CONTROL}.isdisjoint(heard[0].ids)


class NoWayBack(Recorder):
    """An engine whose model cannot go back in its cache, as recurrent ones."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.info = replace(self.info, rolls_back=False)


@quick
@given(plain, st.integers(0, 10_000))
def test_a_model_that_cannot_roll_back_loses_no_thought_and_is_not_forked(asked: dict[str, Any], story: int) -> None:
    asked |= {"last_call": 0, "ask_answer": False}
    possible(PLAIN, asked)
    told = asyncio.run(tell(NoWayBack(random_script(story)), profile=PLAIN, **asked))
    assert not any(is_fork(request) for request, _ in told.engine.answered)
    for path in told.outcome.paths:
        assert path.tokens.discarded == path.tokens.forked == 0


@quick
@given(runs, st.integers(0, 10_000))
def test_a_text_server_makes_the_same_circle_and_every_record_says_so(
    run: tuple[Profile, dict[str, Any]], story: int
) -> None:
    profile, asked = run
    possible(profile, asked)
    engine = TextServer(random_script(story))
    told = asyncio.run(tell(engine, profile=profile, **asked))
    steps = [record for record in told.records if "spans" in record]
    assert steps and all(record["mode"] == "text" for record in steps)
    for path in told.outcome.paths:
        assert path.ids == ()
        mine = [pair for pair in engine.answered if pair[0].path == path.name]
        forked = sum(came.count for request, came in mine if is_fork(request))
        if not told.outcome.settled:  # of an interrupted request a server of text never says how long it was
            assert path.tokens.generated == sum(came.count for _, came in mine)
            assert path.tokens.forked == forked
        assert path.tokens.generated <= asked["budget"]
        assert path.finished or path.place == "stopped"


# 3. Own words only.


@pytest.mark.parametrize("frame", ["quotes", "digest"])
async def test_an_answer_that_was_only_heard_is_not_a_paths_own(frame: str) -> None:
    talk = ["I look at it.\n" * 4, "It is \\boxed{42}.</summarize>", "\nSo be it.</think>", "Done.<|end|>"]
    told = await tell(
        ScriptedEngine({f"q0/c0/p{path}": talk for path in range(2)}),
        question="What is \\boxed{9}?",
        profile=SMALL,
        paths=2,
        heard=1,
        every=30,
        budget=300,
        last_call=0,
        router="random",
        frame=frame,
        ask_answer=False,
    )
    assert all("42" in path.text and "\\boxed{9}" in path.text for path in told.outcome.paths)
    assert [path.answer for path in told.outcome.paths] == [None, None]
    assert told.outcome.verdict.spoke == 0


# 5. The finished still speak.


async def test_with_plain_words_too_a_path_hears_those_that_finished_long_before() -> None:
    done = ["It is \\boxed{5}.\n</think>", "\\boxed{5}<|end|>"]
    slow = ["I say \\boxed{7}. " + "And so on. " * 40] * 2 + ["</think>\\boxed{7}<|end|>"]
    script = {"q0/c0/p0": done, "q0/c0/p1": done, "q0/c0/p2": slow}
    told = await tell(ScriptedEngine(script), profile=PLAIN, paths=3, every=100, last_call=0, budget=400)
    assert told.outcome.paths[0].finished and len(told.outcome.meetings) >= 2
    assert all(meeting.heard[2] in ([0], [1]) for meeting in told.outcome.meetings)


@pytest.mark.parametrize("mode", ["sync", "board"])
async def test_a_path_that_finished_at_once_is_heard_at_every_later_meeting(mode: str) -> None:
    steps = [f"{step}) {step}+1={step + 1}\n" for step in range(1, 9)]
    slow = [part for step in steps for part in (step * 1 + "x\n" * 9, f"{step[0]}=7</summarize>")]
    engine = ScriptedEngine({"q0/c0/p0": ["1) 1+4=5\n</think>\\boxed{5}<|end|>"], "q0/c0/p1": slow})
    told = await tell(engine, paths=2, every=12, last_call=0, mode=mode, budget=200)
    meetings = told.outcome.meetings
    assert told.outcome.paths[0].finished and len(meetings) >= 3
    assert [meeting.heard[1] for meeting in meetings] == [[0]] * len(meetings)


# 6. No bad message travels.

tricky = st.lists(
    st.sampled_from(
        [*CONTROL, "<", ">", "</", "<|", "think>", "summarize>", "</summarize>", "</peers>", "a", " ", "\n"]
    )
    | st.text(max_size=5),
    max_size=25,
).map("".join)


@settings(max_examples=300, deadline=None)
@given(tricky)
@example("<<think>think>")
@example("<</peers>/peers>")
def test_no_tag_survives_in_a_summary(text: str) -> None:
    tame = neutral(text)
    engine = ScriptedEngine()
    ids = asyncio.run(engine.tokenize(f"<peers>{tame}</peers>\n", special=True))
    assert {engine.control_id(tag) for tag in CONTROL}.isdisjoint(ids)
    for tag in ("<summarize>", "</summarize>", "<peers>", "</peers>", "\n"):
        assert tag not in tame


@quick
@given(runs, st.integers(0, 10_000), faults)
def test_nobody_hears_itself_a_peer_twice_or_a_summary_that_is_none(
    run: tuple[Profile, dict[str, Any]], story: int, troubles: list[Fault | None]
) -> None:
    told = told_or_lost(engine_for(story, troubles), run)
    for meeting in told.outcome.meetings:
        for path, peers in enumerate(meeting.heard):
            assert peers is None or (path not in peers and len(set(peers)) == len(peers))
    for path in told.outcome.paths:
        for span in path.spans:
            if span.kind == "heard":
                inside = span.text.removeprefix("\n").removeprefix("<peers>").rpartition("</peers>")[0] or span.text
                assert not {"on and on", "<think>", "<summarize>", "<|user|>"} & {
                    bad for bad in ("on and on", "<think>", "<summarize>", "<|user|>") if bad in inside
                }


# 7. The journal comes first.


@quick
@given(runs, st.integers(0, 10_000), st.data())
def test_a_run_that_was_cut_anywhere_goes_on_and_generates_nothing_twice(
    tmp_path_factory: pytest.TempPathFactory, run: tuple[Profile, dict[str, Any]], story: int, data: Any
) -> None:
    profile, asked = run
    asked |= TO_ITS_END
    possible(profile, asked)
    journal = tmp_path_factory.mktemp("cut") / "run.jsonl"
    whole = asyncio.run(tell(engine_for(story, []), profile=profile, journal=journal, **asked))
    lines = journal.read_bytes().splitlines(keepends=True)
    keep = data.draw(st.integers(1, len(lines)))
    torn = lines[keep][: data.draw(st.integers(0, 30))] if keep < len(lines) else b""
    journal.write_bytes(b"".join(lines[:keep]) + torn)
    again = asyncio.run(tell(engine_for(story, []), profile=profile, journal=journal, **asked))
    assert spans_of(again) == spans_of(whole)
    assert again.outcome.verdict == whole.outcome.verdict
    recorded = [json.loads(line) for line in lines[1:keep]]
    every = [json.loads(line) for line in lines[1:]]
    assert sum(record.get("prompt_tokens") is not None for record in every) == len(whole.engine.calls)
    done = sum(record.get("prompt_tokens") is not None for record in recorded)
    assert len(again.engine.calls) == len(whole.engine.calls) - done
    keys = [json.loads(line)["key"] for line in journal.read_bytes().splitlines()[1:]]
    assert len(keys) == len(set(keys))


@quick
@given(runs, st.integers(0, 10_000), st.booleans(), st.floats(0, 1))
def test_a_circle_that_ended_early_is_told_again_from_its_journal_and_nothing_in_it_is_done_twice(
    tmp_path_factory: pytest.TempPathFactory, run: tuple[Profile, dict[str, Any]], story: int, shares: bool, part: float
) -> None:
    profile, asked = run
    asked |= {"settle": 0.5, "consensus_stop": 0} if shares else {"settle": 0.0, "consensus_stop": 1}
    possible(profile, asked)
    journal = tmp_path_factory.mktemp("early") / "run.jsonl"
    whole = asyncio.run(tell(engine_for(story, []), profile=profile, journal=journal, **asked))
    again = asyncio.run(tell(engine_for(story, []), profile=profile, journal=journal, **asked))
    assert again.engine.calls == []
    assert spans_of(again) == spans_of(whole)
    assert again.outcome.verdict == whole.outcome.verdict
    assert again.outcome.settled == whole.outcome.settled
    lines = journal.read_bytes().splitlines(keepends=True)
    keep = 1 + int(part * (len(lines) - 1))
    journal.write_bytes(b"".join(lines[:keep]))
    asyncio.run(tell(engine_for(story, []), profile=profile, journal=journal, **asked))
    after = journal.read_bytes().splitlines(keepends=True)
    keys = [json.loads(line)["key"] for line in after[1:]]
    assert after[:keep] == lines[:keep]
    assert len(keys) == len(set(keys)) and keys[-1] == "q0/c0/verdict"


CHILD = """
import asyncio, sys
sys.path.insert(0, {tests!r})
from circles import tell
from tertulia.engines.scripted import ScriptedEngine
from tertulia.model import Profile
told = asyncio.run(tell(ScriptedEngine(delay=0.002), journal={journal!r}, seed=5, mode={mode!r}, {more}))
print(len(told.engine.calls), told.outcome.verdict.answer)
"""


@pytest.mark.parametrize("mode", ["sync", "board"])
@pytest.mark.parametrize(("kind", "more"), [("summary", ""), ("asked", "profile=Profile(name='plain'), every=40")])
def test_kill_9_in_the_middle_of_a_meeting_loses_no_finished_step(
    tmp_path: FilePath, mode: str, kind: str, more: str
) -> None:
    journal = tmp_path / "run.jsonl"
    code = CHILD.format(tests=str(FilePath(__file__).parent), journal=str(journal), mode=mode, more=more)
    before: list[str] = []
    for _ in range(2):
        child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL)
        while child.poll() is None and count_lines(journal) < len(before) + 25:
            os.sched_yield()
        child.send_signal(signal.SIGKILL)
        child.wait()
        after = journal.read_text().splitlines()[:-1]
        assert after[: len(before)] == before
        before = after
    assert any(f'"kind": "{kind}"' in line for line in before)
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
    lines = journal.read_text().splitlines()
    keys = [json.loads(line)["key"] for line in lines[1:]]
    assert lines[: len(before)] == before
    assert len(keys) == len(set(keys)) and keys[-1] == "q0/c0/verdict"


def count_lines(journal: FilePath) -> int:
    return journal.read_bytes().count(b"\n") if journal.exists() else 0


def spans_of(told: Any) -> list[Any]:
    """Everything but the cache, which an engine that was started again does not have."""
    return [
        (path.place, path.answer, path.spans, path.tokens.to_json() | {"cached": None}) for path in told.outcome.paths
    ]


# 8. Same seed, same story.


@quick
@given(runs, st.integers(0, 10_000), st.permutations(range(5)))
def test_the_order_in_which_paths_come_to_a_meeting_changes_nothing(
    run: tuple[Profile, dict[str, Any]], story: int, order: list[int]
) -> None:
    profile, asked = run
    asked |= TO_ITS_END
    possible(profile, asked)
    slow: dict[str, list[Fault | None]] = {
        f"q0/c0/p{path}": [Fault("stall", seconds=0.001 * place)] * 9 for place, path in enumerate(order)
    }
    one = asyncio.run(tell(engine_for(story, []), profile=profile, **asked))
    two = asyncio.run(tell(recorder(story, slow), profile=profile, **asked))
    assert spans_of(one) == spans_of(two)
    assert one.outcome.meetings == two.outcome.meetings
    assert one.outcome.verdict == two.outcome.verdict


async def test_another_seed_tells_another_story() -> None:
    stories = [spans_of(await tell(seed=seed, doubt=0.5, doubt_until=0)) for seed in (1, 1, 2)]
    assert stories[0] == stories[1] != stories[2]


# 9. A path that fails is data, and nobody but the client tries again.


@pytest.mark.parametrize("mode", ["sync", "board"])
async def test_a_path_that_fails_is_marked_and_the_others_answer(mode: str) -> None:
    engine = ScriptedEngine(faults={"q0/c0/p1": [None, Fault("error")]})
    told = await tell(engine, paths=4, mode=mode)
    failed = told.outcome.paths[1]
    assert failed.place == "failed" and "scripted error" in (failed.error or "")
    assert sum(call.path == failed.name for call in engine.calls) == 2
    assert (told.outcome.verdict.spoke, told.outcome.verdict.of) == (3, 4)
    assert [event.path for event in told.events if event.kind == "failed"] == [1]
    assert failed.name in engine.released


@pytest.mark.parametrize("mode", ["sync", "board"])
async def test_when_the_engine_is_gone_the_run_stops_and_can_be_gone_on_with(tmp_path: FilePath, mode: str) -> None:
    journal = tmp_path / "run.jsonl"
    # The first path gets an answer to what it asked before the others failed: that proves nothing.
    gone = {f"q0/c0/p{path}": [Fault("error")] * 5 for path in range(3)}
    gone["q0/c0/p0"] = [Fault("stall", seconds=0.05), *[Fault("error")] * 5]
    with pytest.raises(EngineError, match="all 3 paths failed"):
        await tell(ScriptedEngine(faults=gone), paths=3, journal=journal, mode=mode)
    told = await tell(paths=3, journal=journal, mode=mode)
    assert told.outcome.verdict.spoke == 3


@pytest.mark.parametrize("mode", ["sync", "board"])
async def test_a_path_whose_server_was_away_when_the_others_had_ended_goes_on_with_the_same_command(
    tmp_path: FilePath, mode: str
) -> None:
    journal = tmp_path / "run.jsonl"
    await tell(whole := ScriptedEngine(), paths=3, mode=mode)
    calls = sum(call.path == "q0/c0/p1" for call in whole.calls)
    away = {"q0/c0/p1": [*[None] * (calls - 1), Fault("away", seconds=0.5)]}
    told = await tell(ScriptedEngine(faults=away), paths=3, journal=journal, mode=mode)
    assert told.outcome.paths[1].unavailable and told.outcome.verdict.spoke == 2
    assert [event.path for event in told.events if event.kind == "failed"] == [1]
    again = await tell(paths=3, journal=journal, mode=mode)
    assert all(path.finished for path in again.outcome.paths) and again.outcome.verdict.spoke == 3
    assert [path.text for path in again.outcome.paths if path.index != 1] == [
        path.text for path in told.outcome.paths if path.index != 1
    ]


# 10. No barrier but the circle's.


async def test_in_board_mode_nobody_waits_for_a_path_that_hangs() -> None:
    engine = ScriptedEngine(faults={"q0/c0/p0": [Fault("stall", seconds=0.4)]})
    told = await tell(engine, paths=4, mode="board")
    finished = [event.path for event in told.events if event.data.get("place") == "finished"]
    assert finished[-1] == 0
    own = [event.kind for event in told.events if event.path == 0]
    assert own[:2] == ["prompt", "tokens"] and told.events.index(first(told, "tokens", 0)) > told.events.index(
        first(told, "answer", 1)
    )


async def test_in_sync_mode_the_circle_does_wait() -> None:
    engine = ScriptedEngine(faults={"q0/c0/p0": [Fault("stall", seconds=0.2)]})
    told = await tell(engine, paths=4, mode="sync")
    assert told.events.index(first(told, "tokens", 0)) < told.events.index(first(told, "heard", 1))


async def test_circles_do_not_wait_for_each_other() -> None:
    ended: list[str] = []

    async def run(name: str, engine: ScriptedEngine) -> None:
        await tell(engine, paths=2, mode="sync")
        ended.append(name)

    hanging = ScriptedEngine(faults={"q0/c0/p0": [Fault("stall", seconds=0.4)]})
    await asyncio.gather(run("hangs", hanging), run("goes", ScriptedEngine()))
    assert ended == ["goes", "hangs"]


def first(told: Any, kind: str, path: int) -> Any:
    return next(event for event in told.events if event.kind == kind and event.path == path)


# 11. Agreement costs nothing.


@quick
@given(plain, st.integers(0, 10_000))
def test_a_thought_that_nobody_contradicts_hears_nothing(asked: dict[str, Any], story: int) -> None:
    asked |= {"doubt": 0.0, "control": "", "frame": "answer" if asked["frame"] == "answer" else "working"}
    possible(PLAIN, asked)
    told = asyncio.run(tell(engine_for(story, []), profile=PLAIN, **asked))
    looping: dict[int, bool] = {}
    for record in told.records:
        if record["kind"] == "thought":
            looping[record["path"]] = bool(record.get("loop"))
        if record["kind"] == "heard" and "spans" in record:
            assert record["finding"] == "differ" or looping[record["path"]]
