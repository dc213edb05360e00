"""What the settings say of providers, as the desk wants it: the terms of each, and prices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from igentai.prices import Price, PriceTable
from igentai_orchestrator.core.arrangement import ProviderTerms

if TYPE_CHECKING:
    from igentai_orchestrator.settings import Settings

EMBEDDED_TIMEOUT_S: Final = 300.0
TIMEOUT_S: Final = 120.0


def provider_terms(settings: Settings, name: str) -> ProviderTerms:
    """How a provider is reached and what it allows.

    Raises:
        ConfigurationError, NoUsableProvider: it is not known, or has no key.
    """
    spec = settings.provider(name)
    table = settings.providers.get(name)
    return ProviderTerms(
        kind=spec.kind,
        base_url=spec.base_url,
        stream=spec.stream,
        requests_per_minute=int(table.requests_per_minute) if table and table.requests_per_minute else None,
        tokens_per_minute=int(table.tokens_per_minute) if table and table.tokens_per_minute else None,
        concurrency=settings.concurrency(name),
        keys=settings.key_sources(name),
        timeout_s=EMBEDDED_TIMEOUT_S if name == "embedded" else TIMEOUT_S,
    )


def price_table(settings: Settings) -> PriceTable:
    """The published prices, with those of igentai.toml on top."""
    overrides = {
        key: Price(price.input, price.output, price.cached if price.cached is not None else price.input)
        for key, price in settings.prices.items()
    }
    return PriceTable(overrides)
