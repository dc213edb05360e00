"""Which models named the same attributes."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from igentai_orchestrator.core.sightings import Integers, each_once

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_MODELS: Final = 64  # the bits of one entry; models beyond are left out of the matrix
_PUT_DOWN_MAX: Final = 1 << 14  # numbers: some 1 ms to count


class Overlap:
    """One bit a model for every attribute: 8 bytes an attribute, whatever the number of sightings.

    Attributes are numbered from 1. Sightings are put down and counted when somebody asks, or when there are many: an
    attribute that two models named is theirs in whatever order they did.
    """

    __slots__ = ("_masks", "_models", "_numbers", "_pairs", "_put_down", "_runs", "_support_2")

    def __init__(self) -> None:
        self._models: dict[str, int] = {}  # model -> its row
        self._masks = np.zeros(1024, np.uint64)  # entry 0 stands for no attribute
        self._pairs: list[list[int]] = []
        self._support_2 = 0
        self._runs: list[list[tuple[int, int]]] = []  # by row, put down: first number and how many
        self._numbers: list[array[int]] = []  # by row, put down: others
        self._put_down = 0

    def record(self, model: str, first_number: int, fresh: int, repeats: Sequence[int]) -> None:
        """`model` named `fresh` new attributes, numbered from `first_number`, and these known ones."""
        row = self._models.get(model)
        if row is None:
            row = self._enter(model)
        if row >= MOST_MODELS:
            return
        if fresh:
            self._runs[row].append((first_number, first_number + fresh))
        if repeats:
            self._numbers[row].extend(repeats)
        self._put_down += fresh + len(repeats)
        if self._put_down >= _PUT_DOWN_MAX:
            self._count()

    def shared(self) -> dict[str, Any]:
        """`models` and `matrix`: how many attributes the row's and the column's model have both named."""
        self._count()
        return {"models": list(self._models)[:MOST_MODELS], "matrix": [list(row) for row in self._pairs]}

    @property
    def support_2(self) -> int:
        """Attributes that two models or more have named."""
        self._count()
        return self._support_2

    def named_by(self, model: str) -> int:
        """How many attributes it has named, first or after others; 0 for one that is not in the matrix."""
        self._count()
        row = self._models.get(model, MOST_MODELS)
        return self._pairs[row][row] if row < MOST_MODELS else 0

    def _enter(self, model: str) -> int:
        row = self._models[model] = len(self._models)
        if row < MOST_MODELS:
            for other in self._pairs:
                other.append(0)
            self._pairs.append([0] * (row + 1))
            self._runs.append([])
            self._numbers.append(array("q"))
        return row

    def _count(self) -> None:
        if not self._put_down:
            return
        for row, (runs, others) in enumerate(zip(self._runs, self._numbers, strict=True)):
            if runs or others:
                parts = [np.arange(first, end) for first, end in _joined(runs)]
                self._sight(row, each_once(np.concatenate((*parts, np.array(others)))))
                runs.clear()
                self._numbers[row] = array("q")
        self._put_down = 0

    def _sight(self, row: int, numbers: Integers) -> None:
        """One model named these, each of them once or more."""
        if (short := int(numbers[-1]) + 1 - len(self._masks)) > 0:
            more = np.zeros(max(short, len(self._masks)), np.uint64)
            self._masks = np.concatenate((self._masks, more))
        bit, before = np.uint64(1 << row), self._masks[numbers]
        self._masks[numbers] = before | bit
        masks, counts = np.unique(before[before & bit == 0], return_counts=True)
        for mask, count in zip(masks.tolist(), counts.tolist(), strict=True):
            self._pair(row, mask, count)

    def _pair(self, row: int, before: int, count: int) -> None:
        """`count` attributes that the models in the bit set `before` had named."""
        pairs = self._pairs
        pairs[row][row] += count
        if before and not before & (before - 1):
            self._support_2 += count
        while before:
            lowest = before & -before
            other = lowest.bit_length() - 1
            pairs[row][other] += count
            pairs[other][row] += count
            before ^= lowest


def _joined(runs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Runs (first, end) with those that follow on put together."""
    found: list[tuple[int, int]] = []
    for first, end in runs:
        if found and found[-1][1] == first:
            found[-1] = (found[-1][0], end)
        else:
            found.append((first, end))
    return found
