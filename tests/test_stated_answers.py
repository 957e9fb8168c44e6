"""Answers that are stated in words, in eleven languages; and those that are denied, supposed, or taken back."""

from __future__ import annotations

import pytest

from tertulia.answers.extract import boxed_rest, extract_answer, stated_answer

# Each with the letter in place of {}: announced as an option, called correct, called wrong, denied for another
# (the second letter), and announced and taken back.
OPTION = {
    "en": ["Answer: Option {}", "The answer is option ({}).", "**Answer:** Choice {}", "I choose {}."],
    "de": [
        "Antwort: Option {}",
        "Die richtige Antwort lautet: Möglichkeit ({})",
        "Die richtige Option ist {}.",
        "Ich wähle {}.",
    ],
    "es": ["Respuesta: opción {}", "La respuesta correcta es la opción {}.", "Elijo la {}."],
    "fr": [
        "Réponse : option {}",
        "La bonne réponse est l'option {}.",
        "L'option correcte est {}.",
        "Je choisis la {}.",
    ],
    "ru": ["Ответ: вариант {}", "Правильный ответ: вариант {}.", "Правильным является вариант {}.", "Выбираю {}."],
    "sw": ["Jibu: Chaguo {}", "Jibu sahihi ni chaguo {}.", "Nachagua {}."],
    "ja": ["答え：選択肢{}", "正解は選択肢{}です。", "よって{}を選びます。"],
    "zh": ["答案：选项{}", "正确答案是选项{}。", "故选：{}", "应选择{}。", "我选{}。"],
    "th": ["คำตอบ: ตัวเลือก {}", "คำตอบที่ถูกต้องคือ ข้อ {}", "ข้อที่ถูกต้องคือ {}", "เลือกข้อ {}"],
    "bn": ["উত্তর: বিকল্প {}", "সঠিক উত্তর হলো বিকল্প {}"],
    "te": ["సమాధానం: ఎంపిక {}", "సరైన సమాధానం ఎంపిక {}."],
}
CORRECT = {
    "en": [
        "Option {} is correct.",
        "[{}] is right.",
        "**{}** is the correct one.",
        "Therefore statement {} is correct.",
    ],
    "de": ["Option {} ist richtig.", "Also ist es so: Antwort {} ist korrekt."],
    "es": ["La opción {} es correcta.", "Por tanto, la respuesta {} es la correcta."],
    "fr": ["L'option {} est correcte.", "La réponse {} est exacte."],
    "ru": ["Вариант {} верен.", "{} — правильный ответ."],
    "sw": ["Chaguo {} ni sahihi."],
    "ja": ["選択肢{}が正しい。", "{}が正解です。"],
    "zh": ["选项{}正确。", "{}选项是正确的。", "所以{}项正确。"],
    "th": ["ตัวเลือก {} ถูกต้อง", "ข้อ {} เป็นคำตอบที่ถูกต้อง"],
    "bn": ["বিকল্প {} সঠিক।"],
    "te": ["ఎంపిక {} సరైనది.", "{} సరైన సమాధానం."],
}
WRONG = {
    "en": [
        "Option {} is incorrect.",
        "{} is not correct.",
        "If option {} is correct, then x = 5.",
        "Is option {} right?",
    ],
    "de": ["Option {} ist nicht richtig.", "Antwort {} ist falsch."],
    "es": ["La opción {} es incorrecta."],
    "fr": ["L'option {} n'est pas correcte."],
    "ru": ["Вариант {} неверен."],
    "sw": ["Chaguo {} si sahihi."],
    "ja": ["選択肢{}は正しくない。"],
    "zh": ["选项{}不正确。"],
    "th": ["ตัวเลือก {} ไม่ถูกต้อง"],
    "bn": ["বিকল্প {} সঠিক নয়।"],
    "te": ["ఎంపిక {} సరైనది కాదు."],
}
INSTEAD = {
    "en": [
        "The answer can't be {}, so it is {}.",
        "The right answer is not {}, it is {}.",
        "The answer isn't {} but {}.",
    ],
    "de": ["Die Antwort ist nicht {}, sondern {}."],
    "es": ["La respuesta no es {}, sino {}."],
    "fr": ["La réponse n'est pas {}, mais {}."],
    "ru": ["Ответ не {}, а {}."],
    "sw": ["Jibu si {}, bali ni {}."],
    "ja": ["答えは{}ではなく{}です。"],
    "zh": ["答案不是{}，而是{}。"],
    "th": ["คำตอบไม่ใช่ {} แต่เป็น {}"],
    "bn": ["উত্তর {} নয়, বরং {}।"],
    "te": ["సమాధానం {} కాదు, {}."],
}
TAKEN_BACK = {
    "en": [
        "You may think the answer is {}, but this is false.",
        "The answer is {}. Wait, that's not right.",
        "Answer: {}\nHmm.",
    ],
    "de": ["Die Antwort ist {}, aber das ist falsch."],
    "es": ["La respuesta es {}, pero eso es incorrecto."],
    "fr": ["La réponse est {}, mais c'est faux."],
    "ru": ["Ответ {}, но это неверно."],
    "sw": ["Jibu ni {}, lakini hilo si sahihi."],
    "ja": ["答えは{}です。いや、それは間違いだ。"],
    "zh": ["答案是{}，但这是错的。", "答案是{}。不对，重新算。"],
    "th": ["คำตอบคือ {} แต่นั่นผิด"],
    "bn": ["উত্তর হল {}, কিন্তু সেটা ভুল।"],
    "te": ["సమాధానం {}, కానీ అది తప్పు."],
}


def every(table: dict[str, list[str]]) -> list[tuple[str, str]]:
    return [(language, text) for language, texts in table.items() for text in texts]


@pytest.mark.parametrize(("language", "text"), every(OPTION) + every(CORRECT))
def test_an_option_that_is_announced_or_called_correct_is_the_answer(language: str, text: str) -> None:
    for letter in "ABDE":
        assert extract_answer(text.format(letter), "choice") == letter
        assert extract_answer(text.format(letter), "choice", language) == letter
        assert stated_answer(f"We look at all of them.\n\n{text.format(letter)}", "choice") == letter


@pytest.mark.parametrize(("language", "text"), every(WRONG) + every(TAKEN_BACK))
def test_an_option_that_is_called_wrong_supposed_or_taken_back_is_no_answer(language: str, text: str) -> None:
    for letter in "ABDE":
        assert extract_answer(text.format(letter), "choice") is None
        assert extract_answer(f"{text.format(letter)}\nAnswer: G", "choice", language) == "G"


@pytest.mark.parametrize(("language", "text"), every(INSTEAD))
def test_what_stands_in_the_place_of_a_denied_letter_is_the_answer(language: str, text: str) -> None:
    assert extract_answer(text.format("A", "D"), "choice") == "D"
    assert extract_answer(text.format("C", "B"), "choice", language) == "B"


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("Choice: B", "B"),
        ("My choice is B.", "B"),
        ("Choix : D", "D"),
        ("Wahl: D", "D"),
        ("Le choix D est incorrect.", None),
        ("La réponse D est la bonne.", "D"),
        ("Верен вариант D.", "D"),
        ("Не верен вариант D.", None),
        ("Chaguo D ndio jibu sahihi.", "D"),
        ("The answer is C, but wait, there is more.", None),
        ("We add them up.\n\n(B) Fourteen litres", "B"),
        ("**E) That is the one we want**", "E"),
        ("C. Lisbon", "C"),
        ("Options:\n(A) two\n(B) three", None),
        ("A) two is incorrect.", None),
        ("<answer>D</answer>", "D"),
        ("I thought of A.\n<answer> Option (B) </answer>", "B"),
        ("<answer>12</answer>\nAnswer: D", "D"),
        (r"\boxed{\mathbf{B}}", "B"),
        (r"\boxed{\mathrm{(D)}}", "D"),
        (r"\boxed{\underline{\textsf{A}}}", "A"),
        (r"\boxed{\bf E}", "E"),
        (r"\boxed{\sqrt{A}}", None),
        ("It comes to \\boxed{31}.\nAnswer: C", "C"),
        (r"The answer is (D), for the value is \boxed{31}.", "D"),
        (r"Answer: A, or rather \boxed{A, B}", None),
        ("Hence the answer will be (D)", "D"),
        ("Ans: B", "B"),
        ("The answer is A rather than B.", "A"),
        ("We go through each answer choice: (A) can never be true.", None),
        ("Answer: B\n\nA is wrong, for it is too small.", "B"),
        ("The answer is B. On reflection, B is wrong.", None),
    ],
)
def test_where_a_letter_is_read(text: str, letter: str | None) -> None:
    assert extract_answer(text, "choice") == letter


@pytest.mark.parametrize(
    "name",
    ["C. elegans", "B. subtilis", "E. coli O157", "J. S. Bach", "C++", "C#", "D.C.", "vitamin C", "B minor", "A-level"],
)
def test_a_letter_that_begins_a_name_is_no_option(name: str) -> None:
    assert extract_answer(f"Answer: {name}", "choice") is None
    assert extract_answer(f"\\boxed{{{name}}}", "choice") is None


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "The final answer is 31."),
        ("en", "**Final Answer:** $31$"),
        ("en", "### Final Answer\n\n**31**"),
        ("en", "Final Answer: The final answer is $31$. I hope it is correct."),
        ("en", "The answer is 31, because 30 + 1 = 31."),
        ("en", "The answer is 31 because 30 + 1 = 31."),
        ("en", "30 + 1 = 31\n#### 31"),
        ("en", "<answer>\n31\n</answer>"),
        ("en", "Answer: 31\n\nThat is what they have left."),
        ("en", "The answer is 30. Wait, that's wrong. The answer is 31."),
        ("de", "Die Antwort lautet 31."),
        ("es", "La respuesta final es: 31."),
        ("fr", "La réponse est 31."),
        ("ru", "Ответ — 31."),
        ("sw", "Jibu ni 31."),
        ("ja", "したがって、答えは31です。"),
        ("zh", "所以答案是31。"),
        ("th", "คำตอบคือ 31"),
        ("bn", "উত্তর হল 31।"),
        ("te", "సమాధానం 31."),
        ("en", "**Answer: 31**"),
        ("ja", "答えは **31** です。"),
    ],
)
def test_a_value_that_is_announced_at_the_end_is_the_answer(language: str, text: str) -> None:
    for given in (None, language):
        found = extract_answer(text, "math", given)
        assert found is not None and found.strip("$ ") == "31"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Answer: 12 apples", "12 apples"),
        ("Answer: -7", "-7"),
        ("Die Antwort ist 3,5.", "3,5"),
        ("The answer is 1,250.", "1,250"),
        ("The answer is (3, 4).", "(3, 4)"),
        ("The answer is 7 or 8.", "7 or 8"),
        ("The answer is 6 million.", "6 million"),
        ("The answer is $x = 3, y = 4$.", "$x = 3, y = 4$"),
        ("The answer is x = 3, y = 4.", "x = 3, y = 4"),
        ("The answer is 40 - 9 = 31.", "31"),
        ("The answer is $x^2 + y^2 = 9$.", "$x^2 + y^2 = 9$"),
        ("The answer will be 31 litres", "31 litres"),
        ("ANS: 31", "31"),
        ("#### **31**", "31"),
        ("#### 31.", "31"),
        ('{"answer": 31}', "31"),
        ('{"steps": 2, "answer": "31"}', "31"),
        ("Final Answer → 31", "31"),
        ("[Answer] 31", "31"),
        ("The answer is 31 (since 30 + 1 = 31).", "31"),
        ("คำตอบ: **31** บาท", "31 บาท"),
        ("答案是十二", "十二"),
    ],
)
def test_all_of_a_value_is_read(text: str, value: str) -> None:
    assert extract_answer(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "30 + 1 = 31",
        "So she has 31 apples.",
        "The answer is not 31.",
        "Is the answer 31?",
        "If the answer is 31, then x is 3.",
        "Perhaps the answer is 31.",
        "The answer is 31. Wait, that's wrong.",
        "The answer is a prime.",
        "Answer 31 is too large.",
        "The answers are 30 and 31.",
        "Let us check our answer: 30 + 1 = 31.",
        "Thus we find the final value: 31",
        "#### 31. Compute the total",
        "答えは31ではない。",
        "উত্তর 31 নয়।",
        "సమాధానం 31 కాదు.",
        "คำตอบไม่ใช่ 31",
        "答案不是31",
        "Jibu si 31",
        "Ответ не 31",
        "La respuesta no es 31.",
        "La réponse n'est pas 31.",
        "Die Antwort ist nicht 31.",
        "The answer is 31.\n" + "Then we turn to something else. " * 20,
        "The answer is 31. So far \\boxed{",
    ],
)
def test_a_value_that_is_not_announced_at_the_end_is_none(text: str) -> None:
    assert extract_answer(text) is None


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "Answer: They have 31 pens."),
        ("de", "Antwort: Sie haben 31 Stifte."),
        ("es", "Respuesta: Tienen 31 manzanas."),
        ("fr", "Réponse : Il reste 31 litres."),
        ("ru", "Ответ: у них 31 яблоко."),
        ("sw", "Jibu: Wana matofaa 31."),
        ("ja", "答え：りんごは31個です。"),
        ("zh", "答：他们一共有31个苹果。"),
        ("th", "คำตอบ: พวกเขามีแอปเปิล 31 ลูก"),
        ("bn", "উত্তর: তাদের 31টি আপেল আছে।"),
        ("te", "సమాధానం: వారి దగ్గర 31 ఆపిల్స్ ఉన్నాయి."),
    ],
)
def test_the_only_number_of_a_sentence_that_is_called_the_answer_is_its_value(language: str, text: str) -> None:
    found = extract_answer(text, "math", language)
    assert found is not None and found.startswith("31")
    assert extract_answer(f"{text}\n30 + 2 = 32", "math", language) is None, "it was the beginning of a way"


@pytest.mark.parametrize(
    "text",
    [
        "Answer: They have more than 31.",
        "Answer: They have 3 of 31.",
        "Antwort: Es sind mindestens 31.",
        "答：他们有不到31个。",
    ],
)
def test_a_bound_or_one_of_several_numbers_in_a_sentence_is_no_value(text: str) -> None:
    assert extract_answer(text) is None


@pytest.mark.parametrize(("language", "text"), every(TAKEN_BACK))
def test_a_value_that_is_taken_back_is_no_answer(language: str, text: str) -> None:
    assert extract_answer(text.format("31")) is None
    assert extract_answer(text.format("31"), "math", language) is None


def test_a_box_comes_before_words() -> None:
    assert (
        extract_answer(r"The answer is 31. \boxed{30}") == extract_answer(r"\boxed{30}, so the answer is 31.") == "30"
    )
    assert stated_answer(r"\boxed{30}, so the answer is 31.") == "31"


@pytest.mark.parametrize(
    ("rest", "answer"),
    [
        ("31}$.", "31"),
        (r"\frac{3}{7}} and so on", r"\frac{3}{7}"),
        (r"\{3, 7\}}", r"\{3, 7\}"),
        (r"\left\{ x \right.}", r"\left\{ x \right."),
        (r"31\]", "31"),
        ("31 \n\nSo", "31"),
        ("}", None),
    ],
)
def test_what_is_written_after_an_open_box_is_read_to_its_end(rest: str, answer: str | None) -> None:
    assert boxed_rest(rest) == answer
