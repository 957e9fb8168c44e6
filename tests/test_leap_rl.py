"""LeaP by reinforcement: rollouts are circles, what was put in is never learnt, and a kill costs nothing."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'tertulia[train]' runs these tests")
for module in ("transformers", "datasets", "trl", "gguf", "tensorboard"):
    pytest.importorskip(module, reason=f"{module} is not installed: pip install 'tertulia[train]' runs these tests")

from circles import AT_CLAIMS, PEBBLE, QUESTION  # noqa: E402
from engine_fakes import Fake  # noqa: E402
from tertulia.api import solve_with  # noqa: E402
from tertulia.circle.path import Path as Thought  # noqa: E402
from tertulia.circle.path import Span, Step  # noqa: E402
from tertulia.cli import train as command  # noqa: E402
from tertulia.engines.base import EngineError, Generation, Request, Sampling  # noqa: E402
from tertulia.engines.client import HttpEngine  # noqa: E402
from tertulia.engines.scripted import ScriptedEngine  # noqa: E402
from tertulia.engines.transformers import Sampled, TransformersEngine  # noqa: E402
from tertulia.errors import TertuliaError  # noqa: E402
from tertulia.evaluation.meetings import Effect  # noqa: E402
from tertulia.model import profile_for  # noqa: E402
from tertulia.settings import resolve  # noqa: E402
from tertulia.tasks.question import Question  # noqa: E402
from tertulia.training import leap_rl  # noqa: E402
from tertulia.training.rollouts import Circle, Rollouts, guards, rewards, sequences  # noqa: E402
from tertulia.training.start import load_start  # noqa: E402
from trainings import kill_at, one_thread, scored, tear, updates  # noqa: E402, F401

FREE = Sampling(1.0, 1.0, 0, 0.0)
RUN: dict[str, Any] = {
    "training": {"steps": 2, "prompts": 1, "learning_rate": 1e-4, "updates": 2, "save_every": 1},
    "circle": {"paths": 4, "every": 8, "summaries": "written", "budget": 160},
    "data": {"difficulties": {"easy": 1.0}},
}


@pytest.fixture(scope="module")
def pebble():
    return load_start(None, 0)


@pytest.fixture(scope="module")
def trainer(tmp_path_factory):
    return leap_rl.make_trainer(leap_rl.Run.model_validate(RUN), tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def batch(trainer):
    """What one generation came to, as the loss gets it."""
    questions = list(trainer.train_dataset["prompt"])[:1]
    trainer.model.train()
    return scored(trainer, questions[0], 4)


def request(path: str, ids: Any, tokens: int = 12, **more: Any) -> Request:
    return Request(path, tuple(ids), "", tokens, **{"sampling": FREE, "seed": 5, **more})


async def ask(engine: TransformersEngine, *requests: Request) -> list[Generation]:
    async with engine:
        return await asyncio.gather(*map(engine.generate, requests))


def logprobs_of(model: Any, ids: list[int], start: int, temperature: float = 1.0) -> Any:
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0, start - 1 : -1] / temperature
    return torch.log_softmax(logits, -1).gather(1, torch.tensor(ids[start:])[:, None])[:, 0]


# The engine.


async def test_a_batch_of_paths_continues_as_each_path_alone(pebble):
    model, tokenizer = pebble
    engine = TransformersEngine(model, tokenizer)
    question = "<|user|>Ana has 13 shells and gets 80. How many?<|assistant|><think>\n"
    long, short = await engine.tokenize(question * 2, special=True), await engine.tokenize(question, special=True)
    heard = await engine.tokenize("<peers>step 1: you 3, 2 of 3 have 4</peers>\n")
    first = {"long": request("long", long), "short": request("short", short, 5, seed=6)}
    async with engine:
        came = await asyncio.gather(*map(engine.generate, first.values()))
        # One of the two hears something, so kept and new tokens lie at different places in the padded batch.
        asked = [
            request("long", (*long, *came[0].ids, *heard), seed=8),
            request("short", (*short, *came[1].ids), seed=9, sampling=replace(FREE, temperature=0.7), logprobs=True),
        ]
        then = await asyncio.gather(*map(engine.generate, asked))
    assert engine.batches == [2, 2]
    assert [generation.cached_tokens for generation in then] == [len(long) + 11, len(short) + 4]
    for before, after, temperature in zip(asked, then, (1.0, 0.7), strict=True):
        ids, start = [*before.ids, *after.ids], len(before.ids)
        drawn = [engine.sampled[before.path][place].logprob for place in range(start, len(ids))]
        assert torch.allclose(torch.tensor(drawn), logprobs_of(model, ids, start, temperature), atol=1e-4)
        assert [token.logprob for token in after.tokens] == (drawn if before.logprobs else [None] * after.count)
        (alone,) = await ask(TransformersEngine(model, tokenizer), before)
        assert alone.ids == after.ids


async def test_generation_ends_where_it_was_asked_to(pebble):
    model, tokenizer = pebble
    engine = TransformersEngine(model, tokenizer)
    text = "<|user|>Ana has 13 shells and gets 80. How many?<|assistant|><think>\n"
    ids = await engine.tokenize(text, special=True)
    close = (await engine.tokenize("</think>", special=True))[0]
    cold = replace(FREE, temperature=0.0)
    line, thought, length, answer = await ask(
        engine,
        request("a", ids, 99, stop=("\n",), sampling=cold),
        request("b", ids, 99, stop_ids=(close,), sampling=cold),
        request("c", ids, 3, sampling=cold),
        request("d", ids, 99, sampling=cold),
    )
    assert line.finish == "stop" and line.stop == "\n" and line.text.count("\n") == 1 and line.text.endswith("\n")
    assert thought.finish == "stop" and thought.stop == "</think>" and thought.ids[-1] == close
    assert length.finish == "length" and len(length.ids) == 3
    assert answer.finish == "end" and answer.ids[-1] in engine.info.end_ids and "<|end|>" not in answer.text
    assert "\\boxed{" in answer.text and answer.text.startswith(thought.text) and thought.text.startswith(line.text)
    with pytest.raises(EngineError, match="top_p 1"):
        await ask(engine, request("e", ids, sampling=Sampling()))


async def test_split_characters_and_written_control_tokens(pebble):
    model, tokenizer = pebble
    engine = TransformersEngine(model, tokenizer)
    bengali = await engine.tokenize("খুঁজে পায়")
    text = "".join([piece or "" for piece in await told(engine, bengali, cut=0)])
    assert text == "খুঁজে পায়"
    for cut in range(1, len(bengali)):
        assert "".join(await told(engine, bengali, cut)) == text, cut
    close = (await engine.tokenize("</think>", special=True))[0]
    assert close not in await engine.tokenize("so </think> it is")
    assert await engine.detokenize(await engine.tokenize("so </think> it is")) == "so </think> it is"


async def told(engine: TransformersEngine, ids: tuple[int, ...], cut: int) -> list[str]:
    """The texts of these tokens where a path writes them in two requests."""
    texts: list[str] = []
    start: tuple[int, ...] = (1,)
    for part in (ids[:cut], ids[cut:]):
        if part:
            left = iter(part)
            engine._draw = lambda rows, logits, left=left: [engine._take(row, next(left), 0.0) for row in rows]  # type: ignore[method-assign]
            (came,) = await ask(engine, request("p", start, len(part)))
            texts += [token.text for token in came.tokens]
            start += came.ids
    del engine._draw
    return texts


# What TRL gets of a path.


async def test_a_sequence_is_the_path_with_what_was_put_in_masked(pebble):
    model, tokenizer = pebble
    engine, profile = TransformersEngine(model, tokenizer), profile_for(None)
    settings = resolve(profile, RUN["circle"] | {"seed": 3})
    async with engine:
        result = await solve_with(engine, profile, QUESTION, settings)
    assert {span.kind for path in result.paths for span in path.spans} >= {"thought", "cue", "summary", "heard"}
    for path in result.paths:
        made = sequences(path, engine.sampled[path.name], 0)
        assert tuple(made.prompt_ids + made.completion_ids) == path.ids
        own = [span for span in path.spans if span.kind in ("thought", "summary", "answer")]
        kept = [token for token, mask in zip(made.completion_ids, made.env_mask, strict=True) if mask]
        assert kept == [token for span in own for token in span.ids]
        assert len(kept) == path.tokens.generated - path.tokens.discarded
        exact = logprobs_of(model, list(path.ids), len(made.prompt_ids))
        wrong = (torch.tensor(made.logprobs) - exact).abs() * torch.tensor(made.env_mask)
        assert wrong.max() < 1e-4


def test_discarded_tokens_are_not_in_the_sequence_and_foreign_ones_are_refused():
    path = Thought(0, "q0/c0/p0")
    path.apply(Step("prompt", (Span("prompt", (1, 2), "ab", 2),)))
    path.apply(Step("thought", (Span("thought", (3,), "c", 1),), held=Span("thought", (4,), "d", 1)))
    path.apply(Step("heard", (Span("heard", (5,), "e", 1),), release="discard"))
    path.apply(Step("thought", (Span("thought", (6,), "f", 1),)))
    drawn = {2: Sampled(3, -0.5), 3: Sampled(4, -9.0), 4: Sampled(6, -0.25)}
    made = sequences(path, drawn, 0)
    assert (made.completion_ids, made.env_mask) == ([3, 5, 6], [1, 0, 1])
    assert made.logprobs == [-0.5, 0.0, -0.25]
    assert sequences(path, None, 0).logprobs == [None, 0.0, None]
    with pytest.raises(TertuliaError, match="did not draw"):
        sequences(path, {**drawn, 4: Sampled(7, -0.25)}, 0)
    failed = Thought(1, "q0/c0/p1")
    assert sequences(failed, {}, 9).env_mask == [0]


# The loss.


def slope(trainer: Any, batch: dict[str, Any]) -> Any:
    """How the loss changes with the log-probability at each place after the prompt; (paths, places).

    TRL's names are private, and pinned by this test: nothing public stands between log-probabilities and loss.
    """
    honest = trainer._get_per_token_logps_and_entropies
    added = torch.zeros_like(batch["completion_ids"], dtype=torch.float32, requires_grad=True)

    def disturbed(*arguments: Any, **named: Any) -> Any:
        logprobs, *more = honest(*arguments, **named)
        return logprobs + added, *more

    inputs = {**batch, "advantages": torch.tensor([1.0, -1.0, 0.5, -0.5])}
    trainer.current_gradient_accumulation_steps = 1
    trainer._get_per_token_logps_and_entropies = disturbed
    try:
        trainer._compute_loss(trainer.model, inputs).backward()
    finally:
        del trainer._get_per_token_logps_and_entropies
        trainer.model.zero_grad()
    return added.grad


def test_what_was_put_in_carries_no_loss(trainer, batch):
    put_in = (batch["tool_mask"] == 0) & (batch["completion_mask"] == 1)
    own = (batch["tool_mask"] == 1) & (batch["completion_mask"] == 1)
    assert put_in.any(dim=1).all()
    slopes = slope(trainer, batch)
    assert (slopes[put_in] == 0).all() and (slopes[own] != 0).all()
    # The counter-test: without the mask the same places do carry loss.
    unmasked = {name: value for name, value in batch.items() if name != "tool_mask"}
    assert (slope(trainer, unmasked)[put_in] != 0).all()


def test_old_log_probabilities_are_those_that_were_sampled(batch):
    own = (batch["tool_mask"] == 1) & (batch["completion_mask"] == 1)
    difference = batch["old_per_token_logps"] - batch["sampling_per_token_logps"]
    assert difference[own].abs().max() < 1e-4


def test_the_second_update_on_a_batch_is_clipped(tmp_path):
    given = json.loads(json.dumps(RUN))
    given["training"] |= {"steps": 1, "learning_rate": 3e-3}
    given["reward"] = {"tokens": 1.0}  # paths differ in length even where all are right, so there is something to learn
    trainer = leap_rl.make_trainer(leap_rl.Run.model_validate(given), tmp_path)
    weights = trainer.model.model.embed_tokens.weight.detach().clone()
    trainer.train()
    clipped = [log["clip_ratio/region_mean"] for log in trainer.state.log_history if "clip_ratio/region_mean" in log]
    assert len(clipped) == 2 and clipped[0] == 0 and clipped[1] > 0
    assert not torch.equal(weights, trainer.model.model.embed_tokens.weight)
    log = (tmp_path / "metrics.jsonl").read_text().splitlines()
    first = json.loads(log[0])
    named = ("right", "tokens", "truncated", "meetings", "summary_tokens", "summary_claims", "copied", "left_right")
    for name in named:
        assert f"circle/{name}" in first, name
    assert first["rewards/own/mean"] == pytest.approx(first["circle/right"])
    assert list((tmp_path / "log").glob("events*"))


def test_the_verdict_counts_between_the_circles_of_a_question(tmp_path):
    given = json.loads(json.dumps(RUN))
    given["training"] |= {"circles": 2}
    given["reward"] = {"own": 0.0, "verdict": 1.0}
    trainer = leap_rl.make_trainer(leap_rl.Run.model_validate(given), tmp_path)
    rollouts, question = trainer.rollout_func, trainer.train_dataset["prompt"][0]
    trainer.model.train()

    def second_is_wrong(prompts: list[str], trainer: Any) -> dict[str, Any]:
        found = rollouts(prompts, trainer)
        assert (
            len(rollouts.last) == 2 and rollouts.last[0].result.settings.seed != rollouts.last[1].result.settings.seed
        )
        return found | {"reward_verdict": [1.0] * 4 + [0.0] * 4}

    trainer.rollout_func = second_is_wrong
    batch = scored(trainer, question, 8)
    assert (batch["advantages"][:4] > 0.5).all() and (batch["advantages"][4:] < -0.5).all()


# Rewards and guards.


def lined(index: int, *spans: tuple[str, str], answer: str | None = None) -> Thought:
    path = Thought(index, f"q/p{index}")
    for kind, text in spans:
        path.apply(Step("thought", (Span(kind, (7,) * 10, text, 10),)))  # type: ignore[arg-type]
    path.place, path.answer = "finished", answer
    return path


class Came:
    """As much of a result as is looked at."""

    def __init__(self, answer: str, *paths: Thought):
        self.answer, self.paths = answer, paths


def circle() -> Circle:
    hears = ("heard", "<peers>step 1: you 3, 1 of 1 have 4</peers>\n")
    copier = lined(0, ("thought", "1) 1+2=3\n"), hears, ("thought", "1) 1+2=4\n2) 4+1=5\n"), answer="5")
    worker = lined(1, ("thought", "1) 1+2=3\n"), hears, ("thought", "Again: 1) add 3\n1) 1+3=4\n"), answer="4")
    heard = [{"meeting": 0, "text": hears[1], "peers": [1], "finding": "differ"}]
    effects = [
        Effect(0, 0, "differ", (1,), "influenced", True, False),
        Effect(1, 0, "differ", (0,), "influenced", False, True),
    ]
    summaries = {0: ["1=3", "2=5"], 1: ["1=3", "2=6"]}
    result: Any = Came("4", copier, worker)
    return Circle(Question("q", "?", "4", "math"), result, effects, {0: heard, 1: heard}, summaries, [1, 1, 2, 2])


def test_rewards_are_the_paths_own_answer_and_what_it_left():
    judged = circle()
    found = rewards(judged)
    assert found["own"] == [0.0, 1.0] and found["verdict"] == [1.0, 1.0]
    assert found["leaving_right"] == [-1.0, 0.0] and found["tokens"] == [-0.02, -0.02]
    judged.result.paths[0].place = "failed"
    assert [values[0] for values in rewards(judged).values()] == [None] * 4


def test_guards_tell_a_copier_from_a_worker():
    found = guards([circle()], profile_for(None), "</think>")
    assert found["unchecked"] == 0.5
    assert found["copied"] == 0.5
    assert found["right"] == 0.5 and found["left_right"] == 0.5
    assert found["summary_claims"] == 1.5 and "summary_tokens" not in found
    assert found["tokens"] == 20 and found["truncated"] == 0


# Other engines.


async def test_circles_run_on_a_server_too():
    question = Question("q", "How much?", "186", "math")
    profile = PEBBLE.model_copy(update={"prompt": "<|user|>{question}<|assistant|><think>"})
    settings = resolve(profile, {"paths": 3, "method": "independent"})
    async with Fake("vllm").serving() as fake:
        engine = lambda: HttpEngine(fake.url)  # noqa: E731
        rollouts = Rollouts(engine, profile, {question.text: question}, lambda _: settings, paths=3, seed=1, end=4)
        found = await rollouts.batch([question, question], [1, 2])
    assert len(found["completion_ids"]) == 6 and fake.bodies
    for ids, mask, logprobs in zip(found["completion_ids"], found["env_mask"], found["logprobs"], strict=True):
        assert ids and set(mask) == {1} and set(logprobs) == {None}  # no server says them, so TRL must not use them
    async with Fake("openai").serving() as fake:
        rollouts = Rollouts(engine, profile, {question.text: question}, lambda _: settings, paths=3, seed=1, end=4)
        with pytest.raises(TertuliaError, match="no token ids"):
            await rollouts.batch([question], [1])


async def test_written_summaries_and_meetings_on_a_scripted_engine():
    question = Question("q", QUESTION, "161", "math")
    settings = resolve(AT_CLAIMS, {"paths": 4})
    rollouts = Rollouts(
        ScriptedEngine, AT_CLAIMS, {question.text: question}, lambda _: settings, paths=4, seed=1, end=4
    )
    found = await rollouts.batch([question], [1])
    assert found["guards"]["summary_tokens"] > 0 and found["guards"]["meetings"] > 0
    assert any(0 in mask and 1 in mask for mask in found["env_mask"])


def test_groups_that_do_not_lie_together_are_refused():
    rollouts = Rollouts(ScriptedEngine, PEBBLE, {}, lambda _: None, paths=2, seed=1, end=4)  # type: ignore[arg-type,return-value]
    with pytest.raises(TertuliaError, match="whole circles of 2"):
        rollouts(["a", "b", "a", "b"], None)


# The run file, the command.


@pytest.mark.parametrize(
    ("table", "key", "value", "said"),
    [
        ("training", "rate", 1, "unknown key training.rate"),
        ("training", "steps", 0, "training.steps .* is 0"),
        ("training", "paths_at_once", 3, "paths_at_once is 3"),
        ("circle", "everyy", 8, "unknown setting 'everyy'"),
        ("circle", "top_p", 0.9, "circle.top_p is set by the training"),
        ("circle", "method", "leap-single", "circle.method is 'leap-single'"),
        ("circle", "paths", 1, "circle.paths is 1"),
        ("data", "task", "aime2024", "for testing"),
        ("data", "languages", {"xx": 1.0}, "unknown language 'xx'"),
        ("data", "difficulties", {"easy": 0.0}, "every weight in data.difficulties is 0"),
        ("model", "start", "no/such/pebble.gguf", "there is no model no/such/pebble.gguf"),
        ("reward", "own", 0.0, "every weight in reward is 0"),
        ("reward", "verdict", 1.0, "training.circles be at least 2"),
    ],
)
def test_a_wrong_run_file_gets_one_line(tmp_path, table, key, value, said):
    given = json.loads(json.dumps(RUN)) | {"model": {}, "reward": {}}
    given["data"] = {"difficulties": {"easy": 1.0}}
    given[table][key] = value
    file = tmp_path / "run.toml"
    file.write_text("\n".join(f"[{name}]\n" + "\n".join(map(toml, part.items())) for name, part in given.items()))
    with pytest.raises(TertuliaError, match=said) as caught:
        leap_rl.make_trainer(leap_rl.Run.load(file), tmp_path)
    assert "\n" not in str(caught.value)


def toml(item: tuple[str, Any]) -> str:
    key, value = item
    inner = ", ".join(map(toml, value.items())) if isinstance(value, dict) else ""
    return f"{key} = {{ {inner} }}" if inner else f"{key} = {json.dumps(value)}"


async def test_a_model_without_a_chat_format_is_asked_plainly(pebble):
    from tertulia.model import Dialect, Profile

    engine = TransformersEngine(*pebble, name="plain")
    engine.tokenizer = type("Bare", (), {"chat_template": None})()
    dialect = await Dialect.probe(engine, Profile())
    assert (await dialect.beginning("1+1"))[0][2] == "Question: 1+1\nAnswer:" and "no chat template" in dialect.notes[0]


def test_a_missing_extra_gets_one_line(monkeypatch, tmp_path):
    import importlib.util

    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "trl" else real(name))
    with pytest.raises(TertuliaError, match=r"needs the extra train: pip install 'tertulia\[train\]'"):
        command.leap_rl(tmp_path / "run.toml", tmp_path)


def test_the_run_files_of_the_repository_are_right():
    folder = Path(__file__).parent.parent / "runs"
    for name in ("train/leap_rl_smoke.toml", "paper/leap_rl_7b.toml"):
        settings = leap_rl.Run.load(folder / name).settings()
        assert settings.meets and settings.temperature == 1.0 and settings.top_p == 1.0 and settings.top_k == 0


# Kill and resume.


def test_a_killed_run_goes_on_and_ends_as_if_it_had_not_been_killed(tmp_path):
    file = tmp_path / "run.toml"
    training = RUN["training"] | {"steps": 4}
    parts = {"training": training, "circle": RUN["circle"] | {"summaries": "read"}, "data": RUN["data"]}
    file.write_text("\n".join(f"[{name}]\n" + "\n".join(map(toml, part.items())) for name, part in parts.items()))
    code = "import sys; from pathlib import Path as P; from tertulia.cli.train import leap_rl as go; "
    code += "go(P(sys.argv[1]), P(sys.argv[2]), 1)"
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    kill_at(4, killed, "-c", code, str(file), str(killed))
    tear(6, killed)
    command.leap_rl(file, killed, 1)
    command.leap_rl(file, whole, 1)
    seen = updates(killed)
    assert seen[-1] == 8 and 1 in seen and seen.count(1) == 1, "it began again"

    from safetensors.torch import load_file

    ours, theirs = (load_file(out / "model" / "model.safetensors") for out in (whole, killed))
    started = load_start(None, 0)[0].state_dict()
    for name, value in ours.items():
        assert torch.allclose(value, theirs[name], atol=1e-5), name
    assert any(not torch.allclose(value, started[name], atol=1e-5) for name, value in ours.items())

    from tertulia.training.export import read_gguf, write_gguf

    write_gguf(killed / "model", tmp_path / "trained.gguf")
    again = read_gguf(tmp_path / "trained.gguf")[0]
    assert torch.allclose(again["model.embed_tokens.weight"], theirs["model.embed_tokens.weight"], atol=1e-3)
    with pytest.raises(TertuliaError, match="belongs to another run"):
        leap_rl.train(leap_rl.Run.load(file).model_copy(update={"seed": 9}), killed)
