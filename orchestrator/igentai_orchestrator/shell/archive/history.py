"""The ledger read back: every record in the order in which it was written."""

from __future__ import annotations

import sqlite3
from heapq import heapify, heappop, heapreplace
from typing import TYPE_CHECKING, Final

from igentai.errors import LedgerDamaged
from igentai_orchestrator.shell.archive import rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from igentai_orchestrator.core.records import Record

_READERS: Final[dict[str, Callable[[rows.Row], Record]]] = {
    "assignments": rows.assignment,
    "answers": rows.answer,
    "losses": rows.loss,
    "events": rows.event,
}


def connect_readonly(path: Path) -> sqlite3.Connection:
    """A connection that changes nothing, usable from any thread, one at a time.

    SQLite may write all the same where this one is the last to leave: it then tidies the log away, which a connection
    opened with mode=ro would leave lying about.

    Raises:
        sqlite3.OperationalError: there is no such file.
    """
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, check_same_thread=False, timeout=5.0
    )
    connection.execute("PRAGMA query_only = 1")
    connection.execute("PRAGMA trusted_schema = 0")
    return connection


class History:
    """Records 1 to `last_id` of a ledger. Every iteration reads anew, by a connection of its own.

    Iterating raises LedgerDamaged where a row cannot be read.
    """

    def __init__(self, path: Path, last_id: int) -> None:
        self._path = path
        self._last_id = last_id

    def __len__(self) -> int:
        return self._last_id

    def __iter__(self) -> Iterator[Record]:
        if not self._last_id:
            return
        connection = connect_readonly(self._path)
        try:
            yield from _in_order(connection, self._last_id)
        except (sqlite3.DatabaseError, ValueError) as error:
            raise LedgerDamaged(
                f"{self._path} cannot be read to its end ({error}); run `igentai fsck`, or put back a copy"
            ) from error
        finally:
            connection.close()


def last_id(connection: sqlite3.Connection) -> int:
    """The id of the newest record."""
    query = " UNION ALL ".join(f"SELECT max(id) FROM {table}" for table in _READERS)  # noqa: S608  names of this file
    return max((found for (found,) in connection.execute(query) if found is not None), default=0)


def _in_order(connection: sqlite3.Connection, last_id: int) -> Iterator[Record]:
    heads: list[tuple[int, int, rows.Row, sqlite3.Cursor, Callable[[rows.Row], Record]]] = []
    for place, (table, read) in enumerate(_READERS.items()):
        cursor = connection.execute(rows.SELECT_HISTORY[table], (last_id,))
        if (row := cursor.fetchone()) is not None:
            heads.append((row[0], place, row, cursor, read))
    heapify(heads)
    while heads:
        _, place, row, cursor, read = heads[0]
        yield read(row)
        if (row := cursor.fetchone()) is None:
            heappop(heads)
        else:
            heapreplace(heads, (row[0], place, row, cursor, read))
