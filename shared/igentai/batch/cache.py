"""Answers kept for next time, by provider, model, prompt and options."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import orjson

from igentai.batch.result import as_row, from_row
from igentai.batch.tables import opened, transact
from igentai.errors import StorageError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from pathlib import Path

    from igentai.batch.request import Query
    from igentai.batch.result import Result

FILE: Final = "answers.db"
_SCHEMA: Final = "CREATE TABLE IF NOT EXISTS answers (asked BLOB PRIMARY KEY, row BLOB NOT NULL) WITHOUT ROWID"


class Cache:
    """A cache in the folder `path`, or in a file where `path` names one that ends in `.db`.

    Several processes may share it. Only whole answers are kept: none that broke off or hit max_tokens.

    Raises:
        StorageError: it cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self.path = path if path.suffix == ".db" else path / FILE
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"the cache {path} cannot be made: {error.strerror}; choose another place") from None
        self._connection = opened(self.path, _SCHEMA, durable=False)
        self._reading = opened(self.path, "", durable=False)

    def find(self, asked: bytes, index: int, query: Query) -> Result | None:
        """The answer to the same question, as that of prompt `index`: no call, no cost."""
        found = self._reading.execute("SELECT row FROM answers WHERE asked = ?", (asked,)).fetchone()
        if found is None:
            return None
        try:
            kept = from_row(orjson.loads(found[0]))
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return None  # of another version: asked again and replaced
        return replace(
            kept, index=index, id=query.id, cost_usd=0.0, attempts=0, latency_ms=0, cached=True, finish="stop"
        )

    def write(self, group: Sequence[tuple[bytes, Result]]) -> None:
        """Keep a group of answers. Called off the event loop.

        Raises:
            StorageError: it could not be written; nothing of it was.
        """
        rows = [(asked, orjson.dumps(as_row(result))) for asked, result in group]

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany("INSERT OR REPLACE INTO answers VALUES (?, ?)", rows)

        transact(self._connection, self.path, work)

    def close(self) -> None:
        self._reading.close()
        self._connection.close()
