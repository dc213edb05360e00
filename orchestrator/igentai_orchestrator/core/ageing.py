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
        self._sum = np.full(DEPTHS, FRESH_STRENGTH * FRESH_PRIOR)
        self._squares = np.full(DEPTHS, FRESH_STRENGTH * FRESH_PRIOR**2)
        self._count = np.full(DEPTHS, FRESH_STRENGTH)

    def learn(self, depth: int, share: float) -> None:
        self._sum[depth] = _FORGET * self._sum[depth] + share
        self._squares[depth] = _FORGET * self._squares[depth] + share * share
        self._count[depth] = _FORGET * self._count[depth] + 1.0

    @property
    def mean(self) -> Floats:
        return np.asarray(self._sum / self._count)

    @property
    def hopeful(self) -> Floats:
        """Mean plus one standard deviation: an unasked partition is tried once rather than written off."""
        mean = self.mean
        spread = np.sqrt(np.maximum(self._squares / self._count - mean * mean, 0.0))
        return np.asarray(np.minimum(mean + spread, 1.0))


class Ageing:
    """The exponent a of Heaps' law, by depth."""

    def __init__(self) -> None:
        self._sum = np.full(DEPTHS, EXPONENT_STRENGTH * EXPONENT_PRIOR)
        self._weight = np.full(DEPTHS, EXPONENT_STRENGTH)

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
        return np.asarray(self._sum / self._weight)
