"""Every model and every partition in turn: the baseline that learns nothing."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from igentai_orchestrator.core.costs import CostModel, Tariff
from igentai_orchestrator.core.discovery import Ask, Outcome, Situation
from igentai_orchestrator.core.named import distinct
from igentai_orchestrator.core.once import Once
from igentai_orchestrator.core.partitions import ROOT, PartitionTree
from igentai_orchestrator.core.shares import Shares
from igentai_orchestrator.core.splits import Splits

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence, Set
    from random import Random

    from igentai_orchestrator.core.discovery import Arm
    from igentai_orchestrator.core.topic import ModelChoice, Optimise

ITEMS_PRIOR = 30.0


class RoundRobinPolicy:
    """Rotates over the available models, and over the partitions; the whole topic is one of them.

    Takes the arguments of `LearnedPolicy`; a weight a person sets is kept to all the same.
    """

    name = "round_robin"

    def __init__(
        self,
        models: Sequence[ModelChoice],
        tree: PartitionTree,
        *,
        optimise: Optimise = "cost",
        expected_cost: Mapping[str, float] | None = None,
        seed: int = 0,
        verify: bool = False,  # noqa: ARG002 - one constructor for all policies; this one judges nobody
        items: float = ITEMS_PRIOR,
    ) -> None:
        self._models = [m.key for m in models]
        self._row = {m: i for i, m in enumerate(self._models)}
        self._tree = tree
        self.seed = seed
        self.tariff = Tariff(optimise, expected_cost)
        self._costs = CostModel(self._models, expected_cost or {}, self.tariff, items)
        self._shares = Shares(models)
        self._splits = Splits(tree, self._models)
        self._asked: Counter[str] = Counter()
        self._yield = [0.0, 0.0]
        self._known = 0
        self._taken = Once()

    def choose(self, situation: Situation, rng: Random) -> Ask | None:  # noqa: ARG002 - nothing here is drawn by lot
        """The model and the partition asked least so far, requests in flight included."""
        admitted = sorted(self._shares.admitted(situation) & self._row.keys(), key=self._row.__getitem__)
        if not admitted:
            return None
        first = self._splits.first(situation, admitted)
        if first is not None:
            return Ask(first, ROOT, "split")
        flying: Counter[str] = Counter()
        for (model, partition), count in situation.in_flight.items():
            flying["m:" + model] += count
            flying["p:" + partition] += count
        model = min(admitted, key=lambda m: self._asked["m:" + m] + flying["m:" + m])
        nodes = [n for n in self._tree.nodes() if self._tree.askable(n)]
        node = min(nodes, key=lambda n: self._asked["p:" + n] + flying["p:" + n])
        return Ask(model, node, "list", self._share())

    def learn(self, outcome: Outcome) -> None:
        """Take in one outcome. Idempotent by assignment id."""
        if outcome.model not in self._row or not self._taken.take(outcome.assignment_id):
            return
        self._shares.learn(outcome)
        self._costs.learn(self._row[outcome.model], outcome, len(distinct(outcome.numbers)))
        if outcome.purpose == "split":
            self._splits.learn(outcome)
            return
        self._asked["m:" + outcome.model] += 1
        self._asked["p:" + outcome.partition] += 1
        if outcome.ok and outcome.purpose != "verify":
            self._known += outcome.fresh
            self._splits.fall_back(self._known, outcome.fresh / max(len(distinct(outcome.numbers)), 1))
            self._yield = [0.9 * self._yield[0] + outcome.fresh, 0.9 * self._yield[1] + len(distinct(outcome.numbers))]

    def _share(self) -> float:
        """Share of fresh attributes in about the last ten answers."""
        return min((self._yield[0] + 1.0) / (self._yield[1] + 1.0), 1.0)

    def forecast(self) -> float:
        """Fresh attributes the next request is expected to bring per USD, second or request, if nothing changes."""
        shown = self._shares.shown()
        cost = self._costs.per_answer()
        spent = sum(shown[m] * float(cost[i]) for m, i in self._row.items())
        items = sum(shown[m] * float(self._costs.items[i]) for m, i in self._row.items())
        return self._share() * items / max(spent, 1e-12)

    def unheard(self, usable: Set[str], in_flight: Mapping[Arm, int]) -> Set[str]:  # noqa: ARG002 - one face for all
        """None: every model has its turn anyway."""
        return frozenset()

    def shares(self) -> dict[str, float]:
        """Share of the last 200 requests by model."""
        return self._shares.shown()

    def set_weights(self, weights: Mapping[str, float | None]) -> None:
        """Fix shares of models; None gives one back to the rotation."""
        self._shares.set(weights)

    def snapshot(self) -> dict[str, Any]:
        """What the page shows."""
        shown = self._shares.shown()
        return {
            "policy": self.name,
            "unit": self.tariff.unit,
            "forecast": self.forecast(),
            "models": {m: {"share": shown[m]} for m in self._models},
            "partitions": {n: {"answers": self._asked["p:" + n]} for n in self._tree.nodes()},
            "next": [],
        }
