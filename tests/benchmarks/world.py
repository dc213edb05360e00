"""A small world whose content is known: for measuring stops, estimates and exclusion lists against the truth.

A topic of `size` attributes in categories; models that know parts of it, name popular attributes first (Zipf with
noise), keep to exclusion lists most of the time, and answer with fewer where they know no more. Nothing here imitates
a particular model; figures measured in it hold for its assumptions.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from igentai_orchestrator.core.coverage import Coverage
from igentai_orchestrator.core.discovery import Ask, Outcome, Situation
from igentai_orchestrator.core.exclusion import ExclusionLists
from igentai_orchestrator.core.partitions import ROOT, PartitionTree
from igentai_orchestrator.core.pruning import Pruning
from igentai_orchestrator.core.saturation import Saturation
from igentai_orchestrator.core.topic import ModelChoice

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence, Set

    from igentai_orchestrator.core.costs import Tariff
    from igentai_orchestrator.core.discovery import Arm

Mask = npt.NDArray[np.bool_]
THETA = 0.05  # the chance to be repeated from which on an attribute is listed
PROMPT, LISTED, NAMED = 180, 6, 36  # tokens sent that a prompt, one attribute on its list, one of its answer cost


@dataclass(frozen=True, slots=True)
class Assumptions:
    """`price` is USD of a request with a full answer, by the second model; each is three times as dear as the one
    before. Models know `knows_least` to `knows_most` of the topic, the last one the most."""

    size: int = 100
    categories: int = 6
    models: int = 3
    asked_for: int = 40
    skew: float = 1.0
    noise: float = 0.7
    knows_least: float = 0.75
    knows_most: float = 0.97
    leak: float = 0.08
    compliance: float = 0.85
    listed_max: int = 120
    price: float = 0.01
    splits: bool = True
    parallel: int = 4


class World:
    """Content and models, drawn from a seed."""

    def __init__(self, assumptions: Assumptions, seed: int) -> None:
        self.given = assumptions
        draw = np.random.default_rng([seed, 20])
        a = assumptions
        rank = draw.permutation(a.size)
        self.category = draw.integers(0, a.categories, a.size)
        self.models = [f"simulated:m{i}" for i in range(a.models)]
        know = np.linspace(a.knows_least, a.knows_most, a.models)
        self.log_weight = [-a.skew * np.log(rank + 3.0) + a.noise * draw.normal(size=a.size) for _ in range(a.models)]
        self.known: list[Mask] = [draw.random(a.size) < know[i] for i in range(a.models)]
        self.price = {m: a.price * (3.0**i) / 3.0 for i, m in enumerate(self.models)}
        self.reachable = int(np.logical_or.reduce(self.known).sum())
        self.labels = [f"category {chr(65 + c)}" for c in range(a.categories)]

    def members(self, partition: str) -> Mask:
        """Attributes a partition is about; ranges of initials cut the topic at random."""
        if partition == ROOT:
            return np.ones(self.given.size, bool)
        label = partition.split("/")[0]
        if label in self.labels:
            return np.asarray(self.category == self.labels.index(label))
        return np.asarray(np.arange(self.given.size) % 11 == sum(map(ord, label)) % 11)

    def answer(self, model: int, partition: str, listed: Sequence[int], draw: np.random.Generator) -> list[int]:
        """One reply: attributes without repetition, popular ones first."""
        a = self.given
        heeded = np.array([x for x in listed if draw.random() < a.compliance], int)
        keys = self.log_weight[model] + draw.gumbel(size=a.size)
        keys[~self.known[model]] = -np.inf
        keys[heeded] = -np.inf
        inside = self.members(partition)
        leaked = 0 if partition == ROOT else int(draw.binomial(a.asked_for, a.leak))
        named = _top(np.where(inside, keys, -np.inf), a.asked_for - leaked)
        return named + _top(np.where(inside, -np.inf, keys), leaked)

    def expected_fresh(self, model: int, partition: str, unseen: Mask) -> float:
        """Fresh attributes one answer without a list is expected to bring (Poisson inclusion at the right total)."""
        inside = self.members(partition) & self.known[model]
        weight = np.exp(self.log_weight[model][inside])
        asked = min(self.given.asked_for, 0.999 * len(weight))
        low, high = 0.0, 1e9
        for _ in range(60):
            middle = (low * high) ** 0.5 if low > 0.0 else high / 2.0**20 if high > 1e3 else high / 2.0
            low, high = (middle, high) if float((1 - np.exp(-weight * middle)).sum()) < asked else (low, middle)
        return float(((1 - np.exp(-weight * high)) * unseen[inside]).sum())


def _top(keys: npt.NDArray[np.float64], count: int) -> list[int]:
    best = np.argsort(-keys)[: max(count, 0)]
    return [int(x) for x in best if np.isfinite(keys[x])]


class Chooses(Protocol):
    """As much of a policy as a run needs."""

    def choose(self, situation: Situation, rng: Random) -> Ask | None: ...

    def learn(self, outcome: Outcome) -> None: ...

    def forecast(self) -> float: ...

    def unheard(self, usable: Set[str], in_flight: Mapping[Arm, int]) -> Set[str]: ...


@dataclass
class Run:
    """A topic from start to its own end."""

    world: World
    policy: Chooses
    tree: PartitionTree
    tariff: Tariff
    seed: int = 0
    requests_max: int = 2000
    usd_max: float = math.inf
    coverage: Coverage = field(default_factory=Coverage)
    lists: ExclusionLists = field(default_factory=ExclusionLists)
    found_after: list[int] = field(default_factory=list)  # distinct attributes after each request
    spent: float = 0.0
    requests: int = 0
    reason: str | None = None

    def __post_init__(self) -> None:
        self._saturation = Saturation(self.tariff)
        self._numbers: dict[int, int] = {}
        self._texts: list[int] = [-1]
        self._flying: deque[tuple[Ask, list[int]]] = deque()

    def go(self) -> Run:
        """As the desk does: what is on its way is waited for where it may settle that the topic is done."""
        self._rng, self._draw = Random(self.seed), np.random.default_rng([self.seed, 21])
        self._pruning = Pruning(self.tree, len(self.world.models))
        while self.reason is None and self.requests < self.requests_max and self.spent < self.usd_max:
            self._send()
            if self._flying:
                self._receive(*self._flying.popleft())
        while self._flying:
            self._receive(*self._flying.popleft())
        return self

    def _send(self) -> None:
        while len(self._flying) < self.world.given.parallel:
            if self._done():
                return
            flying, forecast = self._situation().in_flight, self.policy.forecast()
            unheard = self.policy.unheard(set(self.world.models), flying)
            if self._flying and not unheard and self._saturation.reached(forecast, len(self._flying)):
                return
            situation = self._situation(drying=self._saturation.drying(forecast, len(self._flying), len(unheard)))
            ask = self.policy.choose(situation, self._rng)
            if ask is None:
                return
            listed = self.lists.choose(ask.partition, theta=THETA) if ask.purpose == "list" else []
            self.requests += 1
            self._flying.append((ask, listed))

    def _done(self) -> bool:
        reason = self._saturation.reached(self.policy.forecast())
        heard = self._saturation.barren or not self.policy.unheard(set(self.world.models), {})
        self.reason = reason if heard else None
        return self.reason is not None

    def _receive(self, ask: Ask, listed: list[int]) -> None:
        outcome = self._perform(ask, listed)
        self.policy.learn(outcome)
        if outcome.purpose == "list":
            self._pruning.learn(outcome.partition, outcome.model, outcome.fresh)
        self.coverage.learn(outcome, listed)
        self._saturation.learn(outcome)
        self.found_after.append(len(self._numbers))

    def _situation(self, *, drying: bool = False) -> Situation:
        counts = Counter((ask.model, ask.partition) for ask, _ in self._flying)
        everyone = set(self.world.models)
        kept_away = self.lists.kept_away(self.world.given.asked_for, theta=THETA)
        return Situation(float(len(self.found_after)), everyone, everyone, counts, kept_away=kept_away, drying=drying)

    def _perform(self, ask: Ask, listed: list[int]) -> Outcome:
        number, world = len(self.found_after) + 1, self.world
        if ask.purpose == "split":
            labels = world.labels if ask.partition == ROOT and world.given.splits else []
            children = self.tree.open(ask.partition, labels)
            usd = self._pay(ask.model, 0, 0)
            return Outcome(number, ask.model, ask.partition, "split", True, (), 0, usd, 1.0, children=children)
        known, named = len(self._numbers), []
        told = [self._texts[i] for i in listed]
        for item in world.answer(world.models.index(ask.model), ask.partition, told, self._draw):
            if item not in self._numbers:
                self._numbers[item] = len(self._texts)
                self._texts.append(item)
            named.append(self._numbers[item])
        asked = world.given.asked_for
        kept_away = self.lists.record(ask.partition, named, listed, asked)
        usd, fresh = self._pay(ask.model, len(listed), len(named)), len(self._numbers) - known
        return Outcome(
            number, ask.model, ask.partition, ask.purpose, True, named, fresh, usd, 2.0, ask.forecast, asked=asked,
            kept_away=kept_away,
        )  # fmt: skip

    def _pay(self, model: str, listed: int, named: int) -> float:
        tokens = PROMPT + LISTED * listed + NAMED * named
        usd = self.world.price[model] * tokens / (PROMPT + NAMED * self.world.given.asked_for)
        self.spent += usd
        return usd


def oracle_requests(world: World, share: float, seed: int, *, with_lists: bool, requests_max: int = 2000) -> int:
    """Requests until `share` of the reachable attributes are found, always asking the arm with the most expected fresh.

    Greedy on the truth, categories known from the start; with the same exclusion lists or without any.
    """
    draw = np.random.default_rng([seed, 22])
    unseen = np.ones(world.given.size, bool)
    lists = ExclusionLists()
    partitions = [ROOT, *world.labels]
    for request in range(1, requests_max + 1):
        arms = [(m, p) for m in range(len(world.models)) for p in partitions]
        model, partition = max(arms, key=lambda arm: world.expected_fresh(arm[0], arm[1], unseen))
        listed = lists.choose(partition, theta=0.05) if with_lists else []
        named = world.answer(model, partition, listed, draw)
        lists.record(partition, named, listed)
        unseen[named] = False
        if int((~unseen).sum()) >= share * world.reachable:
            return request
    return requests_max


def choices(world: World) -> list[ModelChoice]:
    return [ModelChoice("simulated", m.removeprefix("simulated:")) for m in world.models]
