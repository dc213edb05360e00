"""Which producer is given which request, as long as one wants some and some may be made; and what if none may."""

from __future__ import annotations

from typing import Final

from igentai_orchestrator.core import stops
from igentai_orchestrator.core.asking import Asker
from igentai_orchestrator.core.books import Books
from igentai_orchestrator.core.campaign import Campaign
from igentai_orchestrator.core.ending import begin_finish
from igentai_orchestrator.core.flights import Flight
from igentai_orchestrator.core.journal import Dispatch
from igentai_orchestrator.core.orders import Order
from igentai_orchestrator.core.records import AssignmentRecord
from igentai_orchestrator.core.roster import Link

EXIT_NO_PROVIDER: Final = 3


def assign(books: Books, now: float) -> list[Order]:
    """Give out requests as long as a producer wants one and one may be made."""
    campaign, asker = books.campaign, books.asker
    assert campaign is not None
    assert asker is not None
    orders: list[Order] = []
    while books.storage_trouble is None:
        promised = stops.promised(campaign)
        reason = stops.enough(campaign, asker, promised, now)
        if reason:
            return orders + begin_finish(books, "finished", reason, now)
        drying = stops.drying(campaign, asker, promised, books.flights)
        if drying and stops.settling(campaign, asker, promised, books.flights):
            return orders
        link = books.roster.hungriest()
        flight = asker.next(now, books.flights, books.retries, link.run_id, drying=drying) if link else None
        books.waits_for_the_hour = flight is None and asker.short_of_the_hour(now)
        if link is None or flight is None:
            return orders + _stuck(books, campaign, asker, now)
        orders.append(_give(books, campaign, link, flight, now))
    return orders


def _give(books: Books, campaign: Campaign, link: Link, flight: Flight, now: float) -> Order:
    """Count the request as this producer's, and its money as reserved. It leaves once that is durable."""
    link.free -= 1
    link.flights.add(flight.id)
    books.flights.add(flight)
    record = AssignmentRecord(
        assignment_id=flight.id,
        provider=flight.assign.provider,
        model=flight.assign.model,
        partition=flight.assign.partition,
        prompt_hash=flight.prompt_hash,
        purpose=flight.assign.purpose,
        attempt=flight.attempt,
        reserved_usd=flight.reserved_usd,
        asked=flight.asked,
        listed=flight.listed,
    )
    campaign.absorb(record, now)
    if books.hour is not None:
        books.hour.reserve(now, flight.id, flight.reserved_usd, check=False)
    return books.journal.record(record, Dispatch(flight.id))


def _stuck(books: Books, campaign: Campaign, asker: Asker, now: float) -> list[Order]:
    """Nothing can be asked right now. Is that for good?"""
    if len(books.flights):
        return []
    never = asker.never()
    if never is not None:
        return begin_finish(books, "finished", never, now)
    if not asker.usable() and not books.arrangement.wait_when_out:
        reasons = {books.gates[m.provider].state(now, m.model)[1] for m in campaign.spec.models}
        reason = "no usable provider is left: " + "; ".join(sorted(reasons))
        return begin_finish(books, "stopped", reason, now, exit_code=EXIT_NO_PROVIDER)
    return []
