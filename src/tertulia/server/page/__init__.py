"""The page that shows circles: one document without a network, or the live page of a server.

It is written as plain modules of JavaScript and joined here: no tool builds it. Text of models is data in it: it
stands in a block that is no script, from which nothing breaks out, the policy lets only this one script run, and no
code of the page makes markup of a text.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any, Protocol

from tertulia.answers.equivalence import group_answers
from tertulia.answers.extract import Kind, is_correct

__all__ = ["POLICY", "Told", "live_page", "page_of"]

MODULES = (
    *("draw", "dom", "claims", "story", "layout", "stream", "lanes"),
    *("reader", "meeting", "overview", "search", "legend", "keys", "view", "live", "main"),
)
"""In this order: a module comes after those whose constants it needs while it is loaded."""
_IMPORT = re.compile(r"^import [^;]*;\n", re.MULTILINE)
_EXPORT = re.compile(r"^export ", re.MULTILINE)
# What could end the block that the data stands in, or is no text in every encoding.
_UNSAFE = re.compile("[<>&\u2028\u2029\ud800-\udfff]")


class Told(Protocol):
    """A circle as its journal tells it."""

    @property
    def name(self) -> str:
        """Its identity."""

    @property
    def header(self) -> Mapping[str, Any]:
        """What the run was asked to do."""

    @property
    def records(self) -> Sequence[Mapping[str, Any]]:
        """Its records, in order."""


def page_of(stories: Sequence[Told], gold: str | None = None) -> str:
    """A document that shows these circles, whole in itself. Compares answers: off the event loop.

    Args:
        stories: One circle, or two that are to be seen side by side.
        gold: The right answer, where it is known.
    """
    question = next((str(story.header.get("question") or "") for story in stories), "")
    return _document([_circle(story, gold) for story in stories], f"{question[:80]} · tertulia".removeprefix(" · "))


def live_page() -> str:
    """The document that shows the circles of the server it came from, those under way too."""
    return _document(None, "tertulia")


def _circle(story: Told, gold: str | None) -> dict[str, Any]:
    asked = story.header.get("settings")
    settings = asked if isinstance(asked, Mapping) else {}
    language = settings.get("language") if isinstance(settings.get("language"), str) else None
    answers = list(dict.fromkeys(_answers(story.records)))
    groups = group_answers(answers, language)
    same = {answer: answers[group] for answer, group in zip(answers, groups, strict=True) if group is not None}
    told: dict[str, Any] = {"name": story.name, "header": story.header, "records": story.records, "same": same}
    if gold is not None:
        kind: Kind = "choice" if settings.get("answer_kind") == "choice" else "math"
        told["right"] = [answer for answer in answers if is_correct(answer, gold, kind, language)]
    return told


def _answers(records: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Every answer that is claimed or given, as often as that happens."""
    for record in records:
        claims = record.get("claims")
        held = [value for value in claims.values() if isinstance(value, Mapping)] if isinstance(claims, Mapping) else []
        said = [record.get("answer"), record.get("claim"), *(value.get("answer") for value in held)]
        yield from (answer for answer in said if isinstance(answer, str))


def _document(circles: Sequence[Mapping[str, Any]] | None, title: str) -> str:
    parts = {
        # A document cannot say by itself who may frame it: that is for the header.
        "policy": html.escape(POLICY.replace("; frame-ancestors 'none'", "")),
        "title": html.escape(_UNSAFE.sub("", title)),
        "style": _read("page.css"),
        "circles": data(circles),
        "script": script(),
    }
    return re.sub(r"\{(policy|title|style|circles|script)\}", lambda found: parts[found[1]], _read("page.html"))


def data(value: object) -> str:
    """A value as JSON that may stand in a document: nothing in it can end its block or begin a comment."""
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))


@cache
def script() -> str:
    """All modules joined to one."""
    joined = (_EXPORT.sub("", _IMPORT.sub("", _read(f"{name}.js"))) for name in MODULES)
    return "\n".join(joined)


@cache
def _read(name: str) -> str:
    return (resources.files(__package__) / name).read_text("utf-8")


def _hash(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


POLICY = (
    f"default-src 'none'; script-src {_hash(script())}; style-src {_hash(_read('page.css'))}; img-src data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; "
    "trusted-types 'none'; frame-ancestors 'none'"
)
"""The Content-Security-Policy of every page: this script, this style, and requests to its own server."""
