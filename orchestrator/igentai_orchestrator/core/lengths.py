"""How long answers about a partition are, against what the same model gives where nothing limits it.

A partition with less in it than an answer holds gives short answers. That makes it worth less per request, and not
worth splitting: its parts would be shorter still. A model that gave a short answer has said what it knows. Asked again
with a list of what is known a partition gives less, by how much is learned per depth.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from igentai_orchestrator.core.ageing import DEPTHS

if TYPE_CHECKING:
    from igentai_orchestrator.core.good_turing import Floats

SHORT: Final = 0.9
_PRIOR: Final = 1.0  # answers that the expectation of its depth counts for
_FORGET: Final = 0.7
_FORGET_DEPTH: Final = 0.95
_FALL_PRIOR: Final = 2.0  # answers that the belief in answers as long as those before counts for


class AnswerLengths:
    """Attributes named over attributes that the model gives at most, by column. Rows are models."""

    def __init__(self, models: int) -> None:
        self._depth: list[int] = []
        self._named: list[float] = []
        self._answers: list[float] = []
        self._last: list[float] = []
        self._short = np.zeros((models, 16), bool)
        # By depth: lengths of first answers and their number; lengths of later answers, and of those before them.
        self._first = ([1.0] * DEPTHS, [1.0] * DEPTHS)
        self._later = ([_FALL_PRIOR] * DEPTHS, [_FALL_PRIOR] * DEPTHS)

    def add_column(self, depth: int) -> None:
        if len(self._depth) == self._short.shape[1]:
            self._short = np.concatenate([self._short, np.zeros_like(self._short)], axis=1)
        self._depth.append(depth)
        self._named.append(0.0)
        self._answers.append(0.0)
        self._last.append(1.0)

    def learn(self, row: int, column: int, named: int, full: float) -> None:
        """An answer named `named` where its model gives `full` if nothing limits it."""
        ratio = min(named / max(full, 1.0), 1.0)
        depth = self._depth[column]
        if self._answers[column]:
            _add(self._later, depth, ratio, self._before(column))
        else:
            _add(self._first, depth, ratio, 1.0)
        self._named[column] = _FORGET * self._named[column] + ratio
        self._answers[column] = _FORGET * self._answers[column] + 1.0
        self._last[column] = ratio
        self._short[row, column] = ratio < SHORT

    def short(self, column: int) -> bool:
        """Whether the last answer was much shorter than its model can give."""
        return self._last[column] < SHORT

    def exhausted(self, answers: Floats) -> npt.NDArray[np.intp]:
        """By arm, 1 where its last answer was short; where it has none yet, whether the partition's last one was."""
        columns = np.array(self._last) < SHORT
        return np.where(answers > 0.0, self._short[:, : len(self._last)], columns[None, :]).astype(np.intp)

    def exhausted_by(self, row: int, column: int, answers: float) -> bool:
        """`exhausted` for one arm, which has given so many answers."""
        return bool(self._short[row, column]) if answers > 0.0 else self.short(column)

    @property
    def first(self) -> Floats:
        """By depth, the length of first answers."""
        return np.asarray(np.array(self._first[0]) / np.array(self._first[1]))

    @property
    def factors(self) -> Floats:
        """By column; what was never asked is expected to be as long as others of its depth were at first."""
        depth, answers = np.array(self._depth), np.array(self._answers)
        mean = (_PRIOR * self.first[depth] + np.array(self._named)) / (_PRIOR + answers)
        return np.asarray(mean * np.where(answers > 0.0, self.fall[depth], 1.0))

    @property
    def fall(self) -> Floats:
        """By depth, how long answers are against those before them about the same partition."""
        return np.asarray(np.minimum(np.array(self._later[0]) / np.array(self._later[1]), 1.0))

    def _before(self, column: int) -> float:
        depth = self._depth[column]
        first = self._first[0][depth] / self._first[1][depth]
        return (_PRIOR * first + self._named[column]) / (_PRIOR + self._answers[column])


def _add(sums: tuple[list[float], list[float]], depth: int, *values: float) -> None:
    """Add to what is known of a depth, and forget a little of what was."""
    for each, value in zip(sums, values, strict=True):
        each[depth] = _FORGET_DEPTH * each[depth] + value
