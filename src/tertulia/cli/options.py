"""The options of the verbs, each with its help; names and defaults stand where they are used.

What an option may be is checked where it is used (`tertulia.settings`), so that the shell and Python get the
same errors; here stand only the words of `--help`.
"""

from __future__ import annotations

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
Method = Annotated[str | None, _option("independent, leap, leap-single or moa.")]
Preset = Annotated[str | None, _option("Where settings not given come from: tertulia or paper.")]
Paths = Annotated[int | None, _option("Paths in the circle.")]
Every = Annotated[int | None, _option("A meeting every so many thought tokens; 0: never.")]
MeetAt = Annotated[str | None, _option("Meetings at these places, such as 2048,4096.", metavar="TOKENS")]
LastCall = Annotated[bool | None, _option("A meeting for a path about to close its thought while the board disagrees.")]
LastCalls = Annotated[int | None, _option("At most so many last calls of one path.")]
SelfOpened = Annotated[bool | None, _option("Paths may open a meeting themselves.")]
Heard = Annotated[int | None, _option("Peers heard at a meeting; 0: all that the router gives.")]
Router = Annotated[str | None, _option("Who hears whom: answers, dispersed, clustered, hybrid, random or all.")]
MaxHeard = Annotated[int | None, _option("At most so many paths hear one peer at a meeting.")]
Frame = Annotated[str | None, _option("How claims are told: digest or quotes.")]
Summaries = Annotated[str | None, _option("written at a meeting, or read from the thought (no word on agreement).")]
Counted = Annotated[str | None, _option("Whose claims a digest counts: all peers', or only of those heard.")]
Margin = Annotated[int | None, _option("A step is marked where another value has so many more holders; 0: as many.")]
Doubt = Annotated[float | None, _option("Share of agreeing paths that recheck all the same, 0 to 1.")]
DoubtUntil = Annotated[int | None, _option("Doubt at the first so many meetings only; 0 for all.")]
Placebo = Annotated[str | None, _option("A control without peers' information: echo, false or recheck.")]
FalseRate = Annotated[float | None, _option("Share of made-up markers under the placebo false, 0 to 1.")]
WrongPeers = Annotated[int | None, _option("A study: so many of the peers that a path hears claim what is wrong.")]
WrongKind = Annotated[str | None, _option("What these say: claims, or orders.")]
Mode = Annotated[str | None, _option("sync: paths wait for each other at a meeting. board: they do not.")]
Budget = Annotated[int | None, _option("Hard cap on the tokens that a path generates.", metavar="TOKENS")]
ConsensusStop = Annotated[int | None, _option("Stop the rest when so many paths agree; 0: never.", metavar="PATHS")]
Vote = Annotated[str | None, _option("majority or shortest-majority.")]
Layers = Annotated[int | None, _option("Aggregation layers of the method moa.")]
AnswerKind = Annotated[str | None, _option("math: an answer in a box. choice: a letter.")]
LanguageCode = Annotated[str | None, _option("Language of question and wordings: en, de, sw, zh ...")]
ThinkingLanguage = Annotated[str | None, _option("Language the thought is led to.")]
ThinkingBy = Annotated[str | None, _option("What leads it there: its first sentence, or a word in the prompt.")]
Tongues = Annotated[str | None, _option("A thinking language for each path in turn: en,de,sw.", metavar="CODES")]
Wording = Annotated[Path | None, _option("A wording file of your own.", metavar="FILE")]
Temperature = Annotated[float | None, _option("Sampling temperature; 0 is greedy.")]
TopP = Annotated[float | None, _option("Nucleus sampling, 0 to 1.")]
TopK = Annotated[int | None, _option("Sample from so many tokens; 0: off.")]
MinP = Annotated[float | None, _option("Least probability beside the best token, 0 to 1.")]
Seed = Annotated[int | None, _option("All random draws derive from it.")]
JournalFile = Annotated[
    Path | None, _option("Keep every step; the same command goes on from there.", "--journal", metavar="FILE")
]
Json = Annotated[bool, _option("Print one JSON object and nothing else.", "--json")]
Quiet = Annotated[bool, _option("Print the verdict only.", "--quiet")]
