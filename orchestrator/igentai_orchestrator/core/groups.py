"""Near-duplicates, grouped and never dropped: each merge is told with its reason, recorded, and can be undone.

Finding them costs some microseconds an attribute, so it runs behind the answers, a slice a tick. What it finds follows
from the order of the attributes alone, so after a restart it is found again; only what is new is recorded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from igentai.kinship import Kinship
from igentai.text import keys
from igentai_orchestrator.core.records import EventRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

A_SLICE: Final = 1_000  # attributes a tick: some 6 ms
SHOWN: Final = 50


@dataclass(frozen=True, slots=True)
class Merge:
    """Attribute `number` is probably attribute `head` in other words."""

    number: int
    head: int
    reason: str


def separation(number: int) -> EventRecord:
    """What the ledger holds when a person says that attribute `number` is none of its group."""
    return EventRecord("unmerge", "a person took it out of its group", f'{{"number":{number}}}')


class Groups:
    """Which attributes belong together. `told` are the merges that the ledger holds."""

    def __init__(self) -> None:
        self._kinship = Kinship()
        self._seen = 0
        self._told: dict[int, Merge] = {}
        self._undone: set[int] = set()

    def __len__(self) -> int:
        """Attributes that were merged into an earlier one."""
        return len(self._told)

    def advance(self, texts: Sequence[str], most: int = A_SLICE) -> list[Merge]:
        """Look at the next attributes; the merges that nobody was told of yet."""
        found = []
        for number, key in enumerate(keys(texts[self._seen : self._seen + most]), self._seen + 1):
            proposed = self._kinship.add(number, key)
            if number in self._undone:
                self._kinship.undo(number)
            elif proposed is not None and number not in self._told:
                found.append(Merge(number, *proposed))
                self._told[number] = found[-1]
            self._seen = number
        return found

    def restore(self, merge: Merge) -> None:
        """A merge that the ledger holds."""
        self._told[merge.number] = merge
        self._undone.discard(merge.number)

    def undo(self, number: int) -> bool:
        """Take an attribute out of its group for good; False where it is in none."""
        if self._told.pop(number, None) is None:
            return False
        self._undone.add(number)
        if number <= self._seen:
            self._kinship.undo(number)
        return True

    def merge_of(self, number: int) -> Merge | None:
        return self._told.get(number)

    def snapshot(self, texts: Sequence[str]) -> dict[str, Any]:
        """How many were merged, and the latest merges in words."""
        latest = list(self._told.values())[-SHOWN:]
        return {
            "merged": len(self._told),
            "distinct": len(texts) - len(self._told),
            "latest": [
                {"number": m.number, "text": texts[m.number - 1], "into": texts[m.head - 1], "reason": m.reason}
                for m in reversed(latest)
            ],
        }
