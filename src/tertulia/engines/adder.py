"""The scripted engine's default script: a thinker that adds up the numbers of the question.

Now and then it slips; each path slips at other steps. It writes the format of the small model that comes with
the package (steps "1) 13+80=93", summaries "1=93", answer in a box): a circle can be tried without a model.
"""

from __future__ import annotations

import hashlib
import re

SLIP = 0.25  # share of steps that come out wrong

_QUESTION = re.compile(r"<\|user\|>(.*?)<\|assistant\|>", re.DOTALL)
_NUMBER = re.compile(r"(?<!\d)\d{1,6}(?!\d)")
_STEP = re.compile(r"^(\d+)\) .*=(-?\d+)\n", re.MULTILINE)
_SUMMARY = re.compile(r"<summarize>.*?</summarize>", re.DOTALL)
_HEARD = re.compile(r"<peers>(.*?)</peers>", re.DOTALL)


def think(context: str, path: str, seed: int) -> str:
    """What the thinker writes next: a function of the question, the path and what is written so far.

    `seed` changes nothing, for it differs between the segments of one thought, and a slip must stay made.
    """
    del seed
    numbers = _numbers(context)
    thought = context.rpartition("<think>")[2]
    steps = {int(step): value for step, value in _STEP.findall(_without_meetings(thought))}
    if thought.endswith("<summarize>"):
        return _since_last_summary(thought, steps) + "</summarize>"
    if "</think>" in thought:
        value = steps[max(steps)] if steps else str(numbers[0])
        return f"\\boxed{{{value}}}<|end|>"
    heard = _HEARD.findall(thought)
    recheck = re.search(r"step (\d+)", heard[-1]) if heard and _just_heard(thought) else None
    first = int(recheck[1]) if recheck else max(steps, default=0) + 1
    planned = heard or "\n" in thought.lstrip()
    opening = "" if planned else f"Plan: start {numbers[0]}; add the rest\n"
    if recheck and first < len(numbers):
        opening = f"Again: {first}) add {numbers[first]}\n"
    lines = []
    value = int(steps.get(first - 1, numbers[0]))
    for step in range(first, len(numbers)):
        total = value + numbers[step]
        # A step that was heard about is done with care; the others slip as chance has it.
        if not recheck and _chance(numbers, path, step, len(heard)) < SLIP:
            total += 1 + step % 3
        lines.append(f"{step}) {value}+{numbers[step]}={total}\n")
        value = total
    # Where nobody stops at the close the answer follows at once, as with a real model.
    return _go_on(thought, f"{opening}{''.join(lines)}</think>\\boxed{{{value}}}<|end|>")


def _go_on(thought: str, text: str) -> str:
    """`text` after a thought whose last line may have been cut: the rest of that line, or a new line."""
    begun = thought.rpartition("\n")[2]
    return text.removeprefix(begun) if text.startswith(begun) else f"\n{text}"


def _numbers(context: str) -> list[int]:
    found = _QUESTION.search(context)
    question = found[1] if found else context.partition("<think>")[0]
    numbers = [int(number) for number in _NUMBER.findall(question)]
    return numbers if len(numbers) > 1 else [len(word) for word in question.split()][:8] or [0]


def _without_meetings(thought: str) -> str:
    return _HEARD.sub("", _SUMMARY.sub("", thought))


def _just_heard(thought: str) -> bool:
    return not thought.rpartition("</peers>")[2].strip()


def _since_last_summary(thought: str, steps: dict[int, str]) -> str:
    present = thought.rpartition("</summarize>")[2]
    recent = {int(step): value for step, value in _STEP.findall(present)} or steps
    return " ".join(f"{step}={value}" for step, value in sorted(recent.items()))


def _chance(*parts: object) -> float:
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
