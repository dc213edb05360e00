"""What the next money brings: Heaps' law from two stretches of the discovery curve, with a record of how it did.

Spend is in USD, or in requests where nothing costs money.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import deque
from dataclasses import dataclass
from typing import Any, Final

POINTS_MAX: Final = 2048
CHECKPOINT_RATIO: Final = 2.0**0.25
ANSWERS_MIN: Final = 20
_EXPONENT_MIN: Final = 0.02


class DiscoveryCurve:
    """Distinct attributes by spend; at most 2048 points are kept, every second is dropped when they are full."""

    def __init__(self) -> None:
        self._spend: list[float] = [0.0]
        self._found: list[float] = [0.0]

    @property
    def spend(self) -> float:
        return self._spend[-1]

    @property
    def found(self) -> float:
        return self._found[-1]

    def add(self, spend: float, found: float) -> None:
        """`spend` and `found` so far; neither falls."""
        if spend <= self._spend[-1]:
            self._found[-1] = found
            return
        self._spend.append(spend)
        self._found.append(found)
        if len(self._spend) > POINTS_MAX:
            self._spend = [*self._spend[:-1:2], self._spend[-1]]
            self._found = [*self._found[:-1:2], self._found[-1]]

    def at(self, spend: float) -> float:
        """Distinct attributes when `spend` had been spent, interpolated."""
        i = bisect_left(self._spend, spend)
        if i >= len(self._spend):
            return self._found[-1]
        if i == 0:
            return self._found[0]
        low, high = self._spend[i - 1], self._spend[i]
        part = (spend - low) / (high - low)
        return self._found[i - 1] + part * (self._found[i] - self._found[i - 1])

    def exponent(self) -> float:
        """Local exponent of Heaps' law expected around 1.4 times the spend so far.

        The exponent between 0.7 and 1 of the spend, less half of its fall since the stretch from 0.35 to 0.7.
        """
        now = self.spend
        if now <= 0.0 or self.found <= 0.0:
            return 1.0
        start, middle = max(self.at(0.35 * now), 0.5), max(self.at(0.7 * now), 0.5)
        late = math.log(self.found / middle) / math.log(1.0 / 0.7)
        early = math.log(middle / start) / math.log(2.0)
        return max(late - 0.5 * max(early - late, 0.0), _EXPONENT_MIN)

    def gain(self, more: float) -> float:
        """Fresh attributes expected of `more` spend."""
        if self.spend <= 0.0 or more <= 0.0:
            return 0.0
        return self.found * (float((1.0 + more / self.spend) ** self.exponent()) - 1.0)


@dataclass(frozen=True, slots=True)
class Settled:
    """A forecast whose time came: at `spend`, after `answers`, `predicted` more were expected of as much again."""

    answers: int
    spend: float
    predicted: float
    actual: float


class ForecastRecord:
    """Forecasts of a doubling, made four times per doubling, settled when the spend has doubled."""

    def __init__(self) -> None:
        self._open: deque[tuple[int, float, float, float]] = deque()
        self._settled: deque[Settled] = deque(maxlen=64)
        self._next = 0.0

    def follow(self, curve: DiscoveryCurve, answers: int) -> None:
        """Call after every answer."""
        while self._open and curve.spend >= 2.0 * self._open[0][1]:
            made, spend, found, predicted = self._open.popleft()
            self._settled.append(Settled(made, spend, predicted, curve.at(2.0 * spend) - found))
        if answers >= ANSWERS_MIN and curve.spend >= self._next:
            self._open.append((answers, curve.spend, curve.found, curve.gain(curve.spend)))
            self._next = curve.spend * CHECKPOINT_RATIO

    @property
    def settled(self) -> tuple[Settled, ...]:
        return tuple(self._settled)

    def snapshot(self) -> dict[str, Any]:
        """`bias` and `rmse` are relative to what came; None until a forecast is settled."""
        errors = [(s.predicted - s.actual) / max(s.actual, 1.0) for s in self._settled]
        return {
            "count": len(errors),
            "bias": sum(errors) / len(errors) if errors else None,
            "rmse": math.sqrt(sum(e * e for e in errors) / len(errors)) if errors else None,
            "last": [
                {"spend": s.spend, "predicted": s.predicted, "actual": s.actual} for s in list(self._settled)[-8:]
            ],
        }
