"""SQLite files of a batch: opened one way, written in transactions that hold whole or not at all."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from igentai.errors import StorageError, StorageFull

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def opened(path: Path, schema: str, *, durable: bool) -> sqlite3.Connection:
    """A connection that any thread may use, one at a time.

    Args:
        durable: a commit is on the disk when it returns; else a power cut may take the last ones.

    Raises:
        StorageError: it cannot be opened, or is no SQLite file.
    """
    try:
        connection = sqlite3.connect(path, timeout=10.0, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        connection.executescript(schema)
    except sqlite3.Error as error:
        raise StorageError(f"{path} cannot be used ({error}); check the path and its permissions") from None
    return connection


def transact(connection: sqlite3.Connection, path: Path, work: Callable[[sqlite3.Connection], object]) -> None:
    """Do `work` in one transaction: rolled back whole where anything fails.

    Raises:
        StorageFull: there is no space left.
        StorageError: anything else went wrong with the file.
    """
    try:
        connection.execute("BEGIN IMMEDIATE")
        try:
            work(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    except sqlite3.Error as error:
        kind = StorageFull if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL else StorageError
        raise kind(f"{path} cannot be written ({error}); make room or choose another place") from error
