"""Composition root of a producer process: builds the parts and runs them until they are done."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import closing, nullcontext
from random import Random
from typing import TYPE_CHECKING, Final

from igentai.errors import ConfigurationError
from igentai_producer.greeting import Identity
from igentai_producer.link import Link
from igentai_producer.session import ProducerSession
from igentai_producer.spool import SpoolFiles, Tenancy, new_run_id
from igentai_producer.work import Work

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping
    from pathlib import Path

    from igentai.providers.base import ProviderSpec
    from igentai_producer.lines import Log

LOCAL_RECONNECT_S: Final = 10.0
LONGEST_HOST: Final = 64


def run(
    address: str,
    *,
    secret: bytes,
    providers: Mapping[str, ProviderSpec],
    slot: int | None = None,
    spool: Path | None = None,
    reconnect_for_s: float = 600.0,
    tls: ssl.SSLContext | None = None,
    log: Log | None = None,
) -> int:
    """Work for the orchestrator at `address` until it, or a signal, says stop. Returns the exit code.

    Args:
        address: HOST:PORT.
        secret: what both sides prove to hold.
        providers: what this producer can reach, by name; keys stay in this process.
        slot: for one that the orchestrator spawned.
        spool: folder for answers that are not acknowledged yet; what a killed predecessor left there is sent on.
            A spawned producer is told another by each topic. None: they are in memory alone.
        reconnect_for_s: how long to go on trying when the orchestrator is not there.
        tls: for an orchestrator on another machine.
        log: structlog's by default.

    Raises:
        ConfigurationError: the address is none, or the spool folder cannot be used.
    """
    where = parse_address(address)
    if log is None:
        from igentai.logs import get

        log = get()
    try:
        tenancy = Tenancy(spool) if spool is not None and slot is None else None
    except OSError as error:
        raise ConfigurationError(f"the spool folder {spool} cannot be used: {error.strerror}; name another") from error
    with closing(tenancy) if tenancy else nullcontext():
        run_id = tenancy.run_id if tenancy else new_run_id()
        identity = Identity(run_id, slot, socket.gethostname()[:LONGEST_HOST], os.getpid())
        session = ProducerSession(
            identity,
            secret,
            Random(),
            reconnect_for_s=reconnect_for_s,
            own_spool=str(spool) if spool is not None else None,
        )
        return asyncio.run(_serve(where, session, Work(providers, log=log), SpoolFiles(run_id, spool), log, tls))


async def _serve(
    address: tuple[str, int],
    session: ProducerSession,
    work: Work,
    spool: SpoolFiles,
    log: Log,
    tls: ssl.SSLContext | None,
) -> int:
    return await Link(address, session, work=work, spool=spool, log=log, tls=tls).run()


def parse_address(text: str) -> tuple[str, int]:
    """HOST:PORT, or [IPV6]:PORT.

    Raises:
        ConfigurationError: it is neither.
    """
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ConfigurationError(f"{text!r} is no address of an orchestrator: say HOST:PORT, as in 192.0.2.7:9100")
    return host, int(port)
