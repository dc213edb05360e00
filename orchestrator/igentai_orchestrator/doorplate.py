"""Where the running daemon can be found: a small file beside the outputs, for `igentai status` and its kin.

It holds the address of the page and the token that opens it, and only its owner may read it (0600).
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

PLATE: Final = ".daemon.json"
TOKEN: Final = ".token"  # noqa: S105  the name of a file


@dataclass(frozen=True, slots=True)
class Found:
    """A daemon that says it runs: its pid, the address of its API, the token for it (None: none is needed), and the
    certificate it shows (None: no TLS).
    """

    pid: int
    address: str
    token: str | None
    certificate: Path | None = None


class Doorplate:
    """Puts the plate up and takes it down."""

    def __init__(self, outputs: Path) -> None:
        self._outputs = outputs
        self._up = False

    def token(self) -> str:
        """The token of this outputs folder: made once and kept, so that a page stays signed in across restarts."""
        path = self._outputs / TOKEN
        try:
            kept = path.read_text().strip()
        except OSError:
            kept = ""
        if len(kept) >= 32:
            return kept
        made = secrets.token_urlsafe(32)
        _write_private(path, made.encode())
        return made

    def put_up(self, address: str, token: str | None, sign_in: str, certificate: Path | None = None) -> None:
        """Say where the daemon is. `sign_in` is an address that opens the page once."""
        plate = {"pid": os.getpid(), "address": address, "token": token, "sign_in": sign_in}
        if certificate is not None:
            plate["certificate"] = str(certificate.absolute())
        _write_private(self._outputs / PLATE, orjson.dumps(plate))
        self._up = True

    def remove(self) -> None:
        if self._up:
            (self._outputs / PLATE).unlink(missing_ok=True)


def find(outputs: Path) -> Found | None:
    """The daemon that works in `outputs`, None where none says so."""
    try:
        plate: Any = orjson.loads((outputs / PLATE).read_bytes())
        certificate = Path(plate["certificate"]) if plate.get("certificate") else None
        return Found(int(plate["pid"]), str(plate["address"]), plate["token"], certificate)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write_private(path: Path, data: bytes) -> None:
    """Replace a file that only its owner may read, whole or not at all."""
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    temporary.replace(path)
