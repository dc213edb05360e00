"""Counts of what was asked and what came back: for the whole run, and for the last minutes.

Kept are running totals and, at the start of each slice of 10 s in which anything happened, a copy of them. A window is
the difference of two totals, so recording costs the same however many windows are shown.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final, NamedTuple

SLICE_S: Final = 10.0
LONGEST_WINDOW_S: Final = 1800.0
# Slices that started in the longest window, and the one before
COPIES: Final = int(LONGEST_WINDOW_S / SLICE_S) + 2
LATENCIES: Final = 256


class Counts(NamedTuple):
    """What was counted. `cost` in USD, `fresh` are first sightings among the `candidates`."""

    ok: int = 0
    failed: int = 0
    candidates: int = 0
    fresh: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float = 0.0

    @property
    def requests(self) -> int:
        return self.ok + self.failed

    @property
    def success(self) -> float | None:
        """Share of requests that were answered; None before the first."""
        return self.ok / self.requests if self.requests else None

    @property
    def repeats_share(self) -> float | None:
        """Share of candidates that were known; None before the first."""
        return (self.candidates - self.fresh) / self.candidates if self.candidates else None

    @property
    def per_dollar(self) -> float | None:
        """Fresh attributes per USD; None where nothing was paid."""
        return self.fresh / self.cost if self.cost > 0 else None

    @property
    def per_request(self) -> float | None:
        """Fresh attributes per request, failed ones included; None before the first."""
        return self.fresh / self.requests if self.requests else None

    def per_minute(self, seconds: float) -> float:
        """Fresh attributes per minute of `seconds`."""
        return self.fresh * 60 / seconds if seconds > 0 else 0.0

    def minus(self, other: Counts) -> Counts:
        return Counts(
            self.ok - other.ok,
            self.failed - other.failed,
            self.candidates - other.candidates,
            self.fresh - other.fresh,
            self.tokens_in - other.tokens_in,
            self.tokens_out - other.tokens_out,
            self.cost - other.cost,
        )

    def document(self, seconds: float) -> dict[str, Any]:
        """Plain numbers for metrics.json, of a window of `seconds`."""
        return {
            "seconds": seconds,
            "requests": self.requests,
            "failed": self.failed,
            "success": self.success,
            "candidates": self.candidates,
            "unique_attributes": self.fresh,
            "repeats_share": self.repeats_share,
            "tokens": {"input": self.tokens_in, "output": self.tokens_out},
            "cost_usd": self.cost,
            "unique_per_minute": self.per_minute(seconds),
            "unique_per_dollar": self.per_dollar,
            "unique_per_request": self.per_request,
        }


class Tally:
    """The counts of one model, producer or partition, or of all."""

    __slots__ = (
        "_copies",
        "candidates",
        "cost",
        "failed",
        "fresh",
        "latencies",
        "ok",
        "slice",
        "tokens_in",
        "tokens_out",
    )

    def __init__(self) -> None:
        self.ok = self.failed = self.candidates = self.fresh = self.tokens_in = self.tokens_out = 0
        self.cost = 0.0
        self.latencies: deque[int] = deque(maxlen=LATENCIES)
        self.slice = -1  # in which was counted last
        self._copies: deque[tuple[int, Counts]] = deque(maxlen=COPIES)  # slice number, totals when it began

    def enter(self, number: int) -> None:
        """Whatever is counted next happens in slice `number`."""
        if number != self.slice:
            self.slice = number
            self._copies.append((number, self.counts()))

    def counts(self) -> Counts:
        """The whole run."""
        return Counts(self.ok, self.failed, self.candidates, self.fresh, self.tokens_in, self.tokens_out, self.cost)

    def leave_behind(self, number: int) -> None:
        """What was counted so far is in no window; windows begin with slice `number`."""
        self._copies.clear()
        self.slice = -1
        self.enter(number)

    def since(self, number: int) -> Counts:
        """What was counted from the start of slice `number` on, as far back as the longest window goes."""
        for slice_number, totals in self._copies:
            if slice_number >= number:
                return self.counts().minus(totals)
        return Counts()

    def latency(self) -> tuple[int | None, int | None]:
        """Median and 95th percentile (nearest rank) of the latest 256 answers, ms; None before the first."""
        ordered = sorted(self.latencies)
        if not ordered:
            return None, None
        return ordered[(len(ordered) - 1) // 2], ordered[-(-len(ordered) * 95 // 100) - 1]


def slice_of(elapsed_s: float) -> int:
    return int(elapsed_s // SLICE_S)


def window(tally: Tally, elapsed_s: float, span_s: float, earliest: int = 0) -> tuple[Counts, float]:
    """The counts of about the last `span_s` seconds (a slice more at most), and how many seconds they really cover.

    Nothing from before slice `earliest` is counted.
    """
    first = max(earliest, slice_of(elapsed_s - span_s))
    return tally.since(first), elapsed_s - first * SLICE_S
