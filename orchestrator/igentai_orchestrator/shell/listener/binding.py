"""A port to listen on: the one asked for, or a free one out of a range that nobody else uses."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import random
import socket
from typing import Final

from igentai.errors import ConfigurationError, OutputsBusy

# Above lies the kernel's range for clients: one that keeps knocking at a closed port there can end up connected to
# itself, and then holds the port. Below 20000 live the ports people choose.
PORTS: Final = range(20000, 32768)


async def listening_socket(host: str, port: int, *, encrypted: bool) -> tuple[socket.socket, int]:
    """A socket that listens, and its port: `port`, or for 0 a free one below 32768.

    Raises:
        OutputsBusy: the port is taken.
        ConfigurationError: there is no such address here, or it is not loopback and nothing is encrypted.
    """
    family, address = await _resolve(host)
    if not encrypted and not ipaddress.ip_address(address).is_loopback:
        raise ConfigurationError(
            f"producers on {host} could be anybody without TLS: run `igentai cert` and name its files, or listen "
            "on 127.0.0.1"
        )
    candidates = [port] if port else random.sample(PORTS, 64)
    for candidate in candidates:
        if (bound := _bind(family, address, candidate)) is not None:
            return bound, candidate
    taken = f"port {port}" if port else f"every port tried between {PORTS.start} and {PORTS.stop - 1}"
    raise OutputsBusy(f"{taken} on {host} is taken: another daemon may be running; choose another port")


async def _resolve(host: str) -> tuple[int, str]:
    loop = asyncio.get_running_loop()
    try:
        family, _, _, _, address = (await loop.getaddrinfo(host, 0, type=socket.SOCK_STREAM))[0]
    except OSError as error:
        raise ConfigurationError(f"there is no address {host!r} to listen on: {error.strerror}") from error
    return family, str(address[0])


def _bind(family: int, address: str, port: int) -> socket.socket | None:
    """A listening socket, None where the port is taken."""
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a daemon started again need not wait a minute
        bound.bind((address, port))
        bound.listen(128)
        bound.setblocking(False)
    except OSError as error:
        bound.close()
        if error.errno == errno.EADDRINUSE:
            return None
        raise ConfigurationError(f"cannot listen on {address}:{port}: {error.strerror}; choose another") from error
    return bound
