"""`tertulia view`: a run as a page, from its journal. No engine and no model is needed for it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tertulia.cli.screen import say
from tertulia.errors import TertuliaError

Files = Annotated[
    list[Path], typer.Argument(metavar="JOURNAL...", help="What --journal kept; two of them are set side by side.")
]
Out = Annotated[Path | None, typer.Option("--out", "-o", metavar="FILE", help="Default: beside the journal, as .html.")]
Name = Annotated[str | None, typer.Option(help="Which circle, where a journal holds several; such as q0/c0.")]
Gold = Annotated[str | None, typer.Option(help="The right answer: what helped and what harmed is then told apart.")]
Open = Annotated[bool, typer.Option("--open", help="Open it in the browser.")]


def view(journals: Files, out: Out = None, circle: Name = None, gold: Gold = None, open_: Open = False) -> None:
    """Write the page of a run from its journal: one file that needs no network."""
    if len(journals) > 2:
        raise TertuliaError(f"{len(journals)} journals were given: give one, or two to set side by side")
    if out == Path("-"):
        raise TertuliaError("-o - names no file, and the page is not printed: give a name, such as -o run.html")
    show(write(journals, out, circle, gold), open_=open_)


def write(journals: list[Path], out: Path | None = None, circle: str | None = None, gold: str | None = None) -> Path:
    """Writes the page of these journals.

    Args:
        journals: One, or two that are to be seen side by side.
        out: Where it goes; None for a file beside the first of them.
        circle: Which circle, where a journal holds several.
        gold: The right answer, where it is known.

    Raises:
        TertuliaError: A journal cannot be read, or the page not be written. One line.
    """
    from tertulia.cli.show import read
    from tertulia.files import write_whole
    from tertulia.server.page import page_of

    page = page_of([read(file, circle) for file in journals], gold)
    file = out or journals[0].with_suffix(".html")
    if file.resolve() in [journal.resolve() for journal in journals]:
        raise TertuliaError(f"the page would take the place of the journal {file}: give another file with -o")
    return write_whole(file, page)


def temporary_journal() -> Path:
    """A file for a journal that nobody asked to keep, in a folder of its own."""
    import tempfile

    return Path(tempfile.mkdtemp(prefix="tertulia-")) / "run.jsonl"


def show(page: Path, *, open_: bool = True, to_stderr: bool = False) -> None:
    """Says where a page is, and opens it where that is wished."""
    say(f"page: {page}", to_stderr=to_stderr)
    if open_:
        import webbrowser

        if not webbrowser.open(page.resolve().as_uri()):
            say("no browser was found here: open the file in one", to_stderr=True)
