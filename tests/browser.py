"""A headless Chromium that looks at the page, and complains of whatever a page should not do."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)

COLOURS = """(element) => {
  const canvas = element.querySelector("canvas");
  const { data, width, height } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const colours = {};
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) {
    const at = 4 * (y * width + x);
    const name = `${data[at]},${data[at + 1]},${data[at + 2]}`;
    const seen = (colours[name] ??= [0, x, y]);
    seen[0] += 1;
  }
  return colours;
}"""
"""Every colour that is drawn: how many pixels have it, and the first of them."""

DRAWN = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())))"
"""Waits until what was last asked for is drawn."""


@contextmanager
def chromium() -> Iterator[Any]:
    """The browser; skips the test where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra dev)")
    arguments = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with playwright.sync_playwright() as play:
        own = play.chromium.executable_path  # of `playwright install`
        if not CHROMIUM and not os.path.exists(own):
            pytest.skip("no Chromium is installed")
        browser = play.chromium.launch(executable_path=CHROMIUM or own, args=arguments)
        yield browser
        browser.close()


class Looked:
    """A page that is open.

    Attributes:
        page: What Playwright calls a page.
        troubles: Errors, warnings, dialogs and requests that it has made.
    """

    def __init__(self, browser: Any, address: str | Path, **options: Any) -> None:
        self.troubles: list[str] = []
        self.page = browser.new_page(**{"viewport": {"width": 1300, "height": 900}, "color_scheme": "light"} | options)
        self.page.set_default_timeout(20_000)
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.troubles.append(f"error: {error}"))
        self.page.on("dialog", self._dialog)
        self.page.on("request", self._request)
        self.home = address.resolve().as_uri() if isinstance(address, Path) else address
        self.page.goto(self.home)

    def _console(self, message: Any) -> None:
        # That canvases are read back is these tests' doing.
        if message.type in ("error", "warning") and "willReadFrequently" not in message.text:
            self.troubles.append(f"{message.type}: {message.text}")

    def _dialog(self, dialog: Any) -> None:
        self.troubles.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _request(self, request: Any) -> None:
        if self.home.startswith("file:") and request.url not in (self.home, "data:,"):
            self.troubles.append(f"request: {request.url}")

    @property
    def stage(self) -> Any:
        """The lanes."""
        return self.page.locator(".stage").first

    @property
    def panel(self) -> Any:
        """What stands beside the lanes."""
        return self.page.locator(".panel").first

    def colours(self) -> dict[str, tuple[int, int, int]]:
        """Every colour of the lanes: pixels, and the place of the first of them."""
        self.page.evaluate(DRAWN)
        found: dict[str, tuple[int, int, int]] = self.stage.evaluate(COLOURS)
        return found

    def colour(self, name: str) -> str:
        """A colour of the style, as `colours` names it."""
        value = self.page.evaluate(
            "(name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim()", f"--{name}"
        )
        return ",".join(str(int(value[at : at + 2], 16)) for at in (1, 3, 5))
