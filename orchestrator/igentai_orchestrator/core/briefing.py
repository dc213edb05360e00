"""What a producer is told when it connects and when a topic opens: the topic, and the filter of what is known."""

from __future__ import annotations

from igentai.messages import GenerationConfig, ProviderAccess, StartTopic, UpdateConfiguration
from igentai_orchestrator.core import request_size
from igentai_orchestrator.core.books import Books
from igentai_orchestrator.core.campaign import Campaign
from igentai_orchestrator.core.known import Known
from igentai_orchestrator.core.orders import Order, Send
from igentai_orchestrator.core.roster import Link


def brief(books: Books, link: Link) -> list[Order]:
    """Tell a producer what the topic is; what it wants from now on it will say itself."""
    campaign = books.campaign
    assert campaign is not None
    link.free = 0
    books.awaited.pop(link.run_id, None)  # all that the ledger does not hold is sent again
    start = StartTopic(
        ledger=campaign.ledger,
        last_seq=books.durable.get(link.run_id, 0),  # admitted is not enough: it must be durable
        topic=campaign.spec.topic,
        prompt=campaign.spec.prompt or "",
        provider_weights=campaign.policy.shares(),
        generation_config=_generation_config(books, campaign, link),
    )
    return [Send(link.number, start), *_whole_filter(books, campaign, link)]


def _generation_config(books: Books, campaign: Campaign, link: Link) -> GenerationConfig:
    spec, terms = campaign.spec, books.arrangement.providers
    used = {model.provider: terms[model.provider] for model in spec.models}
    return GenerationConfig(
        providers={name: ProviderAccess(t.kind, t.base_url, t.stream) for name, t in used.items()},
        concurrency=spec.concurrency,
        request_size=spec.request_size or request_size.START,
        temperature=spec.temperature,
        spool=books.spool if link.slot is not None else None,
    )


def _whole_filter(books: Books, campaign: Campaign, link: Link) -> list[Order]:
    """The filter of what is known, to a producer whose answers cost something to carry."""
    bloom = books.arrangement.bloom
    link.filtered = bloom == "on" or (bloom == "auto" and link.slot is None)
    if not link.filtered:
        return []
    if books.known is None:
        books.known = Known(campaign.texts)
    return [Send(link.number, UpdateConfiguration(bloom_filter=part)) for part in books.known.parts()]
