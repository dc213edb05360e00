"""Keys and secrets where they may be kept: a variable, a file that only its owner may read, systemd's credentials."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Final

from igentai.errors import ConfigurationError, NoUsableProvider
from igentai.providers.base import Secret

SHORTEST_SECRET: Final = 16  # bytes
LONGEST_PLACE: Final = 24  # characters of a file's name beside us that can be no key
_VARIABLE: Final = re.compile("[A-Z][A-Z0-9]*(_[A-Z0-9]+)+")


def named_key(name: str, source: str) -> Secret:
    """The key that `env:VARIABLE` or `file:PATH` names.

    Raises:
        ConfigurationError: it is neither, or the file cannot be used.
        NoUsableProvider: the variable is not set.
    """
    kind, _, place = source.partition(":")
    if kind == "env" and place:
        value = os.environ.get(place, "").strip()
        if not value:
            raise NoUsableProvider(f"provider {name} takes a key from {told(place)}, which is not set: set it")
        return Secret(value)
    if kind == "file" and place:
        return Secret(read_private(Path(place), f"a key of provider {name}"))
    raise ConfigurationError(
        f"[providers.{name}] keys: each must be env:VARIABLE or file:PATH; a key itself never stands in igentai.toml"
    )


def credential(name: str | None) -> Path | None:
    """The file of systemd's credential called `name`, None where there is none.

    Where none of the unit's credentials was found, systemd names a folder that only root may enter.
    """
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    path = Path(folder) / name if folder and name else None
    return path if path is not None and os.access(path, os.R_OK) else None


def told(place: str) -> str:
    """A variable or a path for a message: some put the key itself where its place belongs."""
    is_place = len(place) < LONGEST_PLACE or "/" in place or _VARIABLE.fullmatch(place) is not None
    return place if is_place else f"a place of {len(place)} characters that looks like a key itself"


def read_private(path: Path, what: str) -> str:
    """The one line of a file that only its owner may read.

    Raises:
        ConfigurationError: it is not there, is empty, or others may read it.
    """
    try:
        mode = path.stat().st_mode
        text = path.read_text().strip()
    except OSError as error:
        where = told(str(path))
        raise ConfigurationError(f"{what} cannot be read from {where}: {error.strerror}; check the path") from None
    except ValueError:
        raise ConfigurationError(f"{told(str(path))} should hold {what} as one line of plain text") from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO) and "CREDENTIALS_DIRECTORY" not in os.environ:
        raise ConfigurationError(f"{path} holds {what} and others may read it; run: chmod 600 {path}")
    if not text:
        raise ConfigurationError(f"{path} should hold {what} and is empty")
    return text


def read_secret(path: Path) -> bytes:
    """The secret that producers and orchestrator share, from a 0600 file of hexadecimal digits.

    Raises:
        ConfigurationError: it cannot be used.
    """
    try:
        secret = bytes.fromhex(read_private(path, "the producers' secret"))
    except ValueError:
        secret = b""
    if len(secret) < SHORTEST_SECRET:
        raise ConfigurationError(
            f"{path} should hold at least {2 * SHORTEST_SECRET} hexadecimal digits; make it by `igentai cert` or "
            "`openssl rand -hex 32`"
        )
    return secret
