"""The spool files of this producer run: one a folder, appended before an answer is sent.

Written through to the kernel, which a kill of this process cannot undo. Not fsynced: after a power cut an answer that
nobody acknowledged may be asked again, and a sync of each would stop the heartbeat on a slow disk.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Final

from igentai.spool import encode_record, left_over, scan_records, spool_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from igentai.spool import Answer

LOCK_SUFFIX: Final = ".lock"


def new_run_id() -> str:
    """128 random bits in hex: with a ledger and a seq it names an answer for ever."""
    return secrets.token_hex(16)


class SpoolFiles:
    """All spools of one producer run. Every method raises OSError where the disk does not do as told.

    Args:
        own: folder of a producer that was not spawned, made where it is missing. The folders below it are its own to
            make and remove; any other is the topic's, and when it is gone, so is the topic.
    """

    def __init__(self, run_id: str, own: Path | None = None) -> None:
        self._run_id = run_id
        self._own = own
        self._files: dict[str, _SpoolFile] = {}

    def append(self, folder: str, answer: Answer) -> None:
        """Add a record: whole, or not at all."""
        self._file(folder).append(encode_record(answer))

    def read(self, folder: str, ledger: str) -> list[Answer]:
        """What the spool holds of `ledger`, in the order written; a torn tail is cut off."""
        if folder not in self._files and not spool_path(Path(folder), self._run_id).exists():
            return []
        return [answer for answer in self._file(folder).read() if answer.ledger == ledger]

    def clear(self, folder: str, keep: Sequence[Answer], *, remove: bool) -> None:
        """Leave nothing but `keep`; `remove` the file where that is nothing."""
        if folder in self._files:
            self._files[folder].replace(b"".join(map(encode_record, keep)))
            if remove and not keep:
                self._close(folder)

    def close(self) -> None:
        """Close the files; those that are empty go."""
        for folder in list(self._files):
            self._close(folder)

    def _close(self, folder: str) -> None:
        self._files.pop(folder).close()
        if self._is_own(folder):
            try:
                Path(folder).rmdir()
            except OSError:
                pass  # it holds something yet

    def _is_own(self, folder: str) -> bool:
        return self._own is not None and Path(folder).parent == self._own

    def _file(self, folder: str) -> _SpoolFile:
        file = self._files.get(folder)
        if file is not None and file.still_there():
            return file
        if file is not None:
            self._files.pop(folder).close()
        if self._is_own(folder):
            Path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)
        file = self._files[folder] = _SpoolFile(spool_path(Path(folder), self._run_id))
        return file


class _SpoolFile:
    """One open spool. `_size` is where its last whole record ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            _, self._size = scan_records(self._content())
            os.ftruncate(self._descriptor, self._size)
        except OSError:
            os.close(self._descriptor)
            raise

    def still_there(self) -> bool:
        """Whether the file has a name yet: somebody may have taken it in and removed it."""
        return os.fstat(self._descriptor).st_nlink > 0

    def append(self, record: bytes) -> None:
        try:
            _write_at(self._descriptor, record, self._size)
        except OSError:
            self._cut()  # half a record would hide all that are written after it
            raise
        self._size += len(record)

    def read(self) -> list[Answer]:
        return scan_records(self._content())[0]

    def replace(self, data: bytes) -> None:
        """Nothing but `data` from now on. Atomic: a kill leaves the old content or the new."""
        if not data:
            os.ftruncate(self._descriptor, 0)
            self._size = 0
            return
        fresh = self._path.with_suffix(".new")
        descriptor = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            _write_at(descriptor, data, 0)
            fresh.rename(self._path)
        except OSError:
            os.close(descriptor)
            fresh.unlink(missing_ok=True)
            raise
        os.close(self._descriptor)
        self._descriptor, self._size = descriptor, len(data)

    def close(self) -> None:
        try:
            if self._size == 0 and self.still_there():
                self._path.unlink(missing_ok=True)
        except OSError:
            pass  # an empty file left behind harms nobody
        finally:
            os.close(self._descriptor)

    def _content(self) -> bytes:
        return os.pread(self._descriptor, os.fstat(self._descriptor).st_size, 0)

    def _cut(self) -> None:
        try:
            os.ftruncate(self._descriptor, self._size)
        except OSError:
            pass  # the next append writes over it


def _write_at(descriptor: int, data: bytes, offset: int) -> None:
    written = 0
    while written < len(data):
        written += os.pwrite(descriptor, data[written:], offset + written)


class Tenancy:
    """The name under which a producer works in its own spool folder, kept from all others by a lock file.

    A spool that a killed predecessor left there is taken over together with its run id: to the orchestrator the
    successor is that run, come back, and what it acknowledges cannot be mistaken for another run's.
    """

    def __init__(self, own: Path) -> None:
        own.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._own = own
        runs = [run_id for folder in sorted(own.iterdir()) if folder.is_dir() for run_id in left_over(folder)]
        self.run_id, self._lock = self._first_free([*dict.fromkeys(runs), new_run_id()])

    def _first_free(self, runs: Sequence[str]) -> tuple[str, int]:
        for run_id in runs:
            lock = os.open(self._own / f"{run_id}{LOCK_SUFFIX}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:  # its producer is alive
                os.close(lock)
                continue
            return run_id, lock
        raise AssertionError("unreachable: nobody holds the lock of a run id just drawn")

    def close(self) -> None:
        (self._own / f"{self.run_id}{LOCK_SUFFIX}").unlink(missing_ok=True)
        os.close(self._lock)
