"""A topic as one file: txt, jsonl, csv or sqlite."""

from __future__ import annotations

import csv
import io
import tempfile
from dataclasses import fields
from itertools import islice, takewhile
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import orjson

from igentai_orchestrator.shell.archive.attributes import AttributeRow, Filter, MergedInto
from igentai_orchestrator.shell.archive.projection import as_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from igentai_orchestrator.shell.archive.reader import Reader

ExportFormat: TypeAlias = Literal["txt", "jsonl", "csv", "sqlite"]

_READ_BYTES: Final = 1 << 18
_ROWS_A_PIECE: Final = 5000

# What spreadsheets take for the beginning of a formula (OWASP, CSV injection), in the full-width forms too.
_FORMULA: Final = tuple("=+-@\t\r\n＝＋－＠")


def export(reader: Reader, fmt: ExportFormat) -> Iterator[bytes]:
    """The topic of `reader` as it is now, in pieces of some hundred KiB.

    txt: as output.txt. jsonl: an object a line. csv: RFC 4180, every text quoted, formulas defused by a leading `'`;
    `merged_into` is the number of the earlier attribute that a near-duplicate repeats.
    sqlite: a copy of the ledger, with the views `attributes` and `requests`. Blocking, like all of a reader.

    Raises:
        StorageError: the ledger cannot be read.
    """
    return _sqlite(reader) if fmt == "sqlite" else _texts(reader, fmt)


def _texts(reader: Reader, fmt: Literal["txt", "jsonl", "csv"]) -> Iterator[bytes]:
    latest = reader.latest()  # what comes in meanwhile is for the next export
    rows = takewhile(lambda row: row.number <= latest, reader.rows(0, Filter()))
    if fmt == "csv":
        yield _csv_lines([_COLUMNS])
    while some := list(islice(rows, _ROWS_A_PIECE)):
        yield _RENDER[fmt](some)


def _txt(rows: list[AttributeRow]) -> bytes:
    return as_lines([row.text for row in rows])


def _jsonl(rows: list[AttributeRow]) -> bytes:
    return b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)


def _csv(rows: list[AttributeRow]) -> bytes:
    return _csv_lines([tuple(_cell(value) for value in _values(row)) for row in rows])


def _csv_lines(lines: list[tuple[object, ...]]) -> bytes:
    page = io.StringIO(newline="")
    csv.writer(page, quoting=csv.QUOTE_NONNUMERIC).writerows(lines)
    return page.getvalue().encode()


def _cell(value: object) -> object:
    if isinstance(value, MergedInto):
        return value.number
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


_COLUMNS: Final = tuple(field.name for field in fields(AttributeRow))
_values = attrgetter(*_COLUMNS)
_RENDER: Final[dict[str, Callable[[list[AttributeRow]], bytes]]] = {"txt": _txt, "jsonl": _jsonl, "csv": _csv}


def _sqlite(reader: Reader) -> Iterator[bytes]:
    with tempfile.TemporaryDirectory(prefix="igentai-export-") as name:
        path = Path(name) / "ledger.db"
        reader.copy_to(path)
        with path.open("rb") as file:
            while piece := file.read(_READ_BYTES):
                yield piece
