"""How many attributes to ask of a model in one request: the longest list that it reliably completes.

Measured in the simulation (ALGORITHMS.md, section 0, point 7): 60 a request find 14 % more than 30 for the same money.
"""

from __future__ import annotations

from typing import Final

START: Final = 40
LONGEST: Final = 60
SHORTEST: Final = 10
GROWTH: Final = 1.5
COMPLETE: Final = 0.9
STREAK: Final = 1


class RequestSize:
    """The size for one model: grows by half up to 60 after two complete lists, halves when a reply was cut off.

    Args:
        fixed: a size the person asked for; it never changes.
        ceiling: the most this model is ever asked (a small model: few).
    """

    def __init__(self, fixed: int | None, ceiling: int = LONGEST) -> None:
        self._fixed = fixed
        self._ceiling = ceiling
        self._streak = 0
        self.value = fixed or min(START, ceiling)

    def learn(self, asked: int, got: int, *, truncated: bool) -> None:
        """Take in one reply: how many were asked, how many came, whether it hit the token limit."""
        if self._fixed is not None:
            return
        if truncated:
            self.value = max(SHORTEST, asked // 2)
            self._streak = 0
        elif got >= COMPLETE * asked and asked >= self.value:
            self._streak += 1
            if self._streak >= STREAK:
                self.value = min(self._ceiling, max(LONGEST // 2, int(self.value * GROWTH)))
                self._streak = 0
        else:
            self._streak = 0
