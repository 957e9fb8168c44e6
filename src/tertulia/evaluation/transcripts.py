"""What of a transcript is the path's own words."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence

from tertulia.answers.thoughts import marks, without_thoughts

_TAG = re.compile(r"<\s{0,3}(/?)\s{0,3}(peers|summarize)(?:[\s/][^<>\n]{0,80})?>", re.IGNORECASE)
_OURS = frozenset({"<peers>", "</peers>"})  # as they are put in: what else looks like them is somebody's words
_BOX = re.compile(r"\\boxed\s*\{[^{}]*")


def own_words(transcript: str, heard: Sequence[str] = ()) -> str | None:
    """What of a transcript the path answered in its own words; None where its thought was never closed.

    Taken out are the texts in `heard`: each as it is, else with other blanks, else a paragraph or a line at a time,
    everywhere it stands, so that a path that repeats what it heard word for word is not credited with it. Taken
    out are also what stands between our tags, and what stands before an end of peers that were never begun. A
    summary that is never closed ends with the thought; what peers say, nowhere but at its own end, written as we
    write it: `</peers >` in a peer's words ends nothing. Thoughts of all model families are left out last.

    Args:
        transcript: All that was written and put into a path after its prompt.
        heard: What it heard.
    """
    for text in sorted(filter(str.strip, heard), key=len, reverse=True):
        transcript = _without(transcript, text)
    if _TAG.search(transcript):
        transcript = "\n".join(_outside_tags(transcript))
    last = list(marks(transcript))[-1:]
    if not last:
        return transcript
    return None if last[0].opens else without_thoughts(transcript)


def _outside_tags(transcript: str) -> Iterator[str]:
    """The parts of a transcript that are neither a summary nor what peers said."""
    depth, ours, summary, start = 0, False, False, 0
    tags = [(tag.start(), tag.end(), tag[2].lower(), bool(tag[1])) for tag in _TAG.finditer(transcript)]
    tags += [(mark.start, mark.end, "thought", not mark.opens) for mark in marks(transcript)]
    for begin, end, name, closes in sorted(tags):
        exact = transcript[begin:end] in _OURS
        own = "" if depth or summary else transcript[start:begin]
        if depth and ours and not exact:
            continue
        if name == "peers" and closes:
            # Without a beginning, peers' words may reach back to the last tag: none of that is kept.
            depth, start = max(0, depth - 1), end
        elif name == "peers":
            yield own
            depth, ours, summary, start = depth + 1 if exact is ours else 1, exact, False, end
        elif depth:
            continue
        elif name == "summarize":
            yield own
            summary, start = not closes, end
        elif closes and summary:
            summary, start = False, begin
    if not depth and not summary:
        yield transcript[start:]


def _without(transcript: str, text: str) -> str:
    """The transcript without a text that was heard."""
    shorter = _removed(transcript, text, whole=True)
    if shorter is not None:
        return shorter
    transcript = _without_beginning(transcript, text)
    for paragraph in filter(str.strip, re.split(r"\n\s*\n", text)):
        shorter = _removed(transcript, paragraph)
        if shorter is None:
            shorter = transcript
            for line in paragraph.splitlines():
                if len(line.split()) > 2 or "\\boxed" in line:
                    shorter = _removed(shorter, line) or shorter
        transcript = shorter
    return transcript


def _without_beginning(transcript: str, text: str) -> str:
    """The transcript without the beginning of a heard text that it breaks off in."""
    words, whole = text.split(), "".join(text.split())
    for found in re.finditer(r"\s*".join(map(re.escape, words[:3])), transcript[-2 * len(text) - 200 :]):
        place = max(0, len(transcript) - 2 * len(text) - 200) + found.start()
        tail = transcript[place:].split()
        if len(tail) > 2 and whole.startswith("".join(tail)):
            return transcript[:place]
    return transcript


def _removed(transcript: str, text: str, whole: bool = False) -> str | None:
    """The transcript without `text`, whatever blanks stand between its words; None where it does not stand there.

    A single word is taken from a line of its own only, unless it is a whole heard text and a box: "5" heard is
    not the 5 of "15". For the same reason no text is taken out of the inside of a box.
    """
    words = text.split()
    pattern = r"\s*".join(map(re.escape, words))
    candidates = [rf"(?<![A-Za-z0-9]){pattern}(?![A-Za-z0-9])", pattern]
    if len(words) == 1:
        candidates = [rf"(?m:^[ \t]*{pattern}[ \t]*$)", *([pattern] if whole and "\\boxed" in text else [])]
    for candidate in candidates:
        boxes = [box.span() for box in _BOX.finditer(transcript)]
        places = [found.span() for found in re.finditer(candidate, transcript) if not _in_a_box(*found.span(), boxes)]
        if places:
            ends = [0, *(end for _, end in places)]
            starts = [*(start for start, _ in places), len(transcript)]
            return "\n".join(transcript[a:b] for a, b in zip(ends, starts, strict=True))
    return None


def _in_a_box(start: int, end: int, boxes: Sequence[tuple[int, int]]) -> bool:
    """Whether a place is inside one of the boxes, which are in order."""
    last = bisect_left(boxes, (start, 0)) - 1
    return last >= 0 and end <= boxes[last][1]
