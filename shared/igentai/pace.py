"""One limit of a provider: so many requests, or tokens, in any window.

Two rules at once. The hard one: what was taken in the last window plus this never passes the limit; a sliding sum, so
it holds for every window and not only for those that begin on the minute. The smooth one: the generic cell rate
algorithm (ITU-T I.371, "virtual scheduling") at `share` of the limit, so that no burst meets a provider that enforces a
minute's limit second by second, as several do.
"""

from __future__ import annotations

import math
from typing import Final

from igentai.rolling import Rolling

STRICTEST_S: Final = 1.0  # the shortest time over which a provider is expected to count a limit a minute
NEARLY_S: Final = 1e-6  # a turn that is this close has come; below it, floats make a waiter spin


class Pace:
    """Requests or tokens against one limit. `limit` None: counted, never held back.

    Args:
        window_s: length of the window the limit speaks of, seconds.
        share: part of the limit that is aimed at, over 0 and up to 1.
        burst_s: how many seconds of lateness may be caught up on, at most: see `_lateness`.
        burst: how many may go at once, where a person has said so; it takes the place of `burst_s`.
    """

    __slots__ = ("_burst", "_burst_s", "_due", "_each_s", "_late_s", "_limit", "_share", "_taken", "_window_s")

    def __init__(
        self, limit: int | None, window_s: float, share: float, burst_s: float, burst: int | None = None
    ) -> None:
        self._window_s = window_s
        self._share = share
        self._burst_s = burst_s
        self._burst = burst
        self._late_s = 0.0
        self._taken = Rolling(window_s)
        self._due = -math.inf  # when the next one is due at an even pace
        self._limit: int | None = None
        self._each_s = 0.0
        self.limit = limit

    @property
    def limit(self) -> int | None:
        return self._limit

    @limit.setter
    def limit(self, limit: int | None) -> None:
        self._limit = limit
        self._each_s = self._window_s / (self._share * limit) if limit else 0.0
        self._late_s = self._lateness()

    def taken(self, now: float) -> int:
        """What counts against the limit in the window that ends `now`."""
        return self._taken.total(now)

    def wait(self, now: float, amount: int, ahead: float = 0, ahead_hard: int = 0) -> float:
        """Seconds until `amount` may be taken; 0 now, inf where it is more than the limit itself.

        `ahead` is what others will be paced for before, `ahead_hard` what they will be counted with.
        """
        if self._limit is None:
            return 0.0
        if amount > self._limit:
            return math.inf
        room = max(0, self._limit - amount - ahead_hard)
        smooth = self._due + ahead * self._each_s - self._late_s - now
        hard = self._taken.until(now, room)
        longest = max(smooth if smooth > NEARLY_S else 0.0, hard)
        return max(longest, NEARLY_S) if longest > 0 else 0.0

    def take(self, now: float, amount: int, expected: float) -> None:
        """Count `amount` in full against the limit; pace by `expected`, what it will probably turn out to be."""
        self._taken.add(now, amount)
        if self._limit is not None:
            self._due = max(self._due, now) + expected * self._each_s

    def settle(self, at: float, amount: int, expected: float, used: int) -> None:
        """What was taken `at` as `amount` was really `used`."""
        self._taken.correct(at, used - amount)
        if self._limit is not None:
            self._due += (used - expected) * self._each_s

    def _lateness(self) -> float:
        """How late a turn may be taken without the next one moving too.

        Never more than half of what `share` leaves over in a window; the other half is for the jitter on the way. And
        so little that a provider that lets one second's worth through at once refuses nothing.
        """
        if self._burst is not None:
            return (self._burst - 1) * self._each_s
        in_a_window = self._window_s * (1 / self._share - 1) / 2
        in_a_second = self._each_s * (1 - self._share) / 2 + max(0.0, STRICTEST_S - self._each_s) / 2
        return min(self._burst_s, in_a_window, in_a_second)

    def slow(self, now: float, remaining: int) -> None:
        """The provider says that `remaining` are left. Skip a turn where it is running out through others' use.

        Only where its count is above our own: near the limit by our own use is where we mean to be.
        """
        if self._limit is None:
            return
        low = remaining < (1 - self._share) / 2 * self._limit
        if low and self._limit - remaining > self._taken.total(now):
            self._due = max(self._due, now) + max(1, self._limit // 100) * self._each_s
