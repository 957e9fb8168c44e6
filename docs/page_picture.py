"""Draws the README's picture of the page: ``python docs/page_picture.py docs/page.png``, of docs/demo.journal.jsonl."""

import argparse
import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from tertulia.cli.view import write

JOURNAL = Path(__file__).parent / "demo.journal.jsonl"
GOLD = "13"


def main() -> None:
    """Opens the page of the demo, chooses what one path heard, and takes a picture of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--scheme", choices=["light", "dark"], default="light")
    parser.add_argument("--width", type=int, default=1440)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        page = write([JOURNAL], Path(folder) / "page.html", gold=GOLD)
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        view = browser.new_page(viewport={"width": chosen.width, "height": 860}, color_scheme=chosen.scheme)
        view.goto(page.as_uri())
        view.locator(".hearings summary").click()
        view.locator(".hearings tbody tr").filter(has_text="helped").last.get_by_role("button").click()
        view.mouse.move(0, 0)
        view.wait_for_timeout(500)
        view.screenshot(path=chosen.file)
        browser.close()


if __name__ == "__main__":
    main()
