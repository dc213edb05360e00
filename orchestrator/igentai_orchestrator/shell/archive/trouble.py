"""Which failures of storage pass by themselves, and which end the process.

Trouble: nothing was lost, writing again may work (no space, quota, read-only, the folder is gone, another program
holds a lock). Everything is kept and tried again. Anything else, a failed fsync above all, is the end: the process
stops and the next one recovers.
"""

from __future__ import annotations

import errno
import sqlite3
from typing import Final

_ERRNO: Final = {
    errno.ENOSPC: "no space left on the disk: make room",
    errno.EDQUOT: "the disk quota is used up: make room or raise it",
    errno.EFBIG: "the file may not grow further: raise the limit on file sizes",
    errno.EROFS: "the file system is read-only: make it writable",
    errno.EACCES: "no permission to write: give it back",
    errno.EPERM: "no permission to write: give it back",
    errno.ENOENT: "the folder is gone: put it back",
    errno.ENOTDIR: "the folder is gone: put it back",
    errno.EMFILE: "too many open files: raise the limit",
    errno.ENFILE: "too many open files on this machine",
}

# By primary result code (https://sqlite.org/rescode.html), but for I/O errors: of those only a failed write passes.
_SQLITE: Final = {
    sqlite3.SQLITE_FULL: "no space left on the disk: make room",
    sqlite3.SQLITE_READONLY: "the ledger is read-only: make it writable",
    sqlite3.SQLITE_BUSY: "another program holds the ledger locked: let it finish",
    sqlite3.SQLITE_LOCKED: "another program holds the ledger locked: let it finish",
    sqlite3.SQLITE_CANTOPEN: "the ledger cannot be opened: check its folder",
    sqlite3.SQLITE_PERM: "no permission to write the ledger: give it back",
    sqlite3.SQLITE_IOERR_WRITE: "the ledger cannot be written: check the disk and its quota",
}


# The ledger's file is no longer the one that was opened: what is written to it now would be found by nobody.
_FATAL: Final = frozenset({sqlite3.SQLITE_READONLY_DBMOVED})


def passing_trouble(error: BaseException) -> str | None:
    """What to tell people where `error` may pass by itself, None where it will not."""
    if isinstance(error, sqlite3.Error):
        return _passing_sqlite(getattr(error, "sqlite_errorcode", None))
    if isinstance(error, OSError) and error.errno is not None:
        return _ERRNO.get(error.errno)
    return None


def _passing_sqlite(code: int | None) -> str | None:
    if code is None or code in _FATAL:
        return None
    return _SQLITE.get(code) or _SQLITE.get(code & 0xFF)
