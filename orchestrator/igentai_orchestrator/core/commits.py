"""What follows from a commit: requests leave, answers are acknowledged and shown. And what if nothing can be committed.

Nothing is sent, acknowledged or shown before the record it rests on is durable.
"""

from __future__ import annotations

from igentai.messages import Ack
from igentai_orchestrator.core import facts
from igentai_orchestrator.core.answers import call_off
from igentai_orchestrator.core.books import Books
from igentai_orchestrator.core.flights import Flight
from igentai_orchestrator.core.journal import Acknowledge, Dispatch
from igentai_orchestrator.core.orders import Log, Order, Publish, Send
from igentai_orchestrator.core.phase import Phase
from igentai_orchestrator.core.spools import remove_durable_spools


def committed(books: Books, fact: facts.Committed, now: float) -> list[Order]:
    """What is durable now may be sent, acknowledged and shown: one Ack a producer, one Publish a commit."""
    campaign = books.campaign
    if campaign is None:
        books.journal.committed(fact.ticket)
        return []
    orders: list[Order] = []
    acknowledged: dict[str, int] = {}
    latest = 0
    for consequence in books.journal.committed(fact.ticket):
        if isinstance(consequence, Acknowledge):
            acknowledged[consequence.run_id] = consequence.seq
            latest = consequence.latest
        else:
            orders += _dispatch(books, consequence, now)
    for run_id, seq in acknowledged.items():
        books.durable[run_id] = seq
        link = books.roster.of_run(run_id)
        if link is not None:
            orders.append(Send(link.number, Ack(campaign.ledger, seq)))
    if latest:
        orders.append(Publish(latest))
    return orders + remove_durable_spools(books) if books.spools else orders


def _dispatch(books: Books, dispatch: Dispatch, now: float) -> list[Order]:
    """Send a request whose reservation is durable, unless something came up meanwhile."""
    flight = books.flights.get(dispatch.assignment_id)
    if flight is None or books.life.phase is Phase.CLOSING:
        return []
    link = books.roster.of_run(flight.run_id)
    out = link is not None and _is_out(books, flight)
    if link is None or out or books.life.asked_to_stop or books.storage_trouble is not None:
        if out and books.retrying:
            books.retries.add(now, flight.ask, flight.attempt, flight.failed_on)
        if link is not None and flight.id in link.flights:  # its place is free again: it will not ask for it twice
            link.free += 1
        return call_off(books, flight, now)
    flight.sent_at = now
    return [Send(link.number, flight.assign)]


def _is_out(books: Books, flight: Flight) -> bool:
    """Whether its key or its model was refused while its reservation was being written."""
    gate = books.gates[flight.assign.provider]
    return gate.out_for(flight.assign.model) is not None or gate.accounts[flight.key].out is not None


def storage_troubled(books: Books, fact: facts.StorageTroubled) -> list[Order]:
    """Nothing is asked and nothing acknowledged until it is mended."""
    books.storage_trouble = fact.detail
    return [Log("error", "archive.troubled", {"detail": fact.detail})]


def storage_mended(books: Books) -> list[Order]:
    books.storage_trouble = None
    return [Log("info", "archive.mended")]
