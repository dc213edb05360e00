"""Where producers connect: here without TLS, and from other machines with it, where that is configured."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Final

from igentai.errors import ConfigurationError
from igentai_orchestrator.shell.listener import Listener
from igentai_orchestrator.tls import TlsFiles, check_expiry, is_loopback, load, server_context, tls_files

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from igentai.messages import FromOrchestrator
    from igentai_orchestrator.core import facts
    from igentai_orchestrator.settings import Settings

CONNECTIONS: Final = 128  # at least so many, or twice the producers


class Listeners:
    """One listener on loopback for producers spawned here, which speak no TLS, and maybe one for those elsewhere.

    Raises:
        ConfigurationError: the certificates are incomplete or cannot be used.
    """

    def __init__(self, settings: Settings, secret: bytes, dispatch: Callable[[facts.Fact], None], log: Any) -> None:
        self._settings = settings
        self._log = log
        self._tls_files = _remote_tls(settings)
        self._tls = server_context(self._tls_files) if self._tls_files else None
        most = max(CONNECTIONS, 2 * settings.producers)
        links = itertools.count(1)  # one source of numbers: what is sent to a link reaches the listener that has it
        self._here = Listener(secret, dispatch, log=log, max_connections=most, links=links)
        self._remote: Listener | None = None
        if self._tls is not None or not is_loopback(settings.producer_host):
            self._remote = Listener(secret, dispatch, log=log, max_connections=most, links=links, tls=self._tls)
        self._all = [self._here] if self._remote is None else [self._here, self._remote]
        self.address = ""  # for producers spawned here, once `start` has bound it

    async def start(self) -> None:
        """Bind.

        Raises:
            OutputsBusy: a port is taken.
            ConfigurationError: there is no such address here, or it is not loopback and there is no TLS.
        """
        settings = self._settings
        if self._remote is not None:
            remote = await self._remote.start(settings.producer_host, settings.producer_port)
            self._log.info("daemon.remote_producers_on", host=settings.producer_host, port=remote)
            self._warn_of_expiry()
        here = settings.producer_port if self._remote is None else 0
        host = settings.producer_host if self._remote is None else "127.0.0.1"
        self.address = f"{host}:{await self._here.start(host, here)}"

    def serve_in(self, group: asyncio.TaskGroup) -> None:
        for listener in self._all:
            group.create_task(listener.serve(), name="listener")

    def send(self, link: int, message: FromOrchestrator) -> None:
        for listener in self._all:  # the one that does not have this link drops it
            listener.send(link, message)

    def disconnect(self, link: int, reason: str) -> None:
        for listener in self._all:
            listener.disconnect(link, reason)

    def close(self) -> None:
        for listener in self._all:
            listener.close()

    def reload_certificates(self) -> None:
        """Read them again, from the same files.

        Raises:
            ConfigurationError: they cannot be used; those of before stay.
        """
        if self._tls is not None and self._tls_files is not None:
            load(self._tls, self._tls_files)
            self._warn_of_expiry()

    def _warn_of_expiry(self) -> None:
        if self._tls_files is not None and (ends := check_expiry(self._tls_files.cert)) is not None:
            self._log.warning("daemon.certificate_ends_soon", ends=f"{ends:%Y-%m-%d}", todo="igentai cert --renew")


def _remote_tls(settings: Settings) -> TlsFiles | None:
    """The certificates for producers on other machines, None where there are to be none.

    Raises:
        ConfigurationError: some of what they need is not set.
    """
    files = tls_files(settings.producer_ca, settings.producer_cert, settings.producer_key)
    if files is not None and settings.producer_secret_file is None:
        raise ConfigurationError(
            "producers on other machines need the secret: set producer_secret_file, which `igentai cert` makes too"
        )
    return files
