"""Merges of near-duplicates in the ledger: those that were found, and those that a person undid."""

from __future__ import annotations

from igentai_orchestrator.core import facts, outlook
from igentai_orchestrator.core.books import Books
from igentai_orchestrator.core.groups import separation
from igentai_orchestrator.core.orders import Order
from igentai_orchestrator.core.records import EventRecord


def merge_latest(books: Books) -> list[Order]:
    """Near-duplicates among the attributes of late, each recorded with its reason."""
    campaign = books.campaign
    if campaign is None or campaign.spec.near_duplicates == "keep":
        return []
    orders: list[Order] = []
    for merge in campaign.groups.advance(campaign.texts):
        detail = outlook.as_json({"number": merge.number, "head": merge.head})
        orders.append(books.journal.record(EventRecord("merge", merge.reason, detail)))
    return orders


def undo_merge(books: Books, fact: facts.MergeUndone, now: float) -> list[Order]:
    campaign = books.campaign
    if campaign is None or campaign.groups.merge_of(fact.number) is None:
        return []
    event = separation(fact.number)
    campaign.absorb(event, now)
    return [books.journal.record(event)]
