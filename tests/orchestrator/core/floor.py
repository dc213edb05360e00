"""A desk with everything around it played by the test: producers that answer as told, an archive that commits."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from random import Random
from typing import TypeVar

from igentai.errors import FailureKind
from igentai.messages import Ack, AnswerMetadata, Assign, AttributeBatch, RequestFailed, StartTopic
from igentai.prices import Price, PriceTable
from igentai_orchestrator.core import facts, orders
from igentai_orchestrator.core.arrangement import Arrangement, ProviderTerms
from igentai_orchestrator.core.desk import Desk
from igentai_orchestrator.core.records import Record
from igentai_orchestrator.core.topic import Limits, ModelChoice, TopicSpec

T = TypeVar("T")
LEDGER = "ledger-1"
PRICES = {"openai:cheap": Price(1.0, 2.0, 1.0), "anthropic:dear": Price(10.0, 20.0, 10.0)}


def spec(
    *, limits: Limits | None = None, models: Sequence[ModelChoice] | None = None, producers: int = 2, **more: object
) -> TopicSpec:
    chosen = tuple(models or (ModelChoice("openai", "cheap"), ModelChoice("anthropic", "dear")))
    settings: dict[str, object] = {"policy": "round_robin", "partition": "none", "request_size": 10} | more
    return TopicSpec(
        "things",
        "things",
        chosen,
        producers=producers,
        limits=limits or Limits(saturation=False),
        **settings,  # type: ignore[arg-type]  # fields by name
    )


class Floor:
    """Drives a desk by hand. Time only passes when told; commits happen when told."""

    def __init__(
        self, *, seed: int = 0, terms: ProviderTerms | None = None, wait_when_out: bool = True, **more: object
    ) -> None:
        both = terms or ProviderTerms("openai")
        arrangement = Arrangement(
            producers=2,
            providers={"openai": both, "anthropic": both},
            wait_when_out=wait_when_out,
            **more,  # type: ignore[arg-type]  # fields by name
        )
        self.desk = Desk(arrangement, PriceTable(PRICES), Random(seed))
        self.now = 100.0
        self.orders: list[orders.Order] = []
        self.ledger: list[Record] = []
        self._ticket = 0
        self._durable = 0
        self._links = itertools.count(1)
        self._seqs: dict[str, int] = {}
        self.runs: dict[int, str] = {}

    def happen(self, fact: facts.Fact) -> list[orders.Order]:
        found = self.desk.handle(fact, self.now)
        self.orders += found
        for order in found:
            if isinstance(order, orders.RecordThis):
                assert order.ticket == self._ticket + 1, "tickets grow by one"
                self._ticket = order.ticket
                self.ledger.append(order.record)
        return found

    def commit(self) -> list[orders.Order]:
        """Make durable what was recorded so far, and what that set off."""
        found: list[orders.Order] = []
        while self._durable < self._ticket:
            self._durable = self._ticket
            found += self.happen(facts.Committed(self._durable))
        return found

    def tick(self, seconds: float = 0.25) -> list[orders.Order]:
        self.now += seconds
        return self.happen(facts.Tick())

    def open(self, topic: TopicSpec, history: Iterable[Record] = (), elapsed_s: float = 0.0) -> list[orders.Order]:
        return self.happen(facts.TopicOpened(topic, LEDGER, "/spool", list(history), elapsed_s))

    def join(self, *, slot: int | None = None, free: int = 2, run_id: str | None = None) -> int:
        """A producer connects; for a slot it is spawned first. Returns its link."""
        link = next(self._links)
        pid = 1000 + link
        run = run_id or f"{link:032x}"
        if slot is not None:
            self.happen(facts.ProducerSpawned(slot, pid))
        self.happen(facts.ProducerJoined(link, slot, run, "here", pid, b"proof"))
        self.runs[link] = run
        if free:
            self.happen(facts.ProducerReady(link, free))
        return link

    def sent(self, kind: type[T], among: Iterable[orders.Order] | None = None) -> list[tuple[int, T]]:
        """(link, message) of every message of a kind that was sent."""
        found = self.orders if among is None else among
        return [(o.link, o.message) for o in found if isinstance(o, orders.Send) and isinstance(o.message, kind)]

    def assigned(self, among: Iterable[orders.Order] | None = None) -> list[tuple[int, Assign]]:
        return self.sent(Assign, among)

    def of(self, kind: type[T], among: Iterable[orders.Order] | None = None) -> list[T]:
        return [o for o in (self.orders if among is None else among) if isinstance(o, kind)]

    def seq(self, run: str) -> int:
        self._seqs[run] = self._seqs.get(run, 0) + 1
        return self._seqs[run]

    def batch(
        self,
        run: str,
        assign: Assign | int,
        items: Sequence[str],
        *,
        seq: int | None = None,
        tokens: tuple[int, int] = (100, 50),
    ) -> AttributeBatch:
        number = assign if isinstance(assign, int) else assign.assignment_id
        provider, model = ("openai", "cheap") if isinstance(assign, int) else (assign.provider, assign.model)
        meta = AnswerMetadata("hash", len(items), 800, *tokens, 0, True, None, "stop")
        return AttributeBatch(LEDGER, run, "p", seq or self.seq(run), number, list(items), provider, model, meta)

    def answer(self, link: int, assign: Assign, items: Sequence[str], *, ready: bool = True) -> list[orders.Order]:
        found = self.happen(facts.AnswerArrived(link, self.batch(self.runs[link], assign, items)))
        return found + (self.happen(facts.ProducerReady(link, 1)) if ready else [])

    def fail(
        self, link: int, assign: Assign, kind: FailureKind, *, retry_after_s: float | None = None, ready: bool = True
    ) -> list[orders.Order]:
        run = self.runs[link]
        failure = RequestFailed(LEDGER, run, "p", self.seq(run), assign.assignment_id, kind, None, retry_after_s, "no")
        found = self.happen(facts.FailureArrived(link, failure))
        return found + (self.happen(facts.ProducerReady(link, 1)) if ready else [])


def acks(floor: Floor, among: Iterable[orders.Order] | None = None) -> list[tuple[int, int]]:
    return [(link, ack.seq) for link, ack in floor.sent(Ack, among)]


def starts(floor: Floor, among: Iterable[orders.Order] | None = None) -> list[tuple[int, StartTopic]]:
    return floor.sent(StartTopic, among)


def running(limits: Limits | None = None, *, free: int = 2, **more: object) -> tuple[Floor, int]:
    """A desk at work on a topic, with one producer in slot 0."""
    floor = Floor()
    floor.open(spec(limits=limits, **more))  # type: ignore[arg-type]  # fields of a TopicSpec
    return floor, floor.join(slot=0, free=free)
