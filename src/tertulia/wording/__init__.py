"""Every sentence that is put into a path: data files, one a language, in sets.

The set "plain" is for any model: no tags, no word about meetings in the prompt. "paper" has the tags of LeaP, for
models that were trained on them or are large; "pebble" is for the small model, which has learnt a compact form.
`<set>/set.toml` holds what is the same in every language (tags), and the set whose words it takes over where it has
none (`base`); `<set>/<language>.toml` the words; a file of the user's own may be laid over both. A name in braces is
filled in where it is listed in `PLACES`; all other braces, such as those of `\\boxed{...}`, stay as they are.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import MISSING, dataclass, fields
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from tertulia.errors import TertuliaError

# What each wording is filled with, and must therefore name.
PLACES: dict[str, tuple[str, ...]] = {
    "question": ("question",),
    "frame": ("text",),
    "step_differ": ("step", "mine", "count", "total", "other"),
    "step_agree": (),
    "step_doubt": ("step",),
    "answer_differ": ("mine", "others"),
    "answer_unknown": ("others",),
    "answer_first": ("count", "total", "other"),
    "answer_next": ("count", "other"),
    "quote": ("peer", "summary"),
    "quote_finished": ("answer",),
    "plain_working": ("working", "other", "mine", "counts"),
    "plain_working_unknown": ("working", "other", "counts"),
    "plain_answer": ("other", "mine", "counts"),
    "plain_answer_unknown": ("other", "counts"),
    "plain_counts": ("count", "total", "other"),
    "judge": ("question", "first", "second"),
    "moa": ("question", "proposals"),
    "moa_proposal": ("number", "proposal"),
}


@dataclass(frozen=True)
class Wording:
    """The words of one set in one language.

    Attributes:
        language: Language code, such as "en".
        question: Prompt of a path that does not meet: the question and the form of the answer.
        instruction: Added to the prompt of a path that meets: what the tags mean, .
        thought_start: First sentence of the thought of a path that meets.
        thinking: First sentence of a thought that is to be in this language.
        think_in: Added to the question where the prompt asks for a thought in this language.
        cues: Openings of a summary, one of which is drawn; each ends with `<summarize>`.
        cue_again: What follows a summary that grew too long: closes it and asks for a shorter one.
        cue_give_up: Closes a summary that grew too long a second time.
        after_summary: What stands between a summary and what is heard.
        frame: What surrounds everything heard.
        step_differ, step_agree, step_doubt: Digest of step results; a marked step, none, a step to recheck.
        answer_differ, answer_unknown, answer_first, answer_next, answer_join, answer_agree, answer_silent,
            answer_doubt: Digest of claimed answers.
        quote, quote_finished, quote_none, quote_join: Peers' summaries, named.
        check: What follows the frame where something is to be compared.
        closing: Put in when the budget is spent, before the thought is closed.
        lead: What a path is led to its answer by; it ends in an open box.
        loop: What a path is told that repeats itself, where the board has nothing to tell.
        plain_working, plain_working_unknown, plain_answer, plain_answer_unknown, plain_counts, plain_self: What an
            outvoted path hears without tags: another path's working or answer, beside its own or where it has none; how
            many have it; and nothing of others at all, for a control.
        judge, judge_lead: Prompt that asks which of two workings is right, and how the reply begins.
        moa, moa_proposal: Prompt of an aggregation layer; empty in a set for models that cannot aggregate.
    """

    language: str
    question: str
    instruction: str
    thought_start: str
    thinking: str
    think_in: str
    cues: tuple[str, ...]
    cue_again: str
    cue_give_up: str
    after_summary: str
    frame: str
    step_differ: str
    step_agree: str
    step_doubt: str
    answer_differ: str
    answer_unknown: str
    answer_first: str
    answer_next: str
    answer_join: str
    answer_agree: str
    answer_silent: str
    answer_doubt: str
    quote: str
    quote_finished: str
    quote_none: str
    quote_join: str
    check: str
    closing: str
    moa: str
    moa_proposal: str
    lead: str = ""
    loop: str = ""
    plain_working: str = ""
    plain_working_unknown: str = ""
    plain_answer: str = ""
    plain_answer_unknown: str = ""
    plain_counts: str = ""
    plain_self: str = ""
    judge: str = ""
    judge_lead: str = ""

    @classmethod
    def load(cls, name: str, language: str, file: str | Path | None = None) -> Wording:
        """The wordings of set `name` in `language`, with those of `file` laid over them.

        A `file` that holds every wording makes a language possible that the package does not have.

        Raises:
            TertuliaError: unknown set or language, a file that cannot be read, a wording that is missing,
                unknown or of the wrong form. One line each.
        """
        words = _packaged(name, language, required=file is None)
        if file is not None:
            words = words | _read_file(Path(file))
        return _checked(words, language, str(file) if file is not None else f"{name}/{language}.toml")

    def step_differ_text(self, *, step: int, mine: object, count: int, total: int, other: object) -> str:
        """What a path hears whose value at `step` fewer hold than `other`: `count` of `total` peers."""
        text = fill(self.step_differ, step=step, mine=mine, count=count, total=total, other=other)
        return self.framed(text) + self.check

    def step_agree_text(self) -> str:
        """What a path hears that has at every step what most have."""
        return self.framed(self.step_agree)

    def step_doubt_text(self, *, step: int) -> str:
        """What a path hears that is to recheck `step`."""
        return self.framed(fill(self.step_doubt, step=step))

    def framed(self, text: str) -> str:
        """`text` within the frame of everything heard."""
        return fill(self.frame, text=text)


def fill(template: str, **values: object) -> str:
    """`template` with `{name}` replaced for each name in `values`, all at once; other braces are text."""
    if not values:
        return template
    pattern = "|".join(map(re.escape, values))
    return re.sub(rf"\{{({pattern})\}}", lambda match: str(values[match[1]]), template)


def languages(name: str) -> list[str]:
    """The languages that a set has, by code."""
    folder = resources.files("tertulia.wording") / name
    files = (entry.name for entry in folder.iterdir()) if folder.is_dir() else ()
    return sorted(file[:-5] for file in files if file.endswith(".toml") and file != "set.toml")


@cache
def _packaged(name: str, language: str, *, required: bool) -> dict[str, Any]:
    folder = resources.files("tertulia.wording") / name
    if not (folder / "set.toml").is_file():
        raise TertuliaError(f"unknown wording set {name!r}: use plain, paper or pebble")
    words = tomllib.loads((folder / "set.toml").read_text("utf-8"))
    base = words.pop("base", None)
    if base is not None:
        words = _packaged(base, language, required=required) | words
    if language in languages(name):
        words |= tomllib.loads((folder / f"{language}.toml").read_text("utf-8"))
    elif required:
        known = ", ".join(languages(name))
        raise TertuliaError(
            f"no wordings of the set {name} in language {language!r}: "
            f"use one of {known}, or give a wording file of your own"
        )
    return words


def _read_file(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise TertuliaError(f"the wording file {file} cannot be read: {error.strerror}; give a TOML file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TertuliaError(f"the wording file {file} is not TOML: {error}; correct it") from error


def _checked(words: dict[str, Any], language: str, where: str) -> Wording:
    names = [field.name for field in fields(Wording) if field.name != "language"]
    for key in words:
        if key not in names:
            raise TertuliaError(f"unknown wording {key!r} in {where}: use {', '.join(names)}")
    optional = [field.name for field in fields(Wording) if field.default is not MISSING]
    for name in names:
        if name not in words and name in optional:
            continue
        if name not in words:
            raise TertuliaError(f"the wording {name!r} is missing in {where}: add it")
        if name == "cues":
            _check_cues(words[name], where, tagged=bool(words["instruction"]))
        elif not isinstance(words[name], str):
            raise TertuliaError(f"the wording {name!r} in {where} is {words[name]!r}: write a text")
        else:
            _check_places(name, words[name], where)
    return Wording(language=language, **words | {"cues": tuple(words["cues"])})


def _check_cues(cues: Any, where: str, *, tagged: bool) -> None:
    if not isinstance(cues, list) or not cues or not all(isinstance(cue, str) for cue in cues):
        raise TertuliaError(f"the wording 'cues' in {where} is {cues!r}: write a list of texts")
    for cue in cues:
        if tagged and "<summarize>" not in cue:
            raise TertuliaError(f"the cue {cue!r} in {where} opens no summary: write <summarize> into it")


def _check_places(name: str, text: str, where: str) -> None:
    for place in PLACES.get(name, ()):
        if text and f"{{{place}}}" not in text:
            raise TertuliaError(f"the wording {name!r} in {where} does not name {{{place}}}: write it in")
    closes, opens = text.find("</summarize>"), text.find("<summarize>")
    if name == "cue_again" and not 0 <= closes < opens:
        raise TertuliaError(
            f"the wording 'cue_again' in {where} must close the summary and open another: write both tags"
        )
