"""Whom to ask: a provider and a model, and what is known of its limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from igentai.providers.base import Provider, ProviderSpec


@dataclass(frozen=True, slots=True)
class Route:
    """One provider and model.

    Args:
        provider: the name people know it by; routes with the same one share its limits and its breaker.
        model: as the provider calls it.
        spec: how to reach it; None only where `client` is given.
        client: a connected client of your own. It is not closed for you.
        weight: its share where there are several.
        requests_per_minute, tokens_per_minute, concurrency: its own limits; the batch's hold as well.
    """

    provider: str
    model: str
    spec: ProviderSpec | None = None
    client: Provider | None = None
    weight: float = 1.0
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrency: int | None = None

    @property
    def key(self) -> str:
        return f"{self.provider}:{self.model}"
