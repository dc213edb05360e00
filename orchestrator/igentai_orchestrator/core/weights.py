"""Weights of models, as people are shown them and as a person sets them."""

from __future__ import annotations

from typing import Final

from igentai.messages import UpdateConfiguration
from igentai_orchestrator.core import facts, outlook
from igentai_orchestrator.core.books import Books
from igentai_orchestrator.core.orders import Log, Order, Send
from igentai_orchestrator.core.records import EventRecord

CHANGE: Final = 0.05


def tell_weights(books: Books, now: float) -> list[Order]:
    """Shares as they come out, at most every optimisation interval, and only where they moved."""
    campaign = books.campaign
    if campaign is None or now - books.shares_told_at < books.arrangement.optimization_interval_s:
        return []
    books.shares_told_at = now
    shares = campaign.policy.shares()
    if not any(abs(share - books.shares_told.get(key, -1.0)) >= CHANGE for key, share in shares.items()):
        return []
    books.shares_told = dict(shares)
    rounded = {key: round(value, 3) for key, value in shares.items()}
    update = UpdateConfiguration(provider_weights=shares)
    orders: list[Order] = [Send(link.number, update) for link in books.roster]
    return [*orders, Log("info", "discovery.weights", {"weights": rounded})]


def set_weights(books: Books, fact: facts.WeightsSet, now: float) -> list[Order]:
    """A person's word, recorded so that it holds after a restart."""
    campaign = books.campaign
    if campaign is None:
        return []
    said = ", ".join(f"{k} {'free' if v is None else f'{v:.0%}'}" for k, v in fact.weights.items())
    event = EventRecord("weights", f"{fact.by} set {said}", outlook.as_json(dict(fact.weights)))
    campaign.absorb(event, now)
    return [books.journal.record(event), Log("info", "discovery.weights_set", {"by": fact.by, "weights": said})]
