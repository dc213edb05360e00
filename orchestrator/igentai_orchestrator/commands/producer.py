"""`igentai producer`: one worker, also on another machine. The only file that reaches into the producer package."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from igentai.errors import ConfigurationError, IgentaiError
from igentai_orchestrator.commands import flags as flag
from igentai_orchestrator.commands.configuration import configured
from igentai_orchestrator.key_files import read_secret
from igentai_orchestrator.known_providers import KNOWN
from igentai_orchestrator.settings import Settings

if TYPE_CHECKING:
    import ssl


def producer(
    orchestrator_addr: Annotated[
        str, typer.Option("--orchestrator-addr", metavar="HOST:PORT", help="Whom to work for.")
    ],
    secret_file: Annotated[
        Path | None, typer.Option(help="File (0600) with the secret of the run. [env: IGENTAI_PRODUCER_SECRET_FILE]")
    ] = None,
    ca: Annotated[Path | None, typer.Option("--ca", help="TLS: certificate of the authority.")] = None,
    cert: Annotated[Path | None, typer.Option("--cert", help="TLS: this producer's certificate.")] = None,
    key: Annotated[Path | None, typer.Option("--key", help="TLS: its key.")] = None,
    spool: Annotated[Path | None, typer.Option(help="Folder for answers not yet acknowledged.")] = None,
    reconnect_for: Annotated[float, typer.Option(min=0.0, help="Minutes to wait for a lost orchestrator.")] = 10.0,
    config: flag.Config = None,
    log_level: flag.LogLevel = None,
) -> None:
    """One worker for an orchestrator, also on another machine. The orchestrator spawns its own by itself.

    One on another machine needs the files that `igentai cert` makes.
    """
    from igentai_producer.run import run

    settings = configured(
        producer_secret_file=secret_file, producer_ca=ca, producer_cert=cert, producer_key=key, config=config,
        log_level=log_level,
    )  # fmt: skip
    path = settings.producer_secret_file
    if path is None:
        raise ConfigurationError(
            "a producer needs the secret of its orchestrator: say --secret-file, or set IGENTAI_PRODUCER_SECRET_FILE"
        )
    secret, tls = read_secret(path), tls_of_producer(orchestrator_addr, settings)
    specs = {}
    for name in {*KNOWN, *settings.providers}:
        try:
            specs[name] = settings.provider(name)
        except IgentaiError:
            continue  # no key for it here: this producer will say so if it is asked
    folder = spool or Path.home() / ".local" / "state" / "igentai" / "spool"
    code = run(
        orchestrator_addr, secret=secret, providers=specs, spool=folder, reconnect_for_s=60 * reconnect_for, tls=tls
    )
    raise typer.Exit(code)


def tls_of_producer(address: str, settings: Settings) -> ssl.SSLContext | None:
    """How a producer speaks to the orchestrator at `address`; None: without TLS, which only one on this machine may.

    Raises:
        ConfigurationError: files are missing or cannot be used, or there are none and the address is another machine's.
    """
    from igentai_orchestrator.tls import client_context, is_loopback, tls_files

    files = tls_files(settings.producer_ca, settings.producer_cert, settings.producer_key)
    if files is not None:
        return client_context(files)
    host = address.rpartition(":")[0]
    if not is_loopback(host):
        raise ConfigurationError(
            f"{host} is another machine: say --ca, --cert and --key, which `igentai cert` makes there"
        )
    return None
