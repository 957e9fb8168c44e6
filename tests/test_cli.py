"""The command line: what a user types, what is printed, and the exit code."""

from __future__ import annotations

import inspect
import json
import re
import resource
import subprocess
import sys
from dataclasses import dataclass, field, replace
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any, get_args

import pytest

from tertulia import api, settings
from tertulia.api import Event
from tertulia.cli import app, main
from tertulia.engines.scripted import Fault, ScriptedEngine
from tertulia.errors import TertuliaError
from tertulia.evaluation.controls import CONTROLS

ARGUMENTS = {
    *inspect.signature(api.solve_async).parameters,
    *inspect.signature(api.Session.solve).parameters,
} - {"self", "asked", "settings"}

START: dict[str, Any] = {
    "question": "What is\n2 + 3?",
    "settings": {"paths": 3, "budget": 200, "method": "leap", "mode": "sync", "seed": 7},
    "engine": "embedded",
    "model": "some/where/pebble.gguf",
    "mode": "ids",
}
HEARD = {str(path): {"text": "", "peers": peers} for path, peers in enumerate(([1, 2], [2], []))}
RESULT: dict[str, Any] = {
    "question": "What is 2 + 3?",
    "verdict": "5",
    "votes": {"5": 2, "6": 1},
    "spoke": 3,
    "tie": False,
    "correct": None,
    "paths": [{"id": 0}, {"id": 1}, {"id": 2}],
    "meetings": [],
    "tokens": {"generated": 1200, "injected": 30, "discarded": 4, "cached": 900, "saved": 0},
    "seconds": 2.0,
    "seed": 0,
    "engine": "scripted",
    "method": "leap",
    "mode": "ids",
}


@dataclass
class FakeRun:
    """Stands for `solve_async`: keeps what it was called with, tells a few events, returns `RESULT`."""

    calls: list[dict[str, Any]] = field(default_factory=list)
    change: dict[str, Any] = field(default_factory=dict)
    error: Exception | None = None

    async def __call__(self, *, observer: Any, **arguments: Any) -> Any:
        self.calls.append(arguments)
        if self.error is not None:
            raise self.error
        observer(Event("start", None, START))
        observer(Event("tokens", 1, {"count": 7}))
        observer(Event("meeting", None, {"index": 1, "claims": {}, "heard": HEARD}))
        observer(Event("answer", 0, {"answer": "5", "place": "finished"}))
        observer(Event("failed", 2, {"error": "the server\nwent away", "place": "failed"}))
        return _Result(RESULT | self.change)


@dataclass
class _Result:
    value: dict[str, Any]

    @property
    def answer(self) -> str | None:
        answer: str | None = self.value["verdict"]
        return answer

    def to_json(self) -> dict[str, Any]:
        return self.value


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> FakeRun:
    fake = FakeRun()
    monkeypatch.setattr(api, "solve_async", fake)
    return fake


def test_help_answers_at_once_and_loads_nothing_heavy() -> None:
    code = (
        "import sys; from tertulia.cli import main; main(['--help']); main(['solve', '--help']); "
        "heavy = ('pydantic', 'numpy', 'rich', 'httpx', 'asyncio', 'tokenizers'); "
        "print([name for name in heavy if name in sys.modules])"
    )
    times = []
    for _ in range(3):
        before = _children_cpu()
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        times.append(_children_cpu() - before)
    # Typer itself may bring pydantic.
    assert done.stdout.splitlines()[-1] in ("[]", "['pydantic']")
    assert min(times) < 0.6, "processor time of twice --help"


def _children_cpu() -> float:
    """Processor seconds of finished child processes; unlike the clock the same on a busy machine."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_only_what_was_given_reaches_the_api(run: FakeRun) -> None:
    assert main(["solve", "What is 2 + 3?", "--paths", "3", "--meet-at", "10,20", "--no-last-call"]) == 0
    assert run.calls == [
        {"question": "What is 2 + 3?", "paths": 3, "meet_at": (10, 20), "last_call": 0},
    ]


def test_a_path_may_be_allowed_more_than_one_last_call(run: FakeRun) -> None:
    assert main(["solve", "q", "--last-call"]) == 0
    assert main(["solve", "q", "--last-calls", "3"]) == 0
    assert [call["last_call"] for call in run.calls] == [1, 3]


def test_every_option_of_solve_is_an_argument_of_the_api_and_an_environment_variable(
    run: FakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    verb = app.command().commands["solve"]
    of_python = {"profile", "gold", "name", "beginnings", "history"}
    known = {*settings.table(), *ARGUMENTS} - {"question", "observer", *of_python}
    others = ("help", "json_", "quiet", "open_", "profile")  # a profile holds for the process
    options = [p for p in verb.params if p.param_type_name == "option" and p.name not in others]
    assert {option.name for option in options} == {*known, "last_calls"}
    elsewhere = {"world_seed", "difficulty", "threads"}  # for no question, or for no server
    for name in known - elsewhere:
        monkeypatch.setenv(f"TERTULIA_{name.upper()}", "1")
    assert main(["solve", "q"]) == 0
    assert set(run.calls[0]) == known - elsewhere | {"question"}


def test_the_flags_for_output_are_environment_variables_too(
    run: FakeRun, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TERTULIA_QUIET", "1")
    assert main(["solve", "q"]) == 0
    assert capsys.readouterr().out == "5\n"
    monkeypatch.setenv("TERTULIA_JSON", "1")
    assert main(["solve", "q"]) == 0
    assert json.loads(capsys.readouterr().out) == RESULT


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("method", settings.METHODS),
        ("router", settings.ROUTERS),
        ("frame", settings.FRAMES),
        ("control", tuple(CONTROLS)),
        ("summaries", get_args(settings.Summaries)),
        ("mode", get_args(settings.Mode)),
        ("thinking", get_args(settings.Thinking)),
        ("vote", get_args(settings.VoteRule)),
        ("counted", ("all", "heard")),
        ("answer_kind", ("math", "choice", "free")),
    ],
)
def test_help_names_every_value_that_a_setting_may_have(name: str, values: tuple[str, ...]) -> None:
    option = next(p for p in app.command().commands["solve"].params if p.name == name)
    words = re.findall(r"[\w-]+", option.help)
    assert [value for value in values if value not in words] == []


@pytest.mark.parametrize(
    ("verb", "example"),
    [
        ("train leap-t collect", "runs/train/leap_t_smoke.toml"),
        ("train leap-t sft", "runs/train/leap_t_smoke.toml"),
        ("train leap-rl", "runs/train/leap_rl_smoke.toml"),
        ("train parallel", "runs/train/parallel_smoke.toml"),
        ("study law", "runs/lab/law_smoke.toml"),
        ("study tongues", "runs/lab/tongues_smoke.toml"),
        ("sweep", "runs/lab/interval.toml"),
    ],
)
def test_help_names_a_run_file_of_the_verb_itself(verb: str, example: str) -> None:
    found = app.command()
    for name in verb.split():
        found = found.commands[name]
    (file,) = (p for p in found.params if p.name == "run")
    assert re.findall(r"runs/\S+\.toml", file.help) == [example]
    first = (Path(__file__).parent.parent / example).read_text("utf-8").splitlines()[0]
    assert first.startswith(f"# tertulia {verb.replace('sft', 'collect')} {example}")


@pytest.mark.parametrize("group", ["train", "train leap-t", "study"])
def test_help_of_a_group_says_of_each_verb_what_it_does_in_a_whole_line(
    group: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main([*group.split(), "--help"]) == 0
    verbs = capsys.readouterr().out.partition("Commands:\n")[2].splitlines()
    assert len(verbs) > 1 and all(line.endswith(".") and not line.endswith("..") for line in verbs)


def test_without_a_question_it_takes_a_world_problem(run: FakeRun) -> None:
    assert main(["solve"]) == 0
    assert main(["solve", "--world-seed", "7", "--difficulty", "long"]) == 0
    assert run.calls == [{"world_seed": 1}, {"world_seed": 7, "difficulty": "long"}]


def test_a_dash_reads_the_question_from_standard_input(run: FakeRun) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", TextIOWrapper(BytesIO(b"\xef\xbb\xbfWhat is\n2 + 3?\n")))
        assert main(["solve", "-"]) == 0
    assert run.calls[0]["question"] == "What is\n2 + 3?"


def test_without_a_terminal_each_thing_that_happens_is_one_plain_line(
    run: FakeRun, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["solve", "q"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines() == [
        "question: What is 2 + 3?",
        "3 paths of pebble.gguf on embedded; method leap, at most 200 tokens a path, seed 7",
        "meeting 1: 0 heard everybody else; 1 heard 2",
        "path 0 finished: 5",
        "path 2 failed: the server went away",
        "Verdict: 5, 2 of 3 paths; the others: 6 (1)",
        "Tokens: 1,200 generated, 30 injected, 4 discarded, 900 cached; 600 tokens/s, 2.0 s.",
    ]
    assert "\x1b" not in out


def test_json_is_one_object_and_nothing_else(run: FakeRun, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["solve", "q", "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == RESULT
    assert captured.out.count("\n") == 1
    assert captured.err == ""


def test_a_wrong_verdict_on_a_world_problem_is_told_with_the_right_answer(
    run: FakeRun, capsys: pytest.CaptureFixture[str]
) -> None:
    from tertulia.world.problems import problem

    run.change = {"correct": False}
    assert main(["solve", "--world-seed", "7"]) == 0
    assert f"The verdict is wrong: the answer is {problem(7).answer}." in capsys.readouterr().out
    run.change = {"correct": True}
    assert main(["solve"]) == 0
    assert "The verdict is right." in capsys.readouterr().out


def test_a_run_in_text_mode_says_so(run: FakeRun, capsys: pytest.CaptureFixture[str]) -> None:
    run.change = {"mode": "text"}
    assert main(["solve", "q"]) == 0
    assert "Text mode" in capsys.readouterr().out


def test_a_verdict_by_few_or_by_lot_says_so_and_so_does_a_run_that_saved_tokens(
    run: FakeRun, capsys: pytest.CaptureFixture[str]
) -> None:
    tokens = {"generated": 1, "injected": 2, "discarded": 3, "cached": 4, "saved": 5000}
    run.change = {"votes": {"5": 1, "6": 1}, "spoke": 2, "tie": True, "tokens": tokens}
    assert main(["solve", "q"]) == 0
    out = capsys.readouterr().out
    assert "Verdict: 5, 1 of 3 paths, 2 spoke, drawn among equals; the others: 6 (1)" in out
    assert "4 cached, 5,000 saved" in out


def test_a_run_that_went_on_from_a_journal_tells_no_speed(
    run: FakeRun, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    journal = tmp_path / "run.jsonl"
    assert main(["solve", "q", "--journal", str(journal)]) == 0
    assert "tokens/s" in capsys.readouterr().out
    journal.touch()
    assert main(["solve", "q", "--journal", str(journal)]) == 0
    out = capsys.readouterr().out
    assert "tokens/s" not in out
    assert "gone on from the journal" in out


def test_no_verdict_is_exit_code_1(run: FakeRun, capsys: pytest.CaptureFixture[str]) -> None:
    run.change = {"verdict": None, "votes": {}}
    assert main(["solve", "q"]) == 1
    out = capsys.readouterr().out
    assert "No verdict: none of 3 paths came to an answer." in out
    assert "right" not in out
    run.change |= {"correct": False}
    assert main(["solve", "--world-seed", "1"]) == 1
    out = capsys.readouterr().out
    assert "The answer is " in out
    assert "wrong" not in out


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["solve", "--foo"], "No such option: --foo"),
        (["sovle"], "No such command 'sovle'"),
        (["solve", "a", "b"], "unexpected extra argument"),
        (["solve", "q", "--paths", "many"], "--paths"),
        (["solve", "q", "--meet-at", "10,x"], "'10,x'"),
        (["solve", "q", "--no-last-call", "--last-calls", "2"], "exclude each other"),
        (["solve", "q", "--difficulty", "long"], "leave one out"),
        (["solve", "q", "--threads", "2", "--engine", "http://host:1"], "leave one out"),
        (["doctor", "--engine", "scripted", "extra"], "unexpected extra argument"),
        (["doctor", "--model", "nothing.gguf"], "cannot read the model nothing.gguf"),
    ],
)
def test_what_a_user_did_wrong_is_one_line_and_exit_code_2(
    arguments: list[str], part: str, run: FakeRun, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert part in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""
    assert run.calls == []


def test_an_error_of_the_run_is_one_line_even_if_its_message_has_several(
    run: FakeRun, capsys: pytest.CaptureFixture[str]
) -> None:
    run.error = TertuliaError("no server at http://host:1:\nconnection refused; start one")
    assert main(["solve", "q", "--json"]) == 2
    captured = capsys.readouterr()
    assert captured.err == "tertulia: no server at http://host:1: connection refused; start one\n"
    assert captured.out == ""


def test_doctor_says_what_an_engine_can_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--engine", "scripted"]) == 0
    title, *rows = capsys.readouterr().out.splitlines()
    assert title == "scripted on scripted: 8,192 tokens of context, works with token ids"
    names = [row[:14].strip() for row in rows if not row.startswith(" ")]
    assert names == [
        *("prompt", "ids in", "ids out", "cached tokens", "seed", "stop", "streaming", "abort", "speed"),
    ]


def test_doctor_says_what_to_change_where_a_circle_has_no_room(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small = ScriptedEngine()
    small.info = replace(small.info, slots=4)
    monkeypatch.setattr("tertulia.start.engine_for", lambda *args, **more: small)
    assert main(["doctor"]) == 0
    assert "8 paths take turns: give more slots, or lower --paths" in capsys.readouterr().out


def test_doctor_shows_what_it_has_found_before_it_goes_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lost(engine: object) -> None:
        raise ZeroDivisionError("the machine fell over")

    monkeypatch.setattr("tertulia.engines.machine.speed", lost)
    with pytest.raises(ZeroDivisionError):
        main(["doctor", "--engine", "scripted"])
    assert "abort" in capsys.readouterr().out


def test_doctor_fails_where_solving_would(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    broken = ScriptedEngine(faults={"doctor/ids": [Fault("error")]})
    monkeypatch.setattr("tertulia.start.engine_for", lambda *args, **more: broken)
    assert main(["doctor"]) == 1
    assert "solving will fail here" in capsys.readouterr().out


def test_a_bug_keeps_its_traceback(run: FakeRun) -> None:
    run.error = ZeroDivisionError("ours")
    with pytest.raises(ZeroDivisionError):
        main(["solve", "q"])


def test_a_reader_that_leaves_early_is_no_error(run: FakeRun) -> None:
    code = (
        "import sys; from tertulia import api; from tertulia.cli import main\n"
        "async def run(question, observer): [print('x' * 1000) for _ in range(1000)]\n"
        "api.solve_async = run\n"
        "sys.exit(main(['solve', '--quiet', 'q']))"
    )
    done = subprocess.run(
        f'"{sys.executable}" -c "$CODE" | head -1; echo "${{PIPESTATUS[0]}}"',
        shell=True,
        executable="/bin/bash",
        env={"CODE": code, "PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    assert done.stdout.split() == ["x" * 1000, "141"]


def test_a_run_that_was_to_have_meetings_and_had_none_says_so() -> None:
    from tertulia.cli.report import meeting_line

    ran = {"method": "leap", "meetings": [], "settings": {"every": 4096}}
    assert "every 4,096 tokens" in (meeting_line(ran) or "")
    assert meeting_line(ran | {"meetings": [{"index": 0, "heard": []}]}) is None
    assert meeting_line(ran | {"method": "independent"}) is None
    assert "enough paths agreed before" in (meeting_line(ran | {"settled": True}) or "")
    assert meeting_line(ran | {"settings": {"every": 4096, "paths": 1}}) is None, "one path meets nobody"
    assert "outvoted" in (meeting_line(ran | {"settings": {"every": "auto", "paths": 8}}) or "")


def test_one_path_is_called_a_path(run: FakeRun, capsys: pytest.CaptureFixture[str]) -> None:
    run.change = {"paths": [{"id": 0}], "votes": {"5": 1}, "spoke": 1}
    assert main(["solve", "q", "--paths", "1"]) == 0
    assert "Verdict: 5, 1 of 1 path\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["solve", "--paths"], "tertulia solve --help"),
        (["train", "leap-t", "sft", "--data"], "tertulia train leap-t sft --help"),
        (["--foo"], "tertulia --help"),
    ],
)
def test_a_usage_error_names_the_help_of_its_own_verb(
    arguments: list[str], command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().err.endswith(f"; see '{command}'\n")


def test_a_question_of_ones_own_is_told_that_the_packaged_model_knows_only_its_world(
    run: FakeRun, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["solve", "What is 12 * 17?"])
    assert "its own world only" in capsys.readouterr().err
    main(["solve", "What is 12 * 17?", "--model", "m.gguf"])
    assert "its own world" not in capsys.readouterr().err
