"""What a peer or a user wrote, made harmless before it is put into somebody's thought."""

from __future__ import annotations

import re

# What tokenizers and chat formats use as tags. "a < b", "x<3, y>2" and "p<q and r>s" are none.
_TAG = re.compile(
    r"""<([|｜!][^<>]{0,200}
    |/?(?:[^\W\d]|▁|0x)[^<>\s]{0,100}\s*
    |/\s*[^\W\d][^<>]{0,200}                            # whatever closes
    |[^\W\d][^<>\s]{0,100}\s[^<>]{0,200}=\s*["'][^<>]{0,200}  # with attributes
    |\s*/?\s*(?:peers|summarize|think|thinking|reasoning|seed:think|tool_call|tool_response)\b[^<>]{0,200}
    )>""",
    re.VERBOSE | re.IGNORECASE,
)
_TRIANGLES = re.compile(r"◁(/?[^\W\d][^◁▷\s]{0,100})▷")
_BRACKETED = re.compile(
    r"\[(/[A-Za-z_]{1,100}|[A-Z]{2,50}(?:_[A-Z0-9]{1,50})+|INST|SYS|THINK|gMASK|sMASK|MASK|CLS|SEP|PAD|UNK|BOS|EOS"
    r"|ARGS|IMG|AUDIO|REF|PREFIX|MIDDLE|SUFFIX)\]"
)
# Unicode's default ignorable characters, controls and halves of a pair. Several scripts are written with the
# zero-width joiners and with variation selectors: these stay.
_INVISIBLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u2028-\u202e"
    r"\u2060-\u206f\u2800\u3164\ud800-\udfff\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3"
    r"\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def neutral(text: str, longest: int | None = None) -> str:
    """`text` on one line, with everything that could open or close something made harmless.

    Control tags and special tokens, complete ones, lose their angle brackets; characters nobody sees are
    dropped. What remains cannot be read as a tag by a model's tokenizer or by a server in text mode.

    Args:
        text: What a peer wrote.
        longest: Longest result in characters; what is longer is cut at a blank and ends in an ellipsis.
    """
    text = _INVISIBLE.sub("", " ".join(text.split()))
    before = None
    while before != text:
        before, text = text, _BRACKETED.sub(r"(\1)", _TRIANGLES.sub(r"‹\1›", _TAG.sub(r"‹\1›", text)))
    if longest is not None and len(text) > longest:
        cut = text[: longest - 1]
        text = (cut[: cut.rfind(" ")] if " " in cut[longest // 2 :] else cut).rstrip() + "…"
    return text


def last_words(text: str, longest: int) -> str:
    """The end of a text from the beginning of a sentence on, harmless and in one line, at most so many characters."""
    whole = neutral(text[-4 * longest :])
    if len(whole) <= longest and len(text) <= 4 * longest:
        return whole
    tail = whole[-longest:]
    start = re.search(r"[.!?。！？।॥]\s*", tail[: longest // 2])
    return tail[start.end() :] if start else "…" + tail[tail.find(" ") + 1 :]
