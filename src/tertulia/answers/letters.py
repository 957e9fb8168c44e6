"""The letter that a path chooses: in a box, announced in one of eleven languages, or on the last line.

A letter in running text, one that is denied or only supposed, one of several, and one that begins a name (E. coli)
are no answer. The words stand in `words.toml`.
"""

from __future__ import annotations

import re
from functools import cache

from tertulia.answers.announcements import (
    CLOSE,
    LETTER,
    MENTIONS,
    OPEN,
    WINDOW,
    announcement,
    names_only,
    read,
    supposed,
    taken_back,
    tries,
    words,
)

LONGEST = 1000
"""Characters of a box that are read."""

LINE = 100
"""Characters of a last line that may be the letter and its option."""

_LOOKALIKE = re.compile(r"(?<![^\W_])[АВСЕНІЈасеΑΒΕΗΙ](?![^\W_])")
_LATIN = str.maketrans("АВСЕНІЈасеΑΒΕΗΙ", "ABCEHIJaceABEHI")
_WIDE = {ord("Ａ") + place: "ABCDEFGHIJ"[place] for place in range(10)} | str.maketrans("（）［］：", "()[]:")
_FONT = re.compile(
    r"\\(?:(?:text|math)(?:rm|bf|it|sf|tt|sc|sl|up|md|normal|cal|bb|frak|scr)?|rm|bf|it|sf|tt)\s*\{([^{}]*)\}"
    r"|\\(?:boldsymbol|bm|pmb|emph|underline|mbox|hbox|boxed|fbox|framebox|operatorname|ensuremath|bold)\*?\s*\{([^{}]*)\}"
    r"|\\(?:color\s*|textcolor\s*)\{\w*\}"
)
_SWITCH = re.compile(r"\\(?:bf|it|rm|sf|tt|bfseries|itshape|large|Large|huge|Huge|displaystyle|textstyle)(?![A-Za-z])")
_SPACING = re.compile(r"\\(?:left|right)(?![a-z])|\\(?:big|Big|bigg|Bigg)[lr]?(?![a-z])|\\[,!;: ]|\\q?quad(?![a-z])|~")
_DEEPEST = 20
_TEXT_FOLLOWS = re.compile(r"[.:,;–—]|\s+(?:[\d($–—]|\\[$(])")
_STATES = re.compile(rf"$|\s*(?:[.!,;:。！，、；：…।–—\n]|-\s|[(\[])|[^\W\d_{LETTER}]|\s+[^\W\d_{LETTER}]")
_BARE_STATES = re.compile(r"$|\s*(?:[.!,;:。！，、；：…।]|\n)|\s*(?:అవుతుంది|হবে|です|である|를)")
_BEGINS_OPTION = re.compile(rf"{OPEN}[A-J]{CLOSE}[).\]]")
_LETTER = rf"(?<![{LETTER}0-9])(?P<letter>[A-J])(?!['’]?[{LETTER}0-9_]|-\w|[+#])"


def boxed_letter(content: str) -> str | None:
    r"""The letter, A to J, of a box that holds it alone, or before its option's text; None where it holds none.

    Fonts are taken off (\textbf{(E)} 12); Cyrillic, Greek and full-width letters that look like Latin ones are these.
    """
    content = _plain(content[:LONGEST])
    named = _pattern("named").match(content)
    return _in_box(content) or (_in_box(content[named.end() :]) if named else None)


def holds_several(content: str) -> bool:
    """Whether a box holds more letters than one: A, B."""
    found = re.match(rf"{OPEN}[A-J]{CLOSE}", _plain(content[:LONGEST]))
    return found is not None and _pattern("several").match(_plain(content[:LONGEST])[found.end() :]) is not None


def rejected(rest: str) -> bool:
    """Whether what follows a letter calls it wrong."""
    return re.match(rf"[\s.*$]{{0,6}}{words('rejected')}", read(rest)) is not None


def stated_letter(text: str, language: str | None = None) -> str | None:
    """The letter, A to J, that a text states last outside a box; None where it states none.

    Args:
        text: The path's own words.
        language: Of the text, where it is known: its words and the English ones are tried first.
    """
    lines = [line for line in map(_plain, text.splitlines()) if line]
    if not lines:
        return None
    if len(lines[-1]) < LINE and (alone := _pattern("alone").fullmatch(lines[-1])):
        return alone["letter"]
    plain = "\n".join(lines)
    stated = next((found for languages in tries(language) if (found := _stated(plain, languages))), None)
    return stated or _last_line(lines)


def _plain(line: str) -> str:
    """A line without fonts, dollars and thin spaces."""
    text = _SPACING.sub(" ", _SWITCH.sub("", read(line).translate(_WIDE).replace("\\$", "$").replace("$", "")))
    text = re.sub(r"\\[()\[\]]", "", text)
    for _ in range(_DEEPEST):  # a font in a font
        previous, text = text, _FONT.sub(lambda found: found[1] or found[2] or "", text)
        if previous == text:
            break
    return _LOOKALIKE.sub(lambda found: found[0].translate(_LATIN), " ".join(text.split()).rstrip(". "))


def _in_box(content: str) -> str | None:
    found = _pattern("boxed").fullmatch(content)
    if found is None or (found[3][:1].isalnum() and not found[2]):
        return None
    letter, close, rest = found.groups()
    rest = (" " if close[:1].isspace() else "") + rest
    if not rest.strip(". "):
        return letter.upper()
    if _pattern("several").match(rest) or _pattern("name").match(rest):
        return None
    if any(bracket in close for bracket in ")]"):
        return letter.upper()
    return letter if letter.isupper() and (_TEXT_FOLLOWS.match(rest) or _pattern("because").match(rest)) else None


def _last_line(lines: list[str]) -> str | None:
    """The letter that the last line begins with, before its option's text, unless it ends a list of options."""
    line = lines[-1]
    found = _pattern("option_line").match(line)
    if found is None or len(line) > LINE or (len(lines) > 1 and _BEGINS_OPTION.match(lines[-2])):
        return None
    rest = line[found.end("letter") :]
    if _pattern("name").match(rest) or _pattern("unsure").search(line) or _pattern("rejects").search(rest):
        return None
    return found["letter"]


def _stated(text: str, languages: tuple[str, ...]) -> str | None:
    """The letter that is announced or confirmed last, and not denied after that."""
    found = [
        match
        for name in ("announced", "labelled", "confirmed", "rejected")
        for match in _pattern(name, languages).finditer(text)
    ]
    last = None
    for match in sorted(found, key=lambda match: match.end())[-MENTIONS:]:
        letter, rest = match["letter"], text[match.end() : match.end() + WINDOW]
        before = text[max(0, match.start() - WINDOW) : match.start()]
        groups = match.groupdict()
        instead = _instead(match, rest)
        if _pattern("name").match(rest):
            continue
        if _pattern("several").match(rest):
            last = None
        elif instead and not supposed(before, rest):
            last = instead
        elif "rejected" in groups or groups.get("denied") or _pattern("denied_after").match(rest):
            last = None if last == letter else last
        elif supposed(before, rest) or ("phrase" in groups and not _announces(match, rest)):
            continue
        elif taken_back(rest):
            last = None if last == letter else last
        else:
            last = letter
    return last


def _instead(match: re.Match[str], rest: str) -> str | None:
    """The letter that is put in the place of one that is denied: "not A, it is B"."""
    groups = match.groupdict()
    if not groups.get("denied") and "rejected" not in groups:
        denied = _pattern("denied_after").match(rest)
        if denied is None:
            return None
        rest = rest[denied.end() :]
    found = _pattern("instead").match(rest)
    if found is None or not (_STATES.match(rest[found.end() :]) or _pattern("because").match(rest[found.end() :])):
        return None
    return found["letter"]


def _announces(match: re.Match[str], rest: str) -> bool:
    """Whether the letter after an announcement is the answer, and no word of a sentence that goes on."""
    if not match["option"] and names_only(match["phrase"]) and not match["gap"].strip(" ("):
        return _BARE_STATES.match(rest) is not None
    if any(bracket in match["close"] for bracket in ")]"):
        return True
    # "Answer: A 5 km walk": the article; of other letters a number is their option's text.
    number = match["letter"] != "A" and re.match(r"\s+\d", rest)
    return bool(number or _STATES.match(rest) or _pattern("because").match(rest))


@cache
def _pattern(name: str, languages: tuple[str, ...] = tries(None)[0]) -> re.Pattern[str]:
    def one(table: str) -> str:
        return words(table, languages)

    option = rf"{one('option')}[\s:]{{0,3}}"
    begins = rf"(?:(?:^|(?<=[.,;:!?。，、；！？।\n—–]))|(?<![{LETTER}]){one('so')}[\s,，、]{{0,3}})"
    before = rf"(?:{begins}(?:{OPEN}{option})?|(?<![{LETTER}]){option}){OPEN}{_LETTER}{CLOSE}\s*"
    patterns = {
        "boxed": rf"{OPEN}([A-Ja-j])(\s*{CLOSE})((?s:.*))",
        "alone": rf"{OPEN}(?:{option})?{OPEN}(?P<letter>[A-J])[\s.:。]*{CLOSE}[\s.:。]*",
        "named": rf"(?i:the\s+)?(?:{one('announced')}|{one('option')})[\s:]*(?:{option})?",
        "option_line": rf"[\s\"'“«「*_`]{{0,6}}[(\[]?[*_]{{0,2}}(?P<letter>[A-J])[*_]{{0,2}}[)\].]{{1,2}}{CLOSE}\s+\S",
        "announced": (
            rf"{announcement(languages)}(?P<gap>[^\w]{{0,8}}?)"
            rf"(?P<denied>(?:\b|(?<=[^\x00-\x7f])){one('denied')}\W{{0,3}})?(?P<option>{option})?{OPEN}{_LETTER}(?P<close>{CLOSE})"
        ),
        "labelled": rf"(?m:^){OPEN}{one('option')}{CLOSE}\s*:\s*{OPEN}{_LETTER}{CLOSE}(?=[\s.]*(?:\n|$))",
        "confirmed": rf"{before}{one('confirmed')}",
        "rejected": rf"{before}(?P<rejected>{one('rejected')})",
        "rejects": one("rejected"),
        "instead": (
            rf"[\s,;:，、；—–-]{{0,4}}(?:{one('instead')}[\s,:]{{0,2}}){{0,3}}(?:{option})?{OPEN}{_LETTER}{CLOSE}"
        ),
        "several": (
            rf"\s*(?:[,/&、，]|{one('or')})[\s(\[\"'*]{{0,6}}(?:{option})?[\s(\[\"'*]{{0,6}}"
            r"(?!I\s+[a-z])[A-J](?![A-Za-z0-9À-ɏЀ-ӿ'’])"
        ),
        "denied_after": rf"\s*{one('denied_after')}",
        "because": rf"\s+(?:{one('because')}|{one('goes_on')})(?!\w)",
        "unsure": one("unsure"),
        "name": rf"\.?\s+{one('name')}(?!\w)|\.[A-Z](?:\.|$)|\.\s[A-Z]\.",
    }
    return re.compile(patterns[name])
