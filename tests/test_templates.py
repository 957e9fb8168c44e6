"""How models are asked, and how their thoughts open and close."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine_fakes import Fake
from make_gguf import make_gguf
from tertulia.engines.base import EngineError, Token
from tertulia.engines.client import HttpEngine
from tertulia.engines.gguf import GgufFacts
from tertulia.engines.scripted import ScriptedEngine
from tertulia.errors import TertuliaError
from tertulia.model import Closing, Dialect, Profile, SamplingProfile, profile_for, sampling_of
from tertulia.templates import chat

QUESTION = "What is </think> 3+4?"
SYSTEM = chat([{"role": "system", "content": "Be brief."}])


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
    assert (await knows.beginning("1+1", history=SYSTEM))[0][2] == "S:Be brief.|U:1+1A:"
    assert (await knows.beginning("1+1"))[0][2] == "U:1+1A:"
    not_so = await Dialect.probe(Templated("U:", "A:"), Profile())
    assert (await not_so.beginning("1+1", history=SYSTEM))[0][2] == "U:Be brief.\n\n1+1A:"


class Strict(ScriptedEngine):
    """A template in which the user and the model speak in turns, and nobody else does."""

    async def render(self, messages: Any, options: Any = None) -> str:
        if [message["role"] for message in messages] != (["user", "assistant"] * len(messages))[: len(messages)]:
            raise EngineError("roles must alternate (HTTP 400)")
        return "".join(f"{message['role'][0].upper()}:{message['content']}|" for message in messages) + "A:"


CHAT = chat(
    [
        {"role": "user", "content": " Two things. "},
        {"role": "user", "content": "What is 3+4?"},
        {"role": "assistant", "content": "So.</think>\n\n7", "reasoning": "So."},
        {"role": "system", "content": "Be brief."},
    ]
)


@pytest.mark.parametrize(
    ("engine", "profile", "expected"),
    [
        (Strict(), Profile(), "U:Two things.\n\nWhat is 3+4?|A:7|U:Be brief.\n\n1+1|A:"),
        (
            Templated("U:", "|A:"),
            Profile(),
            "U:Two things.\n\nWhat is 3+4?\nAnswer: 7\n\nQuestion: Be brief.\n\n1+1|A:",
        ),
        (
            Strict(),
            Profile(prompt="<{question}>"),
            "<Two things.\n\nWhat is 3+4?\nAnswer: 7\n\nQuestion: Be brief.\n\n1+1>",
        ),
    ],
    ids=["in turns", "one question", "a profile's prompt"],
)
async def test_a_chat_that_a_template_refuses_or_leaves_out_is_told_as_it_can_be(
    engine: ScriptedEngine, profile: Profile, expected: str
) -> None:
    marks = profile.model_copy(update={"think_open": "<think>", "think_close": "</think>"})
    dialect = await Dialect.probe(engine, marks)
    assert (await dialect.beginning("1+1", history=CHAT))[0][2] == expected


async def test_a_chat_with_a_model_without_a_template_is_told_in_the_plain_form() -> None:
    async with Fake("openai").serving() as fake, HttpEngine(fake.url) as engine:
        dialect = await Dialect.probe(engine, Profile())
        [(_, _, text)] = await dialect.beginning(
            "1+1", history=CHAT[1:2] + chat([{"role": "assistant", "content": "7"}])
        )
    assert text == "Question: What is 3+4?\nAnswer: 7\n\nQuestion: 1+1\nAnswer:"


@pytest.mark.parametrize("kind", ["llama.cpp", "vllm", "sglang"])
async def test_every_server_renders_a_chat(kind: str) -> None:
    said = chat([{"role": "user", "content": "3+4?"}, {"role": "user", "content": "Look, </think>"}])
    async with Fake(kind, switch=True).serving() as fake, HttpEngine(fake.url) as engine:
        dialect = await Dialect.probe(engine, Profile())
        [(_, ids, text)] = await dialect.beginning("1+1", history=said)
    assert text == "<|user|>3+4?<|user|>Look, </think><|user|>1+1<|assistant|><think>\n"
    assert fake.words.control_id("</think>") not in ids and ids.count(fake.words.control_id("<|user|>")) == 3


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("hello", "message 1 of the history is 'hello': give a role and a content"),
        ({"role": "tool", "content": "x"}, "has the role 'tool': use one of system, user, assistant"),
        ({"role": "user"}, "has the content None: give a text"),
        ({"role": "user", "content": "a\ud800b"}, "has half of a surrogate pair at character 2"),
    ],
)
def test_a_message_that_is_none_is_refused_in_a_line(message: Any, told: str) -> None:
    with pytest.raises(TertuliaError, match=told):
        chat([message])


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


@pytest.mark.parametrize("kind", ["llama.cpp", "vllm", "sglang"])
async def test_every_server_is_asked_to_switch_thinking_on_or_off(kind: str) -> None:
    async with Fake(kind, switch=True).serving() as fake, HttpEngine(fake.url) as engine:
        for thinking, end, close in (("auto", "<think>\n", "</think>"), ("off", "<think>\n\n</think>\n\n", "")):
            dialect = await Dialect.probe(engine, Profile(), thinking)  # type: ignore[arg-type]
            [(_, _, text)] = await dialect.beginning("1+1")
            assert text == f"<|user|>1+1<|assistant|>{end}" and dialect.think_close == close
            assert "by the template's switch" in dialect.notes[1]


async def test_nothing_is_opened_after_a_thought_that_the_template_has_closed() -> None:
    engine = Templated("<|user|>", "<|assistant|><think>\n\n</think>\n\n")
    for thinking in ("auto", "on", "off"):
        dialect = await Dialect.probe(engine, Profile(), thinking)  # type: ignore[arg-type]
        parts = await dialect.beginning("1+1", "First, 1.")
        assert "".join(part[2] for part in parts) == "<|user|>1+1<|assistant|><think>\n\n</think>\n\nFirst, 1."
        assert dialect.think_close == "" and "the prompt ends in a closed thought" in dialect.notes[1]


async def test_a_thought_is_opened_or_skipped_where_the_template_has_no_switch() -> None:
    opens = Templated("<|user|>", "<|assistant|><think>\n")
    names = Templated("<|user|>", "<|assistant|>", shown="{% if '</think>' in content %}")
    for engine, thinking, end in (
        (opens, "on", "<think>\n"),
        (opens, "off", "<think>\n\n</think>\n\n"),
        (names, "auto", ""),
        (names, "on", "<think>\n"),
        (names, "off", "<think>\n\n</think>\n\n"),
    ):
        dialect = await Dialect.probe(engine, Profile(), thinking)  # type: ignore[arg-type]
        parts = await dialect.beginning("1+1")
        assert "".join(part[2] for part in parts) == f"<|user|>1+1<|assistant|>{end}"
        ids = [token for part in parts for token in part[1]]
        assert ids.count(engine.control_id("</think>")) == end.count("</think>")
        assert dialect.think_close == ("" if thinking == "off" else "</think>")


async def test_a_family_that_wants_no_system_message_gets_it_before_the_question() -> None:
    engine = Templated("U:", "A:", system="S:SYSTEM|")
    engine.info = replace(engine.info, model="DeepSeek-R1-Distill-Qwen-1.5B-Q4_K_M.gguf")
    dialect = await Dialect.probe(engine, Profile())
    assert (await dialect.beginning("1+1", history=SYSTEM))[0][2] == "U:Be brief.\n\n1+1A:"


async def test_a_template_that_refuses_a_system_message_gets_it_before_the_question() -> None:
    class Refuses(Templated):
        async def render(self, messages: Any, options: Any = None) -> str:
            if messages[0]["role"] == "system":
                raise EngineError("no system role (HTTP 400)")
            return await super().render(messages, options)

    dialect = await Dialect.probe(Refuses("U:", "A:"), Profile())
    assert (await dialect.beginning("1+1", history=SYSTEM))[0][2] == "U:Be brief.\n\n1+1A:"


# Sampling.


def test_sampling_comes_from_the_profile_then_the_file_then_the_family_and_says_so() -> None:
    name = "Qwen3-1.7B-Q4_K_M.gguf"
    told = {"temp": 0.7, "top_k": 30.0, "penalty_repeat": 1.1}
    profile = Profile(name="mine", sampling=SamplingProfile(temperature=0.9))
    assert sampling_of(name, profile, told) == {
        "temperature": (0.9, "profile mine"),
        "top_k": (30, "the model's file"),
        "top_p": (0.95, "known of Qwen3"),
        "min_p": (0.0, "known of Qwen3"),
    }
    assert sampling_of("story.gguf", Profile(), {}) == {}


@pytest.mark.parametrize(
    ("model", "thinks", "expected"),
    [
        ("Qwen/Qwen3-4B-Thinking-2507", True, (0.6, 0.95)),
        ("Qwen3-0.6B-Q8_0.gguf", False, (0.7, 0.8)),
        ("Qwen3-4B-Instruct-2507-Q4_K_M.gguf", True, (0.7, 0.8)),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B", True, (0.6, 0.95)),
        ("gpt-oss-20b-mxfp4.gguf", True, (1.0, 1.0)),
        ("gemma-3-1b-it-Q4_K_M.gguf", True, (1.0, 0.95)),
    ],
)
def test_known_families_are_sampled_as_their_makers_say(model: str, thinks: bool, expected: Any) -> None:
    found = sampling_of(model, Profile(), {}, thinks=thinks)
    assert (found["temperature"][0], found["top_p"][0]) == expected


def test_a_files_own_sampling_is_read(tmp_path: Path) -> None:
    make_gguf(tmp_path / "tiny.gguf", sampling={"temp": 0.5, "top_k": 7})
    told = GgufFacts.read(tmp_path / "tiny.gguf").sampling
    found = sampling_of("tiny.gguf", Profile(), told)
    assert found == {"temperature": (0.5, "the model's file"), "top_k": (7, "the model's file")}


# A profile of the user's own.


def test_a_profile_named_in_the_environment_holds_for_every_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "own.toml"
    file.write_text("name = 'own'\nprompt = 'Q: {question} A:'")
    monkeypatch.setenv("TERTULIA_PROFILE", str(file))
    assert profile_for(None).name == profile_for("gpt-5").name == profile_for("some.gguf").name == "own"
    file.unlink()
    with pytest.raises(TertuliaError, match=r"the profile .*own\.toml cannot be read"):
        profile_for("some.gguf")


@pytest.mark.parametrize("kind", ["vllm", "sglang"])
async def test_a_base_model_on_a_server_is_asked_plainly_after_its_beginning_of_text(kind: str) -> None:
    async with Fake(kind, templated=False, begins="<|user|>").serving() as fake, HttpEngine(fake.url) as engine:
        dialect = await Dialect.probe(engine, Profile(), "on")
        [(_, ids, text)] = await dialect.beginning("1+1")
        assert text == "<|user|>Question: 1+1\nAnswer:" and ids[0] == fake.words.control_id("<|user|>")
        assert dialect.stops == ("\nQuestion:",) and "no way is known" in dialect.notes[1]


@pytest.mark.parametrize(
    ("ids", "pieces", "told"),
    [
        ((7,), [(1, "so</think>"), (7, "</think>"), (2, "4")], [("thought", "so</think></think>"), ("answer", "4")]),
        ((7, 8), [(1, "so</thi"), (2, "nk>"), (3, "4"), (4, "2")], [("thought", "so</think>"), ("answer", "42")]),
        ((), [(1, "so</th"), (2, "us it is")], [("thought", "so</thus it is")]),
    ],
    ids=["a token of its own", "a text in pieces", "no close"],
)
@pytest.mark.parametrize("size", [1, 2, 9])
async def test_what_comes_after_the_close_of_a_thought_is_told_as_the_answer(
    ids: tuple[int, ...], pieces: list[tuple[int, str]], told: list[tuple[str, str]], size: int
) -> None:
    async with ScriptedEngine() as engine:
        dialect = await Dialect.probe(engine, Profile(think_open="<think>", think_close="</think>"))
    closing, came = Closing(replace(dialect, close_ids=ids), "thought", ends=(99,)), dict[str, str]()
    tokens = [*(Token(*piece) for piece in pieces), Token(99, "<|end|>")]
    for start in range(0, len(tokens), size):
        for of, part in closing.parts(tokens[start : start + size]):
            came[of] = came.get(of, "") + "".join(token.text for token in part)
    assert list(came.items()) == told
