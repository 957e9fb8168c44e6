"""Plain sampling with a transformers model: many prompts in one padded batch, to their ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


def use_threads(count: int) -> None:
    """Threads that torch uses on the CPU in this process."""
    import torch

    torch.set_num_threads(count)


def continuations(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Sequence[int]],
    *,
    length: int,
    temperature: float = 1.0,
    seed: int = 1,
    at_once: int = 256,
    tell: Callable[[int], None] = lambda done: None,
) -> list[tuple[str, int]]:
    """Continues each prompt once, from the whole distribution.

    Args:
        model: a causal language model.
        tokenizer: its tokenizer.
        prompts: what is continued, as token ids.
        length: tokens of a continuation at most.
        temperature: it samples at.
        seed: of the draws; the same prompts in the same batches give the same texts on the same machine.
        at_once: prompts in one batch.
        tell: called with the number of prompts done.

    Returns:
        Text, control tokens included but for the end and padding, and number of tokens, for each prompt in its order.
    """
    import torch

    end = tokenizer.eos_token_id
    texts: list[tuple[str, int]] = [("", 0)] * len(prompts)
    # Prompts of similar length share a batch: less padding.
    order = sorted(range(len(prompts)), key=lambda at: len(prompts[at]))
    model.eval()
    with torch.random.fork_rng(), torch.inference_mode():
        torch.manual_seed(seed)
        for first in range(0, len(order), at_once):
            chosen = order[first : first + at_once]
            rows = {"input_ids": [list(prompts[at]) for at in chosen]}
            batch = tokenizer.pad(rows, padding=True, padding_side="left", return_tensors="pt").to(model.device)
            got = model.generate(
                input_ids=batch["input_ids"],
                attention_mask=batch["attention_mask"],
                max_new_tokens=length,
                do_sample=True,
                temperature=temperature,
                top_p=1.0,
                top_k=0,
                eos_token_id=end,
                pad_token_id=end,
                # Keys and values of its own length: copied at every token they would take a third of the time.
                cache_implementation="static",
                disable_compile=True,
            )
            for at, row in zip(chosen, got[:, batch["input_ids"].shape[1] :].tolist(), strict=True):
                kept = row[: row.index(end)] if end in row else row
                texts[at] = (tokenizer.decode(kept, skip_special_tokens=False), len(kept) + (end in row))
            tell(min(first + at_once, len(order)))
    return texts
