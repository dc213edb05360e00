"""What the archive asks of a file system, narrow enough that a test can make it fail where it likes.

A failed fsync is never tried again: after one, the kernel may have dropped the data and marked the pages clean, so
that a second fsync would say yes to nothing. Every such failure leaves here as `LedgerDamaged`.
"""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING, Final, Protocol

from igentai.errors import LedgerDamaged

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# Every unfinished file starts with this, so that recovery knows what it may remove.
UNFINISHED: Final = ".unfinished-"


class Disk(Protocol):
    """System calls, each raising OSError as the `os` module does."""

    def open(self, path: Path, flags: int, mode: int = 0o644) -> int: ...

    def write(self, fd: int, data: bytes | memoryview) -> int: ...

    def fsync(self, fd: int) -> None: ...

    def truncate(self, fd: int, length: int) -> None: ...

    def replace(self, source: Path, target: Path) -> None: ...


class SystemDisk:
    """The real one. Symbolic links are never followed in the last part of a path."""

    def open(self, path: Path, flags: int, mode: int = 0o644) -> int:
        return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, mode)

    def write(self, fd: int, data: bytes | memoryview) -> int:
        return os.write(fd, data)

    def fsync(self, fd: int) -> None:
        os.fsync(fd)

    def truncate(self, fd: int, length: int) -> None:
        os.ftruncate(fd, length)

    def replace(self, source: Path, target: Path) -> None:
        os.replace(source, target)  # noqa: PTH105  the very call whose atomicity is meant


def write_whole(disk: Disk, fd: int, data: bytes) -> None:
    """Write all of `data`, however short the single writes are."""
    rest = memoryview(data)
    while rest:
        rest = rest[disk.write(fd, rest) :]


def sync_file(disk: Disk, fd: int, name: str) -> None:
    """fsync.

    Raises:
        LedgerDamaged: it failed; nothing written since the last one may be believed.
    """
    try:
        disk.fsync(fd)
    except OSError as error:
        raise LedgerDamaged(
            f"the disk would not keep {name} (fsync: {error.strerror}); check the disk, then start again: "
            "what was acknowledged before is recovered from the ledger"
        ) from error


def sync_folder(disk: Disk, folder: Path) -> None:
    """Make the names in `folder` durable."""
    fd = disk.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        sync_file(disk, fd, str(folder))
    finally:
        os.close(fd)


def replace_whole(disk: Disk, path: Path, blocks: Iterable[bytes]) -> None:
    """Put `blocks` at `path` so that a reader, and a power cut, sees the old content or the new, never less.

    Raises:
        OSError: it could not be written; the old content stands and nothing unfinished is left.
        LedgerDamaged: a failed fsync.
    """
    unfinished = path.parent / f"{UNFINISHED}{path.name}-{secrets.token_hex(4)}"
    fd = disk.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        try:
            for block in blocks:
                write_whole(disk, fd, block)
            sync_file(disk, fd, str(path))
        finally:
            os.close(fd)
        disk.replace(unfinished, path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    sync_folder(disk, path.parent)


def sweep_unfinished(folder: Path) -> list[str]:
    """Remove what a killed writer left unfinished in `folder`; the names removed."""
    left = sorted(path for path in folder.glob(f"{UNFINISHED}*") if path.is_file() or path.is_symlink())
    for path in left:
        path.unlink(missing_ok=True)
    return [path.name for path in left]
