"""By which names the page may be asked for, and the certificate that proves them."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from igentai.errors import ConfigurationError
from igentai_orchestrator.tls import check_expiry

EVERYWHERE: Final = frozenset({"0.0.0.0", "::", ""})  # noqa: S104  what people write for "all addresses"


@dataclass(frozen=True, slots=True)
class PageTls:
    """PEM files of the page, and the names that the certificate is good for."""

    cert: Path
    key: Path
    names: tuple[str, ...]


def page_tls(cert: Path | None, key: Path | None) -> PageTls | None:
    """The page's certificate, None where none is configured.

    Raises:
        ConfigurationError: one file without the other, or a certificate that cannot be read or has ended.
    """
    if cert is None and key is None:
        return None
    if cert is None or key is None:
        raise ConfigurationError("TLS for the page needs both page_cert and page_key; one of them is not set")
    check_expiry(cert)
    return PageTls(cert, key, _names_in(cert))


def names_of(host: str, tls: PageTls | None, further: Iterable[str]) -> tuple[str, ...]:
    """What a Host header may hold besides loopback, the name to tell people first.

    Addresses and this machine's own name are no way in for DNS rebinding, which needs a name of the attacker's.
    """
    named = (*further, *(tls.names if tls else ()))
    own = (socket.gethostname(), *_addresses()) if host in EVERYWHERE else (host,)
    first = named if host in EVERYWHERE else ()
    return tuple(dict.fromkeys((*first, *own, *named)))


def in_address(host: str) -> str:
    """A host as it stands in a URL."""
    return f"[{host}]" if ":" in host else host


def _addresses() -> list[str]:
    """The IP addresses of this machine."""
    found = [address for addresses in psutil.net_if_addrs().values() for address in addresses]
    return [one.address.partition("%")[0] for one in found if one.family in (socket.AF_INET, socket.AF_INET6)]


def _names_in(cert: Path) -> tuple[str, ...]:
    from cryptography import x509  # 60 ms: only where there is TLS

    try:
        names = x509.load_pem_x509_certificate(cert.read_bytes()).extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        )
    except (OSError, ValueError, x509.ExtensionNotFound):
        return ()
    hosts = names.value.get_values_for_type(x509.DNSName)
    addresses = names.value.get_values_for_type(x509.IPAddress)
    return (*(name for name in hosts if "*" not in name), *map(str, addresses))
