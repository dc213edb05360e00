"""Limits that a double enforces: requests and tokens per minute, refilled continuously."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass
class Bucket:
    """`per_minute` None: no limit. `burst` None: a minute's worth may come at once."""

    per_minute: int | None = None
    burst: int | None = None
    level: float = field(init=False)
    _at: float = field(init=False, default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.level = float(self.capacity)

    @property
    def capacity(self) -> int:
        return self.burst or self.per_minute or 0

    def take(self, amount: int) -> float:
        """0 and the amount is taken, or the seconds until there is enough and nothing is taken."""
        if self.per_minute is None:
            return 0.0
        now = time.monotonic()
        rate = self.per_minute / 60
        self.level = min(self.capacity, self.level + (now - self._at) * rate)
        self._at = now
        if amount > self.level:
            return (amount - self.level) / rate
        self.level -= amount
        return 0.0
