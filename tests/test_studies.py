"""Studies: the trap with forced beginnings, sweeps that run each cell once, and what a meeting did."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tertulia.circle.events import Event
from tertulia.circle.path import Path as ReasoningPath
from tertulia.circle.path import Span
from tertulia.cli import main
from tertulia.engines.scripted import ScriptedEngine
from tertulia.errors import TertuliaError
from tertulia.evaluation.bench import Bench
from tertulia.evaluation.meetings import Effect, Listener, Truth, effects
from tertulia.evaluation.where import Where
from tertulia.model import profile_for
from tertulia.studies import sweep as sweeps
from tertulia.studies.trap import Trap, study
from tertulia.tasks.question import Question

SHIPPED = Path(__file__).parent.parent / "runs"
RUNS = [
    file
    for folder in ("lab", "paper")
    for file in (SHIPPED / folder).glob("*.toml")
    if file.read_text("utf-8").startswith("# tertulia sweep ")
]
GOOD, BAD = "1) 1+1=2\n2) 2+5=7\n", "1) 1+1=3\n2) 3+5=8\n"
CLOSE = "</think>\n\\boxed{"


def thinker(context: str, path: str, seed: int) -> str:
    """Right or wrong by its seed from a free start; from a forced beginning it goes on as that began."""
    thought = context.rpartition("<think>\n")[2]
    if not thought:
        return GOOD + CLOSE + "7}<|end|>" if seed % 2 else BAD + CLOSE + "8}<|end|>"
    whole, answer = (GOOD, "7") if GOOD.startswith(thought) and not BAD.startswith(thought) else (BAD, "8")
    return whole[len(thought) :] + CLOSE + answer + "}<|end|>"


QUESTIONS = [Question(f"q{place}", f"Problem {place}?", "7", "math", data={"steps": ["2", "7"]}) for place in range(12)]
SETTINGS = {"every": 0, "last_call": 0, "summaries": "written"}


def bench() -> Bench:
    return Bench(Where(model="scripted"), made=ScriptedEngine(thinker))


async def test_a_bad_beginning_leads_astray_and_a_good_one_of_the_same_length_does_not() -> None:
    trap = Trap(share=0.45, questions=6, answers=8, per=4, settings=SETTINGS)
    async with bench() as entered:
        found = await study(trap, entered, QUESTIONS)
    assert found.questions == (6, 8)
    assert found.bars["independent, bad beginning"].mean == 0.0
    assert found.bars["independent, good beginning"].mean == 1.0
    assert 0.2 < found.bars["independent, no beginning"].mean < 0.8
    assert found.tokens["bad"] == found.tokens["good"] > 3
    gap = found.gaps["independent: bad beginning against none"]
    assert gap.mean == pytest.approx(-found.bars["independent, no beginning"].mean)


async def test_what_meetings_win_back_is_a_share_of_the_way() -> None:
    def meets(context: str, path: str, seed: int) -> str:
        """Heeds nobody; but a circle without a beginning is always right."""
        thought = context.rpartition("<think>\n")[2]
        return GOOD + CLOSE + "7}<|end|>" if "leap" in path and not thought else thinker(context, path, seed)

    trap = Trap(share=0.45, free_share=0.5, questions=6, answers=8, per=4, settings=SETTINGS)
    async with Bench(Where(model="scripted"), made=ScriptedEngine(meets)) as entered:
        found = await study(trap, entered, QUESTIONS)
    low, at, high = (
        found.bars[name].mean for name in ("independent, bad beginning", "leap, bad beginning", "leap, no beginning")
    )
    assert found.won_back is not None and (low, at, high) != (0, 0, 0) and at > low and high == 1.0
    assert found.won_back.mean == pytest.approx((at - low) / (high - low))
    assert found.to_json()["won_back"]["mean"] == found.won_back.mean
    alone = Trap(share=0.45, questions=2, answers=8, per=4, methods=("independent",), settings=SETTINGS)
    async with bench() as entered:
        assert (await study(alone, entered, QUESTIONS)).won_back is None


async def test_a_mixed_circle_has_its_share_of_good_beginnings_and_of_free_paths() -> None:
    trap = Trap(kind="mixed", share=0.45, good_share=0.75, questions=4, answers=8, per=4, settings=SETTINGS)
    async with bench() as entered:
        assert (await study(trap, entered, QUESTIONS)).bars["leap, mixed beginning"].mean == 0.75
        free = Trap(share=0.45, free_share=0.5, questions=4, answers=8, per=8, settings=SETTINGS)
        assert 0 < (await study(free, entered, QUESTIONS)).bars["leap, bad beginning"].mean < 0.5 + 1e-9


async def test_beginnings_may_differ_from_path_to_path(tmp_path: Path) -> None:
    def several(context: str, path: str, seed: int) -> str:
        thought = context.rpartition("<think>\n")[2]
        wrong = f"{seed % 7} is first\n" + BAD + CLOSE + "8}<|end|>"
        return thinker(context, path, seed) if thought or seed % 2 else wrong

    starts: dict[str, set[str]] = {}
    for which in ("same", "different"):
        trap = Trap(share=0.2, beginnings=which, questions=1, answers=12, per=6, settings=SETTINGS)  # type: ignore[arg-type]
        async with Bench(Where(model="scripted"), made=ScriptedEngine(several)) as entered:
            await study(trap, entered, QUESTIONS, tmp_path / which)
        file = next((tmp_path / which / "independent-bad-beginning").iterdir())
        forced = json.loads(file.read_text().splitlines()[0])["header"]["beginnings"]
        starts[which] = {span["text"] for span in forced}
    assert len(starts["same"]) == 1 < len(starts["different"])


async def test_a_study_goes_on_where_it_was_without_a_token_more(tmp_path: Path) -> None:
    trap = Trap(share=0.3, questions=3, answers=6, per=3, settings=SETTINGS)
    async with bench() as first:
        found = await study(trap, first, QUESTIONS, tmp_path)
        assert first.engine.calls  # type: ignore[attr-defined]
    async with bench() as second:
        again = await study(trap, second, QUESTIONS, tmp_path)
        assert not [call for call in second.engine.calls if call.path != "probe" and "/" in call.path]  # type: ignore[attr-defined]
    assert again.to_json() == found.to_json()


async def test_methods_share_what_comes_after_one_beginning(tmp_path: Path) -> None:
    trap = Trap(share=0.3, questions=3, answers=6, per=3, settings=SETTINGS)
    asked, found = [], []
    for shared in (None, tmp_path / "beginnings.journal.jsonl"):
        async with Bench(Where(model="scripted"), made=ScriptedEngine(thinker), shared=shared) as entered:
            found.append((await study(trap, entered, QUESTIONS)).to_json())
            engine = entered.engine if shared is None else entered.engine.engine  # type: ignore[attr-defined]
            asked.append({call.path.split("/")[0] for call in engine.calls})
    assert found[0] == found[1]
    assert {"leap-bad-beginning", "independent-bad-beginning"} <= asked[0]
    assert len(asked[1] & {"leap-bad-beginning", "independent-bad-beginning"}) == 1, "the other asked again"


async def test_questions_that_all_paths_get_right_are_no_use() -> None:
    def right(context: str, path: str, seed: int) -> str:
        return GOOD + CLOSE + "7}<|end|>"

    async with Bench(Where(model="scripted"), made=ScriptedEngine(right)) as entered:
        with pytest.raises(TertuliaError, match="none of 12 questions has both right and wrong answers"):
            await study(Trap(questions=2, answers=4, per=2, settings=SETTINGS), entered, QUESTIONS)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"kind": "worse"}, "unknown kind of beginning 'worse'"),
        ({"share": 1.5}, "the share of the thought is 1.5"),
        ({"settings": {"settle": 0.5}}, "settle and consensus_stop end circles early"),
        ({"good_share": -1}, "good-share is -1"),
        ({"per": 1}, "per is 1: expected at least 2"),
        ({"methods": ("moa",)}, "takes no forced beginnings"),
        ({"beginnings": "none"}, "use same or different"),
    ],
)
def test_a_trap_that_cannot_be_gets_one_line(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(TertuliaError, match=said):
        Trap(**asked).check()


# --- what a meeting did --------------------------------------------------------------------------------


def path(*spans: tuple[str, str]) -> ReasoningPath:
    made = ReasoningPath(0, "q/p0")
    made.spans = [Span(kind, (1,), text, 1) for kind, text in spans]  # type: ignore[arg-type]
    return made


class Told:
    """As much of a result as effects are read from."""

    def __init__(self, one: ReasoningPath, meetings: int):
        self.paths = (one,)
        self.meetings = [type("Meeting", (), {"index": index, "heard": [[1, 2]]})() for index in range(meetings)]


def effect(one: ReasoningPath, *findings: str, **marked: Any) -> list[Effect]:
    listener = Listener()
    for meeting, finding in enumerate(findings):
        silent = finding == "silent"
        heard = {"finding": "agree" if silent else finding, "peers": [1, 2], "text": "" if silent else "heard"} | marked
        listener.observe(Event("meeting", None, {"index": meeting, "claims": {}, "heard": {"0": heard}}))
        spans = [] if silent else [{"kind": "heard", "ids": [1], "text": "heard"}]
        listener.observe(Event("heard", 0, {"meeting": meeting, "spans": spans}))
    told: Any = Told(one, len(findings))
    return effects(told, listener.heard, profile_for("pebble"), "</think>", Truth("7", {1: "2", 2: "7"}))


@pytest.mark.parametrize(
    ("before", "after", "category", "rights"),
    [
        ("1) 1+1=3\n", "Again: 1) add 1\n1) 1+1=2\n", "influenced", (False, True)),
        ("1) 1+1=2\n", "Again: 1) add 2\n1) 1+2=3\n", "influenced", (True, False)),
        ("1) 1+1=3\n", "Again: 1) add 3\n1) 1+3=4\n", "influenced", (False, False)),
        ("1) 1+1=2\n", "Again: 1) add 1\n1) 1+1=2\n2) 2+5=7\n", "unaffected", (True, True)),
        ("1) 1+1=3\n", "2) 3+5=8\n", "unaffected", (False, False)),
    ],
)
def test_the_next_claim_tells_what_a_meeting_did(
    before: str, after: str, category: str, rights: tuple[bool, bool]
) -> None:
    (found,) = effect(path(("thought", before), ("heard", "step 1"), ("thought", after)), "differ")
    assert (found.category, (found.before, found.after)) == (category, rights)


@pytest.mark.parametrize(
    ("after", "step", "rights"),
    [
        ("2) 2+5=7\n", 1, (True, True)),
        ("2) 2+6=8\n", 1, (True, True)),
        ("Again: 1) add 2\n1) 1+2=3\n", 1, (True, False)),
        ("Again: 1) add 1\n1) 1+1=2\n2) 2+5=7\n", 1, (True, True)),
        ("Again: 2) add 5\n2) 2+5=7\n", 2, (False, True)),
        ("</think>\\boxed{8}", 2, (False, False)),
        ("Again: 1) add 1\n1) 1+1=2\n", 2, (False, None)),
        ("2) 2+5=7\n", None, (None, None)),
    ],
)
def test_the_claim_at_the_marked_step_tells_whether_it_was_kept_or_repaired(
    after: str, step: int | None, rights: tuple[bool | None, bool | None]
) -> None:
    before = "1) 1+1=2\n" + ("2) 2+6=8\n" if step == 2 else "")
    marked = {} if step is None else {"step": step, "lie": True}
    one = path(("thought", before), ("heard", "step"), ("thought", after))
    (found,) = effect(one, "differ", **marked)
    assert (found.marked_before, found.marked_after) == rights
    assert (found.step, found.lie) == (step, step is not None), "a record that does not tell the step is older"


def test_the_claim_at_the_marked_step_is_the_one_before_anything_else_is_heard() -> None:
    one = path(("thought", "1) 1+1=2\n"), ("heard", "a"), ("thought", "1) 1+2=3\n"), ("heard", "b"))
    one.spans.append(Span("thought", (1,), "1) 1+1=2\n", 1))
    assert [what.marked_after for what in effect(one, "differ", "differ", step=1)] == [False, True]
    one.spans[3] = Span("cue", (1,), "b", 1)
    assert [what.marked_after for what in effect(one, "differ", "silent", step=1)][:1] == [True]


def test_what_was_taken_over_is_told_from_another_mistake() -> None:
    def took(after: str) -> bool | None:
        one = path(("thought", "1) 1+1=2\n"), ("heard", "step 1: you 2, 4 of 4 have 3"), ("thought", after))
        return effect(one, "differ", step=1, other="3")[0].took

    assert [took(f"1) 1+2={value}\n") for value in (2, 3, 4)] == [False, True, False]


def test_without_steps_the_claimed_answer_is_what_is_kept_or_repaired() -> None:
    one = path(("summary", "\\boxed{7}</summarize>"), ("heard", "mine is 7; 2 have 8"), ("summary", "\\boxed{8}"))
    (found,) = effect(one, "differ")
    assert (found.marked_before, found.marked_after, found.step) == (True, False, None)


def test_hearing_nothing_that_differs_is_consistent() -> None:
    one = path(("thought", "1) 1+1=2\n"), ("heard", "differs"), ("thought", "1) 1+1=2\n2) 2+5=7\n"))
    found = effect(one, "silent", "differ", "silent")
    assert [what.category for what in found] == ["consistent", "unaffected", "consistent"]


# --- sweeps --------------------------------------------------------------------------------------------

SWEEP = """
study = "eval"
title = "Peers heard"
task = "world"
engine = "scripted"
model = "scripted"
methods = ["independent", "leap"]
[options]
limit = 3
[settings]
paths = 4
every = 16
router = "random"
summaries = "written"
[grid]
heard = [1, 2]
"""


def sweep(tmp_path: Path, text: str = SWEEP) -> Path:
    file = tmp_path / "run.toml"
    file.write_text(text)
    return file


def test_each_cell_is_run_once_and_arms_that_a_grid_does_not_touch_once_for_all(tmp_path: Path) -> None:
    pytest.importorskip("inspect_ai", reason="sweeps need the extra eval")
    told: list[str] = []
    wanted = sweeps.load(sweep(tmp_path))
    rows = sweeps.run(wanted, tmp_path / "out", tell=told.append)
    assert sorted((row["heard"], row["method"]) for row in rows) == [
        (1, "independent"),
        (1, "leap"),
        (2, "independent"),
        (2, "leap"),
    ]
    assert [line.rpartition(": ")[2] for line in told] == ["leap", "leap", "independent"]
    logs = {file: file.stat().st_mtime_ns for file in (tmp_path / "out").rglob("*.eval")}
    assert len(logs) == 3
    kept = (tmp_path / "out" / "rows.json").read_bytes()
    sweeps.run(wanted, tmp_path / "out", tell=told.append)
    assert (tmp_path / "out" / "rows.json").read_bytes() == kept
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "out").rglob("*.eval")} == logs


def test_a_sweep_of_an_arm_that_others_are_held_against_is_told_as_a_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("inspect_ai", reason="sweeps need the extra eval")
    assert main(["sweep", str(sweep(tmp_path)), "--out", str(tmp_path / "out")]) == 0
    rows = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert rows[0][-1] == "vote at equal tokens" and [row[1] for row in rows[2:]] == ["leap", "independent"] * 2
    assert all("[" in row[-1] for row in rows[2::2]), "the difference and its interval"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("title", "titel"), "unknown key titel in .*: runs/lab/interval.toml shows what there is"),
        (("heard = [1, 2]", "herd = [1, 2]"), "unknown setting 'herd'"),
        (("heard = [1, 2]", "heard = 2"), "grid.heard in .* is 2, which cannot be: input should be a valid list"),
        (('study = "eval"', 'study = "exam"'), "study in .* is 'exam', which cannot be"),
        (("[grid]", "[grid"), "is not TOML"),
        (('"leap"]', '"leep"]'), "unknown method 'leep'"),
    ],
)
def test_a_wrong_sweep_gets_one_line(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    with pytest.raises(TertuliaError, match=said):
        sweeps.load(sweep(tmp_path, SWEEP.replace(*change)))


@pytest.mark.parametrize("file", sorted(RUNS), ids=lambda file: file.stem)
def test_every_sweep_that_we_ship_can_be_read(file: Path) -> None:
    wanted = sweeps.load(file)
    assert wanted.cells
    first = file.read_text("utf-8").splitlines()[0]
    assert first.startswith(f"# tertulia sweep runs/{file.parent.name}/{file.name}"), "its first line is its command"


def test_every_run_file_that_we_ship_is_known_to_a_test() -> None:
    commands = {file: file.read_text("utf-8").splitlines()[0] for file in SHIPPED.rglob("*.toml")}
    kinds = ("# tertulia sweep ", "# tertulia study law ", "# tertulia study tongues ", "# tertulia train ")
    kinds += ("# accelerate launch ", "# python -m ")
    for file, command in commands.items():
        assert command.startswith(kinds), f"the first line of {file} is its command"
        assert file.relative_to(SHIPPED.parent).as_posix() in command, f"{file} names another file"


def test_a_cell_whose_settings_cannot_be_is_refused_before_anything_runs(tmp_path: Path) -> None:
    pytest.importorskip("inspect_ai", reason="sweeps need the extra eval")
    wanted = sweeps.load(sweep(tmp_path, SWEEP.replace("heard = [1, 2]", "heard = [1, 9]")))
    with pytest.raises(TertuliaError, match="leap in cell heard 9: heard is 9, each of 4 paths has 3 peers"):
        sweeps.run(wanted, tmp_path / "out", tell=lambda line: None)
    assert not (tmp_path / "out").exists()


def test_a_sweep_of_traps_keeps_its_cells_and_shares_first_answers(tmp_path: Path) -> None:
    text = """
study = "trap"
task = "world"
engine = "scripted"
model = "scripted"
[settings]
summaries = "written"
[trap]
questions = 2
answers = 6
per = 3
[grid]
share = [0.2, 0.4]
"""
    pytest.importorskip("inspect_ai", reason="sweeps need the extra eval")
    wanted = sweeps.load(sweep(tmp_path, text))
    rows = sweeps.run(wanted, tmp_path / "out", tell=lambda line: None)
    assert {row["share"] for row in rows} == {0.2, 0.4}
    assert {row["method"] for row in rows} >= {"independent, bad beginning", "leap, no beginning"}
    assert len(list((tmp_path / "out").glob("answers-*"))) == 1
    assert len(list((tmp_path / "out").glob("trap-*/bars.json"))) == 2
    kept = (tmp_path / "out" / "rows.json").read_bytes()
    sweeps.run(wanted, tmp_path / "out", tell=lambda line: None)
    assert (tmp_path / "out" / "rows.json").read_bytes() == kept
