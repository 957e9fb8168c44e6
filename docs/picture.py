"""Draws the README's picture of a real run: ``python docs/picture.py docs/run.svg --world-seed 3``."""

import argparse
import io
import re
from pathlib import Path

from rich.console import Console
from rich.text import Text

from tertulia import solve
from tertulia.circle.events import Event
from tertulia.cli import report
from tertulia.cli.lines import Lines
from tertulia.cli.live import picture
from tertulia.cli.scene import Scene


def main() -> None:
    """Runs the packaged model once and writes what the terminal shows at the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--world-seed", type=int, default=1)
    parser.add_argument("--difficulty", default="default")
    chosen = parser.parse_args()
    console = Console(record=True, width=132, force_terminal=True, file=io.StringIO(), highlight=False)
    scene, lines = Scene(), Lines()

    def observe(event: Event) -> None:
        scene.apply(event)
        told = lines.of(event)
        if event.kind == "start":
            console.print(Text(event.data["question"], style="bold"))
        elif event.kind == "meeting":
            for line in told:
                console.print(Text(line, style="cyan"))

    result = solve(world_seed=chosen.world_seed, difficulty=chosen.difficulty, observer=observe)
    console.print(picture(scene, 40))
    for line in report.lines(result.to_json(), None, resumed=False):
        console.print(line)
    drawn = console.export_svg(title=f"tertulia solve --world-seed {chosen.world_seed}")
    # The fonts would be fetched from elsewhere; the reader's own monospaced font does.
    chosen.file.write_text(re.sub(r"@font-face \{.*?\}", "", drawn, flags=re.DOTALL), "utf-8")


if __name__ == "__main__":
    main()
