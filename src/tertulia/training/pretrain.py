"""Pre-trains pebble on traces of the problem world: ``python -m tertulia.training.pretrain RUN.toml --out DIR``.

A run is a TOML file (``runs/pebble.toml``). Checkpoints are written every minute; the same command goes on from
the last one. The last step writes a transformers checkpoint, ``DIR/model``, for ``tertulia.training.export``.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from tokenizers import Tokenizer
from torch.nn import functional
from torch.utils.tensorboard import SummaryWriter
from transformers import PreTrainedModel, PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from tertulia.errors import TertuliaError
from tertulia.files import working_in, write_whole
from tertulia.run_file import Table
from tertulia.training.data import IGNORED, Batch, Mix, batches
from tertulia.training.export import read_gguf
from tertulia.training.muon import Muon
from tertulia.training.tokenizer import CONTROL_TOKENS, END, load_tokenizer, rebuild_tokenizer, train_tokenizer

CHAT_TEMPLATE = (
    "{% for m in messages %}{% if m.role == 'user' %}<|user|>{{ m.content }}"
    "{% elif m.role == 'assistant' %}<|assistant|>{{ m.content }}<|end|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|><think>\n{% endif %}"
)


class Run(Table):
    """A pre-training run, as its TOML file has it."""

    example = "runs/pebble.toml"
    seed: int
    tokens: int
    model: dict[str, int]
    optimizer: dict[str, float]
    mix: Mix
    init: str | None = None
    """A GGUF file whose weights and tokenizer the run starts from; None to start from nothing."""
    tokenizer: str | None = None
    """A GGUF file whose tokenizer a run from nothing takes; None for that of `init`, or for a new one."""


def build_model(run: Run, tokenizer: Tokenizer) -> Any:
    """A fresh model of the run's size (Qwen3 architecture, tied embeddings)."""
    torch.manual_seed(run.seed)
    size = run.model
    end = tokenizer.token_to_id(END)
    config = Qwen3Config(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=size["hidden"],
        num_hidden_layers=size["layers"],
        num_attention_heads=size["heads"],
        num_key_value_heads=size["heads"],
        head_dim=size["hidden"] // size["heads"],
        intermediate_size=size["feed_forward"],
        max_position_embeddings=size["context"],
        rope_parameters={"rope_type": "default", "rope_theta": 10_000.0},
        tie_word_embeddings=True,
        attention_bias=False,
        bos_token_id=None,
        eos_token_id=end,
        pad_token_id=end,
    )
    return Qwen3ForCausalLM(config)


def optimizers(model: PreTrainedModel, run: Run) -> list[torch.optim.Optimizer]:
    """Muon for the hidden matrices, AdamW for the embedding and the norms."""
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    others = [p for name, p in model.named_parameters() if p.ndim != 2 or "embed" in name]
    dials = run.optimizer
    return [
        Muon(matrices, lr=dials["muon_rate"], weight_decay=dials["weight_decay"]),
        torch.optim.AdamW(others, lr=dials["adam_rate"], betas=(0.9, 0.98), weight_decay=0.0),
    ]


def rate(progress: float, warm_up: float, decay: float) -> float:
    """Share of the full learning rate: up in a line, flat, then down to zero in a line."""
    return min(1.0, progress / warm_up if warm_up else 1.0, (1.0 - progress) / decay if decay else 1.0)


def loss_of(model: Any, batch: Batch, device: str) -> torch.Tensor:
    """Mean cross-entropy of the tokens that are trained on. Rows are padded on the right: causal attention suffices."""
    ids = torch.from_numpy(batch.ids.clip(min=0)).to(device)
    labels = torch.from_numpy(batch.labels).to(device)
    hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state  # (rows, length, hidden)
    wanted = labels[:, 1:].reshape(-1)
    kept = wanted != IGNORED
    logits = model.lm_head(hidden[:, :-1].reshape(-1, hidden.shape[-1])[kept])  # (trained tokens, vocabulary)
    return functional.cross_entropy(logits.float(), wanted[kept])


class Trainer:
    """One run: its model, its optimizers and where it stands."""

    def __init__(self, run: Run, out: Path, device: str, compiled: bool = False):
        self.run, self.out, self.device = run, out, device
        out.mkdir(parents=True, exist_ok=True)
        given = run.init or run.tokenizer
        weights, tokens, merges = read_gguf(Path(given)) if given else (None, [], [])
        vocabulary = out / "tokenizer.json"
        if not vocabulary.exists():
            made = rebuild_tokenizer(tokens, merges) if given else train_tokenizer(run.model["vocabulary"])
            made.save(str(vocabulary))
        self.tokenizer = load_tokenizer(vocabulary)
        self.model = build_model(run, self.tokenizer)
        if weights and run.init:
            self.model.load_state_dict(weights, strict=False)
            self.model.tie_weights()
        self.model.to(device)
        self.optimizers = optimizers(self.model, run)
        self.chunk = self.seen = self.steps = 0
        self._resume()
        if compiled:
            for layer in self.model.model.layers:
                layer.compile(dynamic=True)

    @property
    def progress(self) -> float:
        """Share of the run that is over."""
        return min(1.0, self.seen / self.run.tokens)

    @property
    def checkpoint(self) -> Path:
        """Where the run's state lies."""
        return self.out / "checkpoint.pt"

    def _resume(self) -> None:
        if not self.checkpoint.exists():
            return
        state = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
        if state["run"] != self._identity():
            raise TertuliaError(
                f"{self.checkpoint} belongs to another run: give another --out, or remove it to start again"
            )
        self.model.load_state_dict(state["model"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.chunk, self.seen, self.steps = state["place"]

    def _identity(self) -> str:
        told = self.run.model_dump(exclude=None if self.run.tokenizer is not None else {"tokenizer"})
        return json.dumps(told | {"tokens": None}, sort_keys=True)

    def save(self) -> None:
        """Writes the run's state; a kill in the middle leaves the former one."""
        state = io.BytesIO()
        torch.save(
            {
                "run": self._identity(),
                "model": self.model.state_dict(),
                "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
                "place": (self.chunk, self.seen, self.steps),
            },
            state,
        )
        write_whole(self.checkpoint, state.getvalue())

    def export(self) -> Path:
        """Writes model and tokenizer as transformers keeps them."""
        folder = self.out / "model"
        self.model.save_pretrained(folder)
        wrapped = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
            tokenizer_object=self.tokenizer,
            eos_token=END,
            additional_special_tokens=list(CONTROL_TOKENS[:-1]),
        )
        wrapped.chat_template = CHAT_TEMPLATE
        wrapped.save_pretrained(folder)
        return folder

    def chunks(self) -> Iterator[list[Batch]]:
        """The batches of each chunk that is left; the next chunk is drawn while this one is trained on."""
        with ThreadPoolExecutor(1) as drawer:
            ahead = drawer.submit(self._draw, self.chunk, self.progress)
            while self.progress < 1.0:
                now = ahead.result()
                self.chunk += 1
                ahead = drawer.submit(self._draw, self.chunk, self.progress)
                yield now

    def _draw(self, chunk: int, progress: float) -> list[Batch]:
        return list(
            batches(
                self.tokenizer,
                self.run.mix,
                seed=self.run.seed,
                chunk=chunk,
                tokens=int(self.run.optimizer["batch_tokens"]),
                context=self.run.model["context"],
                progress=progress,
            )
        )

    def step(self, batch: Batch) -> float:
        """One update; returns its loss."""
        share = rate(self.progress, self.run.optimizer["warm_up"], self.run.optimizer["decay"])
        fast = self.device == "cuda"
        with torch.autocast(self.device, torch.bfloat16) if fast else contextlib.nullcontext():
            loss = loss_of(self.model, batch, self.device)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group.setdefault("full_rate", group["lr"])
                group["lr"] = group["full_rate"] * share
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.seen += batch.tokens
        self.steps += 1
        return float(loss.detach())


def train(run: Run, out: Path, device: str, *, compiled: bool = False, save_every: float = 60.0) -> Path:
    """Trains to the end of the run, from where it stands.

    Args:
        run: what to train.
        out: folder of checkpoint, logs and result.
        device: ``cpu`` or ``cuda``.
        compiled: whether to compile the layers (a minute at the start, a quarter faster).
        save_every: seconds between checkpoints (they are written at the end of a chunk of data).

    Returns:
        The folder with the transformers checkpoint.
    """
    with working_in(out):
        return _trained(Trainer(run, out, device, compiled), save_every)


def _trained(trainer: Trainer, save_every: float) -> Path:
    run, out = trainer.run, trainer.out
    log = SummaryWriter(str(out / "log"))
    saved = time.monotonic()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, refresh_per_second=0.5) as bar:
        task = bar.add_task("pre-training", total=run.tokens, completed=trainer.seen)
        for chunk in trainer.chunks():
            began, before = time.monotonic(), trainer.seen
            losses = [trainer.step(batch) for batch in chunk if trainer.progress < 1.0]
            speed = (trainer.seen - before) / (time.monotonic() - began)
            mean = sum(losses) / max(1, len(losses))
            log.add_scalar("loss", mean, trainer.seen)
            log.add_scalar("tokens_per_second", speed, trainer.seen)
            bar.update(task, completed=trainer.seen, description=f"loss {mean:.4f}, {speed:,.0f} tokens/s")
            with (out / "loss.jsonl").open("a") as lines:
                lines.write(json.dumps({"seen": trainer.seen, "loss": round(mean, 5), "speed": round(speed)}) + "\n")
            if time.monotonic() - saved > save_every:
                trainer.save()
                saved = time.monotonic()
    trainer.save()
    return trainer.export()


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=None, help="CPU threads")
    parser.add_argument("--compile", action="store_true", help="compile the layers: faster after a minute")
    chosen = parser.parse_args(arguments)
    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    try:
        print(train(Run.load(chosen.run), chosen.out, chosen.device, compiled=chosen.compile))
    except TertuliaError as error:
        parser.exit(2, f"{error}\n")


if __name__ == "__main__":
    main()
