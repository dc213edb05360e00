"""A topic read back while it may still be written: pages of attributes, searches, one attribute's origin.

Rows are fetched many to a step, as JSON arrays that SQLite puts together: every step gives the interpreter lock away,
and beside a busy event loop each one waits milliseconds to have it back. No read transaction outlives a call, so that
a slow client cannot keep the write-ahead log from being reused.
"""

from __future__ import annotations

import re
import sqlite3
import threading
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import orjson

from igentai.errors import StorageError
from igentai_orchestrator.shell.archive import ledger
from igentai_orchestrator.shell.archive.attributes import AttributeRow, Filter, MergedInto, Naming, Provenance
from igentai_orchestrator.shell.archive.history import History, connect_readonly, last_id
from igentai_orchestrator.shell.archive.merges import Merges, texts_of
from igentai_orchestrator.shell.archive.namings import Namings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ANSWERS_A_STEP: Final = 256
_NAMINGS_SHOWN: Final = 100
_VARIANTS_SHOWN: Final = 50


class Reader:
    """Read-only; usable from any thread, one call at a time waits for the other.

    Every method raises StorageError where the ledger cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / ledger.FILE
        self._one_at_a_time = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._inode = 0
        self._namings = Namings()
        self._merges = Merges()

    def attributes(
        self,
        after: int = 0,
        limit: int = 100,
        search: str | None = None,
        partition: str | None = None,
        provider: str | None = None,
    ) -> list[AttributeRow]:
        """At most `limit` attributes with a number above `after`, ascending."""
        wanted = Filter(search, partition, provider)
        answers = max(4, min(limit // 8, _ANSWERS_A_STEP))
        return list(islice(self.rows(after, wanted, answers=answers), max(0, limit)))

    def rows(self, after: int, wanted: Filter, *, answers: int = _ANSWERS_A_STEP) -> Iterator[AttributeRow]:
        """All attributes above `after` that are `wanted`, ascending; so many answers are fetched at a time."""
        matches = re.compile(re.escape(wanted.search), re.IGNORECASE).search if wanted.search else None
        first, more = self._first_answer(after), True
        while more:
            found, merged = self._step(first, wanted, answers)
            if more := len(found) == answers:
                first = found[-1][0] + 1
            times = self._namings.of
            for start, provider, model, partition, producer, at, texts in found:
                for number, text in enumerate(texts, start):
                    if number > after and (matches is None or matches(text)):
                        into = merged.get(number)
                        yield AttributeRow(number, text, provider, model, partition, producer, at, times(number), into)

    def latest(self) -> int:
        """The highest number there is, 0 for none."""
        with self._one_at_a_time:
            query = "SELECT max(first_number) FROM answers WHERE fresh_count > 0"
            (first,) = self._row(query, ())
            if first is None:
                return 0
            query = "SELECT fresh_count FROM answers WHERE fresh_count > 0 AND first_number = ?"
            (count,) = self._row(query, (first,))
            return int(first + count - 1)

    def one(self, number: int) -> Provenance | None:
        """An attribute with where it came from, None where there is no such number."""
        rows = self.attributes(number - 1, 1)
        if not rows or rows[0].number != number:
            return None
        with self._one_at_a_time:
            origin = self._row(
                "SELECT assignment_id, producer_run, seq, purpose, prompt_hash, tokens_in, tokens_out, cost_usd, "
                "latency_ms FROM answers WHERE fresh_count > 0 AND first_number <= ? "
                "ORDER BY first_number DESC LIMIT 1",
                (number,),
            )
            (again,) = self._row(
                "SELECT json_group_array(json_array(at, provider, model, partition, producer)) FROM ("
                "SELECT at, provider, model, partition, producer FROM answers WHERE instr(repeats, ?) "
                "AND EXISTS (SELECT 1 FROM json_each(repeats) WHERE value = ?) ORDER BY id LIMIT ?)",
                (str(number), number, _NAMINGS_SHOWN),
            )
            variants = self._variants(number)
        named_again = tuple(Naming(*naming) for naming in orjson.loads(again))
        return Provenance(rows[0], named_again, variants, *origin)

    def history(self) -> History:
        """Every record so far, in the order in which it was written."""
        with self._one_at_a_time, _told(self._path):
            return History(self._path, last_id(self._open()))

    def copy_to(self, path: Path) -> None:
        """A whole, self-contained copy of the ledger as it is now."""
        with self._one_at_a_time, _told(self._path):
            target = sqlite3.connect(path)
            try:
                self._open().backup(target)
                target.execute("PRAGMA journal_mode = DELETE").fetchall()
            finally:
                target.close()

    def close(self) -> None:
        with self._one_at_a_time:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _first_answer(self, after: int) -> int:
        """The first number of the answer that holds attribute `after` + 1, or of the one before it."""
        with self._one_at_a_time:
            query = "SELECT max(first_number) FROM answers WHERE fresh_count > 0 AND first_number <= ?"
            (first,) = self._row(query, (after + 1,))
            return int(first or 0)

    def _step(self, first: int, wanted: Filter, answers: int) -> tuple[list[list[Any]], dict[int, MergedInto]]:
        """The next answers, and what was merged of their attributes."""
        conditions, values = wanted.conditions()
        query = (
            "SELECT json_group_array(json_array(first_number, provider, model, partition, producer, at, json(fresh))) "  # noqa: S608  parts of this file
            "FROM (SELECT first_number, provider, model, partition, producer, at, fresh FROM answers "
            f"WHERE fresh_count > 0 AND first_number >= ?{conditions} ORDER BY first_number LIMIT ?)"
        )
        with self._one_at_a_time, _told(self._path):
            (found,) = self._row(query, (first, *values, answers))
            self._namings.catch_up(self._open())
            self._merges.catch_up(self._open())
            rows: list[list[Any]] = orjson.loads(found)
            return rows, self._merged(rows)

    def _merged(self, rows: list[list[Any]]) -> dict[int, MergedInto]:
        if not len(self._merges):
            return {}
        numbers = (number for start, *_, texts in rows for number in range(start, start + len(texts)))
        found = {number: merge for number in numbers if (merge := self._merges.of(number)) is not None}
        texts = texts_of(self._open(), [head for head, _ in found.values()]) if found else {}
        return {number: MergedInto(head, texts[head], reason) for number, (head, reason) in found.items()}

    def _variants(self, number: int) -> tuple[MergedInto, ...]:
        reasons = dict(islice(sorted(self._merges.onto(number).items()), _VARIANTS_SHOWN))
        texts = texts_of(self._open(), reasons) if reasons else {}
        return tuple(MergedInto(variant, texts[variant], reason) for variant, reason in reasons.items())

    def _row(self, query: str, values: tuple[Any, ...]) -> tuple[Any, ...]:
        with _told(self._path):
            row: tuple[Any, ...] = self._open().execute(query, values).fetchone()
            return row

    def _open(self) -> sqlite3.Connection:
        """The connection, a new one where the topic was overwritten in between."""
        with _told(self._path):
            inode = self._path.stat().st_ino
            if self._connection is not None and inode == self._inode:
                return self._connection
            if self._connection is not None:
                self._connection.close()
                self._connection = None
            self._connection = connect_readonly(self._path)
            self._inode, self._namings, self._merges = inode, Namings(), Merges()
            return self._connection


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Failures to read, in the words of `igentai.errors`."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise StorageError(f"{path} cannot be read ({error}); see `igentai topics`, or run `igentai fsck`") from error
