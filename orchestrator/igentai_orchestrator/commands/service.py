"""`igentai service print` and `install`: the daemon as a service of systemd."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

import igentai
from igentai_orchestrator.service import Service, check_visible, install, own_executable, unit, unit_path

app = typer.Typer(help="The daemon as a service of systemd.", no_args_is_help=True)

User = Annotated[bool, typer.Option("--user", help="For your own service manager, without root.")]
PagePort = Annotated[int, typer.Option("-p", "--port", min=1, max=65535, help="Port of the page.")]
Embedded = Annotated[bool, typer.Option("--embedded", help="Leave out MemoryDenyWriteExecute, for the embedded model.")]
Executable = Annotated[
    Path | None, typer.Option("--executable", help="The igentai to run. [default: the one that runs now]")
]


@app.command("print")
def print_unit(
    user: User = False, port: PagePort = 8080, embedded: Embedded = False, executable: Executable = None
) -> None:
    """Write the unit to standard output."""
    typer.echo(unit(Service(executable or own_executable(), port, user, embedded)), nl=False)


@app.command("install")
def install_unit(
    user: User = False, port: PagePort = 8080, embedded: Embedded = False, executable: Executable = None
) -> None:
    """Put the unit in its place and say how to start it.

    [bold]Example[/bold]: sudo /opt/igentai/bin/igentai service install
    """
    service = Service(executable or own_executable(), port, user, embedded)
    if executable is None:
        check_visible(service, Path(sys.base_prefix), Path(igentai.__file__))
    else:
        check_visible(service)
    path = unit_path(user=user)
    replaced = install(service, path)
    control = "systemctl --user" if user else "systemctl"
    typer.echo(f"{'replaced' if replaced else 'wrote'} {path}")
    typer.echo(f"now: {control} daemon-reload && {control} enable igentai && {control} restart igentai")
