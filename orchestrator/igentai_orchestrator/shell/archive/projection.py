"""What output.txt must hold, by the ledger."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Final

import orjson

from igentai.errors import LedgerDamaged

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_BLOCK_CHARACTERS: Final = 1 << 20


def as_lines(texts: Sequence[str]) -> bytes:
    """`texts`, one a line."""
    return ("\n".join(texts) + "\n").encode()


def blocks(connection: sqlite3.Connection, path: Path) -> Iterator[bytes]:
    """The whole of output.txt in blocks of about 1 MiB that end at a line's end. `path` is for messages.

    Raises:
        LedgerDamaged: numbers that do not follow on, or a row that cannot be read.
    """
    texts: list[str] = []
    size, expected = 0, 1
    query = "SELECT first_number, CAST(fresh AS BLOB) FROM answers WHERE fresh_count > 0 ORDER BY id"
    try:
        for first_number, fresh in connection.execute(query):
            if first_number != expected:
                raise out_of_order(path, first_number, expected)
            values = orjson.loads(fresh)
            expected += len(values)
            texts.extend(values)
            size += len(fresh)
            if size >= _BLOCK_CHARACTERS:
                yield as_lines(texts)
                texts, size = [], 0
    except (sqlite3.DatabaseError, ValueError) as error:
        raise LedgerDamaged(f"{path} cannot be read ({error}); run `igentai fsck`") from error
    if texts:
        yield as_lines(texts)


def out_of_order(path: Path, number: int, expected: int) -> LedgerDamaged:
    """The numbers of attributes are the lines of output.txt: they have no gaps."""
    return LedgerDamaged(
        f"{path}: attribute {number} comes where {expected} was due; start again to recover from the ledger, "
        "and run `igentai fsck` if this comes back"
    )
