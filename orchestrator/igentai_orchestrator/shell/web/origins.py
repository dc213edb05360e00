"""Which names the daemon answers to, and which pages may speak to it.

A page of a foreign site can send requests to a loopback port from a browser, and by DNS rebinding even read the
answers: the Host header then holds the foreign name, the Origin header the foreign page. Both are checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

_AUTHORITY: Final = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?")
_ORIGIN: Final = re.compile(r"https?://(?P<authority>[^/?#@]+)")


def split_authority(authority: str) -> tuple[str, str] | None:
    """`host:port` as (lower-case host without brackets, port or ""), None where it is neither name nor address."""
    match = _AUTHORITY.fullmatch(authority)
    if match is None:
        return None
    return match["host"].strip("[]").rstrip(".").lower(), match["port"] or ""


class AllowedHosts:
    """The allow-list. An entry is a name or address, for any port, or `name:port` for that port alone."""

    def __init__(self, entries: Iterable[str]) -> None:
        self._any_port: set[str] = set()
        self._one_port: set[tuple[str, str]] = set()
        for entry in entries:
            # A bare IPv6 address is written without brackets in settings and with them in a Host header.
            bare_v6 = entry.count(":") > 1 and not entry.startswith("[")
            parts = split_authority(f"[{entry}]" if bare_v6 else entry)
            if parts is None:
                continue
            if parts[1]:
                self._one_port.add(parts)
            else:
                self._any_port.add(parts[0])

    def host_allowed(self, host: str | None) -> bool:
        """Whether a Host header names this daemon."""
        parts = None if host is None else split_authority(host)
        return parts is not None and (parts[0] in self._any_port or parts in self._one_port)


def same_origin(origin: str, host: str) -> bool:
    """Whether a page at `origin` came from the very host and port that the request went to.

    The scheme is not compared: behind a proxy that ends TLS the page is https and the request http, and one port
    does not serve both.
    """
    match = _ORIGIN.fullmatch(origin)
    return match is not None and match["authority"].lower() == host.lower()
