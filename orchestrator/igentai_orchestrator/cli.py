"""Every command of `igentai`, put together, and the one line for what a person can mend."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Final, NoReturn

import typer
from typer.exceptions import TyperException

import igentai
from igentai.errors import IgentaiError, UsageError
from igentai_orchestrator.commands.batch import batch
from igentai_orchestrator.commands.cert import cert
from igentai_orchestrator.commands.daemon import resume, start, status, stop
from igentai_orchestrator.commands.explore import explore
from igentai_orchestrator.commands.machine import doctor, providers
from igentai_orchestrator.commands.orchestrator import orchestrator
from igentai_orchestrator.commands.producer import producer
from igentai_orchestrator.commands.service import app as service
from igentai_orchestrator.commands.topics import export, fsck, replay, topics

INTERRUPTED: Final = 130

app = typer.Typer(
    name="igentai",
    help="Give it a topic; it gets every item language models know about it, and stops when there is no more to get.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

COMMANDS: Final[Mapping[str, Sequence[Callable[..., None]]]] = {
    "Run": (explore, orchestrator, producer, batch),
    "Results": (topics, export, replay),
    "Daemon": (status, start, stop, resume, providers, doctor, fsck, cert),
}
for panel, commands in COMMANDS.items():
    for command in commands:
        app.command(rich_help_panel=panel)(command)
app.add_typer(service, name="service", rich_help_panel="Daemon")


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Show the version.", is_eager=True)] = False,
) -> None:
    if version:
        typer.echo(igentai.__version__)
        raise typer.Exit


def main() -> None:
    """The console script: one line for what a person can mend, and the exit code that goes with it."""
    try:
        code = app(prog_name="igentai", standalone_mode=False)
    except TyperException as error:
        if not error.format_message():  # `igentai` alone: the help was shown
            sys.exit(UsageError.exit_code)
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "igentai"
        hint = _hint(context) if "unexpected extra argument" in error.format_message() else ""
        _say_and_leave(f"{error.format_message()}{hint} (see {command} --help)", UsageError.exit_code)
    except typer.Abort:
        sys.exit(INTERRUPTED)
    except IgentaiError as error:
        _say_and_leave(str(error), error.exit_code)
    except BaseExceptionGroup as group:
        ours = _deliberate(group)
        if ours is None:
            raise
        _say_and_leave(str(ours), ours.exit_code)
    else:
        sys.exit(code if isinstance(code, int) else 0)


def _hint(context: typer.Context | None) -> str:
    """What a word too many most often is: a topic of several words without quotes, or one where an option takes it."""
    parameters = context.command.params if context else []
    if any("--topic" in parameter.opts for parameter in parameters):
        return "; a topic is said with --topic"
    if any(parameter.param_type_name == "argument" for parameter in parameters):
        return "; put a topic of several words in quotes"
    return ""


def _say_and_leave(line: str, code: int) -> NoReturn:
    typer.echo(f"igentai: {' '.join(line.split())}", err=True)
    sys.exit(code)


def _deliberate(group: BaseExceptionGroup[BaseException]) -> IgentaiError | None:
    """The first error of ours in a group, None where there is another kind beside it."""
    ours, others = group.split(IgentaiError)
    if others is not None or ours is None:
        return None
    first: BaseException = ours
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return first if isinstance(first, IgentaiError) else None
