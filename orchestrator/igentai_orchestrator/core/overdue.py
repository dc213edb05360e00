"""Requests that nobody will answer any more: too long under way, or with a producer that does not come back."""

from __future__ import annotations

from igentai_orchestrator.core.answers import give_up_lost
from igentai_orchestrator.core.books import Books
from igentai_orchestrator.core.flights import Flight
from igentai_orchestrator.core.orders import Order


def give_up_overdue(books: Books, now: float) -> list[Order]:
    orders: list[Order] = []
    for flight in books.flights:
        reason = _overdue(books, flight, now)
        if reason is not None:
            orders += give_up_lost(books, flight, reason, now)
    return orders


def _overdue(books: Books, flight: Flight, now: float) -> str | None:
    """Why this request is given up, None while it is waited for."""
    if flight.sent_at is None:
        return None
    patience = flight.assign.timeout_s + books.arrangement.lost_after_s
    if flight.orphaned_at is None and now - flight.sent_at > patience:
        return f"no word from its producer for {patience:.0f} s"
    if flight.orphaned_at is not None and now - flight.orphaned_at > books.arrangement.orphan_s:
        return "its producer did not come back"
    return None
