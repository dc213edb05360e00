"""The one door of the core: `handle(fact, now)` -> orders.

Every request is decided behind it, so that limits and budget hold exactly across all producers, and every answer passes
it on its way to the ledger. `ROOMS` says who deals with which fact; the life of a topic is the table in `phase.py`.
What all rooms work on are the `Books`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from random import Random
from typing import Any, Final, TypeAlias

from igentai.budget import HourlyBudget
from igentai.prices import PriceTable
from igentai_orchestrator.core import attendance, ending, facts, outlook
from igentai_orchestrator.core.answers import take_answer, take_failure, take_known_answer
from igentai_orchestrator.core.arrangement import Arrangement
from igentai_orchestrator.core.assigning import assign
from igentai_orchestrator.core.books import Books
from igentai_orchestrator.core.commits import committed, storage_mended, storage_troubled
from igentai_orchestrator.core.filter_updates import update_filters
from igentai_orchestrator.core.fleet import Fleet
from igentai_orchestrator.core.merges import merge_latest, undo_merge
from igentai_orchestrator.core.opening import open_topic
from igentai_orchestrator.core.orders import Order
from igentai_orchestrator.core.overdue import give_up_overdue
from igentai_orchestrator.core.partition_changes import tell_partition_changes
from igentai_orchestrator.core.phase import Phase
from igentai_orchestrator.core.reloading import reloaded
from igentai_orchestrator.core.spools import spool_taken
from igentai_orchestrator.core.weights import set_weights, tell_weights

Room: TypeAlias = Callable[[Books, Any, float], list[Order]]


def tick(books: Books, now: float) -> list[Order]:
    """What is due by the clock."""
    orders = books.fleet.tick(now)
    orders += give_up_overdue(books, now)
    if books.life.phase is Phase.RUNNING:
        orders += tell_weights(books, now)
        orders += update_filters(books, now)
        orders += merge_latest(books)
    return orders


ROOMS: Final[Mapping[type[Any], Room]] = {
    facts.Tick: lambda books, _, now: tick(books, now),
    facts.TopicOpened: open_topic,
    facts.TopicStopRequested: lambda books, f, now: ending.begin_finish(books, "stopped", f.reason, now, drain=True),
    facts.TopicClosed: lambda books, _, now: ending.closed(books, now),
    facts.ShutdownRequested: lambda books, _, now: ending.shut_down(books, now),
    facts.ProducerSpawned: lambda books, f, now: books.fleet.spawned(f.slot, f.pid, now),
    facts.SpawnFailed: lambda books, f, now: books.fleet.spawn_failed(f.slot, f.detail, now),
    facts.ProducerExited: attendance.exited,
    facts.ProducerJoined: attendance.joined,
    facts.ProducerLeft: attendance.left,
    facts.ProducerReady: attendance.ready,
    facts.StatusArrived: attendance.status,
    facts.AnswerArrived: lambda books, f, now: take_answer(books, f.link, f.batch, now),
    facts.KnownAnswerArrived: lambda books, f, now: take_known_answer(books, f.link, f.answer, now),
    facts.FailureArrived: lambda books, f, now: take_failure(books, f.link, f.failure, now),
    facts.SpoolTaken: spool_taken,
    facts.Committed: committed,
    facts.StorageTroubled: lambda books, f, _: storage_troubled(books, f),
    facts.StorageMended: lambda books, _, __: storage_mended(books),
    facts.WeightsSet: set_weights,
    facts.MergeUndone: undo_merge,
    facts.ConfigurationReloaded: lambda books, f, _: reloaded(books, f),
}

# Too late for the ledger, whose files are being closed: an answer waits in its spool, unacknowledged.
TOO_LATE: Final[Set[type[Any]]] = {
    facts.AnswerArrived,
    facts.KnownAnswerArrived,
    facts.FailureArrived,
    facts.WeightsSet,
    facts.MergeUndone,
}


class Desk:
    """Decides everything. No I/O, no clock, no randomness but `rng`."""

    def __init__(self, arrangement: Arrangement, prices: PriceTable, rng: Random) -> None:
        hour = None if arrangement.budget_per_hour is None else HourlyBudget(arrangement.budget_per_hour)
        self.books = Books(arrangement, prices, rng, Fleet(rng), hour)

    def handle(self, fact: facts.Fact, now: float) -> list[Order]:
        """Take in one fact at `now` (monotonic seconds) and say what follows."""
        books, kind = self.books, type(fact)
        orders = [] if self.phase is Phase.CLOSING and kind in TOO_LATE else ROOMS[kind](books, fact, now)
        orders += tell_partition_changes(books)
        if self.phase is Phase.RUNNING and (kind is facts.Tick or books.roster.hungriest() is not None):
            orders += assign(books, now)
        if self.phase is Phase.FINISHING:
            orders += ending.finish(books, now)
        return orders

    def deadline(self, now: float) -> float | None:
        """Seconds until something is due that should not wait for the next regular tick."""
        books = self.books
        due = [books.fleet.deadline, books.retries.deadline]
        waits = [at - now for at in due if at is not None and at > now]  # what is overdue waits for something else
        if self.phase is Phase.RUNNING and books.asker is not None and books.roster.hungriest() is not None:
            waits.append(books.asker.wait_s(now))
        return min(waits, default=None)

    def snapshot(self, now: float) -> dict[str, Any]:
        """metrics.json without the topic's own words."""
        return outlook.metrics(self.books, now)

    @property
    def phase(self) -> Phase:
        """Where the open topic is in its life."""
        return self.books.life.phase

    @property
    def shutting_down(self) -> bool:
        """Whether the daemon was asked to end."""
        return self.books.life.shutting_down

    @property
    def storage_trouble(self) -> str | None:
        """Why nothing can be written, None while all is well."""
        return self.books.storage_trouble
