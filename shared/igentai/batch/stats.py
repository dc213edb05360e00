"""Counts: of one batch, for its progress; of everything since the last reset, for `stats()`."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from igentai.batch.result import Result


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a batch is. `total` None: the source has no known length. `completed` counts failures too."""

    total: int | None
    completed: int
    running: int
    failed: int
    cost_usd: float = 0.0
    retrying: int = 0

    @property
    def succeeded(self) -> int:
        return self.completed - self.failed


@dataclass(frozen=True, slots=True)
class Stats:
    """Totals. Durations in milliseconds, of calls; money in USD. Rates are 0.0 where nothing was counted.

    `calls` counts every attempt; `cache_hits` of `cache_lookups` needed none. `rate_limit_hits` are replies 429,
    `breaker_trips` how often a provider was left alone because its calls failed.
    """

    total: int = 0
    succeeded: int = 0
    failed: int = 0
    calls: int = 0
    cost_usd: float = 0.0
    tokens_in: int = 0
    tokens_out: int = 0
    total_duration_ms: int = 0
    max_duration_ms: int = 0
    rate_limit_hits: int = 0
    breaker_trips: int = 0
    cache_lookups: int = 0
    cache_hits: int = 0

    @property
    def average_cost_usd(self) -> float:
        """USD for one that succeeded."""
        return self.cost_usd / self.succeeded if self.succeeded else 0.0

    @property
    def average_duration_ms(self) -> float:
        return self.total_duration_ms / self.total if self.total else 0.0

    @property
    def cache_hit_rate(self) -> float:
        return self.cache_hits / self.cache_lookups if self.cache_lookups else 0.0


class Tally:
    """Stats that grow."""

    __slots__ = tuple(f.name for f in fields(Stats))

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        for f in fields(Stats):
            setattr(self, f.name, f.default)

    def count(self, result: Result, *, earlier: bool = False) -> None:
        """One result, whatever it is. One of an `earlier` run counts, and neither its calls nor its cost."""
        self.total += 1
        if result.error is None:
            self.succeeded += 1
        else:
            self.failed += 1
        if earlier:
            return
        self.calls += result.attempts
        self.cost_usd += result.cost_usd or 0.0
        if result.usage is not None and not result.cached:
            self.tokens_in += result.usage.tokens_in
            self.tokens_out += result.usage.tokens_out
        if result.attempts:
            self.total_duration_ms += result.latency_ms
            self.max_duration_ms = max(self.max_duration_ms, result.latency_ms)

    def add(self, other: Tally) -> None:
        """Take over the counts of a batch."""
        for name in self.__slots__:
            if name == "max_duration_ms":
                self.max_duration_ms = max(self.max_duration_ms, other.max_duration_ms)
            else:
                setattr(self, name, getattr(self, name) + getattr(other, name))

    def snapshot(self) -> Stats:
        return Stats(**{name: getattr(self, name) for name in self.__slots__})

    total: int
    succeeded: int
    failed: int
    calls: int
    cost_usd: float
    tokens_in: int
    tokens_out: int
    total_duration_ms: int
    max_duration_ms: int
    rate_limit_hits: int
    breaker_trips: int
    cache_lookups: int
    cache_hits: int


TALLY = Tally()
"""Everything this process asked through the library since it began or was reset."""


def stats() -> Stats:
    """Totals of all batches of this process since the last `reset_stats`.

    >>> reset_stats()
    >>> stats().total, stats().cache_hit_rate
    (0, 0.0)
    """
    return TALLY.snapshot()


def reset_stats() -> None:
    """Begin the totals anew."""
    TALLY.reset()
