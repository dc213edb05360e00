"""A topic begins, or goes on: its campaign as the ledger tells it, its gates, and word to every producer."""

from __future__ import annotations

from igentai_orchestrator.core import facts, request_size
from igentai_orchestrator.core.asking import Asker
from igentai_orchestrator.core.books import Books
from igentai_orchestrator.core.briefing import brief
from igentai_orchestrator.core.campaign import Campaign
from igentai_orchestrator.core.gate import Gate
from igentai_orchestrator.core.orders import Log, Order
from igentai_orchestrator.core.phase import Event
from igentai_orchestrator.core.purse import Purse
from igentai_orchestrator.core.wording import expected_cost


def open_topic(books: Books, fact: facts.TopicOpened, now: float) -> list[Order]:
    """Fold its history into a campaign and start asking."""
    assert books.life.may(Event.OPENED), "one topic at a time"
    campaign = books.campaign = _campaign(books, fact, now)
    books.durable = dict(campaign.last_seq)
    books.retrying = True
    books.spool = fact.spool
    _open_gates(books, campaign)
    purse = Purse(campaign.budget, books.hour)
    books.asker = Asker(
        campaign, books.gates, books.prices, books.ratios, books.replies, books.arrangement, purse, books.rng
    )
    books.life.asked_to_stop = False
    books.life.move(Event.OPENED)
    keys = {"topic": campaign.spec.topic, "attributes": len(campaign.admission)}
    orders: list[Order] = [Log("info", "topic.opened", keys)]
    orders += books.fleet.resize(campaign.spec.producers, now)
    for link in books.roster:
        orders += brief(books, link)
    return orders


def _campaign(books: Books, fact: facts.TopicOpened, now: float) -> Campaign:
    """What is known of the topic, by a replay of its ledger."""
    costs = {m.key: expected_cost(books.prices, m.provider, m.model, request_size.START) for m in fact.spec.models}
    campaign = Campaign(fact.spec, fact.ledger, costs, now, fact.elapsed_s)
    for record in fact.history:
        campaign.restore(record, now)
    campaign.pruning.changes()  # what was done before was told then
    return campaign


def _open_gates(books: Books, campaign: Campaign) -> None:
    """A gate for each provider, kept over topics: an account's limits do not care what it is asked about."""
    for model in campaign.spec.models:
        if model.provider not in books.gates:
            terms = books.arrangement.providers[model.provider]
            books.gates[model.provider] = Gate(model.provider, terms, books.arrangement.share, books.rng)
