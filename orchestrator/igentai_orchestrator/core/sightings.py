"""How often each attribute was sighted, by whom, and where it is at home: arrays by attribute number.

Answers are put down and counted when somebody asks, many at once: an array operation costs as much for an answer as
for a hundred. What is counted is the same as if each had been counted when it came.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from igentai_orchestrator.core.estimators import RARE, Frequencies

if TYPE_CHECKING:
    from collections.abc import Iterable

    from igentai_orchestrator.core.named import Named

Integers: TypeAlias = npt.NDArray[np.signedinteger[Any]]

COMMON: Final = RARE + 1  # the bin of everything sighted more than RARE times
_BINS: Final = RARE + 2
_NEVER: Final = np.iinfo(np.int32).max
_PUT_DOWN_MAX: Final = 512  # answers: some 4 ms to count
_NUMBERS_MAX: Final = 1 << 15


class _Answer(NamedTuple):
    """An answer about partition `here` by `model`; how many attributes it named again and left out."""

    here: int
    model: int
    first: int
    fresh: int
    others: int
    left_out: int


class Sightings:
    """A partition's attributes are those first sighted in answers about it; partitions are numbered from 0."""

    def __init__(self) -> None:
        self._times = np.zeros(1024, np.int32)
        self._left_out = np.zeros(1024, np.int32)
        self._home = np.full(1024, -1, np.int32)
        self._since = np.full(1024, _NEVER, np.int32)  # the answer that sighted it first
        self._by = np.zeros(1024, np.uint64)  # bit set of the models that named it
        self._bins = np.zeros((0, _BINS), np.int64)  # by partition: attributes sighted 1, 2, … times
        self._sums = np.zeros((0, 2), np.int64)  # by partition: sightings, and the sum of c(c-1)
        self._counted = 0  # answers
        self._supported = 0
        self._found = 0
        self._highest = 0
        self._answers: list[_Answer] = []
        self._others = array("q")
        self._listed = array("q")

    def add_partition(self) -> int:
        """The number of a new partition."""
        self._bins = np.vstack((self._bins, np.zeros((1, _BINS), np.int64)))
        self._sums = np.vstack((self._sums, np.zeros((1, 2), np.int64)))
        return len(self._bins) - 1

    @property
    def supported(self) -> int:
        """Attributes that two models or more have named, of the answers counted so far."""
        return self._supported

    @property
    def full(self) -> bool:
        """Whether so much was put down that it should be counted now."""
        return len(self._answers) >= _PUT_DOWN_MAX or len(self._others) + len(self._listed) >= _NUMBERS_MAX

    def put_down(self, named: Named, here: int, model: int, left_out: Iterable[int] = ()) -> None:
        """An answer about partition `here` by `model` (0 to 63).

        `left_out`: its prompt listed these and it did not name them. Of what had been sighted by then every second
        time counts as a sighting.
        """
        before, listed = len(self._others), len(self._listed)
        first, fresh = named.first, named.fresh
        if first > self._highest:
            self._others.extend(named.others)
        else:
            self._others.extend(array("q", named))
            first = fresh = 0
        if left_out:
            self._listed.extend(left_out)
        self._highest = max(self._highest, named.highest)
        self._answers.append(_Answer(here, model, first, fresh, len(self._others) - before, len(self._listed) - listed))

    def count(self) -> list[int]:
        """Count what was put down; how many attributes had been sighted at all after each of those answers."""
        if not self._answers:
            return []
        here, model, first, fresh, others, left_out = np.array(self._answers, np.int64).T
        answers = np.arange(len(here))
        numbers, by = np.array(self._others), np.repeat(answers, others)
        self._reach(max(self._highest, int(numbers.max(initial=0))))
        self._sight_runs(first, fresh, here, model)
        new = self._enter(numbers, by, here)
        bits = np.left_shift(np.uint64(1), model.astype(np.uint64))
        self._name(numbers, bits[by])
        self._again(np.concatenate((numbers, self._unnamed(np.array(self._listed), np.repeat(answers, left_out)))))
        self._counted += len(here)
        found = self._found + np.cumsum(fresh + np.bincount(new, minlength=len(here)))
        self._found = int(found[-1])
        self._answers.clear()
        self._others, self._listed = array("q"), array("q")
        return list(map(int, found))

    def frequencies(self, partition: int | None = None) -> Frequencies:
        """How many attributes were sighted how often, of one partition or of all, in the answers counted so far."""
        bins = self._bins.sum(axis=0) if partition is None else self._bins[partition]
        sums = self._sums.sum(axis=0) if partition is None else self._sums[partition]
        return Frequencies(bins.tolist(), int(bins[1:].sum()), int(sums[0]), int(sums[1]))

    def _sight_runs(self, first: Integers, fresh: Integers, here: Integers, model: Integers) -> None:
        """What was never sighted before and comes in runs."""
        by = np.repeat(np.arange(len(first)), fresh)
        if not len(by):
            return
        run = np.arange(len(by)) + np.repeat(first - np.cumsum(fresh) + fresh, fresh)
        self._times[run] = 1
        self._home[run] = here[by]
        self._since[run] = self._counted + by
        self._by[run] = np.left_shift(np.uint64(1), model.astype(np.uint64))[by]
        np.add.at(self._bins[:, 1], here, fresh)
        np.add.at(self._sums[:, 0], here, fresh)

    def _enter(self, numbers: Integers, by: Integers, here: Integers) -> Integers:
        """Give a home to what was never sighted before and comes one by one; the answer that brought each."""
        unseen = self._times[numbers] == 0
        new, at = np.unique(numbers[unseen], return_index=True)
        brought = by[unseen][at]
        self._home[new] = here[brought]
        self._since[new] = self._counted + brought
        return np.asarray(brought)

    def _name(self, numbers: Integers, bits: npt.NDArray[np.uint64]) -> None:
        """Note which models named them."""
        touched = each_once(numbers)
        before = _several(self._by[touched])
        np.bitwise_or.at(self._by, numbers, bits)
        self._supported += _several(self._by[touched]) - before

    def _unnamed(self, listed: Integers, by: Integers) -> Integers:
        """Of what was listed and left out, that which counts as a sighting now, as often as it does."""
        known = listed < len(self._since)
        listed, by = listed[known], by[known]
        known = self._since[listed] <= self._counted + by
        numbers, times = np.unique(listed[known], return_counts=True)
        before = self._left_out[numbers]
        self._left_out[numbers] = before + times
        return np.repeat(numbers, (before + times) // 2 - before // 2)

    def _again(self, numbers: Integers) -> None:
        """Count one more sighting for each time that it is in here."""
        touched, times = np.unique(numbers, return_counts=True)
        before, home = self._times[touched].astype(np.int64), self._home[touched]
        after = before + times
        self._times[touched] = after
        seen = before > 0
        np.subtract.at(self._bins, (home[seen], np.minimum(before[seen], COMMON)), 1)
        np.add.at(self._bins, (home, np.minimum(after, COMMON)), 1)
        np.add.at(self._sums[:, 0], home, times)
        np.add.at(self._sums[:, 1], home, after * (after - 1) - before * (before - 1))

    def _reach(self, number: int) -> None:
        size = len(self._times)
        if number < size:
            return
        more = max(number + 1 - size, size)
        self._times = np.concatenate((self._times, np.zeros(more, np.int32)))
        self._left_out = np.concatenate((self._left_out, np.zeros(more, np.int32)))
        self._home = np.concatenate((self._home, np.full(more, -1, np.int32)))
        self._since = np.concatenate((self._since, np.full(more, _NEVER, np.int32)))
        self._by = np.concatenate((self._by, np.zeros(more, np.uint64)))


def each_once(numbers: Integers) -> Integers:
    """`np.unique` for plain numbers: sorting them takes a tenth of the time that its hashing does."""
    ordered = np.sort(numbers)
    return ordered[np.concatenate(([True], ordered[1:] != ordered[:-1]))] if len(ordered) else ordered


def _several(by: npt.NDArray[np.uint64]) -> int:
    """How many have been named by two models or more."""
    return int(np.count_nonzero(by & (by - np.uint64(1))))
