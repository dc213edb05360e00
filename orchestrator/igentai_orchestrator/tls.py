"""TLS between machines: both ends prove themselves with certificates of one authority (`igentai cert` makes it).

A producer accepts only the orchestrator's kind of certificate, and the other way round: the purpose in a certificate
(server, client) is checked by OpenSSL, so that a producer's files cannot be used to pose as the orchestrator.
"""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from igentai.errors import ConfigurationError

WARN_BEFORE: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files: the authority that the other end must be of, and this end's own certificate and key."""

    ca: Path
    cert: Path
    key: Path


def tls_files(ca: Path | None, cert: Path | None, key: Path | None) -> TlsFiles | None:
    """The three files, None where none is named.

    Raises:
        ConfigurationError: some are named and some are not.
    """
    if ca is None and cert is None and key is None:
        return None
    if ca is None or cert is None or key is None:
        named = {"producer_ca": ca, "producer_cert": cert, "producer_key": key}
        missing = ", ".join(name for name, path in named.items() if path is None)
        raise ConfigurationError(f"TLS needs all of producer_ca, producer_cert and producer_key; {missing} is not set")
    return TlsFiles(ca, cert, key)


def server_context(files: TlsFiles) -> ssl.SSLContext:
    """For the orchestrator: lets in only those with a producer's certificate of this authority.

    Raises:
        ConfigurationError: a file cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    load(context, files)
    return context


def client_context(files: TlsFiles) -> ssl.SSLContext:
    """For a producer: talks only to an orchestrator of this authority, under a name its certificate holds.

    Raises:
        ConfigurationError: a file cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    load(context, files)
    return context


def load(context: ssl.SSLContext, files: TlsFiles) -> None:
    """Put the files into a context; in one that is in use they hold for connections made from now on.

    Raises:
        ConfigurationError: a file is missing, is not what it should be, or does not fit the others.
    """
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    for path in (files.ca, files.cert, files.key):
        try:
            with path.open("rb"):
                pass
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be read: {error.strerror}; `igentai cert` makes it") from None
    try:
        context.load_verify_locations(files.ca)
    except ssl.SSLError:
        raise ConfigurationError(f"{files.ca} is no certificate of an authority; `igentai cert` makes one") from None
    try:
        context.load_cert_chain(files.cert, files.key, password=_no_password)
    except (ssl.SSLError, ValueError):
        raise ConfigurationError(
            f"{files.cert} and {files.key} are not a certificate and its key; `igentai cert` makes both"
        ) from None


def check_expiry(path: Path, now: datetime | None = None) -> datetime | None:
    """When a certificate ends, if that is within 30 days; None while it is good for longer.

    Raises:
        ConfigurationError: it has ended, or is no certificate.
    """
    from cryptography import x509  # 60 ms: only where there is TLS

    try:
        ends = x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
    except (OSError, ValueError):
        raise ConfigurationError(f"{path} cannot be read as a certificate; `igentai cert` makes one") from None
    moment = now or datetime.now(UTC)
    if ends <= moment:
        raise ConfigurationError(f"{path} ended on {ends:%Y-%m-%d}: run `igentai cert --renew`, and copy the new files")
    return ends if ends - moment < WARN_BEFORE else None


def is_loopback(host: str) -> bool:
    """Whether a host, as people write it, is this machine and nothing else."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _no_password() -> str:
    """Instead of asking on the terminal, which a daemon does not have."""
    raise ValueError
