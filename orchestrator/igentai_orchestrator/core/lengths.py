"""How long answers about a partition are, against what the same model usually gives.

A partition with less in it than an answer holds gives short answers. That makes it worth less per request, and not
worth splitting: its parts would be shorter still.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from igentai_orchestrator.core.good_turing import Floats

SHORT: Final = 0.85
_STRENGTH: Final = 1.0  # in answers
_FORGET: Final = 0.7


class AnswerLengths:
    """Attributes named over attributes expected of the model, by column."""

    def __init__(self) -> None:
        self._named: list[float] = []
        self._expected: list[float] = []
        self._last: list[float] = []

    def add_column(self) -> None:
        self._named.append(_STRENGTH)
        self._expected.append(_STRENGTH)
        self._last.append(1.0)

    def learn(self, column: int, named: int, expected: float) -> None:
        """An answer named `named` where its model gives `expected` on average over all partitions."""
        ratio = min(named / max(expected, 1.0), 2.0)
        self._named[column] = _FORGET * self._named[column] + ratio
        self._expected[column] = _FORGET * self._expected[column] + 1.0
        self._last[column] = ratio

    def short(self, column: int) -> bool:
        """Whether the last answer was much shorter than its model's usual."""
        return self._last[column] < SHORT

    @property
    def factors(self) -> Floats:
        return np.asarray(np.array(self._named) / np.array(self._expected))
