"""What paths do at a meeting, at a last call, and at the end of their budget."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path as FilePath
from typing import Any

import pytest

from circles import AT_CLAIMS, PEBBLE, QUESTION, Told, tell
from tertulia.api import solve_with
from tertulia.circle.path import Span
from tertulia.engines.scripted import Fault, ScriptedEngine
from tertulia.errors import TertuliaError
from tertulia.model import Dialect, Profile
from tertulia.result import saved_by
from tertulia.settings import resolve

P0, P1, P2 = "q0/c0/p0", "q0/c0/p1", "q0/c0/p2"
FULL = Profile(name="small", wording="paper", summary_tokens=40, answer_tokens=12)
DONE = ["1) 1+1=2\n</think>\\boxed{2}<|end|>"]


def spans(told: Told, path: int, kind: str) -> list[str]:
    return [span.text for span in told.outcome.paths[path].spans if span.kind == kind]


async def pair(first: list[str], second: list[str] | None = None, **asked: Any) -> Told:
    """Two paths in the small model's format, without a last call unless one is asked for."""
    asked = {"paths": 2, "every": 10, "last_call": 0, "budget": 300} | asked
    return await tell(ScriptedEngine({P0: first, P1: second or DONE}), **asked)


async def test_a_summary_that_grows_too_long_is_asked_for_once_more_and_shorter() -> None:
    told = await pair(["1) 1+1=3\n2) 3", "1=3 and on " * 30, "1=3</summarize>", "2) 3+4=7\n</think>", "\\boxed{7}"])
    path = told.outcome.paths[0]
    failed, second = spans(told, 0, "summary")
    assert failed.startswith("1=3 and on") and second == "1=3</summarize>"
    limits = [call.max_tokens for call in told.engine.calls if call.path == P0 and "</summarize>" in call.stop]
    assert limits == [64, 32]
    assert path.tokens.generated >= 64, "the failed summary is counted"
    assert path.tokens.discarded == 1, "and it stays in the path: only the segment's tail was cut"
    assert [event.data["outcome"] for event in told.events if event.kind == "summary"] == [
        "truncated",
        "whole",
    ]


async def test_a_summary_that_grows_too_long_twice_is_heard_by_nobody_and_closed() -> None:
    endless = "word " * 80
    told = await pair(
        ["so far.\nand on", endless, endless, "And on.\n</think>\\boxed{1}"],
        ["as far.\nand on", "2=9</summarize>", "And on.\n</think>\\boxed{1}"],
        frame="quotes",
        router="random",
        heard=1,
        budget=400,
    )
    assert told.outcome.meetings[0].heard == [[1], []]
    assert "</summarize>" in spans(told, 0, "cue")[-1]
    assert "2=9" in spans(told, 0, "heard")[0]
    assert "word" not in spans(told, 1, "heard")[0]


async def test_an_empty_summary_is_heard_by_nobody() -> None:
    told = await pair(
        ["so far.\nand on", " \n</summarize>", "On.\n</think>\\boxed{1}"],
        ["as far.\nand on", "2=9</summarize>", "On.\n</think>\\boxed{1}"],
        frame="quotes",
        router="random",
        heard=1,
    )
    assert told.outcome.meetings[0].heard == [[1], []]


async def test_the_same_summary_is_not_heard_twice() -> None:
    script = {f"q0/c0/p{path}": ["far.\nand so on", "1=2</summarize>", "On.\n</think>\\boxed{1}"] for path in range(4)}
    told = await tell(ScriptedEngine(script), paths=4, every=10, last_call=0, frame="quotes", router="random", heard=3)
    assert all(len(peers or []) == 1 for peers in told.outcome.meetings[0].heard)


async def test_a_path_that_closes_its_thought_in_a_summary_is_not_forced_to_go_on() -> None:
    told = await pair(["1) 1+1=3\n2) 3", "1=3, and that is all</think>", "\\boxed{3}"])
    path = told.outcome.paths[0]
    assert path.finished and path.answer == "3"
    assert spans(told, 0, "heard") == []


async def test_a_segment_is_cut_back_to_the_last_line_end_and_what_is_cut_is_counted() -> None:
    told = await pair(["1) 1+1=3\n2) 3+", "1=3</summarize>", "2) 3+4=7\n</think>\\boxed{7}"], every=13)
    path = told.outcome.paths[0]
    assert spans(told, 0, "thought")[0] == "1) 1+1=3\n"
    cut = next(record["held"] for record in told.records if record.get("held"))
    assert cut["text"] == "2) 3" and path.tokens.discarded == cut["count"] == 4


async def test_out_of_budget_the_thought_is_closed_and_a_short_answer_follows() -> None:
    told = await pair(["go on " * 99, "\\boxed{3} and " + "very much more to say " * 9], every=0, budget=60)
    path = told.outcome.paths[0]
    assert path.tokens.generated == 60 and path.count("answer") == 24
    assert spans(told, 0, "cue") == ["</think>"] and path.answer == "3"


async def test_the_answer_follows_its_thought_in_one_generation() -> None:
    told = await pair(DONE, every=0, method="independent")
    assert len([call for call in told.engine.calls if call.path == P0]) == 1
    path = told.outcome.paths[0]
    assert [span.kind for span in path.spans] == ["prompt", "thought", "answer"]
    assert spans(told, 0, "thought")[0].endswith("</think>") and path.answer == "2"


def three(first: list[str], **asked: Any) -> Any:
    others = ["1) 1+1=2\n2) 2+5=7\n</think>", "\\boxed{7}<|end|>"]
    asked = {"paths": 3, "every": 0, "last_call": 1, "budget": 200} | asked
    return tell(ScriptedEngine({P0: first, P1: others, P2: others}), **asked)


WRONG = "1) 1+1=3\n2) 3+5=8\n</think>"


async def test_at_the_last_call_a_path_that_is_outvoted_hears_it_and_goes_on() -> None:
    told = await three([WRONG, "Again: 1) add 1\n1) 1+1=2\n2) 2+5=7\n</think>", "\\boxed{7}<|end|>"])
    path = told.outcome.paths[0]
    assert spans(told, 0, "heard") == ["<peers>step 1: you 3, 2 of 2 have 2</peers>\n"]
    assert "</think>" not in spans(told, 0, "thought")[0], "its close is cut off"
    assert path.tokens.discarded == 1, "and counted"
    assert path.answer == "7" and told.outcome.meetings[0].heard == [[1, 2], [], []]


async def test_at_the_last_call_a_path_that_is_not_outvoted_hears_nothing() -> None:
    told = await three([WRONG, "\\boxed{7}<|end|>"])
    for path in (1, 2):
        assert spans(told, path, "heard") == []
        assert spans(told, path, "thought")[0].endswith("</think>")
        assert told.outcome.paths[path].tokens.discarded == 0


@pytest.mark.parametrize("calls", [1, 2])
async def test_a_path_is_called_as_often_as_the_settings_say(calls: int) -> None:
    told = await three([WRONG, WRONG, WRONG, "\\boxed{8}<|end|>"][3 - calls - 1 :], last_call=calls)
    assert len(spans(told, 0, "heard")) == calls
    assert told.outcome.paths[0].answer == "8"


async def test_where_a_thought_cannot_be_read_the_path_sums_up_at_its_last_call() -> None:
    script = {
        P0: ["It is so.\n</think>", "\\boxed{8}</summarize>", "No, it is 7.\n</think>", "\\boxed{7}<|end|>"],
        P1: ["It is so.\n</think>", "\\boxed{7}</summarize>", "\\boxed{7}<|end|>"],
        P2: ["It is so.\n</think>", "I find \\boxed{7}</summarize>", "\\boxed{7}<|end|>"],
    }
    told = await tell(ScriptedEngine(script), profile=FULL, paths=3, every=0, heard=2, budget=300)
    assert "My result is 8; my peers have 7 (2 of 2)" in spans(told, 0, "heard")[0]
    assert "I find \\boxed{7}" in spans(told, 0, "heard")[0]
    assert spans(told, 1, "heard") == [] and spans(told, 1, "cue")[-1] == "</think>"
    assert [path.answer for path in told.outcome.paths] == ["7", "7", "7"]


async def test_a_path_that_opens_a_summary_itself_has_a_meeting() -> None:
    told = await pair(
        ["1) 1+1=3\n<summarize>", "1=3</summarize>", "2) 3+4=7\n</think>\\boxed{7}<|end|>"],
        every=0,
        self_opened=True,
    )
    assert spans(told, 0, "cue") == []
    assert spans(told, 0, "heard") == ["\n<peers>no difference</peers>\n"]


COUNTING = "".join(f"{step}) 1+{step}={step + 1}\n" for step in range(1, 31))


async def test_meetings_are_held_at_the_listed_places() -> None:
    lines = [COUNTING, "1=3</summarize>"] * 3
    told = await pair([*lines, "</think>\\boxed{3}"], every=0, meet_at=(20, 50), budget=200)
    places = [call.max_tokens for call in told.engine.calls if call.path == P0 and not call.stop]
    assert places[:2] == [20, 30] and told.outcome.paths[0].meetings == 2


async def test_no_meeting_is_held_that_leaves_nothing_to_think_with() -> None:
    lines = [COUNTING, "1=3</summarize>"]
    told = await pair([*lines * 2, *lines * 2, "\\boxed{3}"], every=20, budget=150)
    path = told.outcome.paths[0]
    room = [call.max_tokens for call in told.engine.calls if call.path == P0 and "</summarize>" in call.stop]
    assert path.meetings >= 1 and path.finished
    assert room == [64] * path.meetings, "no summary was squeezed in"


@pytest.mark.parametrize("mode", ["sync", "board"])
async def test_once_enough_agree_the_rest_are_stopped_and_a_replay_stops_them_too(
    tmp_path: FilePath, mode: str
) -> None:
    script = {P0: DONE, P1: DONE, P2: ["go on " * 99] * 9}
    asked = {"paths": 3, "every": 30, "consensus_stop": 2, "mode": mode, "budget": 500, "last_call": 0}
    told = await tell(ScriptedEngine(script, delay=0.001), journal=tmp_path / "run", **asked)
    path = told.outcome.paths[2]
    assert path.place == "stopped" and told.outcome.verdict.votes == {"2": 2}
    assert 0 < path.tokens.generated < 200
    assert path.tokens.generated == path.count("thought", "summary", "answer") + path.tokens.discarded
    again = await tell(ScriptedEngine({}), journal=tmp_path / "run", **asked)
    assert again.engine.calls == []
    assert again.outcome.paths[2].spans == path.spans and again.outcome.settled and told.outcome.settled


async def test_stopping_saves_what_the_rest_would_have_needed() -> None:
    long = ["1) 1+1=2\n" * 20 + "</think>\\boxed{2}<|end|>"]
    engine = ScriptedEngine({P0: long, P1: long, P2: ["much to say"]}, faults={P2: [Fault("stall", seconds=5)]})
    told = await tell(engine, paths=3, every=0, last_call=0, consensus_stop=2, mode="board", budget=400)
    assert saved_by(told.outcome.paths) == told.outcome.paths[0].tokens.generated


async def test_doubt_asks_some_that_agree_to_recheck_what_they_wrote_last() -> None:
    told = await tell(seed=1, every=40, doubt=1.0, last_call=0, paths=3)
    heard = [text for path in range(3) for text in spans(told, path, "heard")]
    assert any("check step" in text for text in heard)
    told = await tell(seed=1, every=40, doubt=0.0, last_call=0, paths=3)
    assert not any("check step" in text for path in range(3) for text in spans(told, path, "heard"))


@pytest.mark.parametrize(("placebo", "only"), [("echo", "no difference"), ("recheck", "check step"), ("false", "step")])
async def test_placebos_tell_nothing_about_peers(placebo: str, only: str) -> None:
    told = await tell(every=40, control=placebo if placebo != "false" else "false=1.0", paths=4, last_call=0)
    heard = [text for path in range(4) for text in spans(told, path, "heard")]
    assert any(only in text for text in heard)
    assert all(only in text or (placebo == "recheck" and "no difference" in text) for text in heard)
    assert all(not peers for meeting in told.outcome.meetings for peers in meeting.heard)


async def test_no_step_is_rechecked_twice_so_that_a_path_always_ends() -> None:
    told = await tell(profile=AT_CLAIMS, every=7, control="recheck", paths=3, last_call=0, budget=2000)
    for path in range(3):
        asked = [int(step) for text in spans(told, path, "heard") for step in re.findall(r"check step (\d+)", text)]
        assert asked and len(asked) == len(set(asked))
        assert told.outcome.paths[path].finished and not told.outcome.paths[path].out_of_budget


async def test_the_false_placebo_marks_at_its_rate() -> None:
    told = await tell(control="false=0.0", paths=4, last_call=0)
    assert {text for path in range(4) for text in spans(told, path, "heard")} == {"\n<peers>no difference</peers>\n"}


async def test_a_model_that_does_not_think_aloud_ends_its_thought_with_the_text() -> None:
    plain = FULL.model_copy(update={"prompt": "{question}\n", "think_open": "", "think_close": ""})
    script = {
        P0: ["Surely \\boxed{8}.", "I say \\boxed{8}.</summarize>", "No: \\boxed{7}."],
        P1: ["It is \\boxed{7}.", "\\boxed{7} here.</summarize>"],
        P2: ["So \\boxed{7}.", "We have \\boxed{7}.</summarize>"],
    }
    engine = ScriptedEngine(script)
    dialect = await Dialect.probe(engine, plain)
    told = await tell(engine, profile=plain, dialect=dialect, paths=3, every=0, heard=2, budget=300)
    assert [path.answer for path in told.outcome.paths] == ["7", "7", "7"]
    assert not any(span.kind == "answer" for path in told.outcome.paths for span in path.spans)
    assert told.outcome.paths[0].tokens.discarded == 1, "the end-of-text of its first thought"


async def test_paths_that_meet_are_told_so_and_paths_that_do_not_are_not() -> None:
    meet = await tell(ScriptedEngine({}), profile=FULL, paths=2, budget=3000, heard=1)
    alone = await tell(ScriptedEngine({}), profile=FULL, paths=2, budget=3000, method="independent", ask_answer=False)
    assert "<summarize>" in spans(meet, 0, "prompt")[0] and spans(meet, 0, "cue")
    assert "<summarize>" not in spans(alone, 0, "prompt")[0] and not spans(alone, 0, "cue")


async def test_a_question_longer_than_the_context_is_refused() -> None:
    with pytest.raises(TertuliaError, match=r"the question takes \d+ tokens, but the context holds 90"):
        await tell(ScriptedEngine(context=90))


async def test_a_short_context_ends_a_path_as_a_spent_budget_does() -> None:
    told = await tell(ScriptedEngine(context=180), paths=4, budget=400)
    for path in told.outcome.paths:
        assert path.finished and path.length <= 180


async def test_what_does_not_fit_into_the_context_is_not_heard() -> None:
    words = " ".join(["word"] * 8) + "</summarize>"
    talk = ["I look.\nand on it goes", words, "\nOn.\n</think>\\boxed{4}<|end|>"]
    script = {f"q0/c0/p{path}": [talk[0], f"{path} {words}", *talk[2:]] for path in range(4)}
    asked = {"paths": 4, "every": 17, "last_call": 0, "frame": "quotes", "router": "random", "heard": 3}
    told = await tell(ScriptedEngine(script, context=300), **asked, budget=200)
    for path in told.outcome.paths:
        assert path.length <= 300 and path.finished and path.answer == "4"
        assert not spans(told, path.index, "heard")


async def test_an_answer_after_a_full_context_is_short_too() -> None:
    engine = ScriptedEngine({P0: ["word " * 300, "answer " * 300]}, context=400)
    told = await tell(engine, profile=FULL, paths=1, budget=9000)
    assert told.outcome.paths[0].count("answer") == FULL.answer_tokens


async def test_a_journal_of_other_settings_is_refused_with_what_differs(tmp_path: FilePath) -> None:
    await tell(journal=tmp_path / "run", paths=2)
    with pytest.raises(TertuliaError, match=r"settings\.seed: journal 0, now 4"):
        await tell(journal=tmp_path / "run", paths=2, seed=4)


async def test_leap_single_lets_the_best_supported_path_go_on_alone() -> None:
    def path(value: int) -> list[str]:
        return [
            f"1) 1+1={value}\n2) 2",
            f"1={value}</summarize>",
            f"\\n2) 2+{value}=9\n</think>\\boxed{{9}}<|end|>",
        ]

    script = {f"q0/c0/p{index}": path(value) for index, value in enumerate([3, 2, 2, 5])}
    told = await tell(ScriptedEngine(script), method="leap-single", paths=4, every=12, budget=200)
    places = [path.place for path in told.outcome.paths]
    assert sorted(places) == ["finished", "stopped", "stopped", "stopped"]
    survivor = places.index("finished")
    assert survivor in (1, 2) and told.outcome.meetings[0].heard[survivor]
    assert told.outcome.verdict.answer == "9" and told.outcome.verdict.of == 4


async def test_moa_gives_the_proposals_to_one_path_and_counts_every_token() -> None:
    script = {P0: ["</think>It is \\boxed{4}.<|end|>"], P1: ["</think>So \\boxed{5}.<|end|>"]}
    script[P2] = ["The first is right.\n</think>\\boxed{4}<|end|>"]
    told = await tell(ScriptedEngine(script), profile=FULL, method="moa", paths=2, budget=100)
    assert len(told.outcome.paths) == 3 and told.outcome.verdict.answer == "4"
    prompt = spans(told, 2, "prompt")[0]
    assert "It is \\boxed{4}." in prompt and "So \\boxed{5}." in prompt
    assert told.outcome.paths[2].tokens.prompt > told.outcome.paths[0].tokens.prompt


async def test_moa_is_refused_where_the_model_cannot_aggregate() -> None:
    with pytest.raises(TertuliaError, match="the method moa needs a model that follows instructions"):
        await tell(method="moa", profile=PEBBLE)


async def test_a_path_that_meets_at_claims_goes_on_to_a_line_with_a_result_and_nothing_is_cut() -> None:
    told = await tell(profile=AT_CLAIMS, every=7, last_call=0, paths=3)
    met = 0
    for path in told.outcome.paths:
        assert path.tokens.discarded == 0
        for before, span in pairwise(path.spans):
            if span.kind == "cue" and span.text.startswith("<summarize>"):
                met += 1
                assert re.search(r"(?m)^\d+\) .*=\d+\n\Z", before.text), before.text
    assert met >= 6


async def test_a_listed_place_is_met_at_the_next_line_with_a_result() -> None:
    told = await tell(profile=AT_CLAIMS, every=0, meet_at=(3,), last_call=0, paths=2)
    assert [path.meetings for path in told.outcome.paths] == [1, 1]
    assert all(path.spans[1].text.endswith("\n") for path in told.outcome.paths)


async def test_where_claims_are_read_nothing_is_written_and_agreement_is_not_told() -> None:
    told = await tell(profile=AT_CLAIMS, every=7, summaries="read", paths=3)
    heard = [event for event in told.events if event.kind == "heard"]
    assert heard and {event.data["finding"] for event in heard} >= {"agree"}
    for event in heard:
        assert bool(event.data.get("spans")) == (event.data["finding"] != "agree")
    for path in told.outcome.paths:
        assert all(span.kind not in ("summary", "cue") for span in path.spans)


async def test_a_path_that_answers_a_difference_meets_again_when_it_has_gone_on_from_it() -> None:
    told = await tell(profile=AT_CLAIMS, every=1, summaries="read", paths=3, last_call=0, control="false=1.0")
    answers = 0
    for path in told.outcome.paths:
        for before, span, after in zip(path.spans, path.spans[1:], path.spans[2:], strict=False):
            if before.kind == after.kind == "heard" and "</think>" not in span.text:
                answers += 1
                assert len(re.findall(r"(?m)^\d+\) .*=\d+$", span.text)) == 2, span.text
    assert answers >= 3


async def test_where_claims_are_read_a_difference_is_told_in_the_thought() -> None:
    told = await tell(profile=AT_CLAIMS, every=7, summaries="read", paths=3, control="false=1.0")
    spans = [span for path in told.outcome.paths for span in path.spans if span.kind == "heard"]
    assert spans and all(span.text.startswith("<peers>step ") for span in spans)


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        ({"frame": "quotes", "summaries": "read"}, "quotes tell what was written: use aside"),
        ({"profile": Profile(name="other"), "summaries": "written"}, "which the words plain lack: use aside or read"),
    ],
)
async def test_summaries_that_nobody_could_read_are_not_asked_for(asked: dict[str, object], line: str) -> None:
    with pytest.raises(TertuliaError, match=line):
        await tell(**{"profile": AT_CLAIMS, "every": 512, "budget": 4000, **asked})


async def test_a_forced_beginning_is_part_of_the_thought_and_nobody_generated_it() -> None:
    engine = ScriptedEngine()
    ids = await engine.tokenize("1) 13+80=93\n2) 9")
    forced = Span("thought", ids, "1) 13+80=93\n2) 9", len(ids))
    settings = resolve(PEBBLE, {"paths": 2, "every": 0, "doubt": 0.0, "margin": 1})
    result = await solve_with(engine, PEBBLE, QUESTION, settings, beginnings=[forced, None])
    trapped, free = result.paths
    thought = next(span for span in trapped.spans if span.kind == "thought")
    assert thought.text.startswith(forced.text) and thought.ids[: len(ids)] == ids
    assert trapped.tokens.injected == len(ids) and free.tokens.injected == 0
    own = sum(span.count for span in trapped.spans if span.kind in ("thought", "answer")) - len(ids)
    assert trapped.tokens.generated == own
