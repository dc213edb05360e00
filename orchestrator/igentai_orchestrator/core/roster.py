"""Which producers are connected, how many more requests each wants, and what each is busy with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from igentai.messages import ProducerStatus


@dataclass(slots=True)
class Link:
    """One proven connection. `free` is how many more assignments its producer asked for and has not been given."""

    number: int
    slot: int | None
    run_id: str
    host: str
    pid: int
    free: int = 0
    flights: set[int] = field(default_factory=set)
    status: ProducerStatus | None = None
    leaving: bool = False
    filtered: bool = False  # was sent the filter of what is known in the open topic

    @property
    def producer(self) -> str:
        """What people and the ledger call this producer."""
        return f"producer-{self.slot}" if self.slot is not None else f"{self.host}-{self.pid}"


class Roster:
    """All connections, by link number and by producer run."""

    def __init__(self) -> None:
        self._links: dict[int, Link] = {}
        self._runs: dict[str, int] = {}

    def __iter__(self) -> Iterator[Link]:
        return iter(list(self._links.values()))

    def __len__(self) -> int:
        return len(self._links)

    def get(self, number: int | None) -> Link | None:
        return self._links.get(number) if number is not None else None

    def of_run(self, run_id: str) -> Link | None:
        """The connection through which this producer run speaks now."""
        return self.get(self._runs.get(run_id))

    def of_slot(self, slot: int) -> Link | None:
        return next((link for link in self._links.values() if link.slot == slot), None)

    def join(self, link: Link) -> Link | None:
        """Take a connection in. Returns the older one of the same producer run, which is fenced off from now on."""
        older = self.of_run(link.run_id)
        if older is not None:
            self.leave(older.number)
            link.flights = older.flights
        self._links[link.number] = link
        self._runs[link.run_id] = link.number
        return older

    def leave(self, number: int) -> Link | None:
        link = self._links.pop(number, None)
        if link is not None and self._runs.get(link.run_id) == number:
            del self._runs[link.run_id]
        return link

    def hungriest(self) -> Link | None:
        """Whom to give the next assignment: the producer with the most free places, the least busy among equals."""
        wanting = [link for link in self._links.values() if link.free > 0 and not link.leaving]
        return max(wanting, key=lambda link: (link.free, -len(link.flights), -link.number), default=None)
