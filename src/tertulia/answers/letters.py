"""The letter that a path chooses: in a box, announced in one of eleven languages, or alone on the last line.

What is read must be stated. A letter in running text, one that is denied or only supposed, and one of several
are no answer: a right answer missed costs less trust than a wrong one counted as right. The words stand in
`grading_words.toml`.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib import resources

from tertulia.answers.equivalence import LONGEST, tidy

WINDOW = 200
"""Characters before and after an announcement that can take it back."""

MENTIONS = 64
"""Announcements that are looked at, from the end: a text that goes round in circles has thousands."""

_LOOKALIKE = re.compile(r"(?<![^\W_])[АВСЕНІЈасеΑΒΕΗΙ](?![^\W_])")
_LATIN = str.maketrans("АВСЕНІЈасеΑΒΕΗΙ", "ABCEHIJaceABEHI")
_WIDE = {ord("Ａ") + place: "ABCDEFGHIJ"[place] for place in range(10)} | str.maketrans("（）［］：", "()[]:")
# Bounded, so that no text is slow to read.
_OPEN = r"[\s(\[{\"'“”‘«»「『*_`$]{0,12}"
_CLOSE = r"(?:[)\]}\"'”’」』*_`$]|\s?»){0,12}"
_BOXED = re.compile(rf"{_OPEN}([A-Ja-j])(\s*{_CLOSE})(.*)", re.DOTALL)
_TEXT_FOLLOWS = re.compile(r"[.:,;–—]|\s+(?:[\d($–—]|\\q?quad\b|\\[$(])")
_STATES = re.compile(r"$|\s*(?:[.!,;:。！，、；：…।–—\n]|-\s|[(\[])|[^\W\d_a-zA-ZÀ-ɏЀ-ӿ]|\s+[^\W\d_a-zA-ZÀ-ɏЀ-ӿ]")
_BARE_STATES = re.compile(r"$|\s*(?:[.!,;:。！，、；：…।]|\n)|\s*(?:అవుతుంది|হবে|です|である)")
_ENDS = re.compile(r"[.!?。！？।\n,;:，、；：—–()]")


def chosen_letter(text: str, boxed: str | None) -> str | None:
    """The letter, A to J, that a path chose, as a capital; None where it stated none.

    Cyrillic, Greek and full-width letters that look like Latin ones are these.

    Args:
        text: The path's own words.
        boxed: What its last box holds; None without a box. Where there is a box, nothing else is read.
    """
    if boxed is not None:
        content = _plain(boxed[:LONGEST])
        named = _named().match(content)
        return _in_box(content) or (_in_box(content[named.end() :]) if named else None)
    lines = [line for line in map(_plain, text.splitlines()) if line]
    if lines and len(lines[-1]) < 100 and (alone := _alone().fullmatch(lines[-1])):
        return alone[1]
    return _stated("\n".join(lines))


def _plain(line: str) -> str:
    return _LOOKALIKE.sub(lambda found: found[0].translate(_LATIN), tidy(line.translate(_WIDE)))


def _in_box(content: str) -> str | None:
    """The letter of a box that holds it alone, or before its option's text."""
    found = _BOXED.fullmatch(content)
    if found is None or (found[3][:1].isalnum() and not found[2]):
        return None
    letter, close, rest = found.groups()
    rest = (" " if close[:1].isspace() else "") + rest
    if not rest.strip(". "):
        return letter.upper()
    if _one_of_several().match(rest):
        return None
    if any(bracket in close for bracket in ")]"):
        return letter.upper()
    return letter if letter.isupper() and (_TEXT_FOLLOWS.match(rest) or _because().match(rest)) else None


def _stated(words: str) -> str | None:
    """The letter that is announced or confirmed last, and not denied after that."""
    found = [*_announced().finditer(words), *_confirmed().finditer(words)]
    last = None
    for match in sorted(found, key=lambda match: match.end())[-MENTIONS:]:
        groups = match.groupdict()
        before = words[max(0, match.start() - WINDOW) : match.start()]
        letter, rest = groups["letter"], words[match.end() : match.end() + WINDOW]
        if _one_of_several().match(rest):
            last = None
        elif groups.get("denied") or _denied_after().match(rest):
            last = None if last == letter else last
        elif not _supposed(before, rest) and ("close" not in groups or _announces(match, rest)):
            last = letter
    return last


def _supposed(before: str, rest: str) -> bool:
    """Whether an announcement is a question, or a condition: decided by its own clause."""
    clause = _then().split(_ENDS.split(before)[-1])[-1]
    return re.match(r"\s*[?？]", rest) is not None or _unsure().search(clause) is not None


def _announces(match: re.Match[str], rest: str) -> bool:
    """Whether the letter after an announcement is the answer, and no word of a sentence that goes on."""
    if _bare().fullmatch(match["phrase"]) and not match["gap"].strip(" ("):
        return _BARE_STATES.match(rest) is not None
    if any(bracket in match["close"] for bracket in ")]"):
        return True
    # "Answer: A 5 km walk": the article; of other letters a number is their option's text.
    number = match["letter"] != "A" and re.match(r"\s+\d", rest)
    return bool(number or _STATES.match(rest) or _because().match(rest))


@cache
def _words(name: str) -> str:
    table = tomllib.loads((resources.files("tertulia.answers") / "words.toml").read_text("utf-8"))
    return f"(?:{'|'.join(table[name])})"


@cache
def _alone() -> re.Pattern[str]:
    return re.compile(rf"{_OPEN}(?i:{_words('option')}\s*)?{_OPEN}([A-J])[\s.:。]*{_CLOSE}[\s.:。]*")


@cache
def _named() -> re.Pattern[str]:
    return re.compile(rf"(?i:(?:the\s+)?(?:{_words('announced')}|{_words('option')}))[\s:：]*")


@cache
def _announced() -> re.Pattern[str]:
    # Latin letters may follow nothing else; in scripts without blanks a word may follow at once: 答えはAです.
    return re.compile(
        rf"(?i:(?<![A-Za-zÀ-ɏ])(?P<phrase>{_words('announced')})(?P<gap>[^\w]{{0,8}}?)"
        rf"(?P<denied>(?:\b|(?<=[^\x00-\x7f])){_words('denied')}\W{{0,3}})?){_OPEN}"
        rf"(?<![A-Za-zÀ-ɏЀ-ӿ0-9])(?P<letter>[A-J])(?!['’]?[A-Za-z0-9_À-ɏЀ-ӿ]|-\w)(?P<close>{_CLOSE})"
    )


@cache
def _confirmed() -> re.Pattern[str]:
    return re.compile(
        rf"(?:^|(?<=[.,;:!。，、：；！\n])|(?i:(?<!\w){_words('so')})|(?i:(?<!\w){_words('option')}))"
        rf"{_OPEN}(?P<letter>[A-J]){_CLOSE}\s*(?i:{_words('confirmed')})"
    )


@cache
def _one_of_several() -> re.Pattern[str]:
    return re.compile(rf"\s*(?:[,/&、，]|{_words('or')})[\s(\[\"'*]*(?!I\s+[a-z])[A-J](?![A-Za-z0-9À-ɏЀ-ӿ'’])")


@cache
def _denied_after() -> re.Pattern[str]:
    return re.compile(rf"\s*(?i:{_words('denied_after')})")


@cache
def _unsure() -> re.Pattern[str]:
    return re.compile(rf"(?i:{_words('unsure')})")


@cache
def _then() -> re.Pattern[str]:
    return re.compile(rf"(?i:{_words('then')}|(?<!\w){_words('so')}(?!\w))")


@cache
def _bare() -> re.Pattern[str]:
    return re.compile(rf"(?i:.*(?<!\w){_words('bare')})", re.DOTALL)


@cache
def _because() -> re.Pattern[str]:
    return re.compile(rf"\s+(?i:{_words('because')})(?!\w)")
