"""Evaluations: arms, records, the comparison at equal tokens, logs that hold every number, and resume after a kill."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tertulia.circle.path import TokenCounts
from tertulia.engines.base import EngineError
from tertulia.engines.scripted import Fault, ScriptedEngine
from tertulia.errors import TertuliaError
from tertulia.evaluation.arms import NAMES, arm, arms
from tertulia.evaluation.bench import Bench, file_name
from tertulia.evaluation.comparison import compare, pool_of
from tertulia.evaluation.meetings import Effect
from tertulia.evaluation.plot import draw
from tertulia.evaluation.records import CircleRecord, PathRecord, injected_weight
from tertulia.evaluation.report import notes, tables
from tertulia.evaluation.where import Where
from tertulia.tasks.question import Question

CHILD = Path(__file__).with_name("evaluation_child.py")
QUESTION = Question("q/1 odd?", "Ana has 13 shells, gets 80, finds 8 and buys 21. How many?", "122", "math")


# --- arms ------------------------------------------------------------------------------------------


def test_an_arm_is_a_name_with_settings() -> None:
    one = arm("leap:heard=2,every=512,meet-at=10+20,frame=quotes")
    assert one.asked({"paths": 4}) == {
        "paths": 4,
        "method": "leap",
        "heard": 2,
        "every": 512,
        "meet_at": (10, 20),
        "frame": "quotes",
    }


def test_placebos_and_the_early_stop_are_methods_with_one_setting_fixed() -> None:
    assert arm("echo").asked({})["control"] == "echo"
    assert arm("echo").asked({})["method"] == "leap"
    assert arm("echo").asked({"control": "wrong=4"})["control"] == "echo", "whatever all arms share"
    assert arm("false").asked({"control": "false=0.2"})["control"] == "false=0.2", "at the rate that it is told"
    assert arm("leap:control=wrong=4").asked({})["control"] == "wrong=4"
    stop = arm("early-stop").asked({"paths": 9, "every": 5})
    assert stop == {"paths": 9, "method": "independent", "consensus_stop": 5}


def test_false_markers_come_after_what_they_imitate_and_the_reference_comes_last() -> None:
    assert [one.name for one in arms(["independent", "false", "leap"])] == ["leap", "false", "independent"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("leep", "unknown method 'leep': use one of " + ", ".join(NAMES)),
        ("leap:", "'' in the method 'leap:' is no setting: write NAME=VALUE, such as heard=2"),
        ("leap:heard=2,", "'' in the method 'leap:heard=2,' is no setting"),
        ("leap:heard", "'heard' in the method 'leap:heard' is no setting: write NAME=VALUE"),
        ("leap:herd=2", "unknown setting 'herd'"),
        ("leap:method=echo", "name the method itself"),
        ("leap:control=echo", "name the method itself"),
        ("leap:control=false=0.3", "name the method itself"),
    ],
)
def test_a_wrong_arm_gets_one_line(text: str, said: str) -> None:
    with pytest.raises(TertuliaError, match=re.escape(said)):
        arm(text)


def test_an_arm_twice_is_refused() -> None:
    with pytest.raises(TertuliaError, match="leap is there twice"):
        arms(["leap", "leap"])


# --- records ---------------------------------------------------------------------------------------


async def test_a_record_survives_its_log(tmp_path: Path) -> None:
    async with Bench(Where(model="scripted"), made=ScriptedEngine()) as bench:
        settings = bench.settings(arm("leap"), {"paths": 3, "every": 20, "seed": 4}, QUESTION)
        result, record = await bench.circle(QUESTION, settings, journals=tmp_path)
    again = CircleRecord.from_json(json.loads(json.dumps(record.to_json())))
    assert again == record
    assert record.question == "q/1 odd?" and len(record.paths) == 3
    assert record.generated == result.tokens.generated
    assert record.pairs == sum(peers is not None for meeting in result.meetings for peers in meeting.heard) > 0


async def test_steps_are_recorded_for_models_that_state_them_and_older_logs_have_none(tmp_path: Path) -> None:
    async with Bench(Where(model="scripted"), made=ScriptedEngine()) as bench:
        settings = bench.settings(arm("independent"), {"paths": 3, "seed": 4}, QUESTION)
        _, record = await bench.circle(QUESTION, settings, spend=200)
    for path in (*record.paths, *record.further):
        assert path.steps is not None and len(path.steps) == 3 and path.steps[-1] == path.answer
    assert any(path.steps == ("93", "101", "122") for path in record.paths)
    older = record.to_json()
    for path in (*older["paths"], *older["further"]):
        del path["steps"]
    again = CircleRecord.from_json(json.loads(json.dumps(older)))
    assert again.further and {path.steps for path in (*again.paths, *again.further)} == {None}
    async with Bench(Where(model="no-such-profile"), made=ScriptedEngine()) as bench:
        settings = bench.settings(arm("independent"), {"paths": 2, "budget": 600}, QUESTION)
        _, record = await bench.circle(QUESTION, settings)
    assert {path.steps for path in record.paths} == {None}


async def test_circles_of_a_question_differ_and_the_first_has_the_seed_of_the_run(tmp_path: Path) -> None:
    async with Bench(Where(model="scripted"), made=ScriptedEngine()) as bench:
        settings = bench.settings(arm("independent"), {"paths": 4, "seed": 4}, QUESTION)
        first, _ = await bench.circle(QUESTION, settings, circle=0)
        again, _ = await bench.circle(QUESTION, settings, circle=0)
        second, _ = await bench.circle(QUESTION, settings, circle=1)
    texts = [[path.own_text for path in result.paths] for result in (first, again, second)]
    assert first.settings.seed == 4 and texts[0] == texts[1] != texts[2]


async def test_a_circle_whose_server_went_away_is_an_error_and_goes_on_when_it_is_back(tmp_path: Path) -> None:
    path = f"{file_name(QUESTION.id)}-c0/p1"
    faults = {path: [Fault("away", seconds=0.5)]}
    async with Bench(Where(model="scripted"), made=ScriptedEngine(faults=faults)) as bench:
        settings = bench.settings(arm("independent"), {"paths": 3, "seed": 4}, QUESTION)
        with pytest.raises(EngineError, match=r"1 of 3 paths: .*The same command goes on with them"):
            await bench.circle(QUESTION, settings, journals=tmp_path)
        before = list(bench.engine.calls)  # type: ignore[attr-defined]
        result, record = await bench.circle(QUESTION, settings, journals=tmp_path)
    assert {call.path for call in bench.engine.calls[len(before) :]} == {path}  # type: ignore[attr-defined]
    assert len(record.voters) == 3 and all(path.finished for path in result.paths)


async def test_the_reference_goes_on_until_it_has_spent_as_much() -> None:
    async with Bench(Where(model="scripted"), made=ScriptedEngine()) as bench:
        settings = bench.settings(arm("independent"), {"paths": 2, "seed": 4}, QUESTION)
        _, record = await bench.circle(QUESTION, settings, spend=0)
        assert record.further == ()
        _, more = await bench.circle(QUESTION, settings, spend=3.5 * record.generated)
    assert more.paths == record.paths and more.verdict == record.verdict, "further paths have no vote"
    spent = record.generated + sum(path.generated for path in more.further)
    assert spent >= 3.5 * record.generated > spent - sum(path.generated for path in more.further[-2:])


def test_an_injected_token_costs_its_weight_only_where_contexts_were_cached() -> None:
    def weight(*shares: float | None) -> float:
        return injected_weight([circle(paths=tuple(PathRecord("1", True, True, 9, 1, 0, share) for share in shares))])

    assert weight(1.0, 0.9, 0.0) == 0.1, "a cache that was lost once is a cache"
    assert weight(0.0, 0.0, 1.0) == weight(None, None) == 1.0
    assert PathRecord("1", True, True, 100, 50, 0, 1.0).cost(0.1) == pytest.approx(105)


def test_what_was_sent_is_counted_beside_what_was_cached() -> None:
    both = TokenCounts(cached=5, sent=20) + TokenCounts(cached=1, sent=7)
    assert (both.cached, both.sent) == (6, 27)


def test_ids_that_look_alike_as_file_names_stay_apart() -> None:
    assert file_name("en-default-1") == "en-default-1"
    assert len({file_name(text) for text in ("a/b", "a:b", "a_b", "a b", "é/" * 99, "é:" * 99)}) == 6


# --- what a meeting did ------------------------------------------------------------------------------


def test_stopped_paths_and_advisers_do_not_count_for_pass_at_1() -> None:
    kinds = ((True, True), (False, True), (False, False))
    record = circle(paths=tuple(PathRecord("1", right, votes, 10, 0, 0, None) for right, votes in kinds))
    assert record.pass_at_1 == 0.5


def circle(question: str = "a", number: int = 0, correct: bool = True, **changes: Any) -> CircleRecord:
    paths = changes.pop("paths", tuple(PathRecord("1", correct, True, 10, 0, 0, 1.0) for _ in range(2)))
    return CircleRecord(question, number, "1", "1" if correct else "2", correct, paths, **changes)


# --- the comparison ----------------------------------------------------------------------------------


def test_arms_are_compared_on_the_questions_they_share() -> None:
    leap = [circle(q, c) for q in "abc" for c in range(2)]
    independent = [circle(q, c, correct=q == "a") for q in "ab" for c in range(2)]
    found = compare({"leap": leap, "independent": independent})
    assert found.questions == ("a", "b") and found.left_out == 1
    assert found.arms["leap"]["pass@1"].mean == 1.0 and found.arms["independent"]["pass@1"].mean == 0.5
    against = found.arms["leap"]["against_independent"]
    assert against["pass@1"].mean == pytest.approx(0.5)
    assert against["vote"]["cost"]["paths"] == pytest.approx(2.0)
    assert "leap" in found.sentence and "independent" in found.sentence


def test_a_dearer_circle_is_held_against_more_paths() -> None:
    dear = tuple(PathRecord("1", True, True, 20, 20, 0, 1.0) for _ in range(2))
    leap = [circle(q, paths=dear) for q in "ab"]
    further = tuple(PathRecord("1", True, True, 10, 0, 0, 1.0) for _ in range(8))
    independent = [circle(q, further=further) for q in "ab"]
    vote = compare({"leap": leap, "independent": independent}).arms["leap"]["against_independent"]["vote"]
    assert vote["generated"]["paths"] == pytest.approx(4.0)
    assert vote["cost"]["paths"] == pytest.approx(4.4, abs=0.15)
    assert vote["full"]["paths"] == pytest.approx(8.0)
    assert [vote[how]["pool_too_small"] for how in vote] == [0, 0, 0]


def test_a_circle_is_held_against_a_vote_step_by_step_where_steps_are_known() -> None:
    def path(answer: str, *steps: str) -> PathRecord:
        return PathRecord(answer, answer == "1", True, 10, 0, 0, 1.0, steps=steps)

    # The plain vote is wrong and the vote step by step is right.
    alone = (*[path("1", "3", "5", "1")] * 2, path("8", "3", "6", "8"), path("9", "3", "7", "9"), *[path("2", "4")] * 3)
    leap = [circle(q, paths=(PathRecord("1", True, True, 35, 0, 0, 1.0),) * 2) for q in "ab"]
    known = [circle(q, paths=alone, correct=False) for q in "ab"]
    found = compare({"leap": leap, "independent": known})
    against = found.arms["leap"]["against_independent"]
    assert against["vote"]["cost"]["difference"].mean == 1.0
    for how in ("cost", "generated", "full"):
        assert against["stepwise"][how]["difference"].mean == 0.0
        assert against["stepwise"][how]["independent"].mean == 1.0
    (rows,) = [rows for title, rows in tables(found) if title == "Against independent paths"]
    assert [row["of"] for row in rows].count("vote against one step by step") == 3
    older = [circle(q, paths=(*alone[1:], PathRecord("1", True, True, 10, 0, 0, 1.0)), correct=False) for q in "ab"]
    found = compare({"leap": leap, "independent": older})
    assert found.arms["leap"]["against_independent"]["stepwise"] == {}, "one path's steps are not known"
    assert not [row for _, rows in tables(found) for row in rows if "step by step" in row.get("of", "")]


def test_an_independent_path_that_failed_at_once_costs_its_vote_and_not_the_report(tmp_path: Path) -> None:
    failed = PathRecord(None, False, True, 0, 0, 0, None, error="HTTP 400")
    whole = PathRecord("1", True, True, 10, 0, 0, 1.0)
    independent = [circle("a", paths=(whole, failed), further=(failed, whole)), circle("b")]
    found = compare({"leap": [circle("a"), circle("b")], "independent": independent})
    assert found.arms["leap"]["against_independent"]["vote"]["cost"]["independent"].mean <= 1.0
    assert found.arms["leap"]["against_independent"]["pass@1"].mean == pytest.approx(0.25)
    assert found.arms["independent"]["failed_paths"] == 2
    assert "independent: 2 paths failed; a failed path counts as wrong." in notes(found)
    lost = [circle(q, paths=(failed, failed), correct=False) for q in "ab"]
    nothing = compare({"leap": [circle("a"), circle("b")], "independent": lost})
    assert nothing.arms["leap"]["against_independent"]["vote"]["cost"]["difference"].mean == 1.0
    for comparison in (found, nothing):
        assert tables(comparison) and all(file.exists() for file in draw(comparison, tmp_path / "plot"))


def test_a_pool_holds_the_votes_of_all_circles_and_of_what_was_sampled_beyond_them() -> None:
    pool = pool_of([circle(), circle(number=1, correct=False, further=(PathRecord("1", True, True, 7, 0, 0, 1.0),))])
    assert pool.right == (True, True, False, False, True) and pool.cost == (10.0, 10.0, 10.0, 10.0, 7.0)


def test_helped_and_harmed_are_shares_of_the_influenced() -> None:
    def effect(category: str, before: bool | None, after: bool | None, meeting: int = 0) -> Effect:
        return Effect(0, meeting, "differ", (), category, before, after)  # type: ignore[arg-type]

    effects = (
        effect("influenced", False, True),
        effect("influenced", True, False),
        effect("influenced", False, False, 1),
        effect("influenced", False, True, 1),
        effect("unaffected", True, True),
        Effect(0, 0, "agree", (), "consistent"),
    )
    met = compare({"leap": [circle(effects=effects)]}).arms["leap"]["meetings"]
    assert (met["helped"], met["harmed"]) == (0.5, 0.25)
    assert met["influenced"] == pytest.approx(4 / 6) and met["differ"] == pytest.approx(5 / 6)
    assert [one["pairs"] for one in met["each"]] == [4, 2]


def told(before: bool | None, after: bool | None, *, finding: str = "differ", **more: bool) -> Effect:
    return Effect(0, 0, finding, (), "unaffected", step=1, marked_before=before, marked_after=after, **more)


def test_the_gates_are_shares_of_all_claims_at_a_marked_step_by_where_the_difference_came_from() -> None:
    first = [told(True, False)] + [told(True, True)] * 5 + [told(False, True)] * 2 + [told(True, None)]
    second = [told(True, True)] * 2 + [told(False, False), told(None, True), told(True, False, finding="doubt")]
    second += [told(True, False, lie=True, took=True), told(True, False, lie=True), told(True, True, lie=True)]
    found = compare({"leap": [circle("a", effects=tuple(first)), circle("b", effects=tuple(second))]})
    gates = found.arms["leap"]["gates"]
    between, lies = gates["paths"], gates["made up"]
    turned, made = between["right_turned_wrong"], between["wrong_made_right"]
    assert (turned.mean, turned.circles) == (pytest.approx(1 / 8), 8) and (made.mean, made.circles) == (2 / 3, 3)
    assert between["untold"] == 1 and lies["untold"] == 0
    assert lies["right_turned_wrong"].mean == pytest.approx(2 / 3) and lies["wrong_made_right"] is None
    assert lies["right_took_it"].mean == pytest.approx(1 / 3) and gates["recheck"]["right_turned_wrong"].mean == 1.0
    json.dumps(found.to_json())
    (rows,) = [rows for title, rows in tables(found) if title == "Claims at a marked step"]
    assert [row["heard"] for row in rows] == ["a difference between paths", "a made-up difference", "to recheck it"]
    assert rows[0]["turned wrong %"].startswith("12.5 [") and rows[0]["right claims"] == "8"
    assert rows[1]["made right %"] == "" and rows[1]["wrong claims"] == "0"


def test_older_logs_have_no_gates() -> None:
    effects = (Effect(0, 0, "differ", (), "influenced", True, False),)
    found = compare({"leap": [circle(effects=effects)]})
    assert found.arms["leap"]["gates"] == {}
    assert not [title for title, _ in tables(found) if title == "Claims at a marked step"]


def test_questions_are_binned_by_other_paths_than_those_that_are_shown() -> None:
    def mixed(question: str, rights: list[bool]) -> CircleRecord:
        paths = tuple(PathRecord("1" if right else "2", right, True, 10, 0, 0, 1.0) for right in rights)
        return circle(question, paths=paths)

    records = {
        "independent": [mixed("a", [True, False] * 4), mixed("b", [False, True] * 4), mixed("c", [True] * 8)],
        "leap": [mixed(question, [True] * 8) for question in "abc"],
    }
    bins = compare(records).bins
    assert [(row["bin"], row["questions"]) for row in bins] == [("very hard", 1), ("very easy", 2)]
    assert [row["independent"]["pass@1"].mean for row in bins] == [1.0, 0.5]
    assert bins[0]["leap"]["pass@1"].mean == 1.0


def test_logs_without_a_question_in_common_are_refused() -> None:
    with pytest.raises(TertuliaError, match="no question in common"):
        compare({"leap": [circle("a")], "independent": [circle("b")]})


# --- through Inspect -----------------------------------------------------------------------------------


def evaluation(folder: Path, *more: str, program: tuple[str, ...] = ("-m", "tertulia")) -> list[str]:
    methods = [word for name in ("leap", "false", "independent") for word in ("--method", name)]
    return [sys.executable, *program, "eval", "world", *methods, "--engine", "scripted", "--model", "scripted",
            "--limit", "6", "--circles", "2", "--paths", "3", "--log-dir", str(folder), "--json", *more]  # fmt: skip


def run(command: list[str]) -> dict[str, Any]:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment())
    assert done.returncode == 0, done.stderr
    assert "inspect_ai" not in done.stderr and "retry" not in done.stderr, "Inspect's lines tell nobody anything"
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def environment() -> dict[str, str]:
    return {**os.environ, "INSPECT_DISPLAY": "none"}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    pytest.importorskip("inspect_ai", reason="evaluations need the extra eval")
    folder = tmp_path_factory.mktemp("undisturbed")
    return run(evaluation(folder, program=(str(CHILD),))), folder


def without_clock(table: dict[str, Any]) -> dict[str, Any]:
    """The table without what a killed server takes with it: the clock, and its cache."""
    arms = {name: {**arm, "cached_share": None} for name, arm in table["arms"].items()}
    return {name: value for name, value in table.items() if name not in ("seconds_a_circle", "logs")} | {"arms": arms}


def test_every_number_can_be_found_again_from_the_logs(undisturbed: tuple[dict[str, Any], Path]) -> None:
    from inspect_ai.log import read_eval_log

    table, folder = undisturbed
    log = read_eval_log(table["logs"]["leap"])
    samples = log.samples or []
    assert len(samples) == 12
    values = [sample.scores["circle"].value for sample in samples]  # type: ignore[index]
    mean = sum(value["pass@1"] for value in values) / len(values)  # type: ignore[call-overload,index,misc]
    assert table["arms"]["leap"]["pass@1"]["mean"] == pytest.approx(mean)
    again = run([sys.executable, "-m", "tertulia", "compare", str(folder), "--json"])
    order = list(table["arms"])
    assert {name: again["arms"][name] for name in order} == table["arms"]


def test_false_markers_come_at_the_rate_that_was_seen(undisturbed: tuple[dict[str, Any], Path]) -> None:
    from inspect_ai.log import read_eval_log

    table, _ = undisturbed
    seen = table["arms"]["leap"]["meetings"]["differ"]
    used = (read_eval_log(table["logs"]["false"], header_only=True).eval.metadata or {})["settings"]["control"]
    assert float(used.removeprefix("false=")) == pytest.approx(seen, abs=1e-4)


def test_the_plot_is_there_as_png_and_svg(undisturbed: tuple[dict[str, Any], Path]) -> None:
    _, folder = undisturbed
    assert (folder / "comparison.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (folder / "comparison.svg").read_text()


def test_killed_twice_and_started_again_it_comes_to_the_same_table(
    undisturbed: tuple[dict[str, Any], Path], tmp_path: Path
) -> None:
    command = evaluation(tmp_path, program=(str(CHILD),))
    chance = random.Random(3)
    for _ in range(2):
        child = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment(), start_new_session=True
        )
        before = journals(tmp_path)
        while journals(tmp_path) < before + 3 and child.poll() is None:
            time.sleep(0.01)
        time.sleep(chance.uniform(0.0, 0.2))
        assert child.poll() is None, "it ended before it could be killed"
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    faster = [*command, "--at-once", "3"]  # who comes back may have another machine
    assert without_clock(run(faster)) == without_clock(undisturbed[0])


def journals(folder: Path) -> int:
    return len(list(folder.rglob("*.journal.jsonl")))


def test_another_evaluation_in_the_same_folder_is_refused_with_what_differs(
    undisturbed: tuple[dict[str, Any], Path],
) -> None:
    done = subprocess.run(
        evaluation(undisturbed[1], "--seed", "2"), capture_output=True, text=True, timeout=120, env=environment()
    )
    assert done.returncode == 2 and "another evaluation (seed: 1 there, 2 here): give another --log-dir" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


async def test_a_peers_boxed_answer_is_never_scored_as_the_paths_own() -> None:
    def write(context: str, path: str, seed: int) -> str:
        if context.endswith("<summarize>"):
            return "I am sure of \\boxed{122}.</summarize>" if path.endswith("p1") else "I do not know yet.</summarize>"
        if "Peer " in context.rpartition("<think>")[2]:
            return "I stop here.</think>I have nothing to say.<|end|>"
        return "One line.\nAnother line.\n" * 4

    question = Question("boxes", QUESTION.text, "122", "math")
    profile_settings = {"paths": 2, "every": 12, "frame": "quotes", "router": "random", "heard": 1, "last_call": 0}
    profile_settings |= {"words": "paper", "ask_answer": False}
    async with Bench(Where(model="no-such-profile"), made=ScriptedEngine(write)) as bench:
        settings = bench.settings(arm("leap"), {**profile_settings, "budget": 1000}, question)
        result, record = await bench.circle(question, settings)
    heard = [span.text for span in result.paths[0].spans if span.kind == "heard"]
    assert any("\\boxed{122}" in text for text in heard), "it did hear the box"
    assert [path.answer for path in record.paths] == [None, None]
    assert not record.correct and record.pass_at_1 == 0.0


def test_inspect_finds_tasks_and_solvers_by_name(tmp_path: Path) -> None:
    pytest.importorskip("inspect_ai", reason="evaluations need the extra eval")
    data = tmp_path / "mine.jsonl"
    data.write_text('{"problem": "What is 3 + 4?", "answer": "7"}\n{"problem": "What is 4 + 4?", "answer": "8"}\n')
    program = "import sys; from inspect_ai._cli.main import main; sys.argv[0] = 'inspect'; main()"
    asked = ["eval", "tertulia/aime2024", "--solver", "tertulia/leap", "-S", "paths=3", "-S", "engine=scripted"]
    asked += ["-S", "model=scripted", "-T", f"data={data}", "--log-dir", str(tmp_path / "logs"), "--display", "none"]
    done = subprocess.run([sys.executable, "-c", program, *asked], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    from inspect_ai.log import read_eval_log

    (file,) = (tmp_path / "logs").glob("*.eval")
    log = read_eval_log(str(file))
    assert log.status == "success" and len(log.samples or []) == 2
    sample = (log.samples or [])[0]
    assert [message.role for message in sample.messages] == ["user", *["assistant"] * 3]
    told = {event.source for event in sample.events if event.event == "info"}
    assert "Verdict" in told and "Meeting 1" in told


def test_choices_are_graded_by_letter_and_mapped_back(tmp_path: Path) -> None:
    pytest.importorskip("inspect_ai", reason="evaluations need the extra eval")
    options = ["one", "two", "three", "four"]
    rows = [{"question": f"Which is number {n}?", "options": options, "answer": "two"} for n in range(8)]
    data = tmp_path / "mine.json"
    data.write_text(json.dumps(rows))
    command = [sys.executable, "-m", "tertulia", "eval", "gpqa-diamond", "--data", str(data), "--engine", "scripted"]
    command += ["--model", "scripted", "--paths", "2", "--log-dir", str(tmp_path / "out"), "--json"]
    table = run(command)
    from inspect_ai.log import read_eval_log

    golds = set()
    for sample in read_eval_log(table["logs"]["leap"]).samples or []:
        place = "ABCD".index(sample.target if isinstance(sample.target, str) else sample.target[0])
        assert sample.metadata["options"][place] == "two" and sample.metadata["order"][place] == 1
        golds.add(place)
    assert len(golds) > 1, "options are shuffled"


def test_a_command_that_was_refused_leaves_its_folder_free(tmp_path: Path) -> None:
    pytest.importorskip("inspect_ai", reason="needs the extra eval")
    from tertulia.evaluation.evaluate import Evaluation, run

    asked = {"task": "world", "methods": ("independent",), "options": {"limit": 1}, "where": Where(engine="scripted")}
    with pytest.raises(TertuliaError, match="paths"):
        run(Evaluation(**asked, settings={"paths": 0}), tmp_path / "out")  # type: ignore[arg-type]
    assert not (tmp_path / "out" / "evaluation.json").exists(), "the corrected command would be refused"
