"""How many requests to one provider may be in flight: additive increase, multiplicative decrease (AIMD).

Chiu and Jain, "Analysis of the increase and decrease algorithms for congestion avoidance", 1989: of the linear rules
this one alone comes to a fair and efficient share where several clients meet at one limit.
"""

from __future__ import annotations


class Concurrency:
    """Halves when the provider says "too many", grows by one after as many answers in a row as it allows at once."""

    __slots__ = ("_cut_at", "_streak", "ceiling", "in_flight", "limit")

    def __init__(self, ceiling: int = 64, start: int | None = None) -> None:
        if ceiling < 1:
            raise ValueError(f"a concurrency of {ceiling} lets nothing through; say 1 or more")
        self.ceiling = ceiling
        self.limit = min(ceiling, max(1, ceiling if start is None else start))
        self.in_flight = 0
        self._streak = 0
        self._cut_at = float("-inf")

    @property
    def free(self) -> int:
        """Requests that may start now. After a cut more may be in flight than allowed: then none."""
        return max(0, self.limit - self.in_flight)

    def take(self) -> None:
        self.in_flight += 1

    def release(self) -> None:
        self.in_flight -= 1

    def answered(self) -> None:
        """One answer that was no 429."""
        self._streak += 1
        if self._streak >= self.limit:
            self._streak = 0
            self.limit = min(self.ceiling, self.limit + 1)

    def throttled(self, sent_at: float, now: float) -> bool:
        """One 429 for a request sent at `sent_at`. True where this cut the limit.

        Requests that were under way at a cut are the same congestion: they do not cut again.
        """
        self._streak = 0
        if sent_at < self._cut_at:
            return False
        self._cut_at = now
        self.limit = max(1, self.limit // 2)
        return True
