"""For all tests: what else runs on this machine, and what another test made known by name, must not show."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tertulia import settings
from tertulia.engines.llama import LlamaCpp

os.environ["TERTULIA_NO_PROBE"] = "1"


@pytest.fixture(autouse=True)
def _names_as_packaged() -> Iterator[None]:
    """Methods, routers and frames that a test adds are known to that test only."""
    lists = (settings.METHODS, settings.ROUTERS, settings.FRAMES)
    before = [list(names) for names in lists]
    yield
    for names, known in zip(lists, before, strict=True):
        names[:] = known


@pytest.fixture(autouse=True)
def stretches_of_one_length(monkeypatch: pytest.MonkeyPatch) -> None:
    """A generation of llama.cpp is one request where it is short, so that tests can count requests."""
    monkeypatch.setattr(LlamaCpp, "first", 0)
