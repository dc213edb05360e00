"""One row a batch in a SQLite file: what it asked, what it cost, how long it took."""

from __future__ import annotations

import time
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from igentai.batch.tables import opened, transact

if TYPE_CHECKING:
    from igentai.batch.stats import Stats

_SCHEMA: Final = """
    CREATE TABLE IF NOT EXISTS batches (
        batch TEXT PRIMARY KEY, began_at REAL NOT NULL, concurrency INTEGER NOT NULL, duration_ms INTEGER NOT NULL,
        total INTEGER NOT NULL, succeeded INTEGER NOT NULL, failed INTEGER NOT NULL, calls INTEGER NOT NULL,
        cost_usd REAL NOT NULL, average_call_ms REAL NOT NULL, rate_limit_hits INTEGER NOT NULL,
        breaker_trips INTEGER NOT NULL, cache_hit_rate REAL NOT NULL
    )
"""


@dataclass(frozen=True, slots=True)
class BatchMetrics:
    """The columns of `batches`. `began_at` is Unix time in seconds."""

    batch: str
    began_at: float
    concurrency: int
    duration_ms: int = 0
    total: int = 0
    succeeded: int = 0
    failed: int = 0
    calls: int = 0
    cost_usd: float = 0.0
    average_call_ms: float = 0.0
    rate_limit_hits: int = 0
    breaker_trips: int = 0
    cache_hit_rate: float = 0.0

    @classmethod
    def begun(cls, batch: str, concurrency: int) -> Self:
        return cls(batch, time.time(), concurrency)

    def ended(self, stats: Stats) -> BatchMetrics:
        return replace(
            self,
            duration_ms=max(0, round((time.time() - self.began_at) * 1000)),
            total=stats.total,
            succeeded=stats.succeeded,
            failed=stats.failed,
            calls=stats.calls,
            cost_usd=stats.cost_usd,
            average_call_ms=stats.average_duration_ms,
            rate_limit_hits=stats.rate_limit_hits,
            breaker_trips=stats.breaker_trips,
            cache_hit_rate=stats.cache_hit_rate,
        )


def record_metrics(path: Path, metrics: BatchMetrics) -> None:
    """Add the row.

    Raises:
        StorageError: the file cannot be written.
    """
    connection = opened(path, _SCHEMA, durable=False)
    try:
        marks = ", ".join("?" * len(astuple(metrics)))
        transact(connection, path, lambda c: c.execute(f"INSERT INTO batches VALUES ({marks})", astuple(metrics)))  # noqa: S608 - question marks only
    finally:
        connection.close()
