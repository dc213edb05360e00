"""Answers in a row that brought nothing fresh, and what they are worth as evidence that nothing is left.

An answer about the whole topic that had room to spare, named nothing fresh and kept to what is known says that its
model has no more. It counts twice; one about a slice says no more than that the slice is told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from igentai_orchestrator.core.named import distinct
from igentai_orchestrator.core.partitions import ROOT

if TYPE_CHECKING:
    from igentai_orchestrator.core.discovery import Outcome

DROUGHT: Final = 8  # evidence that ends a closed topic, in barren answers
ROOM: Final = 0.5  # of what was asked for: an answer no longer than that had room to spare
SAID_ALL: Final = 2.0  # barren answers that one about the whole topic with room to spare counts for


class Drought:
    """A fold over answers, since the last one that brought anything."""

    def __init__(self) -> None:
        self.answers = 0
        self.evidence = 0.0
        self._models: set[str] = set()
        self._said_all: set[str] = set()

    def learn(self, outcome: Outcome) -> float:
        """Take in one answer; returns what it is worth as evidence, in barren answers: 0, 1 or 2."""
        self._models.add(outcome.model)
        if outcome.fresh:
            self.answers, self.evidence = 0, 0.0
            self._said_all.clear()
            return 0.0
        worth = 1.0
        if outcome.partition == ROOT and outcome.asked and len(distinct(outcome.numbers)) <= ROOM * outcome.asked:
            self._said_all.add(outcome.model)
            worth = SAID_ALL
        self.answers += 1
        self.evidence += worth
        return worth

    @property
    def proven(self) -> bool:
        return self.evidence >= DROUGHT

    @property
    def all_said_all(self) -> bool:
        """Whether every model that was ever asked has said that it has no more."""
        return self._said_all >= self._models
