"""What a user may write as the address of a server."""

from __future__ import annotations

from base64 import b64decode

import pytest

from engine_fakes import Fake
from tertulia.engines.address import split
from tertulia.engines.base import EngineError
from tertulia.engines.client import HttpEngine
from test_engine_http import WHOLE, ask

WRONG = (
    "http://127.0.0.1:99999",
    "http://127.0.0.1:abc",
    "http://[::1",
    "http://",
    "http:///v1",
    "ftp://there",
    "",
    "http://a..b",
    f"http://{'a' * 70}.org",
    "http://127.0.0.1:-1",
)


@pytest.mark.parametrize("url", WRONG)
def test_an_address_that_is_none_is_one_line(url: str) -> None:
    with pytest.raises(EngineError, match=r"is no server's URL") as caught:
        HttpEngine(url)
    assert "\n" not in str(caught.value)


def test_the_forms_of_an_address() -> None:
    assert split("localhost:8000") == ("http://localhost:8000", "")
    assert split("https://host/some/v1/") == ("https://host/some", "")
    assert split("http://[::1]:80/v1") == ("http://[::1]:80", "")
    assert split("http://bücher.example")[0] == "http://xn--bcher-kva.example"
    assert split("http://me:p%40ss@host:1") == ("http://host:1", "me:p@ss")
    assert split("me:pass@host:1") == ("http://host:1", "me:pass")


async def test_name_and_password_are_sent_and_never_shown() -> None:
    async with Fake("vllm").serving() as fake:
        url = fake.url.replace("http://", "http://mia:sécret@")
        async with HttpEngine(url) as engine:
            assert (await ask(fake, engine)).text == WHOLE
            assert engine.info.url == fake.url
            kind, _, login = fake.headers[0]["authorization"].partition(" ")
            assert (kind, b64decode(login).decode()) == ("Basic", "mia:sécret")
    async with Fake("vllm", key="right").serving() as fake:
        with pytest.raises(EngineError, match="refused the name and password of its URL") as caught:
            await HttpEngine(fake.url.replace("http://", "http://mia:secret@")).__aenter__()
        assert "secret" not in str(caught.value) and "mia" not in str(caught.value)
    with pytest.raises(EngineError) as caught:
        HttpEngine("http://mia:secret@host:99999")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("key", ["ключ", "a\nb", "a\x7f"])
async def test_a_key_that_no_header_can_hold_is_one_line(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERTULIA_API_KEY", key)
    with pytest.raises(EngineError, match="the API key in TERTULIA_API_KEY") as caught:
        await HttpEngine("http://127.0.0.1:9").__aenter__()
    assert key not in str(caught.value)


async def test_who_has_a_login_and_a_key_is_told_which_of_them_was_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERTULIA_API_KEY", "right")
    async with Fake("vllm", key="right").serving() as fake:
        with pytest.raises(EngineError, match="refused the name and password of its URL"):
            await HttpEngine(fake.url.replace("http://", "http://mia:secret@")).__aenter__()
        async with HttpEngine(fake.url) as engine:
            assert (await ask(fake, engine)).text == WHOLE
