"""Fine-tuning in parallel languages: right solutions only, no loss on a prompt, and a kill costs nothing."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'tertulia[train]' runs these tests")
for module in ("transformers", "datasets", "trl", "gguf", "tensorboard"):
    pytest.importorskip(module, reason=f"{module} is not installed: pip install 'tertulia[train]' runs these tests")

from tertulia.answers.extract import extract_answer  # noqa: E402
from tertulia.errors import TertuliaError  # noqa: E402
from tertulia.training import parallel, parallel_sft  # noqa: E402
from tertulia.training.masks import IGNORED  # noqa: E402
from tertulia.training.parallel_run import Run, questions_of  # noqa: E402
from tertulia.training.start import load_start  # noqa: E402
from tertulia.world.language import LANGUAGES, Language  # noqa: E402
from tertulia.world.problems import problem  # noqa: E402
from tertulia.world.spoken import off_target  # noqa: E402
from tertulia.world.traces import trace  # noqa: E402
from trainings import batches_of, kill_at, one_thread, updates  # noqa: E402, F401

TRAINING: dict[str, Any] = {
    "paradigm": "sft", "steps": 2, "prompts": 4, "learning_rate": 1e-3, "save_every": 1,
}  # fmt: skip


@pytest.fixture(scope="module")
def tokenizer():
    return load_start(None, 0)[1]


def a_run(training: dict[str, Any] | None = None, thinking: str = "free", **data: Any) -> Run:
    table = {"languages": ["en", "de"], "difficulty": "easy"} | data
    return Run.model_validate({"training": TRAINING | (training or {}), "data": table, "thinking": thinking})


# What is learnt.


def test_every_solution_reads_and_solves_its_problem_rightly_in_its_language(tokenizer) -> None:
    run = a_run({"steps": 1, "prompts": 3}, languages=list(LANGUAGES), difficulty="default")
    learnt = parallel_sft.traces(run, tokenizer)
    asked = questions_of(run)
    assert [one.question for one in learnt] == [question.id for question in asked] and len(asked) == 3 * len(LANGUAGES)
    for one, question in zip(learnt, asked, strict=True):
        prompt, thought, answer = (tokenizer.decode(span.ids) for span in one.spans)
        assert prompt == f"<|user|>{question.text}<|assistant|><think>\n"
        assert extract_answer(answer, "math") == question.gold and answer.endswith("<|end|>")
        steps = problem(question.data["seed"], "default", "train").steps
        words = Language.load(question.language)
        told = [words.word(step.operation.kind, step.operation.number) for step in steps]
        assert thought.splitlines()[0] == "; ".join(f"{at}) {word}" for at, word in enumerate(told, 1))
        assert thought.endswith("\n</think>") and not off_target(thought, question.language)


def test_a_wrong_trace_is_not_learnt(tokenizer, monkeypatch) -> None:
    question = questions_of(a_run(difficulty="default"))[0]
    drawn: list[bool] = []

    def noted(*arguments: Any, **named: Any) -> Any:
        found = trace(*arguments, **named)
        drawn.append(found.answer == found.problem.answer)
        return found

    monkeypatch.setattr("tertulia.world.traces.trace", noted)
    for seed in range(12):
        parallel_sft.world_thought(question, seed)
    assert False in drawn and drawn.count(True) >= 12, "readers err, and were drawn again"
    monkeypatch.setattr("tertulia.world.traces.trace", lambda *a, **k: replace(trace(*a, **k), answer=-1))
    with pytest.raises(TertuliaError, match=r"no trace of 2000 of question .* is right: take an easier"):
        parallel_sft.world_thought(question, 1)


def test_a_solution_is_the_tokens_that_pebble_was_pretrained_on(tokenizer) -> None:
    from tertulia.training.tokenizer import encode

    run = a_run()
    for one, question in zip(parallel_sft.traces(run, tokenizer), questions_of(run), strict=True):
        posed = problem(question.data["seed"], "easy", "train")
        draw = random.Random(f"{run.seed} solution {question.id}")
        drawn = [trace(posed, question.language, draw, meet=False).spans for _ in range(30)]
        known = [[token for ids in encode(tokenizer.backend_tokenizer, spans) for token in ids] for spans in drawn]
        assert one.ids in known


@pytest.mark.parametrize(("thinking", "end"), [("prompt", "<think>\n"), ("sentence", "Deutsch:\n")])
def test_a_thought_led_to_a_language_is_learnt_after_what_leads_it(tokenizer, thinking: str, end: str) -> None:
    run = a_run(thinking=thinking, languages=["de"])
    one = parallel_sft.traces(run, tokenizer)[0]
    *begun, thought, _ = (tokenizer.decode(span.ids) for span in one.spans)
    prompt = "".join(begun)
    assert prompt.endswith(end) and thought.startswith("1) ")
    assert ("Deutsch" in prompt) and "Deutsch" not in thought


# What carries loss, and in which order it comes.


def check_batches(seen: list[tuple[Any, Any, Any]], run: Run, tokenizer: Any) -> None:
    """That the rows are the questions in their order, with loss on every token after the prompt and on no other."""
    rows = [row for batch in seen for row in zip(*batch, strict=True)]
    learnt = parallel_sft.traces(run, tokenizer)
    assert len(rows) == len(learnt) == run.steps * run.training.prompts
    for (ids, labels, mask), one in zip(rows, learnt, strict=True):
        length, prompt = int(mask.sum()), len(one.spans[0].ids)
        assert ids[:length].tolist() == one.ids
        assert (labels[:prompt] == IGNORED).all(), "a prompt token carries loss"
        assert labels[prompt:length].tolist() == one.ids[prompt:] and (labels[length:] == IGNORED).all()


def test_no_token_of_a_prompt_carries_loss_in_the_batches_that_reach_the_model(tmp_path, tokenizer) -> None:
    run = a_run({"paths_at_once": 2})
    trainer = parallel.make_trainer(run, tmp_path / "out")
    before = trainer.model.model.embed_tokens.weight.detach().clone()
    seen = batches_of(trainer)
    assert len(seen) == 2 * run.steps == 8 and trainer.state.global_step == run.steps
    check_batches(seen, run, tokenizer)
    assert not torch.equal(before, trainer.model.model.embed_tokens.weight)


def test_the_check_of_the_batches_fails_without_the_mask(tmp_path, tokenizer, monkeypatch) -> None:
    monkeypatch.setattr(parallel_sft, "labels", lambda trace: trace.ids)
    run = a_run({"steps": 1})
    seen = batches_of(parallel.make_trainer(run, tmp_path / "out"))
    with pytest.raises(AssertionError, match="a prompt token carries loss"):
        check_batches(seen, run, tokenizer)


def test_the_check_of_the_batches_fails_in_another_order(tmp_path, tokenizer, monkeypatch) -> None:
    honest = parallel_sft.sft_arguments
    mixed = lambda *a, **k: honest(*a, **{**k, "train_sampling_strategy": "random"})  # noqa: E731
    monkeypatch.setattr(parallel_sft, "sft_arguments", mixed)
    run = a_run()
    seen = batches_of(parallel.make_trainer(run, tmp_path / "out"))
    with pytest.raises(AssertionError):
        check_batches(seen, run, tokenizer)


def test_both_paradigms_ask_the_same_questions_for_as_many_batches() -> None:
    tuned = a_run()
    rewarded = Run.model_validate({"training": TRAINING | {"paradigm": "grpo"}, "data": tuned.data.model_dump()})
    assert questions_of(tuned) == questions_of(rewarded) and tuned.steps == rewarded.steps == 4


# Questions of a file.


def rows(tmp_path: Path, *found: dict[str, Any]) -> dict[str, Any]:
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, found)))
    return {"task": "math500", "file": str(tmp_path / "rows.jsonl"), "languages": ["en"]}


def test_the_solutions_of_a_file_are_learnt(tmp_path, tokenizer) -> None:
    plain = {"id": "a", "problem": "How much is 13 plus 80?", "answer": "93", "solution": "13+80=93"}
    boxed = {"id": "b", "problem": "How much is 2 plus 2?", "solution": "It is $\\boxed{4}$."}
    whole = {"id": "c", "problem": "And 3?", "answer": "3", "solution": "<think>\n3\n</think>\nSo \\boxed{3}"}
    run = a_run({"steps": 1, "prompts": 3}, **rows(tmp_path, plain, boxed, whole))
    learnt = {one.question: one for one in parallel_sft.traces(run, tokenizer)}
    texts = {name: "".join(tokenizer.decode(span.ids) for span in one.spans[1:]) for name, one in learnt.items()}
    assert texts == {
        "a": "13+80=93\n</think>\n\\boxed{93}<|end|>",
        "b": "It is $\\boxed{4}$.\n</think>\n\\boxed{4}<|end|>",
        "c": "3\n</think>\nSo \\boxed{3}<|end|>",
    }
    assert learnt["a"].ids.count(tokenizer.eos_token_id) == 1


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({}, r"question a \(en\) has no solution, which fine-tuning learns from: give every row .* a column solution"),
        ({"solution": " "}, "question a .* has no solution"),
        ({"solution": "So \\boxed{92}."}, r"the solution of question a \(en\) does not come to its answer '93'"),
        ({"solution": "93</think>\\boxed{92}"}, "does not come to its answer"),
        ({"solution": "13 and 80 is 93. " * 200}, "question a has .* tokens with its solution, and the model reads"),
    ],
)
def test_a_solution_that_cannot_be_learnt_gets_one_line(tmp_path, tokenizer, row: dict[str, Any], said: str) -> None:
    given = {"id": "a", "problem": "How much is 13 plus 80?", "answer": "93"} | row
    run = a_run({"steps": 1, "prompts": 1}, **rows(tmp_path, given))
    with pytest.raises(TertuliaError, match=said) as caught:
        parallel_sft.traces(run, tokenizer, 1024)
    assert "\n" not in str(caught.value)


# The run file.


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ({"training": {"group": 8}}, "training.group is for the rollouts of grpo"),
        ({"training": {"updates": 2}}, "training.updates is for the rollouts"),
        ({"training": {"temperature": 0.7}}, "training.temperature is for the rollouts"),
        ({"training": {"length": 99}}, "training.length is for the rollouts"),
        ({"training": {"kl": 0.1}}, "training.kl is for the rollouts"),
        ({"training": {"clip_high": 0.3}}, "training.clip_high is for the rollouts"),
        ({"model": {"engine": "http://localhost:8000"}}, "model.engine is for the rollouts"),
        ({"reward": {"consistency": 1.0}}, "reward is for the rollouts .*: leave it out"),
    ],
)
def test_what_is_about_rollouts_is_refused(tables: dict[str, Any], said: str) -> None:
    asked: dict[str, Any] = {"data": {"languages": ["en"]}, **tables}
    asked["training"] = TRAINING | tables.get("training", {})
    with pytest.raises(TertuliaError, match=said):
        Run.model_validate(asked).check()
    if "model" not in tables:
        asked["training"] |= {"paradigm": "grpo"}
        Run.model_validate(asked).check()


def test_batches_that_cannot_be_shared_out_get_one_line(tmp_path, monkeypatch) -> None:
    with pytest.raises(TertuliaError, match=r"training.paths_at_once is 3, and the 4 solutions of a process"):
        parallel.make_trainer(a_run({"paths_at_once": 3}), tmp_path)
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(TertuliaError, match=r"training.prompts is 4, no multiple of 3 processes"):
        parallel.make_trainer(a_run(), tmp_path)


def test_a_warm_up_rises_to_a_constant_rate_too(tmp_path) -> None:
    trainer = parallel.make_trainer(a_run({"steps": 4, "warm_up": 0.5}, languages=["en"]), tmp_path)
    trainer.train()
    rates = [log["learning_rate"] for log in trainer.state.log_history if "learning_rate" in log]
    assert rates == pytest.approx([0, 5e-4, 1e-3, 1e-3])


# Kill and resume.


def test_a_killed_fine_tuning_ends_like_a_whole_one(tmp_path) -> None:
    from safetensors.torch import load_file

    file = tmp_path / "run.toml"
    values = "\n".join(f"{name} = {json.dumps(value)}" for name, value in (TRAINING | {"steps": 6}).items())
    file.write_text(f'[training]\n{values}\n[data]\nlanguages = ["en"]\ndifficulty = "easy"\n')
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    kill_at(2, killed, "-m", "tertulia.training.parallel", str(file), "--out", str(killed))
    run = Run.load(file)
    parallel.train(run, killed)
    parallel.train(run, whole)
    steps = updates(killed)
    assert steps[-1] == 6 and steps.count(1) == 1, "it began again"
    assert list((killed / "log").glob("events*"))
    ours, theirs = (load_file(out / "model" / "model.safetensors") for out in (whole, killed))
    base = load_start(None, 0)[0].state_dict()
    assert all(torch.allclose(ours[name], theirs[name], atol=1e-5) for name in ours)
    assert any(not torch.allclose(ours[name], base[name], atol=1e-4) for name in ours)
    other = run.model_copy(update={"training": run.training.model_copy(update={"learning_rate": 2e-3})})
    with pytest.raises(TertuliaError, match="belongs to another run"):
        parallel.train(other, killed)


def test_a_run_that_is_made_longer_goes_on(tmp_path) -> None:
    from safetensors.torch import load_file

    short, long = (a_run({"steps": 1}, languages=["en"], times=times) for times in (1, 2))
    parallel.train(short, tmp_path / "grows")
    parallel.train(long, tmp_path / "grows")
    parallel.train(long, tmp_path / "whole")
    assert updates(tmp_path / "grows") == [1, 2]
    ours, theirs = (load_file(tmp_path / name / "model" / "model.safetensors") for name in ("grows", "whole"))
    assert all(torch.allclose(ours[name], theirs[name], atol=1e-5) for name in ours)
