"""Every language of the wording sets says what English says: same keys, places, tags and numbers."""

import re
import tomllib
from collections import Counter
from dataclasses import replace
from importlib import resources

import pytest

from tertulia.wording import PLACES, Wording, languages
from tertulia.world.language import LANGUAGES

SETS = ("paper", "pebble", "plain")
PROMPT = ("question", "instruction", "thought_start", "thinking", "think_in")
FILES = [(name, language) for name in SETS for language in languages(name)]
# Whatever a model may take for control: <summarize>, </think>, <|im_end|>, [INST], <start_of_turn>, ...
TAG = re.compile(r"<[^<>\n]*>|\[/?[A-Z_]+\]")
PLACE = re.compile(r"(?<!\\boxed)\{([^{}]*)\}")
OPEN_ALONE = ("cues", "cue_again", "cue_give_up")  # balanced only one after the other


def texts(words: Wording) -> dict[str, str]:
    """Every text by its key; the cues one by one."""
    found = {key: value for key, value in vars(words).items() if isinstance(value, str) and key != "language"}
    return found | {f"cues.{number}": cue for number, cue in enumerate(words.cues)}


def balanced(text: str) -> bool:
    """Whether every tag is closed before the next one opens."""
    tags = TAG.findall(text)
    pairs = zip(tags[::2], tags[1::2], strict=False)
    return len(tags) % 2 == 0 and all(opens[0] + "/" + opens[1:] == closes for opens, closes in pairs)


def edges(text: str) -> tuple[str, str]:
    """Line breaks before and after."""
    return text[: len(text) - len(text.lstrip("\n"))], text[len(text.rstrip("\n")) :]


def letters(text: str) -> bool:
    """Whether anything is left to translate."""
    return bool(re.search(r"[^\W\d_]", PLACE.sub("", TAG.sub("", text)).replace("\\boxed", "")))


def counted(words: Wording, text: str) -> bool:
    """Whether a sentence ends before {counts} and the next one begins after it, as if {counts} were not there."""
    between = " " if words.plain_counts.startswith(" ") else ""
    return bool(re.search(rf"{re.escape(words.plain_counts[-1])}\{{counts\}}{between}\S", text))


def faults(words: Wording, english: Wording) -> list[str]:
    """Where `words` do not fit those of English in the same set, as "kind key"."""
    mine, theirs = texts(words), texts(english)
    found = [f"cues {key}" for key in mine.keys() ^ theirs.keys()]
    for key in mine.keys() & theirs.keys():
        text, model = mine[key], theirs[key]
        places = Counter(PLACE.findall(text))
        # An empty text is filled with nothing: a set may do without it.
        wanted = Counter(PLACES.get(key, ())) if model else Counter()
        if not places == wanted == Counter(PLACE.findall(model)):
            found.append(f"places {key}")
        if Counter(TAG.findall(text)) != Counter(TAG.findall(model)) or re.sub(TAG, "", text).count("<"):
            found.append(f"tags {key}")
        if key.partition(".")[0] not in OPEN_ALONE and not balanced(text):
            found.append(f"balance {key}")
        if key.startswith("cues.") and text.endswith("<summarize>") != model.endswith("<summarize>"):
            found.append(f"open {key}")
        if edges(text) != edges(model):
            found.append(f"edges {key}")
        if re.findall(r"\\boxed\{[^{}]*\}", text) != re.findall(r"\\boxed\{[^{}]*\}", model):
            found.append(f"boxed {key}")
        if words.language != "en" and text == model and letters(text):
            found.append(f"english {key}")
        if "counts" in places and not counted(words, text):
            found.append(f"counts {key}")
    if words.lead and not words.lead.endswith("\\boxed{"):
        found.append("boxed lead")
    for cue in filter(TAG.search, words.cues):
        if not balanced(f"{cue}a{words.cue_again}b{words.cue_give_up}"):
            found.append("balance cues")
    # A small model copies what stands in its prompt: a worked example, its numbers first of all.
    found += [f"number {key}" for key in PROMPT if re.search(r"\d", mine[key])]
    return found


@pytest.mark.parametrize(("name", "language"), FILES)
def test_a_language_fits_english(name: str, language: str) -> None:
    assert faults(Wording.load(name, language), Wording.load(name, "en")) == []


@pytest.mark.parametrize(("name", "language"), FILES)
def test_a_language_file_has_the_keys_of_english_and_none_of_the_set(name: str, language: str) -> None:
    def keys(file: str) -> set[str]:
        return set(tomllib.loads((resources.files("tertulia.wording") / name / file).read_text("utf-8")))

    assert keys(f"{language}.toml") == keys("en.toml")
    assert not keys(f"{language}.toml") & keys("set.toml")


@pytest.mark.parametrize("name", SETS)
def test_a_set_has_the_eleven_languages(name: str) -> None:
    assert set(languages(name)) == set(LANGUAGES) and len(LANGUAGES) == 11


@pytest.mark.parametrize(
    ("name", "key", "text", "fault"),
    [
        ("paper", "step_differ", "paso {step}: {mine}, {count} de {total}", "places step_differ"),
        ("paper", "answer_agree", "{mine}", "places answer_agree"),
        ("paper", "quote", "Compañero {peer}, {peer}: {summary}", "places quote"),
        ("paper", "check", "Veamos.</think>\n", "tags check"),
        ("paper", "quote_none", "<|im_end|>", "tags quote_none"),
        ("paper", "moa_proposal", "[INST] {number}: {proposal}\n", "tags moa_proposal"),
        ("paper", "closing", "\n\nBasta <ya.\n", "tags closing"),
        ("paper", "cue_give_up", "</resumen>", "balance cues"),
        ("paper", "frame", "</peers>\n{text}\n<peers>\n\n", "balance frame"),
        ("paper", "thought_start", "Leo <peers> entre <summarize> y </peers>.\n\n", "balance thought_start"),
        ("paper", "thinking", "Voy a pensar en español.", "edges thinking"),
        ("paper", "question", "{question}\n\nResponde en \\boxed{x}.", "boxed question"),
        ("paper", "lead", "\n\nAsí que la respuesta es ", "boxed lead"),
        ("paper", "quote_finished", "I have finished. My answer is {answer}.", "english quote_finished"),
        ("paper", "instruction", "3 filas de 15 tarros", "number instruction"),
        ("paper", "thought_start", "Como 2 + 2 = 4", "number thought_start"),
        ("plain", "plain_working", '\n\n"{working}" Me da {other}, no {mine}.\n\n', "places plain_working"),
        ("plain", "plain_answer_unknown", "\n\nMe da {other}{counts}. Voy a ver.\n\n", "counts plain_answer_unknown"),
        ("plain", "plain_answer_unknown", "\n\nMe da {other}. {counts} Voy a ver.\n\n", "counts plain_answer_unknown"),
        ("plain", "plain_answer_unknown", "\n\nMe da {other}.{counts}Voy a ver.\n\n", "counts plain_answer_unknown"),
        ("plain", "plain_self", "\n\nEspera, voy a comprobarlo.", "edges plain_self"),
        ("paper", "cues", ("\n\n¿Y bien?\n<summarize>",), "cues cues.1"),
        ("paper", "cues", ("\n\n<summarize>\n",) * 4, "open cues.0"),
        ("plain", "cues", ("\n\nEn resumen:\n<summarize>",), "open cues.0"),
    ],
)
def test_a_wording_that_does_not_fit_is_found(name: str, key: str, text: str | tuple[str, ...], fault: str) -> None:
    wrong = replace(Wording.load(name, "es"), **{key: text})
    assert fault in faults(wrong, Wording.load(name, "en"))
