"""Copying: what a path says with our words or another question's is told from what is its own."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path as FilePath

import pytest

from tertulia.circle.path import Path, Span
from tertulia.engines.scripted import ScriptedEngine
from tertulia.evaluation.arms import arm
from tertulia.evaluation.bench import Bench
from tertulia.evaluation.copying import Foreign, runs_of
from tertulia.evaluation.where import Where
from tertulia.tasks.question import Question
from tertulia.wording import Wording

ASKED = "Ana has 13 shells and gets 80 more from her brother on the same day. How many has she?"
OTHER = "A lorry brings 40 crates of pears to the market and takes 12 of them back. How many stay?"
PLAIN = Wording.load("plain", "en")


def others(folder: FilePath, *texts: str) -> Foreign:
    file = folder / "questions.json"
    file.write_text(json.dumps([{"text": text} for text in (ASKED, *texts)]))
    return Foreign.of(ASKED, [PLAIN], runs_of(file))


def path(answer: str, *summaries: str) -> Path:
    made = Path(0, "p")
    made.spans = [Span("prompt", (), OTHER, 1), Span("heard", (), PLAIN.plain_self, 1)]
    made.spans += [Span("summary", (), text, 1) for text in summaries]
    made.spans.append(Span("thought", (), answer, 1))
    return made


def test_eight_words_in_a_row_of_another_question_are_copied_and_seven_are_not(tmp_path: FilePath) -> None:
    foreign = others(tmp_path, OTHER)
    assert foreign.holds("So: A lorry brings 40 crates -- of pears, to...")
    assert not foreign.holds("A lorry brings 40 crates of pears, and that makes 40.")


def test_ones_own_question_may_be_said_again(tmp_path: FilePath) -> None:
    assert not others(tmp_path, ASKED.replace("13", "14")).holds(ASKED)


def test_our_own_sentences_are_copied_whatever_is_filled_in(tmp_path: FilePath) -> None:
    foreign = others(tmp_path)
    heard = PLAIN.plain_answer.replace("{other}", "72").replace("{mine}", "5").replace("{counts}", "")
    assert foreign.holds(heard) and foreign.holds(PLAIN.plain_self)
    assert not foreign.holds("13 and 80 are 93, so she has \\boxed{93} shells, and not fewer.")


def test_letters_are_counted_where_words_have_no_blanks(tmp_path: FilePath) -> None:
    chinese = "市场上来了四十箱梨，其中十二箱又被运走了，还剩下多少箱？"
    foreign = others(tmp_path, chinese)
    assert foreign.holds("市场上来了四十箱梨，其中十二箱又被运走") and not foreign.holds("市场上来了四十箱梨")


def test_summaries_and_the_answer_are_counted_one_by_one_and_never_what_was_put_in(tmp_path: FilePath) -> None:
    foreign = others(tmp_path, OTHER)
    assert foreign.copied(path("13 and 80 are 93.")) == (0, 1)
    assert foreign.copied(path("13 and 80 are 93.", OTHER, " "), {0: [OTHER, "I add."], 1: [OTHER]}) == (2, 4)
    assert foreign.copied(path(OTHER)) == (1, 1)


@pytest.mark.parametrize(("copies", "share"), [(True, 1), (False, 0)])
async def test_a_record_says_it(copies: bool, share: int, tmp_path: FilePath) -> None:
    file = tmp_path / "questions.json"
    file.write_text(json.dumps([{"text": ASKED}, {"text": OTHER}]))
    said = f"{OTHER if copies else 'I add.'} </think>\\boxed{{28}}<|end|>"
    async with Bench(Where(model="scripted"), made=ScriptedEngine(lambda *_: said)) as bench:
        question = Question("q", ASKED, "93", "math")
        settings = bench.settings(arm("independent"), {"paths": 2, "seed": 4}, question)
        _, record = await bench.circle(question, settings, questions=file)
    assert [(kept.said, kept.copied) for kept in record.paths] == [(1, share)] * 2
    assert not record.shared and replace(record, shared=True) != record
