"""What is done with the tokens of one generation: where a thought closes, and where a segment is cut.

Nothing here looks further back than the generation itself, so no cut can reach across a span.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal

from tertulia.circle.path import Place, Span, SpanKind, Step, StepKind
from tertulia.engines.base import TEXT_ID, Generation, Token

_LINE_END = re.compile(r"\n[ \t]*$")
# A sentence that ends: a full stop of any script, with the quotes and brackets that close after it.
_SENTENCE_END = re.compile(r"[.!?…。！？．；।॥؟۔]['\")\]}»”’」』]*(\s*)$")
_SENTENCES = re.compile(r"[.!?…][\'\")\]}»”’]*(?=\s|$)|[。！？．；।॥؟۔][\'\")\]}»”’」』]*")
LOOP = 256  # characters: about 64 tokens
MOST_LINES = 6
_WIDE_END = re.compile(r"[。！？．；।॥؟۔]['\")\]}»”’」』]*$")


def span_of(kind: SpanKind, tokens: Sequence[Token], share: float = 1.0) -> Span:
    """Tokens as a span.

    Args:
        kind: What they are.
        tokens: Consecutive tokens of one generation.
        share: Tokens the server counted for each chunk of text, in text mode.
    """
    ids = tuple(token.id for token in tokens if token.id != TEXT_ID)
    count = len(ids) if len(ids) == len(tokens) else round(len(tokens) * share)
    return Span(kind, ids, "".join(token.text for token in tokens), count)


def parts(generation: Generation, *cuts: tuple[SpanKind, int]) -> list[Span]:
    """The generation as spans, empty ones included, whose counts add up to what the server counted.

    Args:
        generation: What came.
        cuts: Kind of each part and the index of the token it ends before, in order.
    """
    share = generation.count / len(generation.tokens) if generation.tokens else 1.0
    spans, start = [], 0
    for kind, end in cuts:
        spans.append(span_of(kind, generation.tokens[start:end], share))
        start = end
    # In text mode chunks need not be tokens: what rounding leaves over belongs to the first part.
    rest = generation.count - sum(span.count for span in spans)
    if rest and spans:
        first = spans[0]
        spans[0] = Span(first.kind, first.ids, first.text, first.count + rest)
    return spans


def thought_step(came: Generation, keep: int, place: Place, **data: object) -> Step:
    """A segment of thought, of which `keep` tokens stay; the fate of its tail is decided at the meeting."""
    thought, tail = parts(came, ("thought", keep), ("thought", len(came.tokens)))
    return step_of("thought", came, (thought,), place, held=tail if tail.count else None, data=data)


def step_of(
    kind: StepKind,
    came: Generation,
    spans: tuple[Span, ...],
    place: Place,
    *,
    held: Span | None = None,
    fork: Span | None = None,
    release: Literal["keep", "discard"] | None = None,
    data: Mapping[str, object] | None = None,
) -> Step:
    """The step that a generation makes."""
    return Step(
        kind=kind,
        spans=tuple(span for span in spans if span.ids or span.text or span.count),
        held=held,
        fork=fork,
        release=release,
        place=place,
        prompt_tokens=came.prompt_tokens,
        cached=came.cached_tokens,
        data={"finish": came.finish, **({} if came.counted else {"counted": False}), **(data or {})},
    )


def find_close(tokens: Sequence[Token], close_ids: Sequence[int], close_text: str) -> tuple[int, int] | None:
    """Where the thought is closed: index of the first token of the close, and of the first after it.

    A close that is one token of its own is found by its id only, so that a thought may speak of it.

    Args:
        tokens: What was generated.
        close_ids: Ids of the close; empty for models that never close a thought.
        close_text: The close as text.
    """
    if not close_text:
        return None
    by_id = len(close_ids) == 1 and all(token.id != TEXT_ID for token in tokens)
    if by_id:
        place = next((at for at, token in enumerate(tokens) if token.id == close_ids[0]), None)
        return None if place is None else (place, place + 1)
    text = "".join(token.text for token in tokens)
    start = text.find(close_text)
    if start < 0:
        return None
    first = last = None
    position = 0
    for at, token in enumerate(tokens):
        position += len(token.text)
        if first is None and position > start:
            first = at
        if position >= start + len(close_text):
            last = at + 1
            break
    return (first, last) if first is not None and last is not None else None


def keep_to_boundary(tokens: Sequence[Token], tail: int) -> int:
    """How many tokens of a segment stay when it is cut back to a line end, or else a sentence end.

    All of them where there is neither within the tail. At least one stays, so a path always moves on.

    Args:
        tokens: The present segment.
        tail: At most so many tokens are cut off.
    """
    least = max(1, len(tokens) - tail)
    text = "".join(token.text for token in tokens)
    ends = [len(text)] * (len(tokens) + 1)
    for at in range(len(tokens), 0, -1):
        ends[at - 1] = ends[at] - len(tokens[at - 1].text)
    whole = [at for at in range(len(tokens), least - 1, -1) if tokens[at - 1].text]
    line = next((at for at in whole if _LINE_END.search(text[max(0, ends[at] - 200) : ends[at]])), None)
    if line is not None:
        return line
    sentence = next((at for at in whole if _ends_sentence(text, ends[at])), None)
    return len(tokens) if sentence is None else sentence


def loops(text: str) -> bool:
    """Whether a text ends in a loop: a stretch three times (200 tokens or more), one line many, or a few in turns."""
    lines = [line.strip() for line in text[-8 * LOOP :].split("\n") if line.strip()]
    same = len(lines) > MOST_LINES and len(set(lines[-MOST_LINES - 1 : -1])) == 1
    late, few = text[-6 * LOOP :], len(lines) < MOST_LINES or 3 * len(set(lines)) < len(lines)
    turns = few and len(late) == 6 * LOOP and 6 * len({late[at : at + 12] for at in range(len(late))}) < len(late)
    size = len(text) - LOOP - text.rfind(text[-LOOP:], 0, -1)  # back to where the end stood before
    tail = text[-3 * max(size, LOOP) :]
    return same or turns or (len(tail) == 3 * max(size, LOOP) and tail[size:] == tail[:-size])


def before_close(text: str, close: str) -> str:
    """A text up to the close of a thought, cut back to its last whole sentence; empty where none is whole."""
    text = text.partition(close)[0] if close else text
    ends = [found.end() for found in _SENTENCES.finditer(text)]
    return text[: ends[-1]].strip() if ends else ""


def _ends_sentence(text: str, end: int) -> bool:
    """Whether a sentence ends there; a full stop needs a blank after it, for 3.14 has none."""
    before = text[max(0, end - 200) : end]
    found = _SENTENCE_END.search(before)
    if not found:
        return False
    return bool(found[1] or _WIDE_END.search(before) or text[end : end + 1].isspace())
