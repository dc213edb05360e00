"""The ledger: one SQLite file a topic, the single source of truth. Used by one thread at a time.

The file is opened by SQLite and by nothing else in this process: closing any other descriptor of it would drop the
POSIX locks of every connection here (https://sqlite.org/howtocorrupt.html, 2.2), and a stranger's `sqlite3` shell
could then take the WAL away under us.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Final

from igentai.errors import LedgerDamaged
from igentai_orchestrator.core.records import AnswerRecord, Record
from igentai_orchestrator.shell.archive import schema
from igentai_orchestrator.shell.archive.history import History
from igentai_orchestrator.shell.archive.projection import as_lines, blocks, out_of_order
from igentai_orchestrator.shell.archive.rows import COLUMNS, Row, Rows
from igentai_orchestrator.shell.archive.trouble import passing_trouble

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

FILE: Final = "ledger.db"

# One statement inserts many rows. `executemany` steps once a row and gives the interpreter lock away each time; beside
# a busy event loop every step then waits up to 5 ms to get it back (measured: 4,300 against 330 microseconds a row).
_ROWS_A_STATEMENT: Final = (256, 64, 16, 4, 1)

# A checkpoint is due after about 16 MiB of write-ahead log: an answer writes a page, a commit some more.
_CHECKPOINT_PAGES: Final = 2000
_PAGES_A_COMMIT: Final = 4


@dataclass(frozen=True, slots=True)
class Written:
    """What a commit brought: the bytes output.txt lacks now, and the answers that were there already."""

    text: bytes
    ignored: tuple[tuple[str, int], ...] = ()


class Ledger:
    """An open ledger."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        self._pages = 0
        self.last_id, self.last_number = _ends(connection)

    @classmethod
    def create(cls, path: Path, meta: Mapping[str, str]) -> Ledger:
        """A new, empty ledger at `path`."""
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=1.0)
        schema.create(connection)
        _configure(connection)
        ledger = cls(path, connection)
        ledger.set_meta(meta)
        return ledger

    @classmethod
    def open(cls, path: Path) -> Ledger:
        """The ledger at `path`, with everything that it holds made durable before anyone relies on it.

        After a kill, transactions that were written but not yet synced may sit in the page cache and look committed.
        The write below syncs the whole log, old frames included.

        Raises:
            LedgerDamaged: no ledger is there, it cannot be read, or a sync failed.
            ConfigurationError: written by a newer igentai.
            sqlite3.Error: it cannot be written now (disk full, read-only).
        """
        if path.is_symlink():
            raise LedgerDamaged(f"{path} is a symbolic link, which igentai does not follow; put the file itself there")
        try:
            connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode=rw",
                uri=True,
                isolation_level=None,
                check_same_thread=False,
                timeout=1.0,
            )
        except sqlite3.OperationalError as error:
            raise LedgerDamaged(
                f"{path} cannot be opened ({error}); put back a copy, or start the topic anew"
            ) from error
        try:
            schema.check(connection, str(path))
            _configure(connection)
            ledger = cls(path, connection)
            ledger.set_meta({"synced": str(ledger.last_id)})
            ledger.checkpoint()
        except sqlite3.Error as error:
            connection.close()
            if passing_trouble(error):
                raise
            raise LedgerDamaged(f"{path} cannot be read ({error}); run `igentai fsck`, or put back a copy") from error
        except BaseException:
            connection.close()
            raise
        return ledger

    def meta(self) -> dict[str, str]:
        return dict(self._connection.execute("SELECT key, value FROM meta"))

    def set_meta(self, values: Mapping[str, str]) -> None:
        """One durable transaction."""
        self._begin()
        try:
            for item in values.items():
                self._connection.execute(_SET_META, item)
            self._connection.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise

    def history(self) -> History:
        """Everything recorded so far."""
        return History(self.path, self.last_id)

    def commit(self, records: Sequence[Record], *, at: str, elapsed_s: float) -> Written:
        """Make `records` durable, all or none, in this order.

        An answer whose (producer run, seq) is there already is left out and reported.

        Raises:
            sqlite3.Error: nothing was recorded.
            LedgerDamaged: the records contradict the ledger; nothing was recorded.
        """
        rows = Rows(next_id=self.last_id + 1, next_number=self.last_number + 1)
        rows.take(records, at)
        if rows.gap is not None:
            return self._commit_unseen(records, at, elapsed_s, rows.gap)
        text = _text(rows, self.path)
        self._begin()
        try:
            complete = all(self._insert(table, values) for table, values in rows.tables())
            if complete:
                self._connection.execute(_SET_META, ("elapsed_s", repr(elapsed_s)))
                self._connection.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise
        if not complete:
            self._roll_back()
            return self._commit_unseen(records, at, elapsed_s, None)
        self.last_id, self.last_number = rows.next_id - 1, rows.next_number - 1
        self._pages += len(rows.answers) + _PAGES_A_COMMIT
        return Written(text)

    def checkpoint_if_due(self) -> None:
        """Move the log into the file now and then. A full disk is no fault here: the log holds everything."""
        if self._pages >= _CHECKPOINT_PAGES:
            self.checkpoint()

    def checkpoint(self) -> None:
        """Move what no reader needs any more from the log into the file.

        Raises:
            sqlite3.Error: it failed in a way that does not pass, a failed sync for one.
        """
        self._pages = 0
        try:
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except sqlite3.Error as error:
            if passing_trouble(error) is None:
                raise

    def blocks(self) -> Iterator[bytes]:
        """What output.txt must hold; see `projection.blocks`."""
        return blocks(self._connection, self.path)

    def close(self) -> None:
        """Close; SQLite moves the rest of the log into the file and removes it where it can."""
        self._connection.close()

    def _begin(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def _roll_back(self) -> None:
        # A full disk or an I/O error makes SQLite roll back by itself.
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def _insert(self, table: str, values: list[Row]) -> bool:
        """Whether every row was taken."""
        start, taken = 0, 0
        for size in _ROWS_A_STATEMENT:
            while len(values) - start >= size:
                flat = tuple(chain.from_iterable(values[start : start + size]))
                taken += self._connection.execute(_insertion(table, size), flat).rowcount
                start += size
        return taken == len(values)

    def _commit_unseen(
        self, records: Sequence[Record], at: str, elapsed_s: float, gap: tuple[int, int] | None
    ) -> Written:
        """Commit what the ledger does not hold yet; `gap` is a number that would not follow on otherwise."""
        seen: set[tuple[str, int]] = set()
        ignored, unseen = [], []
        for record in records:
            if isinstance(record, AnswerRecord):
                name = (record.producer_run, record.seq)
                if name in seen or self._holds(name):
                    ignored.append(name)
                    continue
                seen.add(name)
            unseen.append(record)
        if gap is not None and not ignored:
            raise out_of_order(self.path, *gap)
        written = self.commit(unseen, at=at, elapsed_s=elapsed_s)
        return Written(written.text, tuple(ignored))

    def _holds(self, name: tuple[str, int]) -> bool:
        query = "SELECT 1 FROM answers WHERE producer_run = ? AND seq = ?"
        return self._connection.execute(query, name).fetchone() is not None


_SET_META: Final = "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"


@lru_cache(maxsize=32)
def _insertion(table: str, count: int) -> str:
    columns = COLUMNS[table]
    row = f"({', '.join('?' * len(columns))})"
    conflict = " ON CONFLICT (producer_run, seq) DO NOTHING" if table == "answers" else ""
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([row] * count)}{conflict}"  # noqa: S608


def _configure(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA trusted_schema = 0")
    connection.execute("PRAGMA cache_size = -8192")  # KiB
    connection.execute("PRAGMA journal_size_limit = 67108864")  # the log shrinks to 64 MiB after a burst
    # Checkpoints are run by us: SQLite's own ones keep their errors to themselves, a failed sync included.
    connection.execute("PRAGMA wal_autocheckpoint = 0")


def _ends(connection: sqlite3.Connection) -> tuple[int, int]:
    """The last id over all tables and the last number, 0 where there is none."""
    queries = [f"SELECT max(id) FROM {table}" for table in COLUMNS]  # noqa: S608  our own table names
    last_id = max(connection.execute(query).fetchone()[0] or 0 for query in queries)
    query = (
        "SELECT first_number + fresh_count - 1 FROM answers WHERE fresh_count > 0 ORDER BY first_number DESC LIMIT 1"
    )
    row = connection.execute(query).fetchone()
    return last_id, row[0] if row else 0


def _text(rows: Rows, path: Path) -> bytes:
    if not rows.texts:
        return b""
    text = as_lines(rows.texts)
    if text.count(b"\n") != len(rows.texts):
        raise LedgerDamaged(
            f"an attribute for {path} holds a line break, which is a fault of igentai; please report it"
        )
    return text
