"""Writes a tiny Llama with a real byte-level vocabulary, so that the engine's tests run on a real llama.cpp.

    python tests/make_gguf.py tiny.gguf

The weights are random but for one thing: the output matrix prefers tokens that follow the present one in
SAMPLE, so that the model writes words, split characters and control tokens instead of broken bytes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType

import gguf
import numpy as np
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

CONTROL = ("<|user|>", "<|assistant|>", "<think>", "</think>", "<|end|>")
TEMPLATE = (
    "{%- for message in messages -%}{%- if message['role'] == 'user' -%}<|user|>{{ message['content'] }}"
    "{%- endif -%}{%- endfor -%}{%- if add_generation_prompt %}{{ '<|assistant|><think>\n' }}{% endif -%}"
)
SAMPLE = (
    "Plan: start 13; 1) add 80; 2) take 8; 3) double\n1) 13+80=93\n2) 93-8=85\n3) 85*2=170\n"
    "<summarize>1=93 2=85</summarize>\n<peers>step 2: you 85, 4 of 7 have 89</peers>\nAgain: 2) take 4\n"
    "পরিকল্পনা: শুরু ১৩; যোগ ৮০।\nแผน: เริ่ม 13; บวก 80\n计划：从13开始；加80；减8\nПлан: начать с 13; 🙂 🐟\n"
)
# The pattern llama.cpp calls "qwen2": contractions, words, single digits, punctuation, spaces.
PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def make_tokenizer(words: int = 420, control: Sequence[str] = CONTROL, also: Sequence[str] = ()) -> Tokenizer:
    """A byte-level BPE of `words` tokens, those in `also` among them, and the control tokens after them."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERN), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=words, initial_alphabet=sorted(alphabet), show_progress=False, min_frequency=1
    )
    tokenizer.train_from_iterator([SAMPLE, *(f"{word}\n" * 50 for word in also)], trainer)
    tokenizer.add_special_tokens(list(control))
    return tokenizer


def make_gguf(
    path: Path,
    *,
    width: int = 64,
    layers: int = 2,
    heads: int = 4,
    context: int = 2048,
    seed: int = 0,
    template: str | None = TEMPLATE,
    control: Sequence[str] = CONTROL,
    also: Sequence[str] = (),
    begins: bool = False,
    ending: str = "</think>\\boxed{170}<|end|>",
    sampling: Mapping[str, float] = MappingProxyType({}),
) -> Tokenizer:
    """Write the model to `path` and return its tokenizer.

    Args:
        path: Where to.
        width, layers, heads, context, seed: Of the model.
        template: Its chat template.
        control: Its control tokens; the last one ends a text.
        also: Words that are tokens.
        begins: Whether the first of them begins every text.
        ending: What the model writes at the end of its thought.
        sampling: Values of `general.sampling` by name.
    """
    tokenizer = make_tokenizer(control=control, also=also)
    vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    size, inner = len(vocabulary), 2 * width
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_name("tiny")
    writer.add_context_length(context)
    writer.add_embedding_length(width)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(inner)
    writer.add_head_count(heads)
    writer.add_head_count_kv(heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(width // heads)
    writer.add_vocab_size(size)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list([text for text, _ in vocabulary])
    writer.add_token_types(
        [gguf.TokenType.CONTROL if text in control else gguf.TokenType.NORMAL for text, _ in vocabulary]
    )
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    writer.add_token_merges([" ".join(merge) for merge in merges])
    writer.add_eos_token_id(tokenizer.token_to_id(control[-1]))
    writer.add_add_bos_token(begins)
    if begins:
        writer.add_bos_token_id(tokenizer.token_to_id(control[0]))
    for name, value in sampling.items():
        key = f"general.sampling.{name}"
        writer.add_int32(key, value) if isinstance(value, int) else writer.add_float32(key, value)
    if template is not None:
        writer.add_chat_template(template)
    for name, values in _weights(tokenizer, ending, width, inner, layers, seed).items():
        writer.add_tensor(name, values.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return tokenizer


def _weights(
    tokenizer: Tokenizer, ending: str, width: int, inner: int, layers: int, seed: int
) -> dict[str, np.ndarray]:
    size = tokenizer.get_vocab_size()
    random = np.random.default_rng(seed)

    def matrix(rows: int, columns: int, scale: float) -> np.ndarray:
        return random.normal(0, scale / np.sqrt(columns), (rows, columns))

    embedding = random.normal(0, 1, (size, width))
    ids = tokenizer.encode(SAMPLE + ending).ids
    follows = np.zeros((size, size))
    for present, following in pairwise(ids):
        follows[following, present] = 1.0
    weights = {
        "token_embd.weight": embedding,
        "output_norm.weight": np.ones(width),
        "output.weight": follows @ embedding * 10.0 / width + matrix(size, width, 0.4),
    }
    for layer in range(layers):
        at = f"blk.{layer}."
        weights |= {at + "attn_norm.weight": np.ones(width), at + "ffn_norm.weight": np.ones(width)}
        weights |= {at + f"attn_{name}.weight": matrix(width, width, 1.0) for name in ("q", "k", "v")}
        weights[at + "attn_output.weight"] = matrix(width, width, 0.5)
        weights[at + "ffn_gate.weight"] = matrix(inner, width, 1.0)
        weights[at + "ffn_up.weight"] = matrix(inner, width, 1.0)
        weights[at + "ffn_down.weight"] = matrix(width, inner, 0.3)
    return weights


if __name__ == "__main__":
    make_gguf(Path(sys.argv[1]))
