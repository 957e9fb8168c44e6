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


NEAR = {
    ("pt", "es"): "Primeiro somamos os dois preços. Depois tiramos o desconto de cada bilhete.",
    ("nl", "de"): "Eerst tellen we de kosten van de kaartjes op. Daarna halen we de korting eraf.",
    ("uk", "ru"): "Спочатку додаємо обидві ціни. Потім віднімаємо знижку на кожен квиток.",
    ("da", "de"): "Først lægger vi de to priser sammen. Derefter trækker vi rabatten fra hver billet.",
    ("be", "ru"): "Спачатку складзём абедзве цаны. Потым адымем зніжку на кожны білет.",
    ("it", "fr"): "Prima sommiamo i due prezzi. Poi togliamo lo sconto di ogni biglietto.",
}


@pytest.mark.parametrize(("near", "language"), NEAR)
def test_a_near_language_outside_the_eleven_is_off_target(near: str, language: str) -> None:
    found = off_target(NEAR[near, language], language)
    assert (found.language, found.off_target, found.switched, found.sentences) == (near, True, 1.0, 2)


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("hangul", "먼저 두 가격을 더합니다. 그런 다음 할인을 뺍니다."),
        ("arabic", "أولا نجمع السعرين. ثم نطرح الخصم من كل تذكرة."),
        ("devanagari", "पहले हम दोनों दाम जोड़ते हैं। फिर छूट घटाते हैं।"),
        ("hebrew", "קודם נחבר את שני המחירים. אחר כך נחסיר את ההנחה."),
        ("greek", "Πρώτα προσθέτουμε τις δύο τιμές. Μετά αφαιρούμε την έκπτωση."),
    ],
)
@pytest.mark.parametrize("language", ["en", "bn", "zh"])
def test_a_script_that_none_of_the_eleven_uses_is_off_target(script: str, text: str, language: str) -> None:
    found = off_target(text, language)
    assert (found.language, found.off_target, found.switched, found.sentences) == (script, True, 1.0, 2)


@pytest.mark.parametrize(
    "text",
    [
        "70 times 500 is 35,000.",
        "PQR is a triangle, PQ = QR.",
        "lcm(9, 6) = 18, gcd(9, 6) = 3.",
        "cos(x) + tan(y) = 2",
        "α + β = 90",
        "9+5=14",
    ],
)
def test_short_arithmetic_and_formulas_are_never_another_language(text: str) -> None:
    for language in ("en", "de", "sw"):
        assert off_target(text, language).off_target is not True
        assert off_target(f"{THOUGHTS[language]}\n{text}", language).switched == 0


def test_short_sentences_are_judged_together_where_none_is_long_enough() -> None:
    found = off_target("She has 9 pens.\nHe has 5.\nThey have 14.", "en")
    assert (found.language, found.off_target, found.sentences) == ("en", False, 1)


def test_chinese_characters_alone_are_chinese_or_japanese_by_the_rest() -> None:
    alone = "5個×3=15個。合計15個。"
    assert off_target(alone, "ja").off_target is False and off_target(alone, "zh").off_target is False
    assert off_target(alone, "en").off_target is True
    assert off_target(f"{THOUGHTS['ja']}{alone}", "ja").switched == 0
    assert off_target(f"{THOUGHTS['ja']}{alone}", "zh").switched == 1
    chinese = off_target(f"{THOUGHTS['zh']}{alone}", "ja")
    assert chinese.language == "zh" and chinese.switched == 1


def test_on_the_world_words_are_known() -> None:
    found = off_target("1) dazu 3; 2) halb\n1) 5+3=8\n2) 8/2=4\n", "de", world=True)
    assert (found.language, found.off_target, found.sentences) == ("de", False, 1)
    assert off_target("1) add 3\n1) 5+3=8\n", "de", world=True).off_target is True
    mixed = off_target("1) dazu 3; 2) halb; 3) weg 2\nAgain: 1) add 4\n", "de", world=True)
    assert mixed.off_target is False and mixed.switched == 0.5


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(TertuliaError, match="unknown language 'tlh'"):
        off_target("nuqneH", "tlh")
