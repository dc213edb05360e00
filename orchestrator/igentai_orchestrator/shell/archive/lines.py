"""output.txt: the fresh attributes, one a line, in order of arrival. A projection of the ledger.

Only a line feed ends a line. The file is appended to after each commit and compared with the ledger when a topic is
opened, or when someone touched it in between.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from igentai_orchestrator.shell.archive.disk import Disk, replace_whole, sync_file, sync_folder, write_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

FILE: Final = "output.txt"
_READ_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Comparison:
    """How output.txt stands against the ledger. It agrees up to `agrees_to` bytes.

    `whole`: it holds exactly what it must. `short`: it ends early, at worst in the middle of a line. `torn`: what
    follows the agreement is one unfinished line. `foreign`: somebody else's whole lines are in it. `missing`: gone.
    """

    state: Literal["whole", "short", "torn", "foreign", "missing"]
    agrees_to: int = 0


def compare(path: Path, blocks: Iterable[bytes]) -> Comparison:
    """Compare the file with what the ledger says, without keeping either in memory."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return Comparison("foreign")
    except FileNotFoundError:
        return Comparison("missing")
    offset = 0
    with path.open("rb") as file:
        for block in blocks:
            found = file.read(len(block))
            if found == block:
                offset += len(block)
            elif block.startswith(found):
                return Comparison("short", offset + len(found))
            else:
                return _differing(file.read(_READ_BYTES), found, block, offset)
        surplus = file.read(_READ_BYTES)
    if not surplus:
        return Comparison("whole", offset)
    return Comparison("foreign" if b"\n" in surplus else "torn", offset)


def _differing(following: bytes, found: bytes, block: bytes, offset: int) -> Comparison:
    agrees = next((place for place, (has, due) in enumerate(zip(found, block, strict=False)) if has != due), len(block))
    line_start = found.rfind(b"\n", 0, agrees) + 1
    unfinished = b"\n" not in found[line_start:] and b"\n" not in following
    return Comparison("torn" if unfinished else "foreign", offset + line_start)


class OutputLines:
    """The open output.txt of a topic. `blocks` gives what the ledger says it must hold."""

    def __init__(self, folder: Path, disk: Disk, blocks: Callable[[], Iterable[bytes]]) -> None:
        self.path = folder / FILE
        self._disk = disk
        self._blocks = blocks
        self._fd = -1
        self._inode = 0
        self._length = 0
        self._partial = False

    def open(self) -> str | None:
        """Bring the file in line with the ledger and open it; what was mended, in words, or None.

        Raises:
            OSError: it cannot be written; what was there stands.
            LedgerDamaged: a failed fsync, or an unreadable ledger.
        """
        self.close()
        repair = self._mend(compare(self.path, self._blocks()))
        self._fd = self._disk.open(self.path, os.O_WRONLY | os.O_APPEND)
        status = os.fstat(self._fd)
        self._inode, self._length = status.st_ino, status.st_size
        self._partial = False
        return repair

    def touched(self) -> bool:
        """Whether somebody replaced, removed or changed the file since the last append."""
        if self._fd < 0:
            return True
        if self._partial:
            return False
        try:
            now = os.stat(self.path, follow_symlinks=False)  # noqa: PTH116  a tenth of the time, at every commit
        except FileNotFoundError:
            return True
        return now.st_size != self._length or now.st_ino != self._inode

    def append(self, text: bytes) -> None:
        """Append whole lines, all or nothing.

        Raises:
            OSError: nothing was appended; where even that could not be made so, the next call does it first.
        """
        if self._partial:
            self._take_back()
        try:
            write_whole(self._disk, self._fd, text)
        except OSError:
            self._partial = True
            try:
                self._take_back()
            except OSError:
                pass  # the next append takes it back first; recovery would, too
            raise
        self._length += len(text)

    def sync(self) -> None:
        """Make the file durable.

        Raises:
            LedgerDamaged: a failed fsync.
        """
        sync_file(self._disk, self._fd, str(self.path))

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _take_back(self) -> None:
        self._disk.truncate(self._fd, self._length)
        self._partial = False

    def _mend(self, found: Comparison) -> str | None:
        match found.state:
            case "whole":
                return None
            case "short" | "torn":
                self._complete(found.agrees_to)
                return f"{FILE} lacked its end: completed from the ledger"
            case "missing":
                replace_whole(self._disk, self.path, self._blocks())
                return f"{FILE} was gone: written again from the ledger"
            case "foreign":
                copy = _free_name(self.path)
                self._disk.replace(self.path, copy)
                replace_whole(self._disk, self.path, self._blocks())
                return f"{FILE} had been changed by someone else: kept as {copy.name}, written again from the ledger"

    def _complete(self, length: int) -> None:
        fd = self._disk.open(self.path, os.O_WRONLY | os.O_APPEND)
        try:
            self._disk.truncate(fd, length)
            for block in _after(self._blocks(), length):
                write_whole(self._disk, fd, block)
            sync_file(self._disk, fd, str(self.path))
        finally:
            os.close(fd)
        sync_folder(self._disk, self.path.parent)


def _after(blocks: Iterable[bytes], length: int) -> Iterator[bytes]:
    """`blocks` without their first `length` bytes."""
    for block in blocks:
        if length < len(block):
            yield block[length:]
        length = max(0, length - len(block))


def _free_name(path: Path) -> Path:
    number = 1
    while os.path.lexists(copy := path.with_name(f"{path.name}.foreign-{number}")):
        number += 1
    return copy
