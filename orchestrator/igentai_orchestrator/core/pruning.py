"""Slices that are told are not asked again; a split whose slices bring nothing is undone.

A slice is retired when its last answers brought nothing fresh, by more than one model where there are several: a cheap
model may have said all it knows of a slice of which another knows more. Once all slices of a category are retired
their split is undone: the category is asked as a whole again, with its exclusion list, and never split anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from igentai_orchestrator.core.partitions import ROOT, PartitionTree

if TYPE_CHECKING:
    from collections.abc import Sequence

BARREN: Final = 3  # answers in a row without anything fresh, of two models or more
BARREN_ALONE: Final = 6  # the same where only one model was asked
LABELS_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Change:
    """What became of a partition, for people. `kind`: split, retire or rejoin."""

    kind: str
    partition: str
    reason: str


class Pruning:
    """A fold over answers that cuts back the tree; what it does follows from the answers alone."""

    def __init__(self, tree: PartitionTree, models: int) -> None:
        self._tree = tree
        self._several = models > 1
        self._barren: dict[str, list[str]] = {}  # models of the last answers in a row that brought nothing
        self._changes: list[Change] = []

    def opened(self, partition: str, children: Sequence[str], model: str) -> None:
        """`model` named sub-categories of `partition`, of which `children` were new."""
        if not children:
            return
        labels = [self._tree[child].label for child in children]
        more = f" and {len(labels) - LABELS_SHOWN} more" if len(labels) > LABELS_SHOWN else ""
        named = ", ".join(labels[:LABELS_SHOWN]) + more
        reason = f"{self._called(partition)} cut into {len(labels)} slices ({named}) as {model} named them"
        if self._tree[children[0]].kind != "category":
            reason = f"{self._called(partition)} cut into {len(labels)} slices ({named}): no model named usable ones"
        self._changes.append(Change("split", partition, reason))

    def learn(self, partition: str, model: str, fresh: int) -> None:
        """An answer about `partition` brought `fresh` attributes."""
        if partition == ROOT or partition not in self._tree:
            return
        if fresh:
            self._barren.pop(partition, None)
            return
        barren = self._barren.setdefault(partition, [])
        barren.append(model)
        alone = self._several and len(set(barren)) == 1
        if len(barren) >= (BARREN_ALONE if alone else BARREN) and self._leaf(partition):
            self._retire(partition, len(barren))

    def changes(self) -> list[Change]:
        """What happened since the last call."""
        found, self._changes = self._changes, []
        return found

    def _leaf(self, partition: str) -> bool:
        return self._tree.askable(partition) and not self._tree.children(partition)

    def _retire(self, partition: str, barren: int) -> None:
        self._tree.retire(partition)
        del self._barren[partition]
        reason = f"the last {barren} answers about {self._called(partition)} brought nothing fresh"
        self._changes.append(Change("retire", partition, reason))
        parent = self._tree[partition].parent
        if parent != ROOT and not self._tree.children(parent):
            self._tree.merge(parent)
            reason = f"none of the slices of {self._called(parent)} brings anything: it is asked as a whole again"
            self._changes.append(Change("rejoin", parent, reason))

    def _called(self, partition: str) -> str:
        return f"{self._tree.phrase(partition)!r}" if partition != ROOT else "the topic"
