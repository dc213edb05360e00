"""A policy on an open topic for a given sum of money, several requests on their way at once."""

from __future__ import annotations

import heapq
import math
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

import numpy as np

from igentai_orchestrator.core.discovery import Ask, Outcome, Situation
from igentai_orchestrator.core.exclusion import ExclusionLists

if TYPE_CHECKING:
    from collections.abc import Callable

    from igentai_orchestrator.core.partitions import PartitionTree
    from tests.benchmarks.open_world import OpenWorld
    from tests.benchmarks.world import Chooses

THETA = 0.15  # the chance to be repeated from which on an attribute is listed
IDLE_S = 1.0
RIGHT = 0.9  # share of the verdicts of a model that checks another
CHECKED = 5
LOOKED_BACK = 30


@dataclass
class Race:
    """One run; `curve` is (USD, real attributes found) after each outcome."""

    world: OpenWorld
    policy: Chooses
    tree: PartitionTree
    seed: int = 0
    watch: Callable[[Outcome], None] | None = None  # told of every outcome, after the policy
    curve: list[tuple[float, int]] = field(default_factory=lambda: [(0.0, 0)])
    spent: float = 0.0

    def __post_init__(self) -> None:
        self._rng, self._draw = Random(self.seed), np.random.default_rng([self.seed, 33])
        self._lists = ExclusionLists()
        self._items: list[int] = [-1]  # by number, as the ledger counts them
        self._numbers: dict[int, int] = {}
        self._fresh: dict[str, list[int]] = {}  # by model, what was fresh in its last answers
        self._real = 0
        self._now = 0.0
        self._flying: list[tuple[float, int, float, Ask, list[int]]] = []  # by when they land: number, seconds
        self._sent = 0

    def go(self) -> Race:
        while self.spent < self.world.budget:
            self._send()
            if not self._flying:
                self._now += IDLE_S  # the policy waits for something that takes no request
                continue
            self._now, number, seconds, ask, listed = heapq.heappop(self._flying)
            self._receive(self._perform(number, ask, listed)._replace(seconds=seconds))
        return self

    def _send(self) -> None:
        while len(self._flying) < self.world.given.parallel:
            ask = self.policy.choose(self._situation(), self._rng)
            if ask is None:
                return
            listed = self._lists.choose(ask.partition, theta=THETA) if self._lists_for(ask) else []
            self._sent += 1
            seconds = math.exp(self._rng.gauss(1.0, 0.4))
            heapq.heappush(self._flying, (self._now + seconds, self._sent, seconds, ask, listed))

    def _lists_for(self, ask: Ask) -> bool:
        return self.world.given.lists and ask.purpose == "list"

    def _situation(self) -> Situation:
        everyone = set(self.world.keys)
        counts = Counter((ask.model, ask.partition) for *_, ask, _ in self._flying)
        kept_away = self._lists.kept_away(self.world.given.asked, theta=THETA) if self.world.given.lists else {}
        return Situation(self._now, everyone, everyone, counts, kept_away=kept_away)

    def _receive(self, outcome: Outcome) -> None:
        self.spent += outcome.usd
        self.policy.learn(outcome)
        self.curve.append((self.spent, self._real))
        if self.watch is not None:
            self.watch(outcome)

    def _perform(self, number: int, ask: Ask, listed: list[int]) -> Outcome:
        """What comes of a request, but for how long it took."""
        world, model = self.world, self.world.keys.index(ask.model)
        if self._rng.random() < world.given.fails:
            return Outcome(number, ask.model, ask.partition, ask.purpose, False, (), 0, 0.0, 0.0, subject=ask.subject)
        if ask.purpose == "split":
            children = self.tree.open(ask.partition, world.labels(ask.partition, self._draw))
            usd = world.usd(model, 0, len(children) // 3)  # a label is shorter than an attribute
            return Outcome(number, ask.model, ask.partition, "split", True, (), 0, usd, 0.0, children=children)
        if ask.purpose == "verify":
            return self._judge(number, ask, model)
        named = world.answer(model, ask.partition, {self._items[n] for n in listed}, self._draw)
        known = len(self._numbers)
        numbers = [self._number(item) for item in named]
        fresh = [item for item, at in zip(named, numbers, strict=True) if at > known]
        self._fresh[ask.model] = (self._fresh.get(ask.model, []) + fresh)[-LOOKED_BACK:]
        kept_away = self._lists.record(ask.partition, numbers, listed, world.given.asked) if world.given.lists else 0.0
        return Outcome(
            number, ask.model, ask.partition, ask.purpose, True, numbers, len(self._numbers) - known,
            world.usd(model, len(listed), len(named)), 0.0, ask.forecast, asked=world.given.asked, kept_away=kept_away,
        )  # fmt: skip

    def _number(self, item: int) -> int:
        number = self._numbers.get(item)
        if number is None:
            number = self._numbers[item] = len(self._items)
            self._items.append(item)
            self._real += item < self.world.given.size
        return number

    def _judge(self, number: int, ask: Ask, model: int) -> Outcome:
        """Five of what the subject found of late are looked at; a verdict is wrong now and then."""
        of = self._fresh.get(ask.subject, [])
        judged = self._rng.sample(of, min(CHECKED, len(of)))
        real = sum((item < self.world.given.size) == (self._rng.random() < RIGHT) for item in judged)
        usd = self.world.usd(model, len(judged), 2)
        audit = len(judged), real
        return Outcome(
            number, ask.model, ask.partition, "verify", True, (), 0, usd, 0.0, audit=audit, subject=ask.subject
        )
