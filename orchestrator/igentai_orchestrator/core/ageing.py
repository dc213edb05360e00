"""How the yield of a partition starts and falls, learned per depth of the tree.

Fresh partitions: mean and spread of the share of fresh attributes in first answers. Ageing: Heaps' law, y_t / y_(t-1)
= ((t-1)/t)^a, whose exponent is averaged over the second to sixth answers.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from igentai_orchestrator.core.good_turing import Floats

DEPTHS: Final = 8
FRESH_PRIOR: Final = 0.9
FRESH_STRENGTH: Final = 4.0
EXPONENT_PRIOR: Final = 0.5
EXPONENT_STRENGTH: Final = 3.0
_FORGET: Final = 0.98


class FreshYield:
    """What the first answer about a partition brings, by depth."""

    def __init__(self) -> None:
        self._sum = [FRESH_STRENGTH * FRESH_PRIOR] * DEPTHS
        self._squares = [FRESH_STRENGTH * FRESH_PRIOR**2] * DEPTHS
        self._count = [FRESH_STRENGTH] * DEPTHS
        self._hopeful: Floats | None = None  # worked out at most once an answer that changes it

    def learn(self, depth: int, share: float) -> None:
        self._sum[depth] = _FORGET * self._sum[depth] + share
        self._squares[depth] = _FORGET * self._squares[depth] + share * share
        self._count[depth] = _FORGET * self._count[depth] + 1.0
        self._hopeful = None

    @property
    def mean(self) -> Floats:
        return np.asarray(np.array(self._sum) / np.array(self._count))

    @property
    def hopeful(self) -> Floats:
        """Mean plus one standard deviation: an unasked partition is tried once rather than written off."""
        if self._hopeful is None:
            mean = self.mean
            spread = np.sqrt(np.maximum(np.array(self._squares) / np.array(self._count) - mean * mean, 0.0))
            self._hopeful = np.minimum(mean + spread, 1.0)
        return self._hopeful


class Ageing:
    """The exponent a of Heaps' law, by depth."""

    def __init__(self) -> None:
        self._sum = [EXPONENT_STRENGTH * EXPONENT_PRIOR] * DEPTHS
        self._weight = [EXPONENT_STRENGTH] * DEPTHS

    def learn(self, depth: int, answers: int, share: float, before: float) -> None:
        """The `answers`-th answer about a partition brought `share`, the one before it `before`."""
        if not 2 <= answers <= 6 or before <= 0.1:
            return
        exponent = math.log(max(share, 0.02) / before) / math.log((answers - 1) / answers)
        weight = math.log2(answers / (answers - 1))
        self._sum[depth] += weight * min(max(exponent, 0.0), 4.0)
        self._weight[depth] += weight

    @property
    def exponent(self) -> Floats:
        return np.asarray(np.array(self._sum) / np.array(self._weight))

    def exponent_at(self, depth: int) -> float:
        return self._sum[depth] / self._weight[depth]
