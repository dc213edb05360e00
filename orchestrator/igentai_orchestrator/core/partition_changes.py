"""What answers did to the partition tree, told to people: recovery does it again from the answers."""

from __future__ import annotations

from igentai_orchestrator.core import outlook
from igentai_orchestrator.core.books import Books
from igentai_orchestrator.core.orders import Log, Order
from igentai_orchestrator.core.records import EventRecord


def tell_partition_changes(books: Books) -> list[Order]:
    campaign = books.campaign
    orders: list[Order] = []
    for change in campaign.pruning.changes() if campaign is not None else ():
        event = EventRecord(change.kind, change.reason, outlook.as_json({"partition": change.partition}))
        keys = {"partition": change.partition, "reason": change.reason}
        orders += [books.journal.record(event), Log("info", f"discovery.{change.kind}", keys)]
    return orders
