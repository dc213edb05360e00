"""`igentai cert`: an authority of one's own, a certificate for each end, and the secret, for remote producers.

    FOLDER/ca.key             signs new certificates; not needed to run anything, so keep it somewhere else
    FOLDER/orchestrator/      ca.pem cert.pem key.pem secret, for the machine of the daemon
    FOLDER/producer/          the same four, for the machines of the producers

What is there is kept. `renew` makes new certificates and keys with the same authority, for the same or other names.
"""

from __future__ import annotations

import ipaddress
import os
import secrets
import socket
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from igentai.errors import ConfigurationError
from igentai.proof import SECRET_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

CA_KEY: Final = "ca.key"
ORCHESTRATOR: Final = "orchestrator"
PRODUCER: Final = "producer"
SECRET: Final = "secret"  # noqa: S105  the name of a file
CA_DAYS: Final = 3650
DAYS: Final = 825  # what browsers once allowed at most; ours to choose, and long enough to be forgotten
LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
BACKDATED: Final = timedelta(hours=1)  # for machines whose clocks are a little behind


@dataclass(frozen=True, slots=True)
class Certificates:
    """What `issue` left: the files it wrote, the orchestrator's names, and until when all certificates are good."""

    written: tuple[Path, ...]
    names: tuple[str, ...]
    ends: datetime


def local_names() -> list[str]:
    """The names and addresses under which producers most likely know this machine."""
    names = [socket.gethostname()]
    for family, somewhere in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((somewhere, 9))  # sends nothing: the kernel only picks the address it would send from
                names.append(probe.getsockname()[0])
        except OSError:
            continue  # no way out by this family
    return list(dict.fromkeys(names))


def issue(folder: Path, hosts: Sequence[str], *, renew: bool = False, now: datetime | None = None) -> Certificates:
    """Make in `folder` whatever of it is not there yet.

    Args:
        hosts: names and addresses that the orchestrator's certificate is for; empty: those of the certificate that
            is there, or else of this machine. Those of loopback come on top.
        renew: make the certificates and their keys anew; the authority and the secret stay.

    Raises:
        ConfigurationError: the folder cannot be written, a name is none, or a part of an authority is missing.
    """
    moment = now or datetime.now(UTC)
    known = _names_in(folder / ORCHESTRATOR / "cert.pem")
    if hosts and known and not renew and not set(hosts) <= set(known):
        raise ConfigurationError(
            f"{folder} holds a certificate for {', '.join(known)}; say --renew to change the names"
        )
    wanted = dict.fromkeys([*(hosts or known or local_names()), *LOOPBACK])
    names = [_name(host) for host in wanted]
    try:
        for part in (folder, folder / ORCHESTRATOR, folder / PRODUCER):
            part.mkdir(mode=0o700, parents=True, exist_ok=True)
        return _issue(folder, names, renew, moment)
    except OSError as error:
        raise ConfigurationError(f"{folder} cannot be written: {error.strerror}; name another --folder") from error


def _issue(folder: Path, names: Sequence[x509.GeneralName], renew: bool, now: datetime) -> Certificates:
    written: list[Path] = []
    key, authority = _authority(folder, now, written)
    secret = _secret(folder)
    ends = authority.not_valid_after_utc
    for part, purpose in ((ORCHESTRATOR, ExtendedKeyUsageOID.SERVER_AUTH), (PRODUCER, ExtendedKeyUsageOID.CLIENT_AUTH)):
        home = folder / part
        if renew or not (home / "cert.pem").exists() or not (home / "key.pem").exists():
            own = ec.generate_private_key(ec.SECP256R1())
            leaf = _leaf(part, own.public_key(), purpose, names if part == ORCHESTRATOR else (), (key, authority), now)
            _write(home / "key.pem", _private(own), written)
            _write(home / "cert.pem", leaf.public_bytes(serialization.Encoding.PEM), written)
        ends = min(ends, x509.load_pem_x509_certificate((home / "cert.pem").read_bytes()).not_valid_after_utc)
        for name, data in (("ca.pem", authority.public_bytes(serialization.Encoding.PEM)), (SECRET, secret)):
            if not (home / name).exists():
                _write(home / name, data, written)
    return Certificates(tuple(written), tuple(_names_in(folder / ORCHESTRATOR / "cert.pem")), ends)


def _authority(folder: Path, now: datetime, written: list[Path]) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    """The one that is there, or a new one."""
    key_path, path = folder / CA_KEY, folder / ORCHESTRATOR / "ca.pem"
    if key_path.exists() != path.exists():
        lost = path if key_path.exists() else key_path
        raise ConfigurationError(f"{lost} is missing: put it back, or name another --folder to begin anew")
    if key_path.exists():
        try:
            found = serialization.load_pem_private_key(key_path.read_bytes(), None)
            known = x509.load_pem_x509_certificate(path.read_bytes())
        except (ValueError, TypeError):
            raise ConfigurationError(f"{key_path} or {path} is damaged; name another --folder to begin anew") from None
        if not isinstance(found, ec.EllipticCurvePrivateKey) or found.public_key() != known.public_key():
            raise ConfigurationError(f"{key_path} is not the key of {path}; name another --folder to begin anew")
        return found, known
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"igentai authority {secrets.token_hex(4)}")])
    certificate = (
        _builder(subject, subject, key.public_key(), now, CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    _write(key_path, _private(key), written)
    _write(path, certificate.public_bytes(serialization.Encoding.PEM), written)
    return key, certificate


def _leaf(
    name: str,
    key: ec.EllipticCurvePublicKey,
    purpose: ObjectIdentifier,
    names: Sequence[x509.GeneralName],
    signer: tuple[ec.EllipticCurvePrivateKey, x509.Certificate],
    now: datetime,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"igentai {name}")])
    builder = (
        _builder(subject, signer[1].subject, key, now, DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer[0].public_key()), critical=False)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(signer[0], hashes.SHA256())


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        pass
    try:
        if not host or ":" in host or "/" in host:
            raise ValueError
        return x509.DNSName(host.encode("idna").decode())
    except ValueError:
        raise ConfigurationError(f"--host {host!r} is neither a name nor an address, as in 192.0.2.7") from None


def _names_in(path: Path) -> list[str]:
    """The names in a certificate, none where there is no such."""
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        held = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound):
        return []
    return [str(name.value) for name in held]


def _secret(folder: Path) -> bytes:
    """The one that is there, or a new one. Both ends must have the same."""
    for part in (ORCHESTRATOR, PRODUCER):
        path = folder / part / SECRET
        if path.exists():
            return path.read_bytes()
    return f"{secrets.token_hex(SECRET_BYTES)}\n".encode()


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, data: bytes, written: list[Path]) -> None:
    """Replace a file that only its owner may read, whole or not at all."""
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    written.append(path)
