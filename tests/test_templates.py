"""How models are asked, and how their thoughts open and close."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine_fakes import Fake
from tertulia.engines.client import HttpEngine
from tertulia.engines.scripted import ScriptedEngine
from tertulia.errors import TertuliaError
from tertulia.model import Dialect, Profile

QUESTION = "What is </think> 3+4?"


class Templated(ScriptedEngine):
    """A model with a chat template of one's own."""

    def __init__(self, before: str, after: str, shown: str | None = "", system: str = "") -> None:
        super().__init__()
        self.parts = before, after, system
        self.info = replace(self.info, chat_template=shown)

    async def render(self, messages: Any, options: Any = None) -> str:
        before, after, system = self.parts
        told = {message["role"]: message["content"] for message in messages}
        begin = system.replace("SYSTEM", told["system"]) if "system" in told and system else ""
        return begin + before + told["user"] + after


async def test_a_profiles_prompt_comes_before_the_template() -> None:
    engine = ScriptedEngine()
    profile = Profile(prompt="<|user|>{question}<|assistant|><think>\n", think_open="<think>", think_close="</think>")
    dialect = await Dialect.probe(engine, profile)
    [(_, ids, text)] = await dialect.beginning(QUESTION)
    assert text == f"<|user|>{QUESTION}<|assistant|><think>\n"
    assert await engine.detokenize(ids) == text
    assert dialect.close_ids == (engine.control_id("</think>"),)
    assert dialect.open_ids == (engine.control_id("<think>"),)


async def test_a_question_can_close_nothing() -> None:
    engine = ScriptedEngine()
    dialect = await Dialect.probe(engine, Profile())
    [(_, ids, _)] = await dialect.beginning(QUESTION)
    assert engine.control_id("<|user|>") in ids
    assert engine.control_id("</think>") not in ids


async def test_the_thought_is_found_in_the_prompt_in_the_template_or_in_the_vocabulary() -> None:
    for engine, expected in (
        (Templated("<|user|>", "<|assistant|>[THINK]\n"), ("[THINK]", "[/THINK]")),
        (Templated("U:", "A:", shown="{% if '</think>' in content %}"), ("<think>", "</think>")),
        (Templated("U:", "A:", shown=None), ("<think>", "</think>")),
        (Templated("U:", "A:", shown="{{ content }}"), ("", "")),
    ):
        dialect = await Dialect.probe(engine, Profile())
        assert (dialect.think_open, dialect.think_close) == expected
        assert bool(dialect.close_ids) == bool(expected[1])


async def test_a_system_message_goes_before_the_question_where_the_template_knows_none() -> None:
    knows = await Dialect.probe(Templated("U:", "A:", system="S:SYSTEM|"), Profile())
    assert (await knows.beginning("1+1", system="Be brief."))[0][2] == "S:Be brief.|U:1+1A:"
    assert (await knows.beginning("1+1"))[0][2] == "U:1+1A:"
    not_so = await Dialect.probe(Templated("U:", "A:"), Profile())
    assert (await not_so.beginning("1+1", system="Be brief."))[0][2] == "U:Be brief.\n\n1+1A:"


async def test_a_chat_that_a_server_renders_to_ids() -> None:
    async with Fake("vllm").serving() as fake, HttpEngine(fake.url) as engine:
        dialect = await Dialect.probe(engine, Profile())
        [(_, ids, text)] = await dialect.beginning(QUESTION)
        assert text == f"<|user|>{QUESTION}<|assistant|><think>\n"
        assert fake.words.control_id("</think>") not in ids
        assert (dialect.think_close, dialect.close_ids) == ("</think>", (fake.words.control_id("</think>"),))


async def test_a_server_of_text_without_a_template_is_asked_in_the_plain_form_and_says_so() -> None:
    async with Fake("openai").serving() as fake, HttpEngine(fake.url) as engine:
        dialect = await Dialect.probe(engine, Profile())
        assert await dialect.beginning("1+1") == [("prompt", (), "Question: 1+1\nAnswer:")]
        assert "no chat template" in dialect.notes[0] and dialect.stops == ("\nQuestion:",)
        dialect = await Dialect.probe(engine, Profile(prompt="Q: {question}\nA:"))
        assert await dialect.beginning("1+1") == [("prompt", (), "Q: 1+1\nA:")]
        assert (dialect.think_close, dialect.close_ids, dialect.stops) == ("", (), ())
    with pytest.raises(TertuliaError, match="no place for the question"):
        await Dialect.probe(ScriptedEngine(), Profile(prompt="Q:"))
