"""Pre-training: goes on where it was killed, learns, and its GGUF says the same as its transformers model."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'tertulia[train]' runs these tests")
pytest.importorskip("transformers", reason="transformers is not installed: pip install 'tertulia[train]'")

from tertulia.errors import TertuliaError  # noqa: E402
from tertulia.training import pretrain  # noqa: E402
from tertulia.training.data import IGNORED, Mix, batches, example  # noqa: E402
from tertulia.training.muon import orthogonal  # noqa: E402
from tertulia.training.tokenizer import CONTROL_TOKENS, train_tokenizer  # noqa: E402

RUN = """
seed = 3
tokens = {tokens}
[model]
vocabulary = 640
hidden = 32
layers = 2
heads = 2
feed_forward = 64
context = 1024
[optimizer]
batch_tokens = 4096
muon_rate = 0.01
adam_rate = 0.01
weight_decay = 0.0
warm_up = 0.05
decay = 0.3
[mix]
meetings = 0.5
warm_up = 0.2
difficulties = {{ easy = 1, default = 0, long = 0 }}
languages = {{ en = 1, zh = 1 }}
"""


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(640, traces=200)


def run_file(folder: Path, tokens: int) -> Path:
    file = folder / "run.toml"
    file.write_text(RUN.format(tokens=tokens))
    return file


def test_control_tokens_are_single_and_digits_stand_alone(tokenizer):
    for token in CONTROL_TOKENS:
        assert tokenizer.encode(token).ids == [tokenizer.token_to_id(token)]
    assert tokenizer.encode("1234").tokens == ["1", "2", "3", "4"]
    for text in ("খুঁজে পায়", "తీసుకున్నాడు", "自然 数", "Ёлка"):
        assert tokenizer.decode(tokenizer.encode(text).ids) == text


def test_prompts_cues_and_heard_text_are_not_trained_on(tokenizer):
    mix = Mix({"en": 1}, {"easy": 0, "default": 0, "long": 1}, meetings=1.0, warm_up=0.0)
    pairs = [
        pair
        for index in range(12)
        for pair in zip(*example(tokenizer, mix, seed=0, index=index, progress=1.0), strict=True)
    ]
    learnt = tokenizer.decode([i for i, label in pairs if label != IGNORED], False)
    masked = tokenizer.decode([i for i, label in pairs if label == IGNORED], False)
    assert "<peers>" in masked and "<|user|>" in masked and "<summarize>" in masked
    assert "<peers>" not in learnt and "<summarize>" not in learnt
    assert "Again:" in learnt and "</summarize>" in learnt and "\\boxed" in learnt


def test_the_same_place_in_a_run_gives_the_same_batches(tokenizer):
    mix = Mix({"en": 1, "ru": 1}, {"easy": 1, "default": 1, "long": 0})
    dials = {"seed": 1, "tokens": 4096, "context": 4096, "progress": 0.5, "examples": 40}
    first, again = (list(batches(tokenizer, mix, chunk=2, **dials)) for _ in range(2))
    other = list(batches(tokenizer, mix, chunk=3, **dials))
    assert all((one.ids == two.ids).all() for one, two in zip(first, again, strict=True))
    assert first[0].ids.shape != other[0].ids.shape or (first[0].ids != other[0].ids).any()
    assert sum(len(batch.ids) for batch in first) == 40


def test_newton_schulz_brings_singular_values_near_one():
    values = torch.linalg.svdvals(orthogonal(torch.randn(3, 24, 40)))
    assert values.min() > 0.5
    assert values.max() < 1.4


def test_a_wrong_run_file_gets_one_clear_line(tmp_path):
    file = tmp_path / "bad.toml"
    file.write_text("seed = 1\n")
    with pytest.raises(TertuliaError, match="tokens"):
        pretrain.Run.load(file)
    with pytest.raises(TertuliaError, match="cannot read"):
        pretrain.Run.load(tmp_path / "missing.toml")


def test_a_killed_run_goes_on_and_ends_as_if_it_had_not_been_killed(tmp_path):
    file = run_file(tmp_path, 400_000)
    code = (
        "import sys, torch; from pathlib import Path; from tertulia.training import pretrain; "
        "torch.set_num_threads(1); "
        "pretrain.train(pretrain.Run.load(Path(sys.argv[1])), Path(sys.argv[2]), 'cpu', save_every=0.0)"
    )
    environment = os.environ | {"OMP_NUM_THREADS": "1"}

    def start(out: Path) -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, "-c", code, str(file), str(out)], env=environment, stdout=subprocess.DEVNULL
        )

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert start(whole).wait(timeout=300) == 0
    child = start(killed)
    while not (killed / "checkpoint.pt").exists():
        assert child.poll() is None
        time.sleep(0.05)
    time.sleep(0.3)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert not (killed / "model").exists(), "it was over before it could be killed"
    assert start(killed).wait(timeout=300) == 0

    def weights(out: Path) -> dict:
        return torch.load(out / "checkpoint.pt", weights_only=True)

    a, b = weights(whole), weights(killed)
    assert a["place"] == b["place"]
    for name, value in a["model"].items():
        assert torch.allclose(value, b["model"][name], atol=1e-4), name
    losses = [json.loads(line)["loss"] for line in (whole / "loss.jsonl").read_text().splitlines()]
    assert losses[-1] < 0.6 * losses[0]


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    run = pretrain.Run.load(run_file(tmp_path, 50_000))
    pretrain.Trainer(run, tmp_path / "out", "cpu").save()
    other = run.model_copy(update={"seed": run.seed + 1})
    with pytest.raises(TertuliaError, match="another run"):
        pretrain.Trainer(other, tmp_path / "out", "cpu")


def test_gguf_and_transformers_continue_alike(tmp_path):
    pytest.importorskip("gguf", reason="gguf is not installed: pip install 'tertulia[train]'")
    from tertulia.training.export import compare, write_gguf

    run = pretrain.Run.load(run_file(tmp_path, 150_000))
    folder = pretrain.train(run, tmp_path / "out", "cpu")
    write_gguf(folder, tmp_path / "tiny.gguf")
    found = asyncio.run(compare(folder, tmp_path / "tiny.gguf", prompts=5, tokens=40))
    assert found == [-1] * 5


def test_a_run_may_start_from_nothing_with_the_tokenizer_of_another_model(tmp_path):
    pebble = Path(__file__).parent.parent / "src" / "tertulia" / "models" / "pebble" / "pebble.gguf"
    text = RUN.format(tokens=50_000).replace("vocabulary = 640", "vocabulary = 2048")
    (tmp_path / "run.toml").write_text(f'tokenizer = "{pebble}"\n' + text)
    run = pretrain.Run.load(tmp_path / "run.toml")
    trainer = pretrain.Trainer(run, tmp_path / "out", "cpu")
    _, tokens, _ = pretrain.read_gguf(pebble)
    assert [trainer.tokenizer.id_to_token(at) for at in range(len(tokens))] == tokens
    assert trainer.model.config.hidden_size == 32, "the size is the run's, and so the weights are fresh"
    trainer.save()
    assert pretrain.Trainer(run, tmp_path / "out", "cpu").steps == 0
