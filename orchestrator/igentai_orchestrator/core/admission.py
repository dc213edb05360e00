"""Fresh or repeat: the seen set, and the numbers of attributes.

The number of an attribute is its line in output.txt, from 1. The seam for a seen set shared by several orchestrators
is this class: it is asked for whole answers, never for single attributes.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
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
        self._numbers: defaultdict[str, int] = defaultdict(count(1).__next__)  # an unknown key gets the next number
        self._latest = 0

    def __len__(self) -> int:
        return self._latest

    def number(self, key: str) -> int | None:
        """The number under which `key` is known."""
        return self._numbers.get(key)

    def admit(self, texts: list[str], asked: list[str] | None = None) -> Admitted:
        """Sort clean lines into fresh and repeats, and take the fresh ones in. `asked` are their keys, where known.

        Whole answers go through C loops: known keys are looked up and unknown ones numbered in one pass.
        """
        numbers, first = self._numbers, self._latest + 1
        before = len(numbers)
        found = list(map(numbers.__getitem__, keys(texts) if asked is None else asked))
        new_keys = len(numbers) - before
        self._latest += new_keys
        fresh = [text for text, number in zip(texts, found, strict=True) if number >= first]
        repeats = [number for number in found if number < first]
        if len(fresh) != new_keys or len(set(repeats)) != len(repeats):
            new: dict[int, str] = {}
            for text, number in zip(texts, found, strict=True):
                new.setdefault(number, text)  # the first spelling is the one that is kept
            fresh = [text for number, text in new.items() if number >= first]
            repeats = [number for number in new if number < first]
        return Admitted(first, fresh, repeats)

    def restore(self, fresh: Sequence[str]) -> None:
        """Take in attributes that the ledger says were fresh, in their order.

        A key that is there already (keys were made otherwise when it was written) still uses up its number: the
        ledger's numbering is never changed.
        """
        first, self._latest = self._latest + 1, self._latest + len(fresh)
        _exhaust(map(self._numbers.setdefault, keys(fresh), range(first, self._latest + 1)))
        self._numbers.default_factory = count(self._latest + 1).__next__
