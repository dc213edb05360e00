"""What the model of freshness gets wrong, learned from forecast and outcome; and what fresh attributes are worth."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from igentai_orchestrator.core.good_turing import Floats

_OWN_BINS: Final = (0.5, 1.5, 3.5)
_PARTITION_BINS: Final = (0.5, 2.5, 6.5)
_TABLE_PRIOR: Final = 2.0
_OTHERS_SAID_ALL: Final = 0.7
_SAID_ALL: Final = 0.4  # of what the law forecasts for a model that gave a short answer, until it is measured
_TABLE_FORGET: Final = 0.998
_GUARD_FORGET: Final = 0.9
_GUARD_DEAD: Final = 0.8
INVENTOR: Final = 0.3  # invented attributes per drawn one from which on a model is only probed
PROBE_SHARE: Final = 0.02
JUDGE_ERROR: Final = 0.1  # share of verdicts assumed wrong, either way


def own_bin(answers: Floats) -> npt.NDArray[np.intp]:
    return np.digitize(answers, _OWN_BINS)


def partition_bin(answers: Floats) -> npt.NDArray[np.intp]:
    return np.digitize(answers, _PARTITION_BINS)


def bins_of(own: float, partition: float) -> tuple[int, int]:
    """`own_bin` and `partition_bin` of one arm."""
    return bisect_right(_OWN_BINS, own), bisect_right(_PARTITION_BINS, partition)


class Calibration:
    """Actual over predicted, by how often an arm and its partition were asked and whether the last answer was short.

    Takes up what the law misses systematically: a model's first visit, exclusion lists, partitions that overlap or are
    all told.
    """

    def __init__(self) -> None:
        self._counts = np.full((2, 4, 4, 2), _TABLE_PRIOR)  # actual, predicted
        self._counts[0, 1:, :, 1] *= _SAID_ALL
        self._counts[0, 0, 1:, 1] *= _OTHERS_SAID_ALL
        self._pull = (1.0 - _TABLE_FORGET) * self._counts  # back to where it began

    @property
    def factors(self) -> Floats:
        return np.asarray(self._counts[0] / self._counts[1])

    def factor(self, place: tuple[int, int, int]) -> float:
        """`factors` at one place."""
        return float(self._counts.item(0, *place) / self._counts.item(1, *place))

    def learn(self, place: tuple[int, int, int], raw: float, actual: float) -> None:
        """`place` is (own bin, partition bin, short); `raw` the forecast before this table was applied."""
        self._counts *= _TABLE_FORGET
        self._counts += self._pull
        self._counts[0, *place] += actual
        self._counts[1, *place] += raw


class Guard:
    """Notices a model that falls far below its forecasts: it collapsed, repeats itself, or was replaced.

    `factors` are 1 while at least 80 % of what was forecast arrives (the last ten answers count), then fall with it.
    """

    def __init__(self, models: int) -> None:
        self._actual = [0.0] * models
        self._predicted = [0.0] * models
        self._factors = [1.0] * models

    @property
    def factors(self) -> Floats:
        return np.array(self._factors)

    def learn(self, row: int, predicted: float, actual: float) -> None:
        self._actual[row] = _GUARD_FORGET * self._actual[row] + actual
        self._predicted[row] = _GUARD_FORGET * self._predicted[row] + predicted
        held = (self._actual[row] + 0.3) / (self._predicted[row] + 0.3)
        self._factors[row] = min(1.0, max(held / _GUARD_DEAD, 0.02))


class InventionRates:
    """Share of a model's drawn attributes that are fresh and not real, from verifications."""

    PRIOR: Final = 0.02
    STRENGTH: Final = 3.0

    def __init__(self, models: Sequence[str]) -> None:
        self._models = models
        self._sum = np.full(len(models), self.PRIOR * self.STRENGTH)
        self._count = np.full(len(models), self.STRENGTH)

    @property
    def audited(self) -> bool:
        return bool(self._count.max() > self.STRENGTH)

    @property
    def rates(self) -> Floats:
        return np.asarray(self._sum / self._count)

    def learn(self, row: int, checked: int, real: int, fresh_share: float) -> None:
        """`fresh_share` is the share of fresh attributes in the answers that were judged."""
        if checked <= 0:
            return
        invented = ((checked - real) / checked - JUDGE_ERROR) / (1.0 - 2.0 * JUDGE_ERROR)
        invented = min(max(invented, -0.15), 1.0)
        self._sum[row] = max(self._sum[row] + invented * fresh_share, 0.0)
        self._count[row] += 1.0

    def worth(self, share: Floats) -> Floats:
        """`share` of fresh attributes by arm, less the invented; unchanged until something was judged."""
        if not self.audited:
            return share
        return np.maximum(share - self.rates[:, None], 0.02 * share)

    def trusted(self, shares: Mapping[str, float]) -> Floats:
        """By model, 1, or next to nothing for one that mostly invents and has more than a fiftieth of the requests.

        It keeps that much, to notice if it mends.
        """
        if not self.audited:
            return np.ones(len(self._models))
        over = np.array([shares[m] > PROBE_SHARE for m in self._models])
        return np.where((self.rates > INVENTOR) & over, 1e-6, 1.0)
