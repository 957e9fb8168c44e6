"""LeaP-T: the right traces are kept, what was put in is never learnt, and a kill costs nothing."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tertulia.circle.path import Path as Thought
from tertulia.circle.path import Span, Step
from tertulia.cli import train as command
from tertulia.engines.scripted import ScriptedEngine
from tertulia.errors import TertuliaError
from tertulia.evaluation.bench import Bench
from tertulia.evaluation.meetings import Effect
from tertulia.evaluation.where import Where
from tertulia.files import mark_folder
from tertulia.training import masks
from tertulia.training.collect import Collected, collect, dropped_for
from tertulia.training.leap_t import Keep, Run
from tertulia.training.masks import Part, Trace, read_traces

OWN = {"thought", "summary", "answer"}
PUT_IN = {"prompt", "cue", "heard"}
MEETING = {"paths": 4, "doubt": 0.0, "summaries": "written", "every": 16, "budget": 400}


@pytest.fixture
def questions(tmp_path) -> str:
    """Sums that the scripted thinker adds up, rightly or not."""
    file = tmp_path / "questions.jsonl"
    rows = []
    for at in range(6):
        numbers = [11 + at, 70 + 3 * at, 8, 20 + at, 34, 5]
        text = "Ana has {} shells, gets {}, finds {}, buys {}, finds {} and gets {}. How many?".format(*numbers)
        rows.append(json.dumps({"problem": text, "answer": str(sum(numbers))}))
    file.write_text("\n".join(rows))
    return str(file)


def asked(questions: str, **tables: Any) -> Run:
    return Run.model_validate({"circle": MEETING, "data": {"task": "math500", "file": questions}} | tables)


async def gather(run: Run, out: Path, engine: Any = None) -> Collected:
    async with Bench(Where(at_once=2), made=engine or ScriptedEngine(), asked=run.circle) as bench:
        return await collect(run, bench, out)


# What is kept.


def finished(*spans: tuple[str, str, int]) -> Thought:
    path = Thought(0, "q/p0")
    for kind, text, count in spans:
        path.apply(Step("thought", (Span(kind, (7,) * count, text, count),)))  # type: ignore[arg-type]
    path.place, path.answer = "finished", "4"
    return path


def effect(finding: str, before: bool | None, after: bool | None) -> Effect:
    return Effect(0, 0, finding, (1,), "unaffected", before, after)


def test_the_rules_of_keeping():
    whole = finished(("thought", "a", 3), ("summary", "1=4</summarize>", 8), ("answer", "4", 2))
    torn = finished(("thought", "a", 3), ("summary", "1=4", 8), ("answer", "4", 2))
    assert dropped_for(whole, True, [], Keep(), 9) is None
    assert dropped_for(whole, True, [], Keep(), 8) == "summary too long"
    assert dropped_for(torn, True, [], Keep(), 9) == "summary too long"
    assert dropped_for(whole, False, [], Keep(), 9) == "wrong answer"
    whole.place = "stopped"
    assert dropped_for(whole, True, [], Keep(), 9) == "not finished"
    whole.place = "finished"
    kept, corrected = effect("differ", True, True), effect("differ", False, True)
    others = [effect("agree", True, True), effect("differ", True, False), effect("differ", None, None)]
    for wanted, shown, not_shown in (("kept", kept, corrected), ("corrected", corrected, kept)):
        rule = Keep(meetings=(wanted,))
        assert dropped_for(whole, True, [*others, shown], rule, 9) is None
        assert dropped_for(whole, True, [*others, not_shown], rule, 9) == "no such meeting"
    assert dropped_for(whole, True, [corrected], Keep(meetings=("kept", "corrected")), 9) is None


COLLECTING = """
import asyncio, sys
from pathlib import Path
from tertulia.engines.scripted import ScriptedEngine
from tertulia.evaluation.bench import Bench
from tertulia.evaluation.where import Where
from tertulia.training.collect import collect
from tertulia.training.leap_t import Run
run, out = Run.model_validate_json(sys.argv[1]), Path(sys.argv[2])
async def go():
    async with Bench(Where(at_once=2), made=ScriptedEngine(delay=0.002), asked=run.circle) as bench:
        await collect(run, bench, out)
asyncio.run(go())
"""


def test_a_killed_collection_goes_on(questions, tmp_path):
    run, killed = asked(questions), tmp_path / "killed"
    child = subprocess.Popen([sys.executable, "-c", COLLECTING, run.model_dump_json(), str(killed)])
    while len(list((killed / "journals").glob("*/*.jsonl"))) < 4:
        assert child.poll() is None
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert not (killed / "traces.jsonl").exists(), "it was over before it could be killed"
    again, whole = ScriptedEngine(), ScriptedEngine()
    asyncio.run(gather(run, killed, again))
    asyncio.run(gather(run, tmp_path / "whole", whole))
    assert 0 < len(again.calls) < len(whole.calls)
    assert (killed / "traces.jsonl").read_bytes() == (tmp_path / "whole" / "traces.jsonl").read_bytes()


# The run file, the command.


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[keep]\nsummary = 3", "unknown key keep.summary in .*: runs/train/leap_t_smoke.toml shows"),
        ("[training]\nepochs = 0", "training.epochs .* is 0"),
        ("[teacher]\nmethod = 'moa'", "teacher.method .* is 'moa'"),
        ("[circle]\nmethod = 'leap'", "circle.method .* follows from teacher.method"),
        ("[teacher]\nideal = true\n[data]\ntask = 'math500'", "teacher.ideal is for the task world"),
        ("[teacher]\nideal = true\n[keep]\nmost = 2", "keep.most chooses among"),
        ("[teacher]\nmethod = 'independent'\n[keep]\nmeetings = ['kept']", "keep.meetings is for paths that meet"),
        ("[data]\nlanguages = { en = 0 }", "every weight in data.languages is 0"),
        ("seed =", "is not TOML"),
    ],
)
def test_a_wrong_run_file_gets_one_line(tmp_path, text, said):
    file = tmp_path / "run.toml"
    file.write_text(text)
    with pytest.raises(TertuliaError, match=said) as caught:
        Run.load(file)
    assert "\n" not in str(caught.value)


def test_test_sets_are_no_training_data():
    with pytest.raises(TertuliaError, match="for testing"):
        Run.model_validate({"data": {"task": "aime2024"}}).questions()
    questions = Run.model_validate({"data": {"questions": 5}}).questions()
    assert len(questions) == 5 and all(question.data["split"] == "train" for question in questions)


def test_the_run_files_of_the_repository_are_right():
    folder = Path(__file__).parent.parent / "runs"
    paper = Run.load(folder / "paper" / "leap_t_7b.toml")
    assert Run.load(folder / "train" / "leap_t_smoke.toml").questions()
    # The paper's table is what one gets without a word.
    assert Run().training == paper.training.model_copy(update={"gradient_checkpointing": False})
    assert paper.keep.summary_tokens == 256


def test_a_missing_extra_gets_one_line(monkeypatch, tmp_path):
    import importlib.util

    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in ("trl", "torch") else real(name))
    (tmp_path / "run.toml").write_text("[teacher]\nideal = true")
    for call in (
        lambda: command.sft(tmp_path / "run.toml", tmp_path, tmp_path),
        lambda: command.collect(tmp_path / "run.toml", tmp_path),
    ):
        with pytest.raises(TertuliaError, match=r"the extra train: pip install 'tertulia\[train\]'"):
            call()


# Fine-tuning.

REASON = "is not installed: pip install 'tertulia[train]' runs this test"
TRAINING = {"epochs": 1, "batch": 4, "rows_at_once": 2, "learning_rate": 1e-3, "save_every": 1, "warm_up": 0.0}


@pytest.fixture(scope="module")
def extra():
    for module in ("torch", "transformers", "datasets", "trl", "gguf", "tensorboard"):
        pytest.importorskip(module, reason=f"{module} {REASON}")
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def traces(extra, tmp_path_factory) -> Path:
    """Traces that the world wrote, some of them with cues, summaries and heard text."""
    out = tmp_path_factory.mktemp("ideal")
    run = out / "run.toml"
    run.write_text("[teacher]\nideal = true\n[data]\nquestions = 40\ndifficulties = { easy = 1 }")
    command.collect(run, out)
    return out / "traces.jsonl"


@pytest.fixture
def small(traces, tmp_path) -> Path:
    """Eight of them, with every kind of span."""
    lines = sorted(
        traces.read_text().splitlines(), key=lambda line: -len({s["kind"] for s in json.loads(line)["spans"]})
    )
    file = tmp_path / "traces.jsonl"
    file.write_text("\n".join(lines[:8]) + "\n")
    return file


def test_ideal_traces_are_right_and_of_all_kinds(traces):
    found = read_traces(traces)
    assert {span.kind for trace in found for span in trace.spans} == OWN | PUT_IN
    assert all(trace.right and trace.method == "ideal" for trace in found)
    assert any(trace.meetings for trace in found) and 20 < len(found) <= 40


def check_labels(seen: list[tuple[Any, Any, Any]], known: list[Trace]) -> int:
    """That each row is a trace, and each of its labels as its kind wants it; how many rows there were."""
    by_ids = {tuple(trace.ids): trace for trace in known}
    rows = 0
    for ids, labels, mask in seen:
        for row in range(len(ids)):
            length = int(mask[row].sum())
            trace = by_ids[tuple(ids[row, :length].tolist())]
            kinds = [(span.kind, token) for span in trace.spans for token in span.ids]
            for (kind, token), label in zip(kinds, labels[row, :length].tolist(), strict=True):
                assert label == (-100 if kind in PUT_IN else token), kind
            assert (labels[row, length:] == -100).all()
            rows += 1
    return rows


def loss_on(model: Any, known: list[Trace], kinds: set[str]) -> float:
    """Mean cross-entropy of the tokens of these kinds, worked out trace by trace."""
    import torch

    lost, count = 0.0, 0
    for trace in known:
        ids = torch.tensor([trace.ids])
        with torch.no_grad():
            told = torch.log_softmax(model(input_ids=ids).logits[0, :-1].float(), -1)
        each = -told.gather(1, ids[0, 1:, None])[:, 0]
        of = [span.kind in kinds for span in trace.spans for _ in span.ids]
        wanted = torch.tensor(of[1:])
        lost, count = lost + float(each[wanted].sum()), count + int(wanted.sum())
    return lost / count


def fine_tuning(**training: Any) -> Run:
    return Run.model_validate({"training": TRAINING | training})


def test_what_was_put_in_carries_no_loss_in_the_batch_that_reaches_the_model(small, tmp_path):
    from tertulia.training import sft
    from trainings import batches_of

    known = read_traces(small)
    assert {span.kind for trace in known for span in trace.spans} == OWN | PUT_IN
    trainer = sft.make_trainer(fine_tuning(batch=8), small, tmp_path / "out")
    before = loss_on(trainer.model.eval(), known, OWN)
    everything = loss_on(trainer.model, known, OWN | PUT_IN)
    seen = batches_of(trainer)
    assert check_labels(seen, known) == 8
    # And TRL's own loss is that of the kept tokens alone, which is far from that of all.
    first = next(log["loss"] for log in trainer.state.log_history if "loss" in log)
    assert first == pytest.approx(before, rel=1e-3) and abs(everything - before) > 0.1
    after = loss_on(trainer.model.eval(), known, OWN)
    assert after < before


def test_the_check_of_the_batch_fails_without_the_mask(small, tmp_path, monkeypatch):
    from tertulia.training import sft
    from trainings import batches_of

    monkeypatch.setattr(sft, "labels", lambda trace: trace.ids)
    trainer = sft.make_trainer(fine_tuning(batch=8), small, tmp_path / "out")
    with pytest.raises(AssertionError):
        check_labels(batches_of(trainer), read_traces(small))


def test_traces_that_do_not_suit_the_model_get_one_line(small, tmp_path):
    from tertulia.training import sft

    _, tokenizer = sft.load_base(None)
    known = read_traces(small)
    shortest = min(len(trace.ids) for trace in known)
    assert 0 < len(sft.rows(known, tokenizer, shortest, "here")) < len(known)
    with pytest.raises(TertuliaError, match=f"longer than {shortest - 1} tokens"):
        sft.rows(known, tokenizer, shortest - 1, "here")
    scripted = asyncio.run(ScriptedEngine().tokenize(masks.PROBE, special=True))
    foreign = [Trace("q", 0, 0, "leap", "4", True, 0, masks.fingerprint(scripted), [Part("thought", [1, 2])])]
    with pytest.raises(TertuliaError, match="ids of another tokenizer"):
        sft.rows([*known, *foreign], tokenizer, 999, "here")
    with pytest.raises(TertuliaError, match=r"no multiple of 1 processes with .*rows_at_once 3"):
        sft.make_trainer(fine_tuning(rows_at_once=3), small, tmp_path)
    for text, said in (("", "holds no trace"), ('{"question": "q"}', "line 1 of .* is no trace")):
        small.write_text(text)
        with pytest.raises(TertuliaError, match=said):
            read_traces(small)


def test_the_engine_and_the_base_model_split_the_probe_alike(extra):
    from tertulia.training import sft

    async def theirs() -> Any:
        async with Bench(asked={"paths": 1}) as bench:
            return await bench.engine.tokenize(masks.PROBE, special=True)

    _, tokenizer = sft.load_base(None)
    ours = tokenizer(masks.PROBE, add_special_tokens=False)["input_ids"]
    assert masks.fingerprint(ours) == masks.fingerprint(asyncio.run(theirs()))


def test_traces_and_what_is_trained_on_them_are_kept_apart(questions, tmp_path):
    pytest.importorskip("trl", reason="needs the extra train")
    from tertulia.training import sft

    run, traces, tuned = asked(questions), tmp_path / "traces", tmp_path / "tuned"
    asyncio.run(gather(run, traces))
    before = sorted(traces.rglob("*"))
    with pytest.raises(TertuliaError, match=r"traces holds a run of leap-t collect: give another --out$"):
        sft.train(run, traces / "traces.jsonl", traces)
    assert sorted(traces.rglob("*")) == before
    mark_folder(tuned, sft.identity(run, traces / "traces.jsonl"))
    with pytest.raises(TertuliaError, match=r"tuned holds another run: give another --out$"):
        asyncio.run(gather(run, tuned))
    assert not (tuned / "journals").exists()


def test_a_killed_fine_tuning_ends_like_a_whole_one_and_exports_to_gguf(small, tmp_path):
    from safetensors.torch import load_file

    from tertulia.training import sft
    from tertulia.training.export import compare, write_gguf
    from trainings import kill_at, tear, updates

    file = tmp_path / "run.toml"
    values = "\n".join(f"{name} = {value}" for name, value in (TRAINING | {"epochs": 3}).items())
    file.write_text(f"[training]\n{values}\n")
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    arguments = [str(file), "--data", str(small), "--out", str(killed)]
    kill_at(2, killed, "-m", "tertulia.training.sft", *arguments)
    tear(5, killed)
    command.sft(file, small, killed, 1)
    command.sft(file, small, whole, 1)
    for out in (killed, whole):
        steps = updates(out)
        assert steps[-1] == 6 and steps.count(1) == 1, "it began again"
        assert list((out / "log").glob("events*"))
    ours, theirs = (load_file(out / "model" / "model.safetensors") for out in (whole, killed))
    base = sft.load_base(None)[0].state_dict()
    assert all(ours[name].allclose(theirs[name], atol=1e-5) for name in ours)
    assert any(not ours[name].allclose(base[name], atol=1e-4) for name in ours)
    write_gguf(killed / "model", tmp_path / "trained.gguf")
    assert asyncio.run(compare(killed / "model", tmp_path / "trained.gguf", 3)) == [-1, -1, -1]
    with pytest.raises(TertuliaError, match="belongs to another run"):
        sft.train(Run.load(file).model_copy(update={"seed": 9}), small, killed)
    small.write_text("\n".join(small.read_text().splitlines()[:4]))
    with pytest.raises(TertuliaError, match=r"belongs to another run \(traces: "):
        sft.train(Run.load(file), small, killed)


def test_a_problem_in_two_languages_is_two_questions(tmp_path):
    rows = [{"id": 1, "problem": "What is 1 + 1?", "answer": 2, "lang": "en"},
            {"id": 1, "problem": "Was ist 1 + 1?", "answer": 2, "lang": "de"}]  # fmt: skip
    (tmp_path / "q.json").write_text(json.dumps(rows))
    data = {"task": "math500", "file": str(tmp_path / "q.json"), "languages": {"en": 1, "de": 1}}
    found = Run.model_validate({"data": data}).questions()
    assert sorted(question.text for question in found) == ["Was ist 1 + 1?", "What is 1 + 1?"]
    assert len({question.id for question in found}) == 2
