"""Results in a SQLite table, in order: one transaction a batch of rows, rolled back whole where anything fails."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from igentai.batch.tables import opened, transact

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from igentai.batch.result import Result

BATCH_ROWS: Final = 500
BATCH_EVERY_S: Final = 0.5

_SCHEMA: Final = """
    CREATE TABLE IF NOT EXISTS results (
        batch TEXT NOT NULL, "index" INTEGER NOT NULL, id, text TEXT, error TEXT, error_message TEXT, status INTEGER,
        tokens_in INTEGER, tokens_out INTEGER, tokens_cached INTEGER, cost_usd REAL, attempts INTEGER NOT NULL,
        provider TEXT, model TEXT, latency_ms INTEGER NOT NULL, PRIMARY KEY (batch, "index")
    )
"""
_INSERT: Final = f"INSERT INTO results VALUES ({', '.join('?' * 15)})"  # noqa: S608 - question marks only


class SqliteRows:
    """Writes results into the table `results` of `path` as they come, some hundred a transaction.

    Args:
        anew: drop what an earlier run wrote for the same `batch`.
        batch: what tells the rows of several batches in one file apart.
    """

    def __init__(self, path: Path, *, anew: bool = False, batch: str = "") -> None:
        self._path, self._batch = path, batch
        self._connection = opened(path, _SCHEMA, durable=True)
        self._rows: list[tuple[Any, ...]] = []
        self._since = time.monotonic()
        if anew:
            transact(self._connection, path, lambda c: c.execute("DELETE FROM results WHERE batch = ?", (self._batch,)))

    def write(self, result: Result) -> None:
        """Take in one result. Durable at the latest when this is closed.

        Raises:
            StorageError: the rows collected could not be written; none of them was.
        """
        self._rows.append(_columns(result, self._batch))
        now = time.monotonic()
        if len(self._rows) >= BATCH_ROWS or now - self._since >= BATCH_EVERY_S:
            self._since = now
            self._flush()

    def close(self) -> None:
        try:
            self._flush()
        finally:
            self._connection.close()

    def _flush(self) -> None:
        rows, self._rows = self._rows, []
        if rows:
            transact(self._connection, self._path, lambda c: c.executemany(_INSERT, rows))


def write_results(path: str | Path, results: Sequence[Result] | Iterable[Result], batch: str) -> int:
    """Write the results of a batch into the table `results` of a SQLite file, in one transaction.

    Args:
        path: the file; made where it is not there.
        results: in the order they shall have.
        batch: a name for them. A batch is written once: a second with the same name is refused whole.

    Returns:
        How many rows were written.

    Raises:
        StorageError: something failed; the file is as it was.

    >>> import tempfile
    >>> from igentai import sync
    >>> results = sync.query_parallel(["List 3 rivers"], provider="simulated:small")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_results(f"{folder}/answers.db", results, "monday")
    1
    """
    path = Path(path)
    connection = opened(path, _SCHEMA, durable=True)
    try:
        rows = [_columns(result, batch) for result in results]
        transact(connection, path, lambda c: c.executemany(_INSERT, rows))
        return len(rows)
    finally:
        connection.close()


def _columns(result: Result, batch: str) -> tuple[Any, ...]:
    error, usage = result.error, result.usage
    return (
        batch,
        result.index,
        result.id,
        result.text if error is None or result.text else None,
        error.kind if error else None,
        error.message if error else None,
        error.status if error else None,
        usage.tokens_in if usage else None,
        usage.tokens_out if usage else None,
        usage.tokens_cached if usage else None,
        result.cost_usd,
        result.attempts,
        result.provider or None,
        result.model or None,
        result.latency_ms,
    )
