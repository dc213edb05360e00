"""How often each attribute was sighted, by whom, and where it is at home: arrays by attribute number.

An answer of two hundred attributes is counted in a dozen array operations: a loop costs a microsecond an attribute, and
with it an orchestrator takes in half as much.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from igentai_orchestrator.core.estimators import RARE, Frequencies

if TYPE_CHECKING:
    from collections.abc import Iterable

Numbers: TypeAlias = npt.NDArray[np.int64]

COMMON: Final = RARE + 1  # the bin of everything sighted more than RARE times
_BINS: Final = RARE + 2


def distinct(numbers: Iterable[int] | Numbers) -> Numbers:
    """Attribute numbers, each once. An array is taken as it is: whoever makes one has seen to that."""
    if isinstance(numbers, np.ndarray):
        return numbers
    return np.array(sorted(set(numbers)), dtype=np.int64)


class Sightings:
    """A partition's attributes are those first sighted in answers about it; partitions are numbered from 0."""

    def __init__(self) -> None:
        self._times = np.zeros(1024, np.int64)
        self._listed = np.zeros(1024, np.int64)
        self._by = np.zeros(1024, np.uint64)  # bit set of the models that named it
        self._home = np.full(1024, -1, np.int64)
        self._bins = np.zeros((0, _BINS), np.int64)  # by partition: attributes sighted 1, 2, … times
        self._sums = np.zeros((0, 2), np.int64)  # by partition: sightings, and the sum of c(c-1)
        self.supported = 0

    def add_partition(self) -> int:
        """The number of a new partition."""
        self._bins = np.vstack((self._bins, np.zeros((1, _BINS), np.int64)))
        self._sums = np.vstack((self._sums, np.zeros((1, 2), np.int64)))
        return len(self._bins) - 1

    @property
    def found(self) -> int:
        """Attributes sighted at all."""
        return int(self._bins[:, 1:].sum())

    def sight(self, numbers: Numbers, here: int, model: int) -> None:
        """One answer about partition `here` by `model` (0 to 63) named these."""
        if not len(numbers):
            return
        self._reach(int(numbers.max()))
        self._home[numbers[self._times[numbers] == 0]] = here
        self._again(numbers)
        bit, by = np.uint64(1 << model), self._by[numbers]
        one = (by != 0) & ((by & (by - np.uint64(1))) == 0)
        self.supported += int(np.count_nonzero(one & ((by & bit) == 0)))
        self._by[numbers] = by | bit

    def leave_out(self, numbers: Numbers) -> None:
        """A prompt listed these and the answer left them out: every second time counts as a sighting."""
        known = numbers[numbers < len(self._times)]
        known = known[self._times[known] > 0]
        self._listed[known] += 1
        self._again(known[self._listed[known] % 2 == 0])

    def frequencies(self, partition: int | None = None) -> Frequencies:
        """How many attributes were sighted how often, of one partition or of all."""
        bins = self._bins.sum(axis=0) if partition is None else self._bins[partition]
        sums = self._sums.sum(axis=0) if partition is None else self._sums[partition]
        return Frequencies(bins.tolist(), int(bins[1:].sum()), int(sums[0]), int(sums[1]))

    def _again(self, numbers: Numbers) -> None:
        """Count one more sighting of each."""
        before, home = self._times[numbers], self._home[numbers]
        self._times[numbers] = before + 1
        seen = before > 0
        np.subtract.at(self._bins, (home[seen], np.minimum(before[seen], COMMON)), 1)
        np.add.at(self._bins, (home, np.minimum(before + 1, COMMON)), 1)
        np.add.at(self._sums[:, 0], home, 1)
        np.add.at(self._sums[:, 1], home, 2 * before)

    def _reach(self, number: int) -> None:
        size = len(self._times)
        if number < size:
            return
        more = max(number + 1 - size, size)
        self._times = np.concatenate((self._times, np.zeros(more, np.int64)))
        self._listed = np.concatenate((self._listed, np.zeros(more, np.int64)))
        self._by = np.concatenate((self._by, np.zeros(more, np.uint64)))
        self._home = np.concatenate((self._home, np.full(more, -1, np.int64)))
