"""Random faults over whole runs of the pure parts: each prompt has one result, in order, and nothing is left open."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field
from random import Random

import pytest
from tests.shared.batch.made_up import fault, options, reply, route

from igentai.batch.collector import Collector
from igentai.batch.flight import Flight
from igentai.batch.options import Options, Rate
from igentai.batch.request import Query
from igentai.batch.result import Result
from igentai.batch.schedule import Schedule
from igentai.errors import FailureKind, ProviderError
from igentai.prices import Price
from igentai.providers.base import Reply

RUNS = 400
PROMPTS = 60
PRICES = {f"{name}:m": Price(1.0, 1.0) for name in ("made-up", "other")}
FAULTS = (
    (FailureKind.RATE_LIMITED, 429), (FailureKind.SERVER, 500), (FailureKind.TIMEOUT, None), (FailureKind.RESET, None),
    (FailureKind.GARBAGE, 200), (FailureKind.REFUSED, 400), (FailureKind.INTERNAL, None), (FailureKind.CANCELLED, None),
)  # fmt: skip
RARE = (FailureKind.KEY, FailureKind.MODEL, FailureKind.QUOTA)


@dataclass
class Run:
    """A batch under random faults in a time of its own. What must hold at every moment is checked as it goes."""

    rng: Random
    plan: Schedule
    options: Options
    now: float = 0.0
    read: int = 0
    given: list[Result] = field(default_factory=list)
    flying: list[tuple[float, int, Flight]] = field(default_factory=list)
    not_before: dict[tuple[int, int], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.collector = Collector[Result](self.options.window)
        self.weights = [self.rng.choice((0.0, 0.02, 0.1, 0.4)) for _ in FAULTS]
        self.rare = self.rng.choice((0.0, 0.0, 0.01))

    def through(self) -> None:
        while len(self.given) < PROMPTS:
            self._step()
            while (result := self.collector.take()) is not None:
                self.given.append(result)

    def _step(self) -> None:
        self._send()
        if len(self.given) + self.collector.waiting == PROMPTS:
            return
        wait_s = self.plan.wait_s(self.now)
        lands = self.flying[0][0] if self.flying else math.inf
        assert min(wait_s, lands) < math.inf, "nothing flies, nothing is due, and not all have a result"
        if lands > self.now + wait_s:
            self.now += max(wait_s, 1e-9)
            return
        self.now = max(self.now, lands)
        self._land(heapq.heappop(self.flying)[2])

    def _send(self) -> None:
        plan = self.plan
        while True:
            while (flight := plan.next(self.now)) is not None:
                assert self.now >= self.not_before.get((flight.asking.index, flight.place), 0.0) - 1e-9
                heapq.heappush(self.flying, (self.now + self.rng.expovariate(5.0), flight.number, flight))
                assert len(self.flying) <= self.options.max_concurrency
            for result in plan.take_finals():
                self.collector.put(result.index, result)
            if plan.stopped is not None and plan.unresolved:
                self.flying.clear()
                for result in plan.stop(plan.stopped, self.now):
                    self.collector.put(result.index, result)
            if self.read == PROMPTS or not plan.wants or not self.collector.admits(self.read):
                return
            plan.admit(self.read, Query(f"p{self.read}"))
            self.read += 1

    def _land(self, flight: Flight) -> None:
        outcome = self._outcome()
        if isinstance(outcome, Reply):
            result: Result | None = self.plan.answered(flight, outcome, self.now)
        else:
            if outcome.retry_after_s is not None:
                key = (flight.asking.index, flight.place)
                self.not_before[key] = self.now + outcome.retry_after_s
            result = self.plan.failed(flight, outcome, self.now)
        if result is not None:
            self.collector.put(result.index, result)
        assert self.plan.budget.settled + self.plan.budget.reserved <= (self.options.budget_usd or math.inf)

    def _outcome(self) -> Reply | ProviderError:
        if self.rng.random() < self.rare:
            return fault(self.rng.choice(RARE), 401)
        for (kind, status), weight in zip(FAULTS, self.weights, strict=True):
            if self.rng.random() < weight:
                after = self.rng.choice((None, 0.5, 3.0)) if kind is FailureKind.RATE_LIMITED else None
                return fault(kind, status, after)
        return reply("cut", finish="cut") if self.rng.random() < 0.02 else reply()


def run(seed: int) -> Run:
    rng = Random(seed)
    said = options(
        max_concurrency=rng.choice((1, 2, 7, 30)),
        max_retries=rng.choice((0, 2, 5)),
        retry_delay=rng.choice((0.0, 0.5)),
        fail_fast=rng.random() < 0.1,
        budget_usd=rng.choice((None, None, 0.004, 1.0)),
        rate=rng.choice((Rate(), Rate(), Rate(per_minute=300), Rate(per_second=5))),
        burst=rng.choice((None, 3)),
        tokens_per_minute=rng.choice((None, None, 20_000)),
        max_tokens=200,
        prices=PRICES,
    )
    routes = [route()] if rng.random() < 0.6 else [route(), route(name="other", weight=2.0)]
    found = Run(rng, Schedule(routes, said, Random(seed + 1)), said)
    found.through()
    return found


@pytest.mark.parametrize("seeds", [range(first, RUNS, 4) for first in range(4)], ids=lambda seeds: f"from {seeds[0]}")
def test_every_prompt_has_one_result_in_order_and_nothing_stays_open(seeds: range) -> None:
    for seed in seeds:
        found = run(seed)
        assert [result.index for result in found.given] == list(range(PROMPTS)), f"seed {seed}"
        assert found.plan.unresolved == found.plan.running == 0, f"seed {seed}"
        assert found.plan.budget.reserved == 0, f"seed {seed}"
        for access in found.plan.accesses.values():
            assert access.limits.concurrency.in_flight == 0, f"seed {seed}"
