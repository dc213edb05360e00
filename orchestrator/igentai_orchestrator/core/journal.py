"""What waits for a commit: nothing is sent, acknowledged or shown before the record it rests on is durable."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TypeAlias

from igentai_orchestrator.core.orders import RecordThis
from igentai_orchestrator.core.records import Record


@dataclass(frozen=True, slots=True)
class Dispatch:
    """Send this assignment."""

    assignment_id: int


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """Acknowledge this answer, and show attributes up to `latest`."""

    run_id: str
    seq: int
    latest: int


Consequence: TypeAlias = Dispatch | Acknowledge


class Journal:
    """Hands out tickets, which only grow, and remembers what each one's commit sets free."""

    def __init__(self) -> None:
        self._ticket = 0
        self._durable = 0
        self._waiting: deque[tuple[int, Consequence]] = deque()

    @property
    def settled(self) -> bool:
        """Everything recorded is durable."""
        return self._durable >= self._ticket

    def record(self, record: Record, then: Consequence | None = None) -> RecordThis:
        self._ticket += 1
        if then is not None:
            self._waiting.append((self._ticket, then))
        return RecordThis(self._ticket, record)

    def committed(self, ticket: int) -> list[Consequence]:
        """What may happen now, oldest first."""
        self._durable = max(self._durable, ticket)
        due = []
        while self._waiting and self._waiting[0][0] <= ticket:
            due.append(self._waiting.popleft()[1])
        return due
