"""How many answers have repeated each attribute, counted from the ledger and kept up with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import orjson

if TYPE_CHECKING:
    import sqlite3

_ANSWERS_A_STEP: Final = 256


class Namings:
    """4 bytes an attribute. For the readers of one ledger, one at a time."""

    def __init__(self) -> None:
        self._times = np.zeros(1024, dtype=np.int32)
        self._last_id = 0

    def of(self, number: int) -> int:
        """How many answers have named attribute `number`, the one that brought it included."""
        return 1 + (int(self._times[number]) if number < len(self._times) else 0)

    def catch_up(self, connection: sqlite3.Connection) -> None:
        """Count what was recorded since the last time."""
        query = (
            "SELECT max(id), '[' || group_concat(trim(repeats, '[]')) || ']' FROM ("
            "SELECT id, repeats FROM answers WHERE id > ? AND repeats <> '[]' ORDER BY id LIMIT ?)"
        )
        while True:
            last_id, repeats = connection.execute(query, (self._last_id, _ANSWERS_A_STEP)).fetchone()
            if last_id is None:
                return
            self._last_id = last_id
            times = np.bincount(np.array(orjson.loads(repeats), dtype=np.int64))
            if len(times) > len(self._times):
                self._times = np.concatenate((self._times, np.zeros(2 * len(times), dtype=np.int32)))
            self._times[: len(times)] += times.astype(np.int32)
