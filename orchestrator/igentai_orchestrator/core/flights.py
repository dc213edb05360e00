"""Requests that were decided and have no outcome yet, and those that wait to be tried again."""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from igentai.limits import Reservation
from igentai.messages import Assign
from igentai_orchestrator.core.discovery import Arm, Ask


@dataclass(slots=True)
class Flight:
    """One request on its way. `sent_at` is None until its reservation is durable and it has left."""

    assign: Assign
    ask: Ask
    attempt: int
    run_id: str
    prompt_hash: str
    listed: tuple[int, ...]
    asked: int
    taken: Reservation | None
    decided_at: float
    reserved_usd: float
    sent_at: float | None = None
    orphaned_at: float | None = None
    failed_on: frozenset[str] = frozenset()
    judged: tuple[int, ...] = ()

    @property
    def key(self) -> int:
        """Which of the provider's keys it goes by."""
        return self.assign.key

    @property
    def id(self) -> int:
        return self.assign.assignment_id


class Flights:
    """Flights by assignment id, counted by arm and by provider."""

    def __init__(self) -> None:
        self._flights: dict[int, Flight] = {}
        self._arms: Counter[Arm] = Counter()

    def __len__(self) -> int:
        return len(self._flights)

    def __iter__(self) -> Iterator[Flight]:
        return iter(list(self._flights.values()))

    @property
    def arms(self) -> Mapping[Arm, int]:
        return self._arms

    def get(self, assignment_id: int) -> Flight | None:
        return self._flights.get(assignment_id)

    def add(self, flight: Flight) -> None:
        self._flights[flight.id] = flight
        self._arms[flight.ask.model, flight.ask.partition] += 1

    def pop(self, assignment_id: int) -> Flight | None:
        flight = self._flights.pop(assignment_id, None)
        if flight is not None:
            arm = (flight.ask.model, flight.ask.partition)
            self._arms[arm] -= 1
            if not self._arms[arm]:
                del self._arms[arm]
        return flight

    def of_run(self, run_id: str) -> list[Flight]:
        return [flight for flight in self._flights.values() if flight.run_id == run_id]


@dataclass(frozen=True, slots=True, order=True)
class Retry:
    """A request to make again at `due`, with another model than those of `failed_on` where there is one."""

    due: float
    order: int
    ask: Ask = field(compare=False)
    attempt: int = field(compare=False)
    failed_on: frozenset[str] = field(compare=False)


class Retries:
    """The delay heap: a request that waits takes no place at any producer."""

    def __init__(self) -> None:
        self._heap: list[Retry] = []
        self._order = itertools.count()

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, due: float, ask: Ask, attempt: int, failed_on: frozenset[str]) -> None:
        heapq.heappush(self._heap, Retry(due, next(self._order), ask, attempt, failed_on))

    def take(self, now: float) -> Retry | None:
        """The retry that has been due longest, None where none is due."""
        return heapq.heappop(self._heap) if self._heap and self._heap[0].due <= now else None

    def put_back(self, retry: Retry) -> None:
        heapq.heappush(self._heap, retry)

    @property
    def deadline(self) -> float | None:
        return self._heap[0].due if self._heap else None

    def clear(self) -> None:
        self._heap.clear()
