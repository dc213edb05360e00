"""Producers come, speak and go: who is connected, which slot lives, and what was left behind by who is gone."""

from __future__ import annotations

from typing import Final

from igentai.messages import Welcome
from igentai_orchestrator.core import facts
from igentai_orchestrator.core.books import Books
from igentai_orchestrator.core.briefing import brief
from igentai_orchestrator.core.orders import Disconnect, Exit, Log, Order, Send, TakeSpool
from igentai_orchestrator.core.phase import Phase
from igentai_orchestrator.core.roster import Link

EXIT_ALL_FAILED: Final = 1


def joined(books: Books, fact: facts.ProducerJoined, now: float) -> list[Order]:
    """A proven producer is connected: the one that was spawned for its slot, or one from elsewhere."""
    if fact.slot is not None:
        known = fact.slot < len(books.fleet.slots) and books.fleet.slots[fact.slot].pid == fact.pid
        if not known:
            return [Disconnect(fact.link, f"no producer with pid {fact.pid} was spawned for slot {fact.slot}")]
        books.fleet.heard(fact.slot, now)
        books.runs[fact.slot] = fact.run_id
    link = Link(fact.link, fact.slot, fact.run_id, fact.host, fact.pid)
    older = books.roster.join(link)
    orders: list[Order] = [Disconnect(older.number, "the producer connected anew")] if older else []
    orders.append(Send(link.number, Welcome(fact.proof, books.arrangement.credit)))
    for flight in books.flights.of_run(fact.run_id):
        flight.orphaned_at = None
    if books.life.phase in (Phase.RUNNING, Phase.FINISHING):
        orders += brief(books, link)
    keys = {"producer": link.producer, "pid": link.pid, "link": link.number}
    return [*orders, Log("info", "fleet.producer_joined", keys)]


def left(books: Books, fact: facts.ProducerLeft, now: float) -> list[Order]:
    """Its connection is gone; the process may live, and come back with what it was asked."""
    link = books.roster.leave(fact.link)
    if link is None:
        return []
    for flight in books.flights.of_run(link.run_id):
        flight.orphaned_at = now
    return [Log("info", "fleet.producer_left", {"producer": link.producer, "reason": fact.reason})]


def exited(books: Books, fact: facts.ProducerExited, now: float) -> list[Order]:
    """Its process is gone: what it had received is in its spool."""
    orders = books.fleet.exited(fact.slot, fact.pid, fact.code, now)
    run_id = books.runs.pop(fact.slot, None)
    link = books.roster.of_run(run_id) if run_id else None
    if link is not None:
        books.roster.leave(link.number)
    if run_id and books.campaign is not None and books.life.phase is not Phase.CLOSING:
        orders.append(TakeSpool(run_id))
    if books.fleet.all_failed and not len(books.roster):
        orders += [Log("error", "fleet.all_slots_failed"), Exit(EXIT_ALL_FAILED)]
    if books.life.shutting_down and books.life.phase is Phase.IDLE and not books.fleet.alive:
        orders.append(Exit(0))
    return orders


def ready(books: Books, fact: facts.ProducerReady, now: float) -> list[Order]:
    """It can take more requests."""
    link = books.roster.get(fact.link)
    if link is not None and fact.free > 0:
        link.free += fact.free
        _heard(books, link, now)
    return []


def status(books: Books, fact: facts.StatusArrived, now: float) -> list[Order]:
    """Its heartbeat."""
    link = books.roster.get(fact.link)
    if link is not None:
        link.status = fact.status
        _heard(books, link, now)
    return []


def _heard(books: Books, link: Link, now: float) -> None:
    if link.slot is not None and link.slot < len(books.fleet.slots):
        books.fleet.heard(link.slot, now)
