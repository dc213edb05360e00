"""Left-over spools: what a dead producer had received is taken in, and its file removed once all of that is durable."""

from __future__ import annotations

from igentai_orchestrator.core import facts
from igentai_orchestrator.core.answers import give_up_lost
from igentai_orchestrator.core.books import Books
from igentai_orchestrator.core.orders import Order, RemoveSpool


def spool_taken(books: Books, fact: facts.SpoolTaken, now: float) -> list[Order]:
    """What a dead producer had received is in. What it had not is lost."""
    if books.campaign is None:
        return []
    orders: list[Order] = []
    for flight in books.flights.of_run(fact.run_id):
        if flight.sent_at is not None:
            orders += give_up_lost(books, flight, "its producer died before it was answered", now)
    books.spools[fact.run_id] = books.campaign.last_seq.get(fact.run_id, 0)
    return orders + remove_durable_spools(books)


def remove_durable_spools(books: Books) -> list[Order]:
    """Those of which the ledger holds the last answer."""
    done = [run for run, last in books.spools.items() if books.durable.get(run, 0) >= last]
    for run in done:
        del books.spools[run]
    return [RemoveSpool(run) for run in done]
