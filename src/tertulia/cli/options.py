"""The options of the verbs, each with its help; names and defaults stand where they are used.

What an option may be is checked where it is used (`tertulia.settings`), so that the shell and Python get the
same errors; here stand only the words of `--help`. Those of settings stand in `tertulia/settings.toml`.
"""

from __future__ import annotations

import inspect
import tomllib
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import typer

WORLD_SEED = 1  # the problem of `tertulia solve` without a question


def _option(text: str, *names: str, metavar: str | None = None, **more: Any) -> Any:
    return typer.Option(*names, help=text, metavar=metavar, **more)


def _fetched(model: str | None) -> str | None:
    """A model of a hub is fetched before anything begins: a verb then has its file, whatever it does with it."""
    if model is None or not model.lower().startswith("hf:"):
        return model
    from tertulia.cli.starting import Starting
    from tertulia.engines.hub import resolve_model

    return str(resolve_model(model, Starting()))


Question = Annotated[str | None, typer.Argument(help="The question; '-' reads it from standard input.")]
WorldSeed = Annotated[int | None, _option(f"Number of a world problem (without a question: {WORLD_SEED}).")]
Difficulty = Annotated[str | None, _option("Of the world problem: easy, default or long.")]
EngineUrl = Annotated[
    str | None,
    _option(
        "URL of a server, auto for one on this machine, or scripted; without it llama.cpp in this process.",
        metavar="URL",
    ),
]
Model = Annotated[
    str | None,
    _option(
        "A GGUF file, hf:org/repo[:QUANT], ollama:NAME, or the server's name of a model; default: pebble.",
        callback=_fetched,
    ),
]
PROFILE = (
    "A profile of the model in place of its own: how it is asked, thinks and is sampled; such as "
    "prompt = 'Question: {question}\\nAnswer:' in a TOML file."
)
Threads = Annotated[int | None, _option("Threads of llama.cpp in this process; default 1.")]
LanguageCode = Annotated[str | None, _option("Language of question and wordings: en, de, sw, zh ...")]
Paths = Annotated[int | None, _option("Paths in the circle.")]
Preset = Annotated[str | None, _option("Where settings not given come from: tertulia or paper.")]
LastCall = Annotated[bool | None, _option("A meeting for a path about to close its thought while the board disagrees.")]
LastCalls = Annotated[int | None, _option("At most so many last calls of one path.")]
JournalFile = Annotated[
    Path | None, _option("Keep every step; the same command goes on from there.", "--journal", metavar="FILE")
]
Open = Annotated[bool, _option("Write the page of the run when it ends, and open it in the browser.", "--open")]
Json = Annotated[bool, _option("Print one JSON object and nothing else.", "--json")]
Quiet = Annotated[bool, _option("Print the verdict only.", "--quiet")]


TYPES: dict[str, Any] = {"int": int, "float": float, "flag": bool, "path": Path, "text": str}


def with_settings(act: Callable[..., None]) -> Callable[..., None]:
    """Gives a verb an option for every setting that it has no option for; they are read from its context."""
    table = tomllib.loads((resources.files("tertulia") / "settings.toml").read_text("utf-8"))
    own = inspect.signature(act, eval_str=True)
    added = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[TYPES[about["type"]] | None, _option(about["help"], metavar=about.get("metavar"))],
        )
        for name, about in table.items()
        if name not in own.parameters
    ]

    def verb(**given: Any) -> None:
        act(**{name: given[name] for name in own.parameters})

    parameters = [*own.parameters.values(), *added]
    shown = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]
    verb.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined]
    verb.__annotations__ = {parameter.name: parameter.annotation for parameter in shown}
    verb.__doc__, verb.__name__ = act.__doc__, act.__name__
    return verb
