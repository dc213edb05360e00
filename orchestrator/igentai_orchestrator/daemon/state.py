"""Everything the daemon keeps, in one place for the rooms that work on it."""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

from igentai import logs
from igentai_orchestrator.core.agenda import Agenda
from igentai_orchestrator.core.arrangement import Arrangement, ProviderTerms
from igentai_orchestrator.core.desk import Desk
from igentai_orchestrator.core.phase import Phase
from igentai_orchestrator.daemon.terms import price_table, provider_terms
from igentai_orchestrator.shell.archive import Archive

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from igentai.prices import PriceTable
    from igentai_orchestrator.core.topic import TopicSpec
    from igentai_orchestrator.settings import Settings
    from igentai_orchestrator.shell.archive import OpenedTopic


@dataclass(frozen=True, slots=True)
class Ended:
    """How a topic ended."""

    spec: TopicSpec
    status: str
    reason: str
    exit_code: int
    metrics: dict[str, Any]


@dataclass(slots=True)
class State:
    """`settings` and `terms` change at a reload. `spec` and `opened` are None while no topic is open; `latest` is the
    number of its last durable attribute, `document` its metrics.json as it was made last. `ended` are the topics that
    this daemon was done with. `until_done`: end when the agenda is empty (`explore`); otherwise stay.
    """

    settings: Settings
    until_done: bool
    log: FilteringBoundLogger
    prices: PriceTable
    terms: dict[str, ProviderTerms]
    desk: Desk
    archive: Archive
    agenda: Agenda = field(default_factory=Agenda)
    started_at: float = field(default_factory=time.monotonic)
    spec: TopicSpec | None = None
    opened: OpenedTopic | None = None
    latest: int = 0
    document: dict[str, Any] = field(default_factory=dict)
    ended: list[Ended] = field(default_factory=list)
    watchers: set[asyncio.Event] = field(default_factory=set)

    @classmethod
    def of(cls, settings: Settings, *, until_done: bool) -> State:
        """A daemon that has not started yet."""
        prices = price_table(settings)
        terms: dict[str, ProviderTerms] = {}
        arrangement = Arrangement(
            producers=settings.producers,
            providers=terms,
            share=settings.limit_share,
            optimization_interval_s=settings.optimization_interval,
            wait_when_out=not until_done,
            budget_per_hour=settings.budget_per_hour,
            bloom=settings.bloom,
        )
        desk = Desk(arrangement, prices, Random(secrets.randbits(64)))
        return cls(settings, until_done, logs.get(), prices, terms, desk, Archive(settings.outputs))

    @staticmethod
    def now() -> float:
        """The desk's clock, in seconds."""
        return time.monotonic()

    def know_providers(self, spec: TopicSpec) -> None:
        """Have the terms of every provider that a topic asks."""
        for model in spec.models:
            if model.provider not in self.terms:
                self.terms[model.provider] = provider_terms(self.settings, model.provider)

    def tell_watchers(self) -> None:
        """Something that people see has changed."""
        for changed in self.watchers:
            changed.set()

    @property
    def ending(self) -> bool:
        """Whether the topic asks nothing any more and waits for what is under way."""
        return self.desk.phase in (Phase.FINISHING, Phase.CLOSING)
