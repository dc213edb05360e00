"""Which attributes were grouped with an earlier one, as the ledger's events say, kept up with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import orjson

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

_EVENTS_A_STEP: Final = 4096


class Merges:
    """For the readers of one ledger, one at a time."""

    def __init__(self) -> None:
        self._heads: dict[int, tuple[int, str]] = {}
        self._last_id = 0

    def __len__(self) -> int:
        return len(self._heads)

    def of(self, number: int) -> tuple[int, str] | None:
        """The number of the earlier attribute and the reason, None where attribute `number` stands for itself."""
        return self._heads.get(number)

    def onto(self, head: int) -> dict[int, str]:
        """The attributes that were grouped with `head`, each with the reason."""
        return {number: reason for number, (earlier, reason) in self._heads.items() if earlier == head}

    def catch_up(self, connection: sqlite3.Connection) -> None:
        """Take in what was recorded since the last time."""
        query = (
            "SELECT max(id), json_group_array(json_array(kind, reason, json(data))) FROM ("
            "SELECT id, kind, reason, data FROM events WHERE id > ? AND kind IN ('merge', 'unmerge') "
            "ORDER BY id LIMIT ?)"
        )
        while True:
            last_id, events = connection.execute(query, (self._last_id, _EVENTS_A_STEP)).fetchone()
            if last_id is None:
                return
            self._last_id = last_id
            for kind, reason, data in orjson.loads(events):
                if kind == "merge":
                    self._heads[data["number"]] = (data["head"], reason)
                else:
                    self._heads.pop(data["number"], None)


def texts_of(connection: sqlite3.Connection, numbers: Iterable[int]) -> dict[int, str]:
    """The texts of some attributes by number, in one step (see `reader`)."""
    query = (
        "SELECT json_group_array(json_array(w.value, (SELECT json_extract(a.fresh, '$[' || (w.value - a.first_number) "
        "|| ']') FROM answers AS a WHERE a.fresh_count > 0 AND a.first_number <= w.value "
        "ORDER BY a.first_number DESC LIMIT 1))) FROM json_each(?) AS w"
    )
    (found,) = connection.execute(query, (orjson.dumps(sorted(set(numbers))).decode(),)).fetchone()
    return {number: text or "" for number, text in orjson.loads(found)}
