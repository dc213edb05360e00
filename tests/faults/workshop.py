"""A desk and the real clients of the providers in one process: real HTTP to doubles, and no waiting where none is due.

The desk's clock runs on while requests are under way and jumps to the next thing due while none is.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from random import Random
from typing import Any

from igentai.messages import ProviderAccess
from igentai.prices import PriceTable
from igentai.providers.base import ProviderSpec
from igentai_orchestrator.core import facts, orders
from igentai_orchestrator.core.arrangement import Arrangement, ProviderTerms
from igentai_orchestrator.core.desk import Desk
from igentai_orchestrator.core.phase import Phase
from igentai_orchestrator.core.records import AnswerRecord, AssignmentRecord
from igentai_orchestrator.core.topic import TopicSpec
from igentai_producer.work import Work
from tests.orchestrator.core.floor import LEDGER, Floor

LEAST_S = 0.005


class Silent:
    """A log that nobody reads."""

    def debug(self, event: str, **keys: object) -> None: ...
    def info(self, event: str, **keys: object) -> None: ...
    def warning(self, event: str, **keys: object) -> None: ...
    def error(self, event: str, **keys: object) -> None: ...


class Workshop:
    """Runs one topic to its end, or `asks` requests with all their tries. `connect` makes the client of a provider."""

    def __init__(
        self,
        spec: TopicSpec,
        specs: Mapping[str, ProviderSpec],
        connect: object,
        terms: Mapping[str, ProviderTerms] | None = None,
        *,
        timeout_s: float = 10.0,
        asks: int | None = None,
    ) -> None:
        told = {name: ProviderTerms(s.kind, s.base_url, s.stream, timeout_s=timeout_s) for name, s in specs.items()}
        self.floor = Floor()
        arrangement = Arrangement(producers=1, providers={**told, **(terms or {})}, wait_when_out=False)
        self.floor.desk = Desk(arrangement, PriceTable(), Random(0))
        self.spec = spec
        self.sent_at: list[float] = []  # by the desk's clock
        self._access = {name: ProviderAccess(s.kind, s.base_url, s.stream) for name, s in specs.items()}
        self._work = Work(specs, log=Silent(), connect=connect)  # type: ignore[arg-type]  # a function of the test
        self._tasks: set[asyncio.Task[None]] = set()
        self._asks = asks

    async def run(self, at_once: int = 1) -> None:
        """Work with one producer that makes `at_once` requests at a time until the topic closes."""
        floor = self.floor
        floor.open(self.spec)
        if self._asks is not None:
            self._choose_only(self._asks)
        self._link = floor.join(slot=0, free=at_once)
        self._take(floor.orders)
        while floor.desk.phase is not Phase.CLOSING and not self._done():
            wanted = floor.desk.deadline(floor.now)
            wait_s = max(LEAST_S, min(wanted if wanted is not None else 0.25, 60.0))
            if self._tasks:
                began = time.monotonic()
                await asyncio.wait(self._tasks, timeout=min(wait_s, 0.25), return_when=asyncio.FIRST_COMPLETED)
                floor.now += time.monotonic() - began
            else:
                floor.now += wait_s
            self._take(floor.happen(facts.Tick()))
        await self._work.close()

    def _choose_only(self, asks: int) -> None:
        """Let the policy choose so many requests and then no more: what is made after that is made again."""
        policy: Any = self.floor.desk.books.campaign.policy  # type: ignore[union-attr]  # the topic is open
        choose, left = policy.choose, iter(range(asks))
        policy.choose = lambda situation, rng: choose(situation, rng) if next(left, None) is not None else None

    def _done(self) -> bool:
        books = self.floor.desk.books
        busy = self._tasks or len(books.flights) or len(books.retries)
        return self._asks is not None and bool(self.sent_at) and not busy

    def _take(self, found: list[orders.Order]) -> None:
        for _, assign in self.floor.assigned([*found, *self.floor.commit()]):
            self.sent_at.append(self.floor.now)
            task = asyncio.get_running_loop().create_task(self._perform(assign))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _perform(self, assign: object) -> None:
        answer = await self._work.perform(assign, self._access)  # type: ignore[arg-type]  # an Assign
        floor, link = self.floor, self._link
        run = floor.runs[link]
        numbered = replace(answer, ledger=LEDGER, run_id=run, producer_id="p", seq=floor.seq(run))
        fact = facts.FailureArrived if hasattr(numbered, "kind") else facts.AnswerArrived
        self._take(floor.happen(fact(link, numbered)))  # type: ignore[arg-type]  # one goes with the other
        self._take(floor.happen(facts.ProducerReady(link, 1)))

    @property
    def attempts(self) -> list[int]:
        """Which try each request was, in order."""
        return [record.attempt for record in self.floor.ledger if isinstance(record, AssignmentRecord)]

    @property
    def statuses(self) -> list[str]:
        return [record.status for record in self.floor.ledger if isinstance(record, AnswerRecord)]

    @property
    def reason(self) -> str:
        [close] = self.floor.of(orders.CloseTopic)
        return close.reason
