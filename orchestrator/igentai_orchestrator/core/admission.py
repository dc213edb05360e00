"""Fresh or repeat: the seen set, and the numbers of attributes.

The number of an attribute is its line in output.txt, from 1. The seam for a seen set shared by several orchestrators
is this class: it is asked for whole answers, never for single attributes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from igentai.text import keys

_exhaust: Final = deque[int](maxlen=0).extend  # runs an iterator to its end without a loop in Python


@dataclass(frozen=True, slots=True)
class Admitted:
    """What an answer brought. `repeats` are numbers; an attribute named twice in one answer counts once."""

    first_number: int
    fresh: list[str]
    repeats: list[int]


class Admission:
    """Which attributes are known, by key."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._latest = 0

    def __len__(self) -> int:
        return self._latest

    def number(self, key: str) -> int | None:
        """The number under which `key` is known."""
        return self._numbers.get(key)

    def admit(self, texts: list[str]) -> Admitted:
        """Sort clean lines into fresh and repeats, and take the fresh ones in.

        Whole answers go through C loops (map, filter, zip): it halves the time against asking one by one.
        """
        numbers, first = self._numbers, self._latest + 1
        asked = keys(texts)
        known = list(map(numbers.get, asked))
        repeats = list(filter(None, known))  # numbers begin at 1
        if len(set(repeats)) != len(repeats):
            repeats = list(dict.fromkeys(repeats))
        if len(repeats) == len(asked):
            return Admitted(first, [], repeats)
        new: dict[str, str] = {}
        for key, text, number in zip(asked, texts, known, strict=True):
            if number is None:
                new.setdefault(key, text)  # the first spelling is the one that is kept
        numbers.update(zip(new, range(first, first + len(new)), strict=True))
        self._latest += len(new)
        return Admitted(first, list(new.values()), repeats)

    def restore(self, fresh: Sequence[str]) -> None:
        """Take in attributes that the ledger says were fresh, in their order.

        A key that is there already (keys were made otherwise when it was written) still uses up its number: the
        ledger's numbering is never changed.
        """
        first, self._latest = self._latest + 1, self._latest + len(fresh)
        _exhaust(map(self._numbers.setdefault, keys(fresh), range(first, self._latest + 1)))
