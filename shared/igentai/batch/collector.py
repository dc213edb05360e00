"""Puts results that come in any order back into the order of the input. Pure."""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")


class Collector(Generic[T]):
    """Holds what came early, gives out what is due, and never runs further ahead than its window.

    >>> collector = Collector[str](window=3)
    >>> collector.put(1, "b"), collector.put(0, "a")
    (None, None)
    >>> collector.take(), collector.take(), collector.take()
    ('a', 'b', None)
    """

    __slots__ = ("_early", "_next", "_window")

    def __init__(self, window: int, first: int = 0) -> None:
        if window < 1:
            raise ValueError(f"a window of {window} lets nothing through; say 1 or more")
        self._window = window
        self._next = first
        self._early: dict[int, T] = {}

    @property
    def next_index(self) -> int:
        """The index of the next result to be given out."""
        return self._next

    @property
    def waiting(self) -> int:
        """Results held, those due included."""
        return len(self._early)

    def admits(self, index: int) -> bool:
        """Whether work on `index` may begin: its result would still fit. Reading waits while this is False."""
        return index < self._next + self._window

    def put(self, index: int, value: T) -> None:
        """Take in a result.

        Raises:
            ValueError: it is there already, or was given out, or lies outside the window.
        """
        if index < self._next or index in self._early:
            raise ValueError(f"a second result for number {index}")
        if not self.admits(index):
            raise ValueError(f"number {index} lies outside the window of {self._window} from {self._next}")
        self._early[index] = value

    def take(self) -> T | None:
        """The next result in order, None while it is not there."""
        value = self._early.pop(self._next, None)
        if value is not None:
            self._next += 1
        return value
