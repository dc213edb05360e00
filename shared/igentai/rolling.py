"""The sum of what happened in the last so many seconds, in bounded memory."""

from __future__ import annotations

import math


class Rolling:
    """A sum over the last `window_s` seconds, kept in slices.

    It never forgets early: an amount counts until its whole slice is `window_s` old, so that the true sum of every
    window is at most what is said here, and at most one slice (window / slices) longer is remembered.
    Amounts are integers, so that a million corrections leave no drift.
    """

    __slots__ = ("_amounts", "_slice_s", "_sum", "_window_s")

    def __init__(self, window_s: float, slices: int = 240) -> None:
        self._window_s = window_s
        self._slice_s = window_s / slices
        self._amounts: dict[int, int] = {}  # slice number -> amount, oldest first
        self._sum = 0

    def add(self, at: float, amount: int) -> None:
        """Count `amount` at time `at`."""
        number = math.floor(at / self._slice_s)
        self._amounts[number] = self._amounts.get(number, 0) + amount
        self._sum += amount

    def correct(self, at: float, change: int) -> None:
        """Change what was counted at `at`; nothing where that is forgotten already."""
        number = math.floor(at / self._slice_s)
        if number in self._amounts:
            self._amounts[number] += change
            self._sum += change

    def total(self, now: float) -> int:
        """The sum of the window that ends `now`."""
        amounts = self._amounts
        while amounts:
            number = next(iter(amounts))
            if self._leaves(number) > now:
                break
            self._sum -= amounts.pop(number)
        return self._sum

    def until(self, now: float, most: int) -> float:
        """Seconds until the sum is at most `most` if nothing is added: 0 now, inf where no waiting brings it there."""
        left = self.total(now)
        if left <= most:
            return 0.0
        for number, amount in self._amounts.items():
            left -= amount
            if left <= most:
                return self._leaves(number) - now
        return math.inf

    def _leaves(self, number: int) -> float:
        return (number + 1) * self._slice_s + self._window_s
