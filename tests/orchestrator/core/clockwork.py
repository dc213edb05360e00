"""A desk, producers and providers in simulated time: what was sent when, and what each provider said to it."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from igentai.errors import FailureKind
from igentai.messages import AnswerMetadata, Assign, AttributeBatch, LimitsSeen, RequestFailed
from igentai_orchestrator.core import facts, orders
from igentai_orchestrator.core.phase import Phase
from tests.orchestrator.core.floor import LEDGER, Floor

LEAST_TICK_S = 0.005  # as `clock.beat`
BEAT_S = 0.25


@dataclass
class Bucket:
    """A limit a minute as providers enforce it: refilled continuously, so much at once at most."""

    per_minute: float
    at_once: float
    level: float = field(init=False)
    at: float = 0.0

    def __post_init__(self) -> None:
        self.level = self.at_once

    def draw(self, now: float, amount: float) -> float:
        """0, and the amount is taken; or the seconds until it could be."""
        self.level = min(self.at_once, self.level + (now - self.at) * self.per_minute / 60)
        self.at = now
        if amount > self.level:
            return (amount - self.level) * 60 / self.per_minute
        self.level -= amount
        return 0.0


@dataclass(frozen=True)
class Said:
    """A provider's word: attributes, or how it failed; after how long, and what it used."""

    seconds: float
    items: Sequence[str] = ()
    fails: FailureKind | None = None
    retry_after_s: float | None = None
    tokens: tuple[int, int] = (100, 50)
    limits: LimitsSeen | None = None


@dataclass
class Call:
    """One request as the provider saw it."""

    sent: float
    assign: Assign
    said: Said
    ended: float = 0.0


class Clockwork:
    """Runs a floor whose producers make every assignment with `provider`, which is told (assign, time of arrival)."""

    def __init__(self, floor: Floor, provider: Callable[[Assign, float], Said], *, seed: int = 0) -> None:
        self.floor = floor
        self.provider = provider
        self.calls: list[Call] = []
        self.watch: Callable[[], None] = lambda: None
        self._rng = Random(seed)
        self._under_way: list[tuple[float, int, int, Call]] = []
        self._order = itertools.count()

    @property
    def under_way(self) -> int:
        return len(self._under_way)

    def begin(self, producers: int, free: int) -> None:
        for slot in range(producers):
            self.floor.join(slot=slot, free=free)
        self.take(self.floor.orders)

    def run(self, until: float) -> None:
        """Let time pass until `until`, or until the topic closes."""
        floor = self.floor
        while floor.now < until and floor.desk.phase is not Phase.CLOSING:
            wanted = floor.desk.deadline(floor.now)
            tick = floor.now + (BEAT_S if wanted is None else min(BEAT_S, max(LEAST_TICK_S, wanted)))
            if self._under_way and self._under_way[0][0] <= tick:
                at, _, link, call = heapq.heappop(self._under_way)
                floor.now = max(floor.now, at)
                self.take(self._end(link, call))
            else:
                floor.now = tick
                self.take(floor.happen(facts.Tick()))
            self.watch()

    def take(self, found: list[orders.Order]) -> None:
        """Do what was ordered: commit, and make the requests that were sent."""
        found = [*found, *self.floor.commit()]
        for link, assign in self.floor.assigned(found):
            now = self.floor.now
            said = self.provider(assign, now + self._rng.uniform(0.0, 0.02))
            call = Call(now, assign, said)
            self.calls.append(call)
            heapq.heappush(self._under_way, (now + said.seconds, next(self._order), link, call))

    def _end(self, link: int, call: Call) -> list[orders.Order]:
        floor, said, assign = self.floor, call.said, call.assign
        call.ended = floor.now
        run = floor.runs[link]
        fact: facts.Fact
        if said.fails is not None:
            kind, seq = said.fails, floor.seq(run)
            failure = RequestFailed(
                LEDGER, run, "p", seq, assign.assignment_id, kind, None, said.retry_after_s, "no", 0, said.limits
            )
            fact = facts.FailureArrived(link, failure)
        else:
            meta = AnswerMetadata("hash", len(said.items), 800, *said.tokens, 0, True, None, "stop", said.limits)
            number, seq = assign.assignment_id, floor.seq(run)
            batch = AttributeBatch(LEDGER, run, "p", seq, number, list(said.items), assign.provider, assign.model, meta)
            fact = facts.AnswerArrived(link, batch)
        return [*floor.happen(fact), *floor.happen(facts.ProducerReady(link, 1))]


def most_in_a_window(sent: Sequence[tuple[float, float]], window_s: float) -> float:
    """The largest sum of amounts in any window."""
    most = total = 0.0
    first = 0
    for at, amount in sent:
        total += amount
        while sent[first][0] <= at - window_s:
            total -= sent[first][1]
            first += 1
        most = max(most, total)
    return most
