"""The journal of a batch: every answer, durable before it is counted, so that a killed run pays for none twice.

A SQLite file beside the output, keyed by the row's number and by what was asked there: an answer counts only for the
row it was given to, as it stood. The output is a projection of it and of what is asked still.

    answers(number, asked, row)        one row an answer: number of the input row, fingerprint of what was asked
    promised(call, number, usd)        with a budget: what a call that left may cost, until its outcome is known
    spent(usd)                         what all calls have cost whose outcome is known
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from igentai.batch.result import as_row, from_row
from igentai.batch.tables import opened, transact
from igentai.errors import StorageError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from pathlib import Path

    from igentai.batch.result import Result

_SCHEMA: Final = """
    CREATE TABLE IF NOT EXISTS answers (number INTEGER PRIMARY KEY, asked BLOB NOT NULL, row BLOB NOT NULL);
    CREATE TABLE IF NOT EXISTS promised (call INTEGER PRIMARY KEY, number INTEGER NOT NULL, usd REAL NOT NULL);
    CREATE TABLE IF NOT EXISTS spent (one INTEGER PRIMARY KEY CHECK (one = 1), usd REAL NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer to be made durable. `asked` is the fingerprint of its prompt and options."""

    asked: bytes
    result: Result


@dataclass(frozen=True, slots=True)
class Promise:
    """A call about to leave: what it may cost. `settled` says instead what it did cost."""

    call: int
    number: int
    usd: float
    settled: bool = False


class Journal:
    """The journal at `path`. Only answers are kept: what failed is asked again by the next run.

    Raises:
        StorageError: the file cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writing = opened(path, _SCHEMA, durable=True)
        self._reading: sqlite3.Connection = opened(path, "", durable=True)

    def find(self, number: int, asked: bytes) -> Result | None:
        """The answer that row `number` was given when it asked the same."""
        found = self._reading.execute("SELECT asked, row FROM answers WHERE number = ?", (number,)).fetchone()
        if found is None or found[0] != asked:
            return None
        try:
            row: dict[str, Any] = orjson.loads(found[1])
            return from_row(row)
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise StorageError(f"{self.path} holds something that is no answer of igentai; move it away") from error

    def count(self) -> int:
        """Answers kept."""
        (number,) = self._reading.execute("SELECT count(*) FROM answers").fetchone()
        return int(number)

    def spent_usd(self) -> float:
        """What earlier runs cost; a call whose outcome nobody knows counts with all it may have cost."""
        (settled,) = self._reading.execute("SELECT total(usd) FROM spent").fetchone()
        (unknown,) = self._reading.execute("SELECT total(usd) FROM promised").fetchone()
        return float(settled) + float(unknown)

    def write(self, group: Sequence[Kept | Promise]) -> None:
        """Make a group durable, whole or not at all. Called off the event loop.

        Raises:
            StorageError: it could not be written; nothing of it was.
        """
        answers = [
            (kept.result.index, kept.asked, orjson.dumps(as_row(kept.result)))
            for kept in group
            if isinstance(kept, Kept)
        ]
        promises = [(p.call, p.number, p.usd) for p in group if isinstance(p, Promise) and not p.settled]
        settled = [p for p in group if isinstance(p, Promise) and p.settled]

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany("INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", answers)
            connection.executemany("INSERT OR REPLACE INTO promised VALUES (?, ?, ?)", promises)
            connection.executemany("DELETE FROM promised WHERE call = ?", [(p.call,) for p in settled])
            _spend(connection, sum(p.usd for p in settled))

        transact(self._writing, self.path, work)

    def settle_unknown(self) -> None:
        """At the start of a run: what was under way when the last one ended counts as spent."""

        def work(connection: sqlite3.Connection) -> None:
            (unknown,) = connection.execute("SELECT total(usd) FROM promised").fetchone()
            _spend(connection, unknown)
            connection.execute("DELETE FROM promised")

        transact(self._writing, self.path, work)

    def close(self) -> None:
        self._reading.close()
        self._writing.close()


def _spend(connection: sqlite3.Connection, usd: float) -> None:
    if usd:
        connection.execute(
            "INSERT INTO spent VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET usd = usd + excluded.usd", (usd,)
        )
