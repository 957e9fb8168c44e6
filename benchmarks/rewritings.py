"""Other ways to write an answer: national ways of whole numbers, and rewritings that do or do not change a value."""

from __future__ import annotations

import random
import re
import tomllib
from pathlib import Path
from typing import Any

WAYS: dict[str, dict[str, Any]] = tomllib.loads(
    (Path(__file__).parents[1] / "tests" / "national_ways.toml").read_text("utf-8")
)
"""National ways of writing a whole number, a language a table."""

SCALES = {
    "en": ["thousand", "million", "dozen"], "de": ["Tausend", "Mio.", "Dutzend"], "es": ["mil", "millones", "docenas"],
    "fr": ["mille", "millions", "douzaines"], "ru": ["тысяч", "млн", "десятков"], "sw": ["elfu", "milioni", "laki"],
    "bn": ["হাজার", "লাখ", "কোটি"], "te": ["వేలు", "లక్షలు", "కోట్లు"], "th": ["พัน", "หมื่น", "ล้าน"],
    "zh": ["万", "千", "亿"], "ja": ["万", "千", "億"],
}  # fmt: skip
"""Number words that change the number they stand behind."""

_GROUPS = {"comma": ",", "point": ".", "blank": " ", "nbsp": "\u00a0", "narrow": "\u202f", "apostrophe": "'"}
_NUMERALS = "零一二三四五六七八九"


def written(number: int, way: str, language: str) -> str:
    """A whole number from 0 on in a national way: see the file for its fields."""
    forms = {name: f"{number:,}".replace(",", mark) for name, mark in _GROUPS.items()}
    forms |= {"n": str(number), "lakh": lakh(number), "wide": "".join(chr(ord(d) + 0xFEE0) for d in str(number))}
    digits = WAYS[language].get("digits", "0123456789")
    table = str.maketrans("0123456789", digits)
    forms |= {"native": str(number).translate(table), "native_lakh": lakh(number).translate(table)}
    forms |= {"numerals": numerals(number), "myriads": myriads(number)}
    whole, word = number and number % 1000 == 0, WAYS[language]["word"]
    forms["thousands"] = f"{number // 1000} {word}" if whole else str(number)
    forms["thousands_native"] = forms["thousands"].translate(table)
    forms["thousands_first"] = f"{word} {number // 1000}" if whole else str(number)
    return re.sub(r"\{(\w+)\}", lambda field: forms.get(field[1], field[0]), way)


def lakh(number: int) -> str:
    """In the Indian way: 1,00,000."""
    text = str(number)
    head, tail = text[:-3], text[-3:]
    pairs = [head[max(0, end - 2) : end] for end in range(len(head), 0, -2)][::-1]
    return ",".join([*pairs, tail])


def numerals(number: int) -> str:
    """In Chinese numerals, below 100 million."""
    if number >= 10_000:
        high, low = divmod(number, 10_000)
        return numerals(high) + "万" + ("" if not low else ("零" if low < 1000 else "") + numerals(low))
    text, noughts = "", False
    for place, name in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit = number // place % 10
        if digit:
            text += ("零" if noughts and text else "") + _NUMERALS[digit] + name
        noughts = not digit
    text = text or _NUMERALS[0]
    return text[1:] if text.startswith("一十") else text


def myriads(number: int) -> str:
    """With 万 and digits: 3万5000, where the rest has four digits or is none."""
    high, low = divmod(number, 10_000)
    return f"{high}万{low or ''}" if high and (not low or low >= 1000) else str(number)


def harmless_number(number: int, draw: random.Random) -> tuple[str, str]:
    """A number in a national way, and the language."""
    language = draw.choice(sorted(WAYS))
    return written(number, draw.choice(WAYS[language]["ways"]), language), language


def harmful_number(number: int, draw: random.Random) -> tuple[str, str | None]:
    """Another number in a national way, and the language; None where it is not told."""
    language = draw.choice(sorted(WAYS))
    answer = _another_number(number, language, draw)
    return answer, draw.choice([language, None])


def _another_number(number: int, language: str, draw: random.Random) -> str:
    kind = draw.choice(["digit", "digit", "sign", "power", "word", "grouping"])
    way = draw.choice(WAYS[language]["ways"])
    if kind == "word" and number:
        scale = draw.choice(SCALES[language])
        return f"{number}{draw.choice(['', ' ']) if language in ('th', 'zh', 'ja') else ' '}{scale}"
    if kind == "sign" and number:
        return draw.choice(["-", "−", "- "]) + str(number)
    if kind == "power":
        return written(number * 10 if number else 10, way, language)
    if kind == "grouping" and 0 < number < 1000:
        # Grouped as the language groups, it is a thousand times as much.
        mark = {"de": ".", "es": ".", "fr": " ", "ru": "\u00a0"}.get(language, ",")
        return f"{number}{mark}000"
    return written(int(changed_digit(str(number), draw)), way, language)


def changed_digit(text: str, draw: random.Random) -> str:
    """One digit another."""
    place = draw.choice([place for place, character in enumerate(text) if character.isdigit() and character.isascii()])
    return text[:place] + draw.choice([digit for digit in "0123456789" if digit != text[place]]) + text[place + 1 :]


def harmless_formula(gold: str, draw: random.Random) -> str:
    """The same answer, typeset otherwise."""
    kinds = [
        lambda text: rf"\boxed{{{text}}}",
        lambda text: f"${text}$",
        lambda text: rf"\( {text} \)",
        lambda text: rf"\displaystyle {text}",
        lambda text: rf"\mathbf{{{text}}}",
        lambda text: rf"\color{{blue}}{{{text}}}",
        lambda text: rf"{{{text}}}",
        lambda text: f"**{text}**",
        lambda text: f"Answer: {text}",
        lambda text: rf"\text{{The answer is }} {text}",
        lambda text: f"{text}.",
        lambda text: rf"{text} \quad",
        lambda text: re.sub(r"\\d?frac(?![a-z])", r"\\tfrac", text),
        lambda text: re.sub(r"\\frac(?![a-z])", r"\\dfrac", text),
        lambda text: text.replace(r"\left", r"\Big").replace(r"\right", r"\Big"),
        lambda text: re.sub(r"(?<=[,+=&])\s*", r" \\, ", text),
        lambda text: re.sub(r"(?<=[,+=&])\s+", "", text),
        lambda text: re.sub(r"\s*\\\\\s*", r" \\\\[2mm] ", text) if "matrix" in text else text,
        lambda text: text.replace("pmatrix", "bmatrix"),
        lambda text: text.replace("-", "\N{MINUS SIGN}"),
        lambda text: re.sub(r"\\sqrt(\d)(?!\d)", r"\\sqrt{\1}", text),
        lambda text: text.replace(r"\pi", "π").replace(r"\infty", "∞"),
        lambda text: re.sub(r"(?<=[A-Za-z])\^(\w)", r"^{\1}", text),
        lambda text: re.sub(r"\\text\{", r"\\textnormal{", text),
        lambda text: re.sub(r"_\{?(\d+)\}?", r"_{\1}", text),
    ]
    return draw.choice(kinds)(draw.choice(kinds)(gold))


def harmful_formula(gold: str, draw: random.Random) -> str | None:
    """Another answer of the same form; None where the gold has nothing to change so."""
    kind = draw.choice(["digit", "digit", "sign", "order", "power", "unit", "base", "digits", "inside"])
    if kind in ("digit", "digits") and re.search(r"\d", gold):
        if kind == "digit":
            return changed_digit(gold, draw)
        place = draw.choice([found.end() for found in re.finditer(r"[1-9]\d*", gold)] or [None])
        return None if place is None else f"{gold[:place]}{draw.choice('123456789')}{gold[place:]}"
    if kind == "sign" and not re.search(r"\\pm|^\W*0\W*$|^\\text|=\s*0$", gold):
        bare = gold.lstrip("$ ")
        if re.match(r"-?[\d.\\a-z]+[^,]*$", bare) and bare[:1] != "{" and "=" not in bare and "in" not in bare[:8]:
            return bare[1:] if bare.startswith("-") else f"-{bare}" if not re.search(r"(?<!^)[+-]", bare) else None
    if kind == "inside":
        return _another_sign(gold, draw)
    if kind == "order":
        if "matrix" in gold and gold.count(r"\\") and (rows := re.split(r"\s*\\\\\s*", gold)):
            return None if len(rows) < 2 else _swapped_rows(gold)
        if pair := re.fullmatch(r"(\\left)?\(([^,()]+),([^,()]+)(\\right)?\)", gold):
            return f"({pair[3]},{pair[2]})" if pair[2].strip() != pair[3].strip() else None
    if kind == "power" and (power := re.search(r"\^\{?(\d)\}?(?!\d)", gold)):
        return f"{gold[: power.start(1)]}{int(power[1]) + draw.randint(1, 3)}{gold[power.end(1) :]}"
    unit = re.search(r"\\(?:text|mbox)\{ ?(cents|degrees|inches|cm|feet)\}", gold)
    if kind == "unit" and unit:
        return gold.replace(unit[1], draw.choice(["kg", "hours", "liters", "km"]))
    if kind == "base" and (base := re.search(r"_\{?(\d)\}?$", gold)):
        return f"{gold[: base.start()]}_{{{draw.choice([other for other in range(2, 17) if other != int(base[1])])}}}"
    return None


def _another_sign(gold: str, draw: random.Random) -> str | None:
    """With another sign of operation, variable, function or bracket."""
    kinds = [
        (r"(?<=[\w})]) ?[+-] ?(?=[\w\\(])", lambda sign: " - " if "+" in sign else " + "),
        (r"(?<![\\A-Za-z{])[a-df-hj-z](?![A-Za-z])", lambda name: "q" if name != "q" else "w"),
        (r"\\(?:cot|sin|cos|tan)(?![a-z])", lambda name: r"\sec"),
        (r"^\(|^\[", lambda bracket: "[" if bracket == "(" else "("),
    ]
    pattern, change = draw.choice(kinds)
    found = list(re.finditer(pattern, gold))
    if not found or r"\pm" in gold or "text" in gold or (pattern.startswith("^") and not re.search(r"[\])]$", gold)):
        return None
    if pattern.startswith("^") and "," not in gold:
        return None
    one = draw.choice(found)
    if gold[one.end() :].strip() in ("0", "0)"):
        return None
    return gold[: one.start()] + change(one[0]) + gold[one.end() :]


def _swapped_rows(gold: str) -> str | None:
    found = re.fullmatch(r"(\\begin\{\w+\})(.*)(\\end\{\w+\})", gold, re.DOTALL)
    rows = re.split(r"\\\\", found[2]) if found else []
    if found is None or len(rows) < 2 or rows[0].strip() == rows[1].strip():
        return None
    rows[0], rows[1] = rows[1], rows[0]
    return found[1] + r" \\ ".join(rows) + found[3]
