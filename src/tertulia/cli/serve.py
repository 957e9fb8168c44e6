"""`tertulia serve`: circles behind the API that OpenAI's clients know."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tertulia.cli import options
from tertulia.cli.watching import View
from tertulia.errors import TertuliaError

AT_ONCE = 8
Host = Annotated[str, typer.Option(help="Where it listens; from elsewhere only with keys.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="0: a free one.")]
Keys = Annotated[Path | None, typer.Option(help="Who may ask: a key a line. Or TERTULIA_SERVE_KEYS.", metavar="FILE")]
Journals = Annotated[
    Path | None,
    typer.Option(help="A journal of each circle; without it the last 50 are kept in memory.", metavar="DIR"),
]
AtOnce = Annotated[
    int | None,
    typer.Option(
        min=1, help=f"Circles under way at once, where the engine has slots for them: {AT_ONCE}; 1 for a GGUF file."
    ),
]
Queue = Annotated[int, typer.Option(min=0, help="Circles that may wait; for more there is 429.")]
PerKey = Annotated[int, typer.Option(min=0, help="Circles of one key, waiting ones included; 0: no bound of its own.")]
MaxPaths = Annotated[int, typer.Option(min=1, help="Paths that a request may ask for.")]
MaxBudget = Annotated[int, typer.Option(min=1, help="Tokens of a path that a request may ask for.")]
MaxBody = Annotated[int, typer.Option(min=1, help="Bytes that a request may have.")]
Drain = Annotated[float, typer.Option(min=0.0, help="Seconds for circles under way at SIGTERM or Ctrl-C.")]
LogPrompts = Annotated[bool, typer.Option("--log-prompts", help="The log holds what is asked.")]


class Beginning(View):
    """Tells what comes before the first request, such as the load of a model."""


@options.with_settings
def serve(
    context: typer.Context,
    engine: options.EngineUrl = None,
    model: options.Model = None,
    threads: options.Threads = None,
    host: Host = "127.0.0.1",
    port: Port = 8800,
    keys: Keys = None,
    journal_dir: Journals = None,
    at_once: AtOnce = None,
    queue: Queue = 64,
    per_key: PerKey = 0,
    max_paths: MaxPaths = 64,
    max_budget: MaxBudget = 131_072,
    max_body: MaxBody = 4 * 2**20,
    drain: Drain = 30.0,
    log_prompts: LogPrompts = False,
) -> None:
    """Serve circles to OpenAI's clients, at http://127.0.0.1:8800/v1."""
    import asyncio
    import logging

    try:
        import prometheus_client  # noqa: F401
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise TertuliaError(f"serving needs the extra serve ({error}): pip install 'tertulia[serve]'") from None
    from tertulia.cli.solve import without_a_model
    from tertulia.server.guard import keys_of
    from tertulia.server.models import Limits
    from tertulia.server.serving import Served, serve
    from tertulia.settings import table

    settings = table()
    given = {name: value for name, value in context.params.items() if value is not None and name in settings}
    asked = Served(
        engine=None if engine == "embedded" else engine,
        model=model,
        threads=threads or 1,
        host=host,
        port=port,
        keys=keys_of(keys),
        journals=journal_dir,
        # A file's cache takes memory for every slot that is asked for, used or not.
        at_once=at_once or (1 if model is not None and engine in (None, "embedded") else AT_ONCE),
        queue=queue,
        per_key=per_key,
        drain=drain,
        limits=Limits(max_paths, max_budget, max_body),
        told_prompts=log_prompts,
        settings=settings_of(given),
    )
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.WARNING)
    logging.getLogger("tertulia.server").setLevel(logging.INFO)
    if engine is None and model is None:
        without_a_model(asked=True)
    view = Beginning()
    asyncio.run(serve(asked, say=lambda line: print(line, flush=True), observer=view.observe))


def settings_of(given: dict[str, Any]) -> dict[str, Any]:
    """Settings as the shell gives them, in the types that they have."""
    if str(given.get("every", "")).isdigit():
        given["every"] = int(given["every"])
    if "meet_at" in given:
        from tertulia.cli.solve import places

        given["meet_at"] = places(given["meet_at"])
    if "control" in given:
        import tertulia.evaluation.controls  # noqa: F401  (brings the controls along)
    if "wording" in given:
        given["wording"] = str(given["wording"])
    return given
