"""Verbs and their options put together into one command."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from copy import copy
from typing import Annotated, Any

import typer

from tertulia.cli import (
    doctor,
    evaluation,
    grade,
    law,
    options,
    serve,
    show,
    solve,
    study,
    sweep,
    train,
    transfer,
    trap,
    view,
)

# Typer ships its own copy of click or uses the installed one, depending on its version; the class of
# usage errors is reached through the one that it exports in either case.
UsageError: type[Any] = typer.BadParameter.__mro__[1]

EPILOG = (
    "Every option may also be given as an environment variable: TERTULIA_ and its name in capitals, such as "
    "TERTULIA_PATHS=16 or TERTULIA_LAST_CALL=0. The key of a server is read from TERTULIA_API_KEY."
)


def run(arguments: Sequence[str]) -> int:
    """Runs the command and returns its exit code; usage errors are raised as `UsageError`.

    A verb finds the arguments as they were typed in its context's `obj`.
    """
    whole = command()
    try:
        # Not `main`: it would turn a closed pipe into exit code 1, which means that there is no verdict.
        with whole.make_context("tertulia", list(arguments), obj=tuple(arguments)) as context:
            whole.invoke(context)
    except typer.Exit as exit_:
        return exit_.exit_code
    return 0


def command() -> Any:
    """The click command of the whole program, every option of every verb with its environment variable."""
    # Plain help: rich would double the time that `--help` takes.
    app = typer.Typer(
        name="tertulia",
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,
        epilog=EPILOG,
    )
    app.callback(invoke_without_command=True)(_callback)
    app.command("solve", epilog=EPILOG)(solve.solve)
    app.command("serve", epilog=EPILOG)(serve.serve)
    app.command("show", epilog=EPILOG)(show.show)
    app.command("view", epilog=EPILOG)(view.view)
    app.command("doctor", epilog=EPILOG)(doctor.doctor)
    app.command("eval", epilog=EPILOG)(evaluation.evaluate)
    app.command("compare", epilog=EPILOG)(evaluation.compare)
    app.command("trap", epilog=EPILOG)(trap.trap)
    app.command("sweep", epilog=EPILOG)(sweep.sweep)
    app.command("grade", epilog=EPILOG)(grade.grade)
    app.command("law", epilog=EPILOG)(law.law)
    app.command("transfer", epilog=EPILOG)(transfer.transfer)
    app.add_typer(train.app, name="train")
    app.add_typer(study.app, name="study")
    whole: Any = typer.main.get_command(app)
    for verb in _verbs(whole):
        names = [parameter.name for parameter in verb.params]
        if "model" in names and "engine" in names:
            verb.params.insert(names.index("model") + 1, _profile(verb.params[names.index("model")]))
        for parameter in verb.params:
            if parameter.param_type_name == "option" and parameter.name != "help":
                parameter.envvar = f"TERTULIA_{parameter.name.strip('_').upper()}"
                parameter.show_envvar = False
    return whole


def _profile(model: Any) -> Any:
    """`--profile`, made after `--model`; no verb passes it on, it holds for this process and its children."""

    def keep(context: Any, parameter: Any, file: str | None) -> None:
        if file is not None:
            os.environ[parameter.envvar] = file

    option = copy(model)
    option.name, option.opts, option.metavar, option.help = "profile", ["--profile"], "FILE", options.PROFILE
    option.callback, option.expose_value = keep, False
    return option


def _verbs(group: Any) -> Iterator[Any]:
    """The commands of a group and of the groups in it."""
    for verb in group.commands.values():
        yield from _verbs(verb) if hasattr(verb, "commands") else [verb]


def help_command(error: Any, arguments: Sequence[str]) -> str:
    """The command whose help tells what would have been right.

    Args:
        error: The usage error, which often knows its command.
        arguments: What was typed.
    """
    context = getattr(error, "ctx", None)
    if context is not None:
        return f"'{context.command_path} --help'"
    place, names = command(), ["tertulia"]
    for argument in arguments:
        if argument not in getattr(place, "commands", ()):
            break
        place = place.commands[argument]
        names.append(argument)
    return f"'{' '.join(names)} --help'"


def _callback(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    """Reasoning paths of one model that learn from each other while they think."""
    if version:
        from tertulia import __version__

        print(__version__)
    elif context.invoked_subcommand is None:
        print(context.get_help())
    else:
        return
    raise typer.Exit
