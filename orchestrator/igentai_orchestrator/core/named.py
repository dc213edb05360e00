"""The attributes that one answer named, by number.

Numbers are handed out in order, so what was never seen before is a run of them: it is counted as a run, without being
looked at one by one.
"""

from __future__ import annotations

from array import array
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


class Named:
    """`fresh` new attributes, numbered from `first` on, and others by number. Each is in here once.

    Whatever was numbered before has a lower number than `first`; 0 where nothing is known of the order.
    """

    __slots__ = ("first", "fresh", "others")

    def __init__(self, first: int, fresh: int, others: Sequence[int] = ()) -> None:
        self.first = first
        self.fresh = fresh
        self.others = array("q", others)

    def __len__(self) -> int:
        return self.fresh + len(self.others)

    def __iter__(self) -> Iterator[int]:
        return chain(self.run, self.others)

    def __repr__(self) -> str:
        return f"Named({self.first}, {self.fresh}, {self.others.tolist()})"

    @property
    def highest(self) -> int:
        """The highest number that there was with this answer."""
        return self.first + self.fresh - 1 if self.first else max(self.others, default=0)

    @property
    def run(self) -> range:
        """The numbers of the new ones."""
        return range(self.first, self.first + self.fresh)


def distinct(numbers: Iterable[int] | Named) -> Named:
    """Attribute numbers, each once; of plain ones nothing is known to be new."""
    return numbers if isinstance(numbers, Named) else Named(0, 0, sorted(set(numbers)))
