"""How fresh the next answer of an arm will be: leave-one-out Good-Turing, shrunk to a model × partition law.

Good (1953) and Bubeck, Ernst, Garivier (JMLR 14, 2013) estimate the mass a sampler has not shown yet by the share of
its draws seen exactly once. Here "once" is counted over the whole run: U/D, the draws of an arm whose only sighting in
the run is that arm's, over its draws, estimates what the arm would add to everything that every arm has found. It
falls by itself when others find the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from igentai_orchestrator.core.sightings import Numbers, distinct

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
        self.columns = 0
        self.distinct = 0
        self._drawn = np.zeros((models, 16))
        self._single = np.zeros((models, 16))
        self._answers = np.zeros((models, 16))
        self._model_factor = np.ones(models)
        self._owner = np.full(
            1024, _UNSEEN, np.int64
        )  # by attribute number: cell of its only sighting, _SHARED or _UNSEEN

    @property
    def drawn(self) -> Floats:
        return self._drawn[:, : self.columns]

    @property
    def single(self) -> Floats:
        return self._single[:, : self.columns]

    @property
    def answers(self) -> Floats:
        return self._answers[:, : self.columns]

    def add_column(self) -> int:
        if self.columns == self._drawn.shape[1]:
            self._drawn = _doubled(self._drawn)
            self._single = _doubled(self._single)
            self._answers = _doubled(self._answers)
        self.columns += 1
        return self.columns - 1

    def record(self, row: int, column: int, numbers: Iterable[int] | Numbers, *, empty: float) -> int:
        """Take in one answer; returns how many of its attributes were never sighted before.

        An answer without attributes counts as `empty` draws that were all known: a model that has nothing to say of a
        partition is one that has nothing fresh.
        """
        named, models = distinct(numbers), len(self._model_factor)
        fresh = 0
        if len(named):
            self._reach(int(named.max()))
            owners = self._owner[named]
            unseen, single = named[owners == _UNSEEN], owners >= 0
            fresh = len(unseen)
            self._owner[unseen] = column * models + row
            lost = owners[single]
            np.subtract.at(self._single, (lost % models, lost // models), 1.0)
            self._owner[named[single]] = _SHARED
        self.distinct += fresh
        self._single[row, column] += fresh
        self._drawn[row, column] += len(named) or empty
        self._answers[row, column] += 1.0
        return fresh

    def sweep(self, fresh_prior: Floats) -> None:
        """One round of the multiplicative fit (iterative proportional fitting of U by D · model · partition)."""
        partition = self._partition_factor(fresh_prior)
        self._model_factor = (KAPPA_MODEL + self.single.sum(axis=1)) / (KAPPA_MODEL + self.drawn @ partition)

    def law(self, fresh_prior: Floats) -> tuple[Floats, Floats]:
        """(expected share of fresh attributes, strength in draws) of every arm, before ageing and calibration.

        `fresh_prior` is what an unasked partition is expected to give, by column.
        """
        expected = np.minimum(self._model_factor[:, None] * self._partition_factor(fresh_prior)[None, :], 1.0)
        strength = KAPPA + self.drawn
        return (KAPPA * expected + self.single) / strength, strength

    def cell(self, row: int, column: int, fresh_prior: float) -> float:
        """`law` for one arm alone."""
        drawn = self._drawn[:, column]
        partition = (KAPPA_PARTITION * fresh_prior + self._single[:, column].sum()) / (
            KAPPA_PARTITION + float(self._model_factor @ drawn)
        )
        expected = min(float(self._model_factor[row]) * float(partition), 1.0)
        return (KAPPA * expected + float(self._single[row, column])) / (KAPPA + float(drawn[row]))

    def _partition_factor(self, fresh_prior: Floats) -> Floats:
        exposed = self._model_factor @ self.drawn
        return np.asarray((KAPPA_PARTITION * fresh_prior + self.single.sum(axis=0)) / (KAPPA_PARTITION + exposed))

    def _reach(self, number: int) -> None:
        short = number + 1 - len(self._owner)
        if short > 0:
            more = np.full(max(short, len(self._owner)), _UNSEEN, np.int64)
            self._owner = np.concatenate((self._owner, more))


def _doubled(cells: Floats) -> Floats:
    return np.concatenate([cells, np.zeros_like(cells)], axis=1)
