"""Which assignments were taken in: a bit each, so that a run of any length keeps its memory.

A set of numbers takes some 60 bytes each; three folds keep one, and a daemon may answer a hundred a second for days.
"""

from __future__ import annotations

from typing import Final

_PAGE: Final = 4096  # numbers that share a page; assignments are numbered one after the other


class Once:
    """Numbers from 0, each taken in once."""

    def __init__(self) -> None:
        self._pages: dict[int, bytearray] = {}

    def take(self, number: int) -> bool:
        """Whether it comes for the first time; from now on it does not."""
        page = self._pages.get(number // _PAGE)
        if page is None:
            page = self._pages[number // _PAGE] = bytearray(_PAGE // 8)
        place, bit = number % _PAGE >> 3, 1 << (number & 7)
        if page[place] & bit:
            return False
        page[place] |= bit
        return True
