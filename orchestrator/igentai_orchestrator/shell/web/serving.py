"""Serving the app on a port, inside the caller's TaskGroup: uvicorn without its signals, its logs and its patience."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import Generator
from pathlib import Path
from typing import Final

from fastapi import FastAPI
from uvicorn import Config, Server

from igentai.errors import ConfigurationError, OutputsBusy, UsageError
from igentai_orchestrator.shell.web.deadlines import Door

_BACKLOG: Final = 256
_GRACE_S: Final = 2
_NO_PASSWORD: Final = "-"  # noqa: S105  a key that wants one is refused; OpenSSL would ask for it on the terminal
_MAX_HEADER_BYTES: Final = 16 * 1024
_MAX_SOCKET_MESSAGE: Final = 4096


class WebServer:
    """A server that is listening. `port` is the bound one, also where 0 was asked for."""

    def __init__(self, server: _QuietServer, listening: socket.socket) -> None:
        self._server = server
        self._listening = listening
        self.port: Final[int] = listening.getsockname()[1]

    async def run(self) -> None:
        """Serve until `stop`; open pages are told to come back (1012), requests get two seconds to end."""
        try:
            await self._server.serve([self._listening])
        finally:
            # uvicorn cleans up when it is told to stop, not when its task is cancelled.
            for listener in getattr(self._server, "servers", ()):
                listener.close()
            self._listening.close()
            for connection in list(self._server.server_state.connections):
                connection.transport.abort()

    def stop(self) -> None:
        self._server.should_exit = True

    def reload_certificate(self) -> None:
        """Read the certificate anew: what was renewed in place holds for connections made from now on.

        Raises:
            ConfigurationError: it cannot be used; the one before stays.
        """
        config = self._server.config
        if config.ssl is None:
            return
        with _told(config.ssl_certfile):
            # Tried elsewhere first: a certificate that fails is half in its context already.
            for context in (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), config.ssl):
                context.load_cert_chain(str(config.ssl_certfile), config.ssl_keyfile, _NO_PASSWORD)


async def serve(
    app: FastAPI,
    host: str,
    port: int,
    group: asyncio.TaskGroup,
    *,
    certificate: Path | None = None,
    key: Path | None = None,
    door: Door | None = None,
) -> WebServer:
    """Listen on host and port and serve in `group`; the port is open when this returns.

    Raises:
        OutputsBusy: the port is taken.
        UsageError: the address is not one of this machine's, or the port needs rights that are missing.
        ConfigurationError: the certificate or its key cannot be read.
    """
    listening = listen(host, port)
    try:
        server = WebServer(_QuietServer(_config(app, certificate, key, door or Door())), listening)
    except BaseException:
        listening.close()
        raise
    group.create_task(server.run(), name="web")
    return server


def listen(host: str, port: int) -> socket.socket:
    """A listening TCP socket, or one line that says what to do. Raises as `serve`."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise UsageError(
            f"cannot serve the page on {host}: no such address; use 127.0.0.1 or this machine's"
        ) from error
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(_BACKLOG)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        raise _cannot_listen(error, host, port) from error
    return listening


def _cannot_listen(error: OSError, host: str, port: int) -> UsageError:
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if error.errno == errno.EADDRINUSE:
        return OutputsBusy(f"{where} is taken by another program; stop it or choose another port for the page")
    if error.errno in {errno.EACCES, errno.EPERM}:
        return UsageError(f"no right to listen on {where}; choose a port of 1024 or above for the page")
    return UsageError(f"cannot serve the page on {where}: {error.strerror}; use 127.0.0.1 or this machine's address")


def _config(app: FastAPI, certificate: Path | None, key: Path | None, door: Door) -> Config:
    http, websocket = door.protocols()
    config = Config(
        app,
        http=http,
        ws=websocket,
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nobody is in front; a header must not decide who a client is
        timeout_graceful_shutdown=_GRACE_S,
        h11_max_incomplete_event_size=_MAX_HEADER_BYTES,
        ws_max_size=_MAX_SOCKET_MESSAGE,
        ws_per_message_deflate=False,  # a compression window a page would be the largest thing kept for it
        ssl_certfile=certificate,
        ssl_keyfile=key,
        ssl_keyfile_password=_NO_PASSWORD,
    )
    with _told(certificate):
        config.load()
    return config


@contextlib.contextmanager
def _told(certificate: object) -> Generator[None, None, None]:
    try:
        yield
    except (OSError, ValueError) as error:  # SSLError is an OSError
        reason = "it and its key do not belong together" if isinstance(error, ssl.SSLError) else str(error)
        raise ConfigurationError(f"cannot use the certificate {certificate}: {reason}") from error


class _QuietServer(Server):
    """uvicorn's server, with signals left to the daemon."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield
