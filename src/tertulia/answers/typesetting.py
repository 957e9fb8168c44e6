r"""Answers without their typesetting: `\boxed{\textbf{5}}\,\text{cm}.`, `＄５` and `「5」` in one plain form.

What is taken away here never carries meaning: dollars, fonts, sizes, colours, spaces, stops, the scripts of digits.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from functools import cache, lru_cache
from importlib import resources
from typing import Any

DEEPEST = 100
"""Wrappers in wrappers that are taken off: a hostile text may have any number, and each costs a reading of it all."""

MOST_GROUPS = 40
"""Braces in a text in which fractions of plain TeX are looked for."""

_TOKEN = re.compile(r"\\([A-Za-z]+)(?:\*(?=\s*\{))?(\s*\{)?|\\.|[{}]|[^\\{}]+", re.DOTALL)
_GROUP = re.compile(r"\s*\{[^{}]*\}")
_THIN = "\N{THIN SPACE}"
_CHARACTERS = {
    "٫": ".", "٬": ",", "٪": "%", "﹣": "-", "−": "-", "‐": "-", "‑": "-", "⁄": "/", "∕": "/", "÷": "/",
    "×": "\\times ",
    "·": "\\cdot ", "⋅": "\\cdot ", "∙": "\\cdot ", "∗": "*", "π": "\\pi ", "∞": "\\infty ", "≤": "\\le ", "≥": "\\ge ",
    "⩽": "\\le ", "⩾": "\\ge ", "≦": "\\le ", "≧": "\\ge ", "≠": "\\ne ", "≈": "\\approx ", "∈": "\\in ", "∪": "\\cup ",
    "∩": "\\cap ", "∅": "\\emptyset ", "±": "\\pm ", "∓": "\\mp ", "°": "^\\circ ", "º": "^\\circ ", "℃": "^\\circ C",
    "℉": "^\\circ F", "∀": "\\forall ", "∃": "\\exists ", "→": "\\to ", "≡": "\\equiv ",
    "∠": "\\angle ", "∶": ":", "ℝ": "\\mathbb{R}", "ℤ": "\\mathbb{Z}", "ℕ": "\\mathbb{N}",
    "ℚ": "\\mathbb{Q}", "ℂ": "\\mathbb{C}",
    "…": "\\ldots ",
    "½": "\\frac{1}{2}", "⅓": "\\frac{1}{3}", "⅔": "\\frac{2}{3}", "¼": "\\frac{1}{4}", "¾": "\\frac{3}{4}",
    "⅕": "\\frac{1}{5}", "⅖": "\\frac{2}{5}", "⅗": "\\frac{3}{5}", "⅘": "\\frac{4}{5}", "⅙": "\\frac{1}{6}",
    "⅛": "\\frac{1}{8}", "⅜": "\\frac{3}{8}", "⅝": "\\frac{5}{8}", "⅞": "\\frac{7}{8}", "　": " ", "、": ",", "﹩": "$",
    "！": "", "？": "", "\u200b": "", "\u200e": "", "\u200f": "", "\u2060": "", "\ufeff": "", "\u00ad": "",
    "〜": "~", "′": "'",
}  # fmt: skip
_RAISED = {unicodedata.normalize("NFKC", character): character for character in "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ"}
_RAISED = {character: plain.replace("−", "-") for plain, character in _RAISED.items()}
_POWER = re.compile(f"[{''.join(_RAISED)}]+")
_LOWERED = re.compile("[₀-₉]+")
_ROOT = re.compile(r"√\s*(?:\(([^()]*)\)|\{([^{}]*)\}|(\d+|\w))")
_DOLLAR = re.compile(r"(?:\b(?:US|USD|AU?|CA?|NZ?|HK|NT|R|S|MX|Z)\s?)?\\?\$(?=\s*-?[\d.])|\\?\$")
_ABBREVIATED = re.compile(r"(\\?\$\d[\d.,]*|^\d+\.\d+(?=M))\s?([KMB])\.?$")  # a price, $5M, has no metres
_UNTOUCHED = re.compile(r"[^\\$~{]*")
_OPTIONS = re.compile(r"(\\(?:text)?color(?:box)?|\\bbox)\s*\[[^\[\]]*\](?=\s*\{)")
_FLAT = r"((?:[^{}]|\{[^{}]*\})*?)"
_OLD = re.compile(rf"\{{{_FLAT}\\(over|choose)(?![A-Za-z]){_FLAT}\}}|^{_FLAT}\\(over|choose)(?![A-Za-z]){_FLAT}$")
_DELIMITERS = re.compile(r"(?<!\\)\\[()\[\]]")
_BOLD = re.compile(r"(\*{1,4}|__|`{1,3})([^*`]+)\1")
_ESCAPED = re.compile(r"(?<!\\)\\\\(?=(?:[dtc]?frac|sqrt|text|left|right|pi|times|cdot|infty|pm)(?![A-Za-z]))")
_ROWS = re.compile(r"\\begin|matrix|cases|array|substack")
_PAIRS = {
    "「": "」",
    "『": "』",
    "【": "】",
    "“": "”",
    "«": "»",
    "„": "“",
    "‘": "’",
    '"': '"',
    "'": "'",
    "《": "》",
    "〈": "〉",
    "〔": "〕",
}
_MODULO = re.compile(r"(?<![A-Za-z])\(?\s*(?:\\[pb]?mod|\bmod)(?![A-Za-z])\s*\{?\s*(\w+)\s*\}?\s*\)?")
_STOPS = " .。．।॥;,:؛、?"


@lru_cache(maxsize=65_536)
def tidy(answer: str) -> str:
    """The answer in ASCII digits and signs, without the typesetting that never carries meaning."""
    text, previous = _ABBREVIATED.sub(_long, characters(answer)), None
    text = re.sub(r"^\s*[–—](?=\s?[\d\\(])", "-", text)
    for _ in range(DEEPEST):  # what is taken away may leave more to take: \text{\text{3}.}
        if previous == text:
            break
        previous, text = text, text.replace("...", "\\ldots ")
        if not _UNTOUCHED.fullmatch(text):
            text = _DELIMITERS.sub("", _DOLLAR.sub("", text))
            text = re.sub(r"\{\s*([,.]|\\[,;:!])\s*\}", r"\1", text)
            text = _commands_off(_one_fraction(text))
            text = re.sub(rf",{_THIN}\s*", ",", text)
            text = re.sub(rf"(?<=\d){_THIN}(?=\d)", "", text)
        text = " ".join(text.split())
        text = _outer_off(text.rstrip(_STOPS).lstrip())
    return text


def _long(price: re.Match[str]) -> str:
    return f"{price[1]} {({'K': 'thousand', 'M': 'million', 'B': 'billion'})[price[2]]}"


def characters(text: str) -> str:
    """The text with the digits, signs, powers and brackets of other scripts as in ASCII or LaTeX."""
    if text.isascii():
        return text
    text = unicodedata.normalize("NFC", text)  # one code for a letter and its sign, as in the tables
    text = _ROOT.sub(lambda root: f"\\sqrt{{{root[1] or root[2] or root[3]}}}", text)
    text = _POWER.sub(lambda power: "^{" + "".join(_RAISED[character] for character in power[0]) + "}", text)
    text = _LOWERED.sub(lambda low: "_{" + "".join(str(ord(character) - 0x2080) for character in low[0]) + "}", text)
    return "".join(_character(character) for character in text)


@lru_cache(maxsize=65_536)
def comparable(text: str) -> str:
    """A tidy text as texts are compared: blanks, and other names of a command, make no difference."""
    text = re.sub(r"(?<![A-Za-z\\])(?:infinity|inf|oo)(?![A-Za-z])", r"\\infty ", text)
    text = re.sub(r"^(?:the\s+)?empty\s+set$", r"\\emptyset ", text, flags=re.IGNORECASE)
    if "\\" in text:
        text = re.sub(r"\\[dtc]frac(?![A-Za-z])", r"\\frac", text)
        for pattern, name in _same_commands():
            text = pattern.sub(name, text)
        text = re.sub(r"(^|[\[(,]\s*)\+\s*(?=\\infty)", r"\1", text)
        text = re.sub(r"\\\{\s*\\\}", r"\\emptyset ", text)
    text = _MODULO.sub(r"\\pmod \1", text)
    text = re.sub(r"(?<!\d)\s+|\s+(?!\d)", "", text)  # 2 1/2 is not 21/2
    text = re.sub(r"\{(\w)\}", r"\1", text)
    return text if "\\" in text or not re.search(r"[^\W\d_]{2}", text) else text.casefold()


@cache
def commands() -> dict[str, Any]:
    """Names of commands by what they are for; `commands.toml`."""
    found = tomllib.loads((resources.files("tertulia.answers") / "commands.toml").read_text("utf-8"))
    return {name: value if isinstance(value, dict) else frozenset(value) for name, value in found.items()}


@cache
def _same_commands() -> list[tuple[re.Pattern[str], str]]:
    return [
        (re.compile(rf"\\(?:{'|'.join(others)})(?![A-Za-z])\s*"), rf"\\{name} " if name.isalpha() else name)
        for name, others in commands()["same"].items()
    ]


def _character(character: str) -> str:
    if character.isascii():
        return character
    if character in _CHARACTERS:
        return _CHARACTERS[character]
    if "！" <= character <= "～":
        plain = chr(ord(character) - 0xFEE0)
        return _CHARACTERS.get(plain, plain)
    if (digit := unicodedata.decimal(character, None)) is not None:
        return str(digit)
    if "α" <= character <= "ω" or character in "ΓΔΘΛΞΠΣΦΨΩ":
        name = unicodedata.name(character).rsplit(" ", 1)[1].lower()
        return f"\\{name if character >= 'α' else name.capitalize()} "
    return {"Zs": " ", "Sc": {"￥": "¥", "￡": "£", "￦": "₩"}.get(character, character)}.get(
        unicodedata.category(character), character
    )


def _commands_off(text: str) -> str:
    """Without fonts, sizes, colours and spaces; their contents stay, in one reading of the text."""
    known = commands()
    found: list[str] = []
    opened: list[bool] = []  # for each open brace whether it goes with its command
    position = 0
    while token := _TOKEN.match(text, position):
        position, name, brace = token.end(), token[1], bool(token[2])
        if name in known["fonts"]:
            if name in known["paints"] and brace:
                position = token.start(2)
                if painted := _GROUP.match(text, position):
                    position = painted.end()
                    brace = name != "color" and (again := re.compile(r"\s*\{").match(text, position)) is not None
                    position = again.end() if brace and again else position
                else:
                    brace = False
            word = re.match(r"[^\W\d_]+", text[position:])
            if name == "operatorname" and word and word[0] in known["functions"]:
                found.append("\\")
            else:
                found.append(" " if word else "")
            if brace:
                opened.append(True)
        elif name in known["sizes"]:
            empty = name in ("left", "right") and re.compile(r"\s*\.").match(text, token.end(1))
            position = empty.end() if empty else token.start(2) if brace else position
        elif name in known["dropped"] and brace:
            end = closing(text, position - 1)
            position = len(text) if end is None else end + 1
        elif name in ("lbrace", "rbrace"):
            found.append("\\{" if name == "lbrace" else "\\}")
            position = token.start(2) if brace else position
        elif name in known["currencies"]:
            found.append(known["currencies"][name])
            position = token.start(2) if brace else position
        elif name in known["spaces"] or token[0] in ("\\ ", "\\\n", "\\\t"):
            found.append(" ")
            position = token.start(2) if brace else position
        elif token[0] in ("\\,", "\\!", "\\;", "\\:"):
            found.append(_THIN)
        elif token[0] == "\\%":
            found.append("%")
        elif token[0] in ("\\#", "\\&", "\\_"):
            found.append(token[0][1])
        elif token[0] == "{" or brace:
            opened.append(False)
            found.append(token[0])
        elif token[0] == "}" and opened:
            going = opened.pop()
            found.append((" " if found and re.search(r"[^\W\d_]$", found[-1]) else "") if going else "}")
        else:
            found.append(token[0].replace("~", " ") if token[0][0] != "\\" else token[0])
    return "".join(found)


def _one_fraction(text: str) -> str:
    r"""With \frac and \binom for other ways to write them, and colours without their options."""
    text = _OPTIONS.sub(r"\1", text)
    if "\\\\" in text and not _ROWS.search(text):
        text = _ESCAPED.sub(r"\\", text)  # \\frac, as in a file that escapes twice
    text = re.sub(r"\\(?:SI|qty)\s*\{([^{}]*)\}\s*\{([^{}]*)\}", r"\1\\text{ \2}", text)
    text = re.sub(r"\\(?:sfrac|nicefrac)(?![A-Za-z])", r"\\frac", text)

    def named(found: re.Match[str]) -> str:
        top, name, bottom = (part for part in found.groups() if part is not None)
        return f"\\{'frac' if name == 'over' else 'binom'}{{{top.strip()}}}{{{bottom.strip()}}}"

    few = re.search(r"\\(?:over|choose)(?![A-Za-z])", text) and text.count("{") <= MOST_GROUPS
    return _OLD.sub(named, text) if few else text


def _outer_off(text: str) -> str:
    """Without braces, quotation marks or stars around the whole."""
    bare = text
    while bare[:1] == "{" and bare[-1:] == "}" and bare[-2:-1] != "\\" and closing(bare, 0) == len(bare) - 1:
        bare = bare[1:-1]
    if bare != text:
        return bare
    if len(text) > 1 and _PAIRS.get(text[0]) == text[-1] and text[0] not in text[1:-1]:
        return text[1:-1]
    if bold := _BOLD.fullmatch(text):
        return bold[2]
    return text


def closing(text: str, start: int) -> int | None:
    """Where the bracket that stands at `start` is closed; brackets of all kinds are counted, as in (1, 2]."""
    depth = 0
    for found in re.finditer(r"\\[{}]|\\.|[()\[\]{}]", text[start:], re.DOTALL):
        if found[0] in ("(", "[", "{", "\\{"):
            depth += 1
        elif found[0] in (")", "]", "}", "\\}"):
            depth -= 1
            if depth <= 0:
                return start + found.start()
    return None
