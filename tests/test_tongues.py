"""Which language a thought is in is found from its own words, and formulas say nothing."""

from __future__ import annotations

import pytest

pytest.importorskip("lingua", reason="needs the extra study")

from tertulia.errors import TertuliaError
from tertulia.evaluation.tongues import off_target, sentences

THOUGHTS = {
    "en": "First we look at how many apples there are. Then we take away those that were sold.",
    "bn": "প্রথমে আমরা দেখি কতগুলি আপেল আছে। তারপর বিক্রি হওয়া আপেলগুলি বাদ দিই।",
    "de": "Zuerst schauen wir, wie viele Äpfel es sind. Dann ziehen wir die verkauften ab.",
    "es": "Primero miramos cuántas manzanas hay. Luego restamos las que se vendieron.",
    "fr": "D'abord, regardons combien de pommes il y a. Ensuite, nous retirons celles qui ont été vendues.",
    "ja": "まず、りんごが何個あるかを見ます。次に、売れた分を引きます。",
    "ru": "Сначала посмотрим, сколько там яблок. Потом вычтем проданные.",
    "sw": "Kwanza tunaangalia kuna matofaa mangapi. Kisha tunaondoa yale yaliyouzwa.",
    "te": "ముందుగా ఎన్ని ఆపిల్స్ ఉన్నాయో చూద్దాం. తరువాత అమ్మినవి తీసివేద్దాం.",
    "th": "ก่อนอื่นเราดูว่ามีแอปเปิลกี่ลูก\nจากนั้นเราลบลูกที่ขายไปแล้ว",
    "zh": "首先我们看看有多少个苹果。然后减去卖掉的那些。",
}


@pytest.mark.parametrize("language", THOUGHTS)
def test_each_language_is_known(language: str) -> None:
    found = off_target(THOUGHTS[language], language)
    assert found.language == language and found.off_target is False and found.switched == 0
    assert found.sentences == 2


def test_another_language_is_off_target() -> None:
    found = off_target(THOUGHTS["en"], "sw")
    assert found.language == "en" and found.off_target is True and found.switched == 1


def test_a_sentence_in_between_is_switching_and_no_more() -> None:
    both = THOUGHTS["de"] + " " + THOUGHTS["en"].partition(". ")[0] + "."
    found = off_target(both, "de")
    assert found.off_target is False and found.switched == pytest.approx(1 / 3)


def test_formulas_digits_and_code_say_nothing() -> None:
    text = "$x_{apples} = 13 + 80$ \\[\\frac{number of apples}{2}\\] `return apples` ```\nfor apple in apples:\n```"
    assert sentences(text) == [] and off_target(text, "sw").language is None
    assert off_target(f"{THOUGHTS['sw']} {text}", "sw").switched == 0


def test_on_the_world_words_are_known() -> None:
    found = off_target("1) dazu 3; 2) halb\n1) 5+3=8\n2) 8/2=4\n", "de", world=True)
    assert (found.language, found.off_target, found.sentences) == ("de", False, 1)
    assert off_target("1) add 3\n1) 5+3=8\n", "de", world=True).off_target is True
    mixed = off_target("1) dazu 3; 2) halb; 3) weg 2\nAgain: 1) add 4\n", "de", world=True)
    assert mixed.off_target is False and mixed.switched == 0.5


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(TertuliaError, match="unknown language 'tlh'"):
        off_target("nuqneH", "tlh")
