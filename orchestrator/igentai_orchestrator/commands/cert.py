"""`igentai cert`: certificates and the secret for producers on other machines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Folder = Annotated[Path, typer.Option("--folder", help="Where the files go.")]
Hosts = Annotated[
    list[str] | None,
    typer.Option("--host", help="A name or address of the orchestrator; repeatable. [default: this machine's]"),
]
Renew = Annotated[bool, typer.Option("--renew", help="New certificates of the same authority.")]


def cert(folder: Folder = Path("certs"), host: Hosts = None, renew: Renew = False) -> None:
    """Make certificates and the secret for producers on other machines.

    [bold]Example[/bold]: igentai cert --host orchestrator.example --host 192.0.2.7
    """
    from igentai_orchestrator.certificate import issue
    from igentai_orchestrator.tls import is_loopback

    made = issue(folder, host or (), renew=renew)
    for path in made.written:
        typer.echo(f"wrote {path}")
    if not made.written:
        typer.echo(f"{folder} is complete; --renew makes new certificates")
    typer.echo(f"good until {made.ends:%Y-%m-%d}, for {', '.join(made.names)}")
    home = (folder / "orchestrator").absolute()
    shown = next((name for name in made.names if not is_loopback(name)), "127.0.0.1")
    shown = f"[{shown}]" if ":" in shown else shown
    typer.echo(
        f"""
in igentai.toml of the orchestrator:
    producer_host = "0.0.0.0"
    producer_port = 9100
    producer_ca = "{home}/ca.pem"
    producer_cert = "{home}/cert.pem"
    producer_key = "{home}/key.pem"
    producer_secret_file = "{home}/secret"
copy {folder}/producer to each other machine, by a way that keeps it private, and run there:
    igentai producer --orchestrator-addr {shown}:9100 --ca producer/ca.pem --cert producer/cert.pem \\
        --key producer/key.pem --secret-file producer/secret"""
    )
