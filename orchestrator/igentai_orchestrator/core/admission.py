"""Fresh or repeat: the seen set, and the numbers of attributes.

The number of an attribute is its line in output.txt, from 1. The seam for a seen set shared by several orchestrators
is this class: it is asked for whole answers, never for single attributes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from igentai.text import keys


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
        """Sort clean lines into fresh and repeats, and take the fresh ones in."""
        claim = self._numbers.setdefault
        first = self._latest + 1
        number = first
        fresh: list[str] = []
        repeats: list[int] = []
        for text, key in zip(texts, keys(texts), strict=True):
            known = claim(key, number)
            if known == number:
                number += 1
                fresh.append(text)
            elif known < first:
                repeats.append(known)
        self._latest = number - 1
        if len(set(repeats)) != len(repeats):
            repeats = list(dict.fromkeys(repeats))
        return Admitted(first, fresh, repeats)

    def restore(self, fresh: Sequence[str]) -> None:
        """Take in attributes that the ledger says were fresh, in their order.

        A key that is there already (keys were made otherwise when it was written) still uses up its number: the
        ledger's numbering is never changed.
        """
        claim = self._numbers.setdefault
        for number, key in enumerate(keys(list(fresh)), self._latest + 1):
            claim(key, number)
        self._latest += len(fresh)
