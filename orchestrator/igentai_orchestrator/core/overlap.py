"""Which models named the same attributes."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_MODELS: Final = 64  # the bits of one entry; models beyond are left out of the matrix
MOST_NOTES: Final = 4096


class Overlap:
    """One bit a model for every attribute: 8 bytes an attribute, whatever the number of sightings.

    Attributes are numbered from 1. A sighting only notes which models had named the attribute before; pairs are counted
    from these notes when they are asked for, so that an answer full of repeats costs little.
    """

    __slots__ = ("_gained", "_masks", "_models", "_pairs", "_support_2")

    def __init__(self) -> None:
        self._models: dict[str, int] = {}  # model -> its row
        self._masks = array("Q", [0])  # entry 0 stands for no attribute
        self._pairs: list[list[int]] = []
        self._gained: list[dict[int, int]] = []  # by row: who had named an attribute before this model -> how many
        self._support_2 = 0

    def record(self, model: str, first_number: int, fresh: int, repeats: Sequence[int]) -> None:
        """`model` named `fresh` new attributes, numbered from `first_number`, and these known ones."""
        row = self._models.get(model)
        if row is None:
            row = self._enter(model)
        bit = 1 << row if row < MOST_MODELS else 0
        if fresh:
            self._extend(first_number)
            known = len(self._masks) - first_number  # more than 0 where a number is told twice: never by the desk
            self._masks.extend(array("Q", [bit]) * (fresh - known))
            if bit:
                self._pairs[row][row] += fresh - known
            if known:
                self._sight(row, bit, range(first_number, first_number + known))
        if bit and repeats:
            try:
                self._sight(row, bit, repeats)
            except IndexError:
                self._extend(max(repeats) + 1)
                self._sight(row, bit, repeats)

    def shared(self) -> dict[str, Any]:
        """`models` and `matrix`: how many attributes the row's and the column's model have both named."""
        self._settle()
        return {"models": list(self._models)[:MOST_MODELS], "matrix": [list(row) for row in self._pairs]}

    @property
    def support_2(self) -> int:
        """Attributes that two models or more have named."""
        self._settle()
        return self._support_2

    def named_by(self, model: str) -> int:
        """How many attributes it has named, first or after others; 0 for one that is not in the matrix."""
        self._settle()
        row = self._models.get(model, MOST_MODELS)
        return self._pairs[row][row] if row < MOST_MODELS else 0

    def _enter(self, model: str) -> int:
        row = self._models[model] = len(self._models)
        if row < MOST_MODELS:
            for other in self._pairs:
                other.append(0)
            self._pairs.append([0] * (row + 1))
            self._gained.append({})
        return row

    def _extend(self, length: int) -> None:
        """Entries below `length` for attributes that nobody in the matrix has named."""
        if length > len(self._masks):
            self._masks.extend(array("Q", [0]) * (length - len(self._masks)))

    def _sight(self, row: int, bit: int, repeats: Sequence[int]) -> None:
        masks, gained = self._masks, self._gained[row]
        for number in repeats:
            before = masks[number]
            if not before & bit:
                masks[number] = before | bit
                gained[before] = gained.get(before, 0) + 1
        if len(gained) > MOST_NOTES:
            self._settle()

    def _settle(self) -> None:
        for row, gained in enumerate(self._gained):
            for before, count in gained.items():
                self._count(row, before, count)
            gained.clear()

    def _count(self, row: int, before: int, count: int) -> None:
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
