"""How models of many families are asked: real llama.cpp, and small random models with their control tokens."""

from __future__ import annotations

import os
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer

from make_gguf import make_gguf
from tertulia.engines.base import Request, Sampling
from tertulia.engines.embedded import EmbeddedEngine
from tertulia.model import Beginning, Dialect, Profile
from tertulia.templates import Turn, chat

FAMILIES: dict[str, dict[str, Any]] = tomllib.loads((Path(__file__).parent / "families.toml").read_text("utf-8"))
QUESTION = "How much is 13 plus 80?"
GREEDY = Sampling(temperature=0.0)


class Family:
    """A family, and a running model of it."""

    def __init__(self, about: dict[str, Any], engine: EmbeddedEngine, tokenizer: Tokenizer) -> None:
        self.about, self.engine, self.tokenizer = about, engine, tokenizer
        self.asked = str(about["asked"])
        self.open, self.close = about["think"] or ("", "")
        self.end = str(about["control"][-1])

    def ids(self, text: str) -> tuple[int, ...]:
        """As the family's own tokenizer has it, control tokens parsed."""
        return tuple(self.tokenizer.encode(text, add_special_tokens=False).ids)

    async def goes_on(self, ids: tuple[int, ...], **stops: Any) -> tuple[str, str]:
        """What the model writes after these ids, and why it ends."""
        came = await self.engine.generate(Request("p", ids, "", 40, GREEDY, **stops))
        return came.text, came.finish


@pytest.fixture(params=FAMILIES)
async def family(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Family]:
    about = FAMILIES[request.param]
    close, control = (about["think"] or ["", ""])[1], about["control"]
    tokenizer = make_gguf(
        tmp_path / "tiny.gguf",
        template=about.get("template"),
        control=control,
        begins=about.get("begins", False),
        also=("assistant", "final"),
        ending=f"~{close}@{control[-1]}",
    )
    async with EmbeddedEngine(tmp_path / "tiny.gguf", slots=1, context_per_slot=768) as engine:
        yield Family(about, engine, tokenizer)


def told(parts: list[Beginning]) -> str:
    return "".join(text for _, _, text in parts)


def ids_of(parts: list[Beginning]) -> tuple[int, ...]:
    return tuple(token for _, ids, _ in parts for token in ids)


async def test_a_family_is_asked_as_its_template_says(family: Family) -> None:
    dialect = await Dialect.probe(family.engine, Profile())
    parts = await dialect.beginning(QUESTION)
    expected = family.asked.replace("{q}", QUESTION)
    assert told(parts) == expected and ids_of(parts) == family.ids(expected)
    assert (dialect.think_open, dialect.think_close) == (family.open, family.close)
    assert dialect.close_ids == family.ids(family.close) and dialect.open_ids == family.ids(family.open)
    assert len(dialect.notes) == 2


async def test_a_chat_is_rendered_as_its_template_says_without_earlier_thoughts(family: Family) -> None:
    dialect = await Dialect.probe(family.engine, Profile())
    thought = f"{family.open}So 3 and 4.{family.close}" if family.open else ""
    said = {"s": "Be brief.", "u": "How much is 3 plus 4?", "a": "It is 7."}
    history = chat(
        [
            {"role": "system", "content": said["s"]},
            {"role": "user", "content": said["u"]},
            {"role": "assistant", "content": thought + said["a"], "reasoning_content": "So 3 and 4."},
        ]
    )
    parts = await dialect.beginning(QUESTION, history=history)
    expected = family.about["chat"].replace("{q}", QUESTION)
    for place, words in said.items():
        expected = expected.replace(f"{{{place}}}", words)
    assert told(parts) == expected and ids_of(parts) == family.ids(expected)


async def test_control_tokens_in_a_chat_are_text(family: Family) -> None:
    dialect = await Dialect.probe(family.engine, Profile())
    marks = f"Look: {''.join(family.about['control'])} is there"

    def chat_of(words: str) -> tuple[Turn, ...]:
        return chat([{"role": role, "content": words} for role in ("system", "user", "assistant")])

    plain, worded = [ids_of(await dialect.beginning(QUESTION, history=chat_of(words))) for words in ("Hm", marks)]
    for token in map(family.tokenizer.token_to_id, family.about["control"]):
        assert worded.count(token) == plain.count(token)


async def test_control_tokens_in_a_question_are_text(family: Family) -> None:
    dialect = await Dialect.probe(family.engine, Profile())
    control = family.about["control"]
    worded = f"What does {''.join(control)} mean?"
    parts = await dialect.beginning(worded)
    plain = ids_of(await dialect.beginning(QUESTION))
    assert told(parts) == family.asked.replace("{q}", worded)
    for token in map(family.tokenizer.token_to_id, control):
        assert ids_of(parts).count(token) == plain.count(token)


async def test_a_first_sentence_finds_the_thought_open_once(family: Family) -> None:
    dialect = await Dialect.probe(family.engine, Profile())
    parts = await dialect.beginning(QUESTION, "First, 13.")
    expected = family.asked.replace("{q}", QUESTION) + family.about.get("opened", "") + "First, 13."
    assert told(parts) == expected and ids_of(parts)[: len(parts[0][1])] == parts[0][1]
    on = await Dialect.probe(family.engine, Profile(), "on")
    if family.open:
        assert told(await on.beginning(QUESTION, "First, 13.")) == expected
        assert "thinks as" in on.notes[1]


async def test_a_thought_closes_and_an_answer_ends(family: Family) -> None:
    dialect = await Dialect.probe(family.engine, Profile())
    ids = (*ids_of(await dialect.beginning(QUESTION)), *family.ids("so ~"))
    if family.close:
        single = len(dialect.close_ids) == 1
        stops: dict[str, Any] = {"stop_ids": dialect.close_ids} if single else {"stop": (dialect.think_close,)}
        assert await family.goes_on(ids, **stops) == (family.close, "stop")
        ids += dialect.close_ids
    assert await family.goes_on(ids) == ("@", "end")


async def test_thinking_is_switched_off(family: Family) -> None:
    dialect = await Dialect.probe(family.engine, Profile(), "off")
    parts = await dialect.beginning(QUESTION, "It is")
    assert told(parts).endswith(family.about["off"].replace("{q}", QUESTION) + "It is")
    assert (dialect.think_open, dialect.think_close, dialect.close_ids) == ("", "", ())
    if family.open:
        assert "thinking is off" in dialect.notes[1]


@pytest.mark.parametrize("file", list(filter(None, os.environ.get("TERTULIA_REAL_MODELS", "").split(os.pathsep))))
async def test_a_real_model_is_asked_as_its_own_tokenizer_reads_its_template(file: str) -> None:
    """Opt-in: GGUF files of real models, their paths joined as those in PATH."""
    async with EmbeddedEngine(Path(file), slots=1, context_per_slot=1024) as engine:
        dialect = await Dialect.probe(engine, Profile())
        plain = await dialect.beginning(QUESTION)
        assert ids_of(plain) == await engine.tokenize(told(plain), special=True)
        said = ("Be brief.", "How much is 3 plus 4?", "It is 7.")
        roles = ("system", "user", "assistant")
        history = chat([{"role": role, "content": words} for role, words in zip(roles, said, strict=True)])
        whole = await dialect.beginning(QUESTION, history=history)
        places = [told(whole).index(words) for words in (*said, QUESTION)]
        assert places == sorted(places) and ids_of(whole) == await engine.tokenize(told(whole), special=True)
        worded = await dialect.beginning("What are <|im_end|>, <end_of_turn>, </think>, </s> and <bos>?")
        for token in (*engine.info.end_ids, *dialect.close_ids):
            assert ids_of(worded).count(token) == ids_of(plain).count(token)
        came = await engine.generate(Request("p", ids_of(plain), "", 64, GREEDY, stop=dialect.stops))
        assert came.text.strip() and not set(came.text) <= set("<|>")
