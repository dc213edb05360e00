"""The output of a batch as it is written, row after row: JSONL, CSV or SQLite."""

from __future__ import annotations

import csv
import io
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import orjson

from igentai.batch.result import as_row
from igentai.batch.sqlite_rows import SqliteRows
from igentai.errors import StorageError, UsageError

if TYPE_CHECKING:
    from typing import IO

    from igentai.batch.result import Result

COLUMNS: Final = (
    "index", "id", "text", "error", "usage", "cost_usd", "attempts", "provider", "model", "latency_ms",
)  # fmt: skip
FLUSH_EVERY_S: Final = 0.2
SQLITE_SUFFIXES: Final = frozenset({".db", ".sqlite", ".sqlite3"})

# What spreadsheets take for the beginning of a formula (OWASP, CSV injection), in the full-width forms too.
_FORMULA: Final = tuple("=+-@\t\r\n＝＋－＠")


class Output(Protocol):
    """Where results go, in order."""

    def write(self, result: Result) -> None: ...

    def close(self) -> None:
        """Everything is on the disk when this returns."""
        ...


_LINES: Final = frozenset({".jsonl", ".ndjson", ".json"})


def check_name(path: Path) -> None:
    """Whether an output can be written by this name.

    Raises:
        UsageError: it says no format.
    """
    suffix = path.suffix.lower()
    if suffix not in SQLITE_SUFFIXES | _LINES | {".csv"}:
        raise UsageError(f"what to write to {path} does not show in its name; call it .jsonl, .csv or .db")


def output_at(path: Path) -> Output:
    """A new output of the format that the name says.

    Raises:
        UsageError: the name says none, or the file cannot be written.
    """
    check_name(path)
    suffix = path.suffix.lower()
    if suffix in SQLITE_SUFFIXES:
        return SqliteRows(path, anew=True)
    try:
        file = path.open("wb")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}; choose another -o") from None
    return CsvLines(file, str(path)) if suffix == ".csv" else JsonLines(file, str(path))


class JsonLines:
    """An object a line."""

    def __init__(self, file: IO[bytes], name: str) -> None:
        self._file, self._name = file, name
        self._flushed_at = 0.0

    def write(self, result: Result) -> None:
        """One row.

        Raises:
            StorageError: it cannot be written.
            BrokenPipeError: nobody reads any more.
        """
        self.put(as_row(result))

    def put(self, row: dict[str, Any]) -> None:
        """Any object as a line."""
        self._put(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))

    def close(self) -> None:
        try:
            self._file.flush()
            if self._file.seekable():
                os.fsync(self._file.fileno())
        except OSError as error:
            raise self._error(error) from None
        finally:
            with suppress(OSError):  # it writes what could not be written once more
                self._file.close()

    def _put(self, data: bytes) -> None:
        try:
            self._file.write(data)
            now = time.monotonic()
            if now - self._flushed_at > FLUSH_EVERY_S:  # whoever reads along sees rows at once
                self._flushed_at = now
                self._file.flush()
        except OSError as error:
            raise self._error(error) from None

    def _error(self, error: OSError) -> Exception:
        """What to raise: whoever read the other end of a pipe has gone, or something to be told."""
        if isinstance(error, BrokenPipeError):
            return error
        return StorageError(f"cannot write {self._name}: {error.strerror}; make room, then run again")


class CsvLines(JsonLines):
    """RFC 4180 with a header; texts quoted, formulas defused by a leading `'`. `usage` is JSON."""

    def __init__(self, file: IO[bytes], name: str) -> None:
        super().__init__(file, name)
        self._put(_csv_line(COLUMNS))

    def write(self, result: Result) -> None:
        row = as_row(result)
        error, usage = row["error"], row["usage"]
        row["error"] = None if error is None else f"{error['kind']}: {error['message']}"
        row["usage"] = None if usage is None else orjson.dumps(usage).decode()
        self._put(_csv_line(tuple(_defused(row[name]) for name in COLUMNS)))


def _csv_line(values: tuple[Any, ...]) -> bytes:
    page = io.StringIO(newline="")
    csv.writer(page, quoting=csv.QUOTE_NONNUMERIC).writerow(["" if value is None else value for value in values])
    return page.getvalue().encode("utf-8", "replace")


def _defused(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
