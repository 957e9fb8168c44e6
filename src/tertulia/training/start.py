"""The model and the tokenizer that a training starts from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

from tertulia.engines.loading import pebble_path
from tertulia.errors import TertuliaError
from tertulia.training import pretrain
from tertulia.training.data import Mix
from tertulia.training.export import read_gguf
from tertulia.training.tokenizer import CONTROL_TOKENS, END, rebuild_tokenizer


def load_start(start: str | None, seed: int) -> tuple[Any, Any]:
    """Model and tokenizer to start from.

    Args:
        start: A GGUF file that the export wrote, a transformers folder, or a name on the hub; None for pebble.
        seed: Of what is drawn afresh (nothing, where all weights are given).

    Raises:
        TertuliaError: There is no such model, or it cannot be read. One line.
    """
    if start is None or start.endswith(".gguf"):
        return _from_gguf(pebble_path() if start is None else Path(start), seed)
    try:
        tokenizer = AutoTokenizer.from_pretrained(start)
        model = AutoModelForCausalLM.from_pretrained(start, dtype=torch.float32)
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise TertuliaError(
            f"cannot start from {start}: {reason}; give a GGUF file, a transformers folder or a name on the hub"
        ) from error
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return model, tokenizer


def _from_gguf(file: Path, seed: int) -> tuple[Any, Any]:
    """The model of a GGUF file that the export wrote."""
    weights, tokens, merges = read_gguf(file)
    fields = gguf.GGUFReader(str(file)).fields
    names = {"hidden": "embedding_length", "layers": "block_count", "heads": "attention.head_count"}
    names |= {"feed_forward": "feed_forward_length", "context": "context_length"}
    size = {name: int(fields[f"qwen3.{theirs}"].contents()) for name, theirs in names.items()}
    tokenizer = rebuild_tokenizer(tokens, merges)
    run = pretrain.Run(seed=seed, tokens=0, model=size, optimizer={}, mix=Mix({}, {}))
    model = pretrain.build_model(run, tokenizer)
    model.load_state_dict(weights, strict=False)
    model.tie_weights()
    wrapped = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=END,
        additional_special_tokens=list(CONTROL_TOKENS[:-1]),
    )
    wrapped.chat_template = pretrain.CHAT_TEMPLATE
    return model, wrapped
