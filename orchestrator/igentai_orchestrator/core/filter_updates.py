"""What came to be known since the last time, to the producers that were sent the filter of what is known."""

from __future__ import annotations

from typing import Final

from igentai.messages import UpdateConfiguration
from igentai_orchestrator.core.books import Books
from igentai_orchestrator.core.known import DELTA_KEYS
from igentai_orchestrator.core.orders import Order, Send

EVERY_S: Final = 2.0


def update_filters(books: Books, now: float) -> list[Order]:
    """At once where much is new, every two seconds where little is."""
    if books.known is None or not books.known.unsent:
        return []
    if books.known.unsent < DELTA_KEYS and now < books.filter_due:
        return []
    books.filter_due = now + EVERY_S
    updates = [UpdateConfiguration(bloom_filter=part) for part in books.known.deltas()]
    return [Send(link.number, update) for link in books.roster if link.filtered for update in updates]
