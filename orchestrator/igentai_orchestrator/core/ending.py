"""A topic ends: nothing more is asked, all is recorded, its files are closed. At the daemon's end the producers go."""

from __future__ import annotations

from typing import Final, Literal

from igentai.messages import FinishTopic, Stop
from igentai_orchestrator.core.answers import give_up_lost
from igentai_orchestrator.core.books import Books
from igentai_orchestrator.core.orders import CloseTopic, Exit, Log, Order, Send
from igentai_orchestrator.core.phase import Event, Phase
from igentai_orchestrator.core.records import EventRecord

Status = Literal["finished", "stopped", "interrupted"]
SHUTDOWN_LEAVE_S: Final = 1.5
SETTLE_S: Final = 0.5  # beyond the drain, for commits; on a full disk they do not come, and spools keep the answers


def begin_finish(
    books: Books, status: Status, reason: str, now: float, *, drain: bool = False, exit_code: int = 0
) -> list[Order]:
    """Ask nothing more. `drain`: someone is waiting, so that what is under way gets a few seconds only."""
    life, event = books.life, Event.STOPPED if drain else Event.ENOUGH
    if not life.may(event):
        return []
    life.move(event)
    if life.closing is None:
        life.closing = CloseTopic(status, reason, exit_code)
    life.finish_by = now + books.arrangement.drain_s if drain else float("inf")
    life.asked_to_stop = life.asked_to_stop or drain
    books.retrying = False
    books.retries.clear()
    if books.asker is not None:
        books.asker.close()
    record = books.journal.record(EventRecord("stop", reason, "{}"))
    return [record, Log("info", "topic.finishing", {"reason": reason, "in_flight": len(books.flights)})]


def finish(books: Books, now: float) -> list[Order]:
    """Once nothing is under way and everything is durable, close."""
    life, campaign = books.life, books.campaign
    orders: list[Order] = []
    if now >= life.finish_by:
        for flight in books.flights:
            if flight.sent_at is not None:
                orders += give_up_lost(books, flight, "the topic was stopped before it was answered", now)
    overdue = life.shutting_down and now >= life.finish_by + SETTLE_S
    if not overdue and (len(books.flights) or not books.journal.settled):
        return orders
    assert campaign is not None
    assert life.closing is not None
    life.move(Event.SETTLED)
    for link in books.roster:
        link.free = 0
        orders.append(Send(link.number, FinishTopic(campaign.ledger)))
    return [*orders, life.closing]


def closed(books: Books, now: float) -> list[Order]:
    """All of the topic is on disk: forget it."""
    books.life.move(Event.CLOSED)
    books.life.closing = None
    books.campaign = None
    books.asker = None
    books.known = None
    books.durable.clear()
    books.spools.clear()
    books.awaited.clear()
    books.shares_told.clear()
    return _let_producers_go(books, now) if books.life.shutting_down else []


def shut_down(books: Books, now: float) -> list[Order]:
    """The daemon was asked to end: first the topic, if there is one, then the producers."""
    books.life.shutting_down = True
    if books.life.phase is Phase.IDLE:
        return _let_producers_go(books, now)
    return begin_finish(books, "interrupted", "the daemon was asked to end", now, drain=True)


def _let_producers_go(books: Books, now: float) -> list[Order]:
    books.fleet.leave_s = SHUTDOWN_LEAVE_S
    orders: list[Order] = [Send(link.number, Stop(drain=False)) for link in books.roster]
    orders += books.fleet.dismiss_all(now)
    return orders if books.fleet.alive else [*orders, Exit(0)]
