"""How many tokens a reply will use of those it is allowed, learned from replies."""

from __future__ import annotations

import math
from typing import Final

TRUSTED_AFTER: Final = 3
_WEIGHT: Final = 0.2
_DEVIATIONS: Final = 2.0
_MOST: Final = 4.0  # times max_tokens: some models' thoughts are counted beside it


class ReplyTokens:
    """Tokens of a reply as a share of `max_tokens`, by model and purpose.

    A budget must hold for the dearest reply, so it reserves `max_tokens`; a rate limit that did the same would stand
    idle: replies use a fifth to a half of it. Expected is the mean and two mean deviations, as of round-trip times in
    Jacobson, "Congestion avoidance and control", 1988; until three replies are in, all of `max_tokens`.
    """

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], tuple[int, float, float]] = {}  # replies, mean, mean deviation

    def observe(self, model: str, purpose: str, max_tokens: int, used: int) -> None:
        """A reply that was allowed `max_tokens` used `used`."""
        if max_tokens <= 0 or used < 0:
            return
        share = min(_MOST, used / max_tokens)
        count, mean, deviation = self._seen.get((model, purpose), (0, share, share / 2))
        deviation += _WEIGHT * (abs(share - mean) - deviation)
        mean += _WEIGHT * (share - mean)
        self._seen[model, purpose] = count + 1, mean, deviation

    def expected(self, model: str, purpose: str, max_tokens: int) -> int:
        """Tokens to count on for the next reply."""
        count, mean, deviation = self._seen.get((model, purpose), (0, 1.0, 0.0))
        if count < TRUSTED_AFTER:
            return max_tokens
        return max(1, math.ceil(max_tokens * min(mean + _DEVIATIONS * deviation, max(1.0, mean))))
