"""Whatever a server answers ends in a right result or in one line that says why: the engine's wall."""

from __future__ import annotations

import asyncio
import json
import unicodedata
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine_fakes import STORY, Fake, Trouble
from tertulia.engines.answer import Fields, Malformed, told_by
from tertulia.engines.base import EngineError, Generation, Request, Token
from tertulia.engines.client import HttpEngine
from tertulia.errors import fit

WHOLE = STORY.removesuffix("<|end|>")
KINDS = ("llama.cpp", "vllm", "sglang", "openai")
Json = dict[str, Any]
Mangle = Callable[[Json, int], bytes]

OK = b"HTTP/1.1 200 OK\r\n"
RAW = {
    "nothing": b"\n",
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n",
    "a status of letters": b"HTTP/1.1 OK fine\r\n\r\n",
    "a head without an end": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 3_000_000,
    "a head that is cut": b"HTTP/1.1 200 OK\r\nContent-",
    "only 100 Continue": b"HTTP/1.1 100 Continue\r\n\r\n",
    "another protocol": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "a length of letters": b"HTTP/1.1 200 OK\r\nContent-Length: abc\r\n\r\n{}",
    "a negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}",
    "two lengths in one": b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\n{}",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
    "a length and chunks": OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "less than the length": b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}",
    "no body": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "a chunk size of letters": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "a negative chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
    "a chunk longer than its size": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n",
    "an endless chunk size": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 40 + b"\r\n",
    "a page": b"HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\n<html>hello</html>\n",
    "a page without a length": b"HTTP/1.1 200 OK\r\n\r\n<html>hello</html>\n",
    "compressed bytes": OK + b"Content-Encoding: gzip\r\nContent-Length: 6\r\n\r\n\x1f\x8b\x08\x00\x00\x00",
    "a redirect": b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
    "an error in colours": b"HTTP/1.1 400 Bad\r\nContent-Length: 15\r\n\r\n\x1b[31m\x07red\xff\x9b\x1b[0m",
}
"""Answers that are sent as they are."""

PAYLOADS = {
    "null": b"null",
    "a list": b"[1,2]",
    "a number": b"7",
    "a text": b'"hello"',
    "an empty object": b"{}",
    "no JSON": b"{oops",
    "half a JSON": b'{"choices": [{"text": "a',
    "two objects": b'{"choices": []} {"choices": []}',
    "bytes that are not UTF-8": b'{"choices": [{"text": "\xff\xfe"}]}',
    "depth": b"[" * 100_000 + b"]" * 100_000,
    "depth in an object": b'{"choices": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    "a number of ten thousand digits": b'{"usage": {"completion_tokens": ' + b"9" * 10_000 + b"}}",
    "an error as a text": b'{"error": "CUDA out of memory"}',
    "an error as an object": b'{"error": {"message": "out of memory", "code": 500}}',
    "an error as a list": b'{"error": ["out", "of memory"]}',
    "an error of vLLM": b'{"object": "error", "message": "out of memory", "code": 500}',
    "an error in colours": b'{"error": "\\u001b[2J\\u001b]0;pwned\\u0007 \\u202e lines\\nlines"}',
    "choices that are numbers": b'{"choices": [1]}',
    "choices as a text": b'{"choices": "abc"}',
    "choices as an object": b'{"choices": {}}',
    "choices that are null": b'{"choices": [null]}',
    "nothing known": b'{"foo": 1}',
}
"""Whole payloads, in the place of one that holds tokens."""

TOKENS = {
    "llama.cpp": ("tokens",),
    "vllm": ("choices", 0, "token_ids"),
    "sglang": ("output_ids",),
    "openai": ("choices", 0, "text"),
}
REASON = {
    "llama.cpp": ("stop_type",),
    "vllm": ("choices", 0, "finish_reason"),
    "sglang": ("meta_info", "finish_reason"),
    "openai": ("choices", 0, "finish_reason"),
}
USAGE = {
    "llama.cpp": ("tokens_evaluated",),
    "vllm": ("usage", "prompt_tokens"),
    "sglang": ("meta_info", "completion_tokens"),
    "openai": ("usage", "completion_tokens"),
}
VALUES: tuple[Any, ...] = (
    None,
    7,
    -20,
    4e12,
    1.5,
    True,
    "x",
    "\udfff",
    [],
    [None],
    ["a"],
    [1.5],
    [True],
    [-1],
    [2**40],
    {},
    {"type": 7},
    [[1]],
)
"""What takes the place of tokens, of the reason to finish, and of a count."""


def put(event: Json, place: tuple[str | int, ...], value: Any) -> bytes:
    """The event with another value at a place, if it has that place."""
    holder: Any = event
    for step in place[:-1]:
        there = step < len(holder) if isinstance(step, int) else isinstance(holder.get(step), (dict, list))
        if not there:
            return json.dumps(event).encode()
        holder = holder[step]
    holder[place[-1]] = value
    return json.dumps(event).encode()


def always(where: tuple[str | int, ...], value: Any) -> Mangle:
    return lambda event, at: put(event, where, value)


def only_at(place: int, change: Mangle) -> Mangle:
    return lambda event, at: change(event, at) if at == place else json.dumps(event).encode()


async def outcome(kind: str, trouble: Trouble, **more: Any) -> tuple[Generation | EngineError, list[Token], Fake]:
    """What comes of one generation at a server that has this trouble each time."""
    options = {"first_byte": 0.4, "progress": 0.4, "retries": 1, "patience": 1.0}
    fakes, seen = Fake(kind, troubles=deque([trouble] * 50), chunk=4).serving(), list[Token]()
    async with asyncio.timeout(20), fakes as fake, HttpEngine(fake.url, **options) as engine:  # type: ignore[arg-type]
        text = "<|user|>How much?<|assistant|><think>"
        request = Request("q0/p0", await fake.words.tokenize(text, special=True), text, 400, **more)
        try:
            return await engine.generate(request, on_tokens=seen.extend), seen, fake
        except EngineError as error:
            return error, seen, fake


async def is_right_or_says_why(kind: str, trouble: Trouble, **more: Any) -> Generation | EngineError:
    came, seen, fake = await outcome(kind, trouble, **more)
    assert len(fake.bodies) <= 3, "what cannot get better is not asked for again and again"
    assert WHOLE.startswith("".join(token.text for token in seen)), "no token came twice"
    if isinstance(came, EngineError):
        line = str(came)
        assert fake.url in line and len(line) <= 600
        assert not {unicodedata.category(c) for c in line} & {"Cc", "Cf", "Zl", "Zp"}
    else:
        assert came.tokens and WHOLE.startswith(came.text)
        assert [token.id for token in seen] == list(came.ids)
    return came


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", RAW)
async def test_answers_that_are_hardly_http(kind: str, name: str) -> None:
    assert isinstance(await is_right_or_says_why(kind, Trouble(raw=RAW[name])), EngineError)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", PAYLOADS)
async def test_payloads_that_are_no_tokens(kind: str, name: str) -> None:
    for place in (0, 2):
        came = await is_right_or_says_why(kind, Trouble(mangle=only_at(place, lambda event, at: PAYLOADS[name])))
        if "error" in name and (place == 0 or kind != "llama.cpp"):
            assert "memory" in str(came) or r"pwned\x07  lines lines" in str(came)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("field", ["tokens", "reason", "usage"])
async def test_fields_of_another_type(kind: str, field: str) -> None:
    where = {"tokens": TOKENS, "reason": REASON, "usage": USAGE}[field][kind]
    for value in VALUES:
        if kind == "openai" and field == "tokens" and isinstance(value, str):
            continue  # this is what the model says
        came = await is_right_or_says_why(kind, Trouble(mangle=always(where, value)))
        if isinstance(came, Generation) and field == "usage" and kind == "openai":
            assert 0 < came.count <= 416
            assert came.counted == (type(value) is int and value == 7)


@pytest.mark.parametrize("kind", ["vllm", "sglang", "openai"])
async def test_tokens_before_a_broken_chunk_are_told_and_not_asked_for_again(kind: str) -> None:
    event = b'data: {"choices": [{"text": "Pl", "token_ids": [80, 108]}], "output_ids": [80, 108], '
    event += b'"meta_info": {"completion_tokens": 2}}\n\n'
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (len(event), event)
    came, seen, fake = await outcome(kind, Trouble(raw=head + b"zz\r\n"))
    assert "not HTTP" in str(came)
    assert (len(fake.bodies), len(seen)) == (1, 1 if kind == "openai" else 2)


ABOUT = ("/v1/models", "/props", "/get_model_info", "/version", "/tokenize", "/detokenize", "/slots", "/metrics")
ODD_ABOUT = (
    b"null",
    b"7",
    b"[]",
    b"[1]",
    b'"x"',
    b"{}",
    b"",
    b"\xff",
    b"<html>",
    b"[" * 9_000,
    b'{"data": 7}',
    b'{"data": [7, null, {"id": 7, "max_model_len": "long"}]}',
    b'{"data": [{"id": "a", "max_model_len": -1}]}',
    b'{"tokens": "abc"}',
    b'{"tokens": [1.5]}',
    b'{"tokens": null}',
    b'{"tokens": [[1]]}',
    b'{"content": 7, "prompt": 7, "text": 7}',
    b'{"default_generation_settings": 7}',
    b'{"default_generation_settings": {"n_ctx": -4}, "total_slots": -1, "eos_token": 7}',
    b'{"default_generation_settings": {"n_ctx": 1e9}, "total_slots": 2000000000, "eos_token": ""}',
    b'[{"id": "x", "is_processing": "yes"}, 7]',
)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", ABOUT)
async def test_what_a_server_says_of_itself_may_be_anything(kind: str, path: str) -> None:
    for said in ODD_ABOUT:
        async with asyncio.timeout(20), Fake(kind, answers={path: said}).serving() as fake:
            try:
                async with HttpEngine(fake.url, first_byte=0.4, progress=0.4, retries=0) as engine:
                    await engine.busy()
                    ids = await engine.tokenize("a</think>b") if engine.info.mode == "ids" else ()
                    request = Request("p", (*ids, fake.think), "<think>", 400)
                    assert WHOLE.startswith((await engine.generate(request)).text)
                    await engine.render([{"role": "user", "content": "How much?"}])
            except EngineError as error:
                assert fake.url in str(error) or "token ids" in str(error)


async def test_a_site_of_pages_is_told_from_a_server_without_a_list() -> None:
    for said, told in (
        (b"<!doctype html><p>Hello", r"no list of models \(a page came, HTML\): check"),
        (b"7", "models: c"),
    ):
        pages = dict.fromkeys(ABOUT, said)
        async with Fake("openai", answers=pages).serving() as fake:
            with pytest.raises(EngineError, match=f"{told}.*--model"):
                await HttpEngine(fake.url).__aenter__()


# The reader of fields by itself.

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2),
    max_leaves=8,
)


@settings(deadline=None)
@given(json_values)
def test_a_field_is_of_its_type_or_malformed(value: Any) -> None:
    try:
        fields = Fields(value)
    except Malformed:
        assert not isinstance(value, dict)
        return
    assert fields.count("a") is None or fields.count("a") >= 0  # type: ignore[operator]
    assert all(number is None or isinstance(number, float) for number in fields.numbers("a"))
    for read, kind in ((fields.text, str), (fields.ids, list), (fields.child, Fields), (fields.children, list)):
        try:
            assert isinstance(read("a"), kind)
        except Malformed as error:
            assert "\n" not in str(error) and len(str(error)) < 200


@settings(deadline=None)
@given(st.text(max_size=2000), st.integers(20, 400))
def test_a_message_fits_on_a_screen(text: str, longest: int) -> None:
    line = fit(text, longest=longest)
    assert len(line) <= longest
    assert not {unicodedata.category(c) for c in line} & {"Cc", "Cs", "Zl", "Zp"}
    assert not {unicodedata.bidirectional(c) for c in line} & {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "PDI"}


def test_the_message_is_found_wherever_the_server_puts_it() -> None:
    for body in ('{"error": {"message": "no"}}', '{"detail": "no"}', '{"message": "no"}', '{"error": "no"}', "no"):
        assert told_by(body.encode()) == "no"
    assert told_by(b'{"detail": [{"msg": "field"}]}') == '[{"msg": "field"}]'
