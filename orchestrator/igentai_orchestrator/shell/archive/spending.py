"""What was spent in the last hour, over all topics: what the budget of the hour begins with after a restart."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from igentai.budget import HOUR_S
from igentai.retry import MAYBE_BILLED
from igentai_orchestrator.shell.archive import ledger
from igentai_orchestrator.shell.archive.history import connect_readonly
from igentai_orchestrator.shell.archive.topic_folders import topic_folders

if TYPE_CHECKING:
    from pathlib import Path

_MAYBE: Final = ", ".join(f"'failed:{kind.value}'" for kind in sorted(MAYBE_BILLED))
# As the fold counts it: an answer at its cost; what may have been billed, is lost or has no outcome at its reservation.
# What has no outcome may have been billed until a moment ago.
_QUERY: Final = f"""
SELECT coalesce(a.at, l.at, :now),
       CASE WHEN a.status IS NULL OR a.status IN ({_MAYBE}) THEN s.reserved_usd
            WHEN a.status LIKE 'failed:%' THEN 0.0
            ELSE a.cost_usd END
FROM assignments AS s
LEFT JOIN answers AS a ON a.assignment_id = s.assignment_id
LEFT JOIN losses AS l ON l.assignment_id = s.assignment_id
WHERE s.at >= :day AND coalesce(a.at, l.at, s.at) >= :since
"""  # noqa: S608  names of our own
_LONGEST: Final = timedelta(days=1)  # no request is under way for longer


def spent_lately(outputs: Path, now: datetime) -> list[tuple[float, float]]:
    """(seconds ago, USD) of every request that may have been billed in the last hour, oldest first.

    What a topic that was overwritten since had cost is not known any more.

    Args:
        now: by the wall clock, UTC. What seems to lie ahead of it counts as of now.
    """
    found: list[tuple[float, float]] = []
    since = now - timedelta(seconds=HOUR_S)
    marks = {"now": _text(now), "since": _text(since), "day": _text(now - _LONGEST)}
    for folder in topic_folders(outputs):
        for at, usd in _rows(folder, marks):
            age = (now - datetime.fromisoformat(at).astimezone(UTC)).total_seconds()
            if usd:
                found.append((max(0.0, age), usd))
    return sorted(found, reverse=True)


def _rows(folder: Path, marks: dict[str, str]) -> list[tuple[str, float]]:
    try:
        connection = connect_readonly(folder / ledger.FILE)
        try:
            return connection.execute(_QUERY, marks).fetchall()
        finally:
            connection.close()
    except sqlite3.Error:
        return []  # damaged or none: opening that topic says so


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
