"""How fresh the next answer of an arm will be: leave-one-out Good-Turing, shrunk to a model × partition law.

Good (1953) and Bubeck, Ernst, Garivier (JMLR 14, 2013) estimate the mass a sampler has not shown yet by the share of
its draws seen exactly once. Here "once" is counted over the whole run: U/D, the draws of an arm whose only sighting in
the run is that arm's, over its draws, estimates what the arm would add to everything that every arm has found. It
falls by itself when others find the same.
"""

from __future__ import annotations

from array import array
from collections import Counter
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from igentai_orchestrator.core.named import Named, distinct

if TYPE_CHECKING:
    from collections.abc import Iterable

Floats: TypeAlias = npt.NDArray[np.float64]

KAPPA: Final = 15.0  # draws of its own after which an arm counts as much as the law; 8 to 30 are within 1 point
KAPPA_PARTITION: Final = 5.0
KAPPA_MODEL: Final = 20.0

_UNSEEN: Final = -2
_SHARED: Final = -1


class NoveltyTable:
    """Draws `D`, singletons `U` and answers by arm; rows are models, columns partitions.

    Invariants: 0 <= U <= D in every cell, and U sums to the number of attributes sighted once.
    """

    def __init__(self, models: int) -> None:
        self.distinct = 0
        self.drawn: Floats = np.zeros((models, 0))
        self.single: Floats = np.zeros((models, 0))
        self.answers: Floats = np.zeros((models, 0))
        # The sums of singletons, kept beside the cells: they are whole numbers, so nothing is lost on the way.
        self._single_of_model: Floats = np.zeros(models)
        self._single_of_partition: Floats = np.zeros(0)
        self._model_factor: Floats = np.ones(models)
        self._prior: Floats = np.zeros(0)  # the last one, and how much it counts for
        self._prior_draws: Floats = np.zeros(0)
        self._owner = array("i", [_UNSEEN])  # by attribute: cell of its only sighting, _SHARED or _UNSEEN

    def add_column(self) -> int:
        """The number of a new column."""
        self.drawn, self.single, self.answers = map(_widened, (self.drawn, self.single, self.answers))
        self._single_of_partition = _widened(self._single_of_partition)
        return len(self._single_of_partition) - 1

    def record(self, row: int, column: int, numbers: Iterable[int] | Named, *, empty: float) -> int:
        """Take in one answer; returns how many of its attributes were never sighted before.

        An answer without attributes counts as `empty` draws that were all known: a model that has nothing to say of a
        partition is one that has nothing fresh.
        """
        named = distinct(numbers)
        fresh = self._own(named, column * len(self._model_factor) + row)
        self.distinct += fresh
        if fresh:
            self._add_single(row, column, fresh)
        self.drawn[row, column] += len(named) or empty
        self.answers[row, column] += 1.0
        return fresh

    def sweep(self, fresh_prior: Floats) -> None:
        """One round of the multiplicative fit (iterative proportional fitting of U by D · model · partition)."""
        partition = self._partition_factor(fresh_prior)
        self._model_factor = (KAPPA_MODEL + self._single_of_model) / (KAPPA_MODEL + self.drawn.dot(partition))

    def law(self, fresh_prior: Floats) -> tuple[Floats, Floats]:
        """(expected share of fresh attributes, strength in draws) of every arm, before ageing and calibration.

        `fresh_prior` is what an unasked partition is expected to give, by column.
        """
        expected = np.minimum(self._model_factor[:, None] * self._partition_factor(fresh_prior)[None, :], 1.0)
        strength = KAPPA + self.drawn
        return (KAPPA * expected + self.single) / strength, strength

    def cell(self, row: int, column: int, fresh_prior: float) -> float:
        """`law` for one arm alone."""
        drawn = self.drawn[:, column]
        single = self._single_of_partition.item(column)
        partition = (KAPPA_PARTITION * fresh_prior + single) / (KAPPA_PARTITION + float(self._model_factor.dot(drawn)))
        expected = min(self._model_factor.item(row) * partition, 1.0)
        return (KAPPA * expected + self.single.item(row, column)) / (KAPPA + drawn.item(row))

    def answers_of(self, row: int, column: int) -> float:
        """Answers of one arm."""
        return self.answers.item(row, column)

    def _partition_factor(self, fresh_prior: Floats) -> Floats:
        if fresh_prior is not self._prior:  # the same one for many answers
            self._prior, self._prior_draws = fresh_prior, KAPPA_PARTITION * fresh_prior
        exposed: Floats = self._model_factor.dot(self.drawn)
        exposed += KAPPA_PARTITION
        found: Floats = self._prior_draws + self._single_of_partition
        found /= exposed
        return found

    def _own(self, named: Named, cell: int) -> int:
        """Note who sighted these; how many nobody had before."""
        owner, fresh, others = self._owner, 0, named.others
        if named.first >= len(owner):
            owner.extend(array("i", [_UNSEEN]) * (named.first - len(owner)))
            owner.extend(array("i", [cell]) * named.fresh)
            fresh = named.fresh
        else:
            others = array("q", named)
            owner.extend(array("i", [_UNSEEN]) * (named.highest + 1 - len(owner)))
        try:
            owners = list(map(owner.__getitem__, others))
        except IndexError:  # a ledger that names what comes later: it is read all the same
            owner.extend(array("i", [_UNSEEN]) * (max(others) + 1 - len(owner)))
            owners = list(map(owner.__getitem__, others))
        if owners.count(_SHARED) == len(owners):
            return fresh
        for number, before in zip(others, owners, strict=True):
            if before >= 0:
                owner[number] = _SHARED
            elif before == _UNSEEN:
                owner[number] = cell
                fresh += 1
        for place, count in Counter(owners).items():
            if place >= 0:
                column, row = divmod(place, len(self._model_factor))
                self._add_single(row, column, -count)
        return fresh

    def _add_single(self, row: int, column: int, count: int) -> None:
        self.single[row, column] += count
        self._single_of_model[row] += count
        self._single_of_partition[column] += count


def _widened(cells: Floats) -> Floats:
    return np.concatenate((cells, np.zeros((*cells.shape[:-1], 1))), axis=-1)
