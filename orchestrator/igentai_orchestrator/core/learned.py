"""The learned policy: Thompson sampling of fresh attributes per unit of cost, over models × a growing partition tree.

Per arm the expected share of fresh attributes is a leave-one-out Good-Turing rate shrunk to model × partition
(`good_turing`), aged for the requests in flight (`ageing`), and corrected by what earlier forecasts got wrong
(`calibration`). An index is a Gamma sample around it, times attributes per answer, over cost (`costs`). A partition
that is about to be asked again is split first where fresh partitions one level down have been worth more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from igentai_orchestrator.core.ageing import DEPTHS, Ageing, FreshYield
from igentai_orchestrator.core.calibration import Calibration, Guard, InventionRates, own_bin, partition_bin
from igentai_orchestrator.core.costs import CostModel, Tariff
from igentai_orchestrator.core.discovery import Ask, Outcome, Situation
from igentai_orchestrator.core.good_turing import Floats, NoveltyTable
from igentai_orchestrator.core.lengths import AnswerLengths
from igentai_orchestrator.core.partitions import ROOT, PartitionTree
from igentai_orchestrator.core.shares import Shares
from igentai_orchestrator.core.splits import Splits
from igentai_orchestrator.core.verification import Verification

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from random import Random

    from igentai_orchestrator.core.topic import ModelChoice, Optimise

PHI: Final = 4.0  # sharpness of the Thompson samples; 2 to 8 are within 1 point
PATIENCE: Final = 1.5
PATIENCE_S: Final = 20.0
ITEMS_PRIOR: Final = 30.0
INVENTOR: Final = 0.3
PROBE_SHARE: Final = 0.02
PROMPT_SHARE: Final = 0.2  # part of a request's cost that does not grow with its answer


class LearnedPolicy:
    """Spends where the next request is expected to find the most. A fold over outcomes: `choose` changes no estimate.

    Args:
        models: whom to ask; a weight is a share this policy works inside of.
        tree: the partitions, shared with the desk, which opens children before it hands over the outcome of a split.
        optimise: what a fresh attribute is paid in.
        expected_cost: USD of one request by model key, before anything was measured; 0 for free models.
        seed: kept for the interface; every choice draws from the `rng` it is given.
        verify: have a small share of fresh attributes judged by another model.
    """

    def __init__(
        self,
        models: Sequence[ModelChoice],
        tree: PartitionTree,
        *,
        optimise: Optimise = "cost",
        expected_cost: Mapping[str, float] | None = None,
        seed: int = 0,
        verify: bool = False,
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
        self._verification = Verification(self._models) if verify and len(models) > 1 else None
        self._table = NoveltyTable(len(models))
        self._column: dict[str, int] = {}
        self._node: list[str] = []
        self._depth: list[int] = []
        self._asked: list[float] = []
        self._before: list[float] = []
        self._lengths = AnswerLengths()
        self._fresh = FreshYield()
        self._ageing = Ageing()
        self._calibration = Calibration()
        self._guard = Guard(len(models))
        self._inventions = InventionRates(len(models))
        self._seen: set[int] = set()
        self._idle_since: float | None = None
        self._grow()

    # -- choosing --------------------------------------------------------------------------------------------------

    def choose(self, situation: Situation, rng: Random) -> Ask | None:
        """The arm with the best sample; None to wait for a model that is worth waiting for, at most 20 s."""
        self._grow()
        admitted = self._shares.admitted(situation)
        if not admitted:
            return None
        first = self._splits.first(situation, self._by_cost(admitted))
        if first is not None:
            return Ask(first, ROOT, "split")
        if self._verification is not None:
            due = self._verification.due(situation, self._by_cost(admitted))
            if due is not None:
                return due
        return self._best(situation, rng, admitted)

    def _best(self, situation: Situation, rng: Random, admitted: Any) -> Ask | None:
        share, strength = self._rates(self._flying(situation))
        draw = np.random.Generator(np.random.Philox(key=rng.getrandbits(128)))
        sample = draw.standard_gamma(np.maximum(share * strength * PHI, 1e-3)) / (strength * PHI)
        index = self._index(sample, situation)
        usable = np.array([m in situation.usable or m in admitted for m in self._models])
        ready = np.array([m in admitted for m in self._models])
        best = float(np.max(np.where(usable[:, None], index, -1.0)))
        index = np.where(ready[:, None], index, -1.0)
        row, column = divmod(int(index.argmax()), self._table.columns)
        if self._waits(situation, best, float(index[row, column])):
            return None
        node, model = self._node[column], self._models[row]
        forecast = float(share[row, column])
        depth = self._depth[column]
        worth = float(self._fresh.mean[min(depth + 1, DEPTHS - 1)]) > forecast
        if (
            worth
            and not self._lengths.short(column)
            and self._splits.wanted(node, self._asked[column], situation.now, arms=share.size)
        ):
            return Ask(self._splits.begin(node, situation.now, self._by_cost(admitted)), node, "split")
        return Ask(model, node, "list", forecast)

    def _waits(self, situation: Situation, best: float, found: float) -> bool:
        """Only money is worth idling for, and not for long: a model may be held back for minutes."""
        if self.tariff.optimise != "cost" or found * PATIENCE >= best or self._shares.fixed:
            self._idle_since = None
            return False
        if self._idle_since is None:
            self._idle_since = situation.now
        return situation.now - self._idle_since < PATIENCE_S

    def _rates(self, flying: Floats) -> tuple[Floats, Floats]:
        """(expected share of fresh attributes of the next answer, strength) by arm."""
        depth = np.array(self._depth)
        asked = np.array(self._asked)
        share, strength = self._table.law(self._fresh.hopeful[depth])
        at_least_one = np.maximum(asked, 1.0)
        aged = (at_least_one / (at_least_one + (asked >= 1.0) + flying)) ** self._ageing.exponent[depth]
        factors = self._calibration.factors[own_bin(self._table.answers), partition_bin(asked)[None, :]]
        return np.minimum(share * aged[None, :] * factors, 1.0), strength

    def _index(self, share: Floats, situation: Situation | None) -> Floats:
        """Worth of a request by arm: fresh and real attributes per unit of cost."""
        if situation is None:
            cost = self._costs.per_answer()
        else:
            parallel = sum(situation.in_flight.values()) + 1
            cost = self._costs.per_answer(situation.usd_left, situation.seconds_left, parallel)
        worth = self._inventions.worth(share) * (self._guard.factors * self._costs.items / cost)[:, None]
        length = self._lengths.factors
        if self.tariff.optimise != "requests":  # a short answer costs less, all but its prompt
            length = length / (PROMPT_SHARE + (1.0 - PROMPT_SHARE) * length)
        return np.where(self._live()[None, :], worth * length[None, :] * self._capped()[:, None], 0.0)

    def _capped(self) -> Floats:
        """A model that mostly invents keeps a fiftieth of the requests, to notice if it mends."""
        if not self._inventions.audited:
            return np.ones(len(self._models))
        shown = self._shares.shown()
        over = np.array([shown[m] > PROBE_SHARE for m in self._models])
        return np.where((self._inventions.rates > INVENTOR) & over, 1e-6, 1.0)

    def _live(self) -> Any:
        return np.array([self._tree.askable(n) for n in self._node])

    def _flying(self, situation: Situation) -> Floats:
        flying = np.zeros(self._table.columns)
        for (_, node), count in situation.in_flight.items():
            column = self._column.get(node)
            if column is not None:
                flying[column] += count
        return flying

    def _by_cost(self, models: Any) -> list[str]:
        cost = self._costs.per_answer()
        return sorted((m for m in models if m in self._row), key=lambda m: (cost[self._row[m]], self._row[m]))

    # -- learning --------------------------------------------------------------------------------------------------

    def learn(self, outcome: Outcome) -> None:
        """Take in one outcome. Idempotent by assignment id; unknown models and partitions are ignored."""
        if outcome.assignment_id in self._seen or outcome.model not in self._row:
            return
        self._seen.add(outcome.assignment_id)
        self._grow()
        row = self._row[outcome.model]
        self._shares.learn(outcome)
        self._costs.learn(row, outcome, len(set(outcome.numbers)))
        if outcome.purpose == "split":
            self._splits.learn(outcome)
            self._grow()
        elif outcome.purpose == "verify":
            self._learn_audit(outcome)
        elif outcome.ok and outcome.partition in self._column:
            self._learn_answer(row, self._column[outcome.partition], outcome)

    def _learn_answer(self, row: int, column: int, outcome: Outcome) -> None:
        depth = self._depth[column]
        own = int(own_bin(self._table.answers[row, column]))
        partition = int(partition_bin(np.asarray(self._asked[column])))
        raw, forecast = self._forecast_of(row, column, own, partition)
        fresh = self._table.record(row, column, outcome.numbers, empty=float(self._costs.items[row]))
        share = fresh / max(len(set(outcome.numbers)), 1)
        self._lengths.learn(column, len(set(outcome.numbers)), float(self._costs.items[row]))
        self._asked[column] += 1.0
        answers = int(self._asked[column])
        if answers == 1:
            self._fresh.learn(depth, share)
        self._ageing.learn(depth, answers, share, self._before[column])
        self._before[column] = share
        self._calibration.learn(own, partition, raw, share)
        self._guard.learn(row, forecast, share)
        if self._verification is not None:
            self._verification.learn(outcome, fresh, share)
        self._learn_audit(outcome)
        self._table.sweep(self._fresh.hopeful[np.array(self._depth)])

    def _forecast_of(self, row: int, column: int, own: int, partition: int) -> tuple[float, float]:
        """The forecast for one arm from what is known now, before and after calibration.

        Made again at learning, not carried over from the choice: so the state follows from the ledger alone.
        """
        depth = self._depth[column]
        asked = self._asked[column]
        raw = self._table.cell(row, column, float(self._fresh.hopeful[depth]))
        if asked >= 1.0:
            raw *= (asked / (asked + 1.0)) ** float(self._ageing.exponent[depth])
        return raw, min(raw * float(self._calibration.factors[own, partition]), 1.0)

    def _learn_audit(self, outcome: Outcome) -> None:
        checked, real = outcome.audit
        row = self._row.get(outcome.subject or outcome.model)
        if checked <= 0 or row is None:
            return
        share = outcome.fresh / max(len(set(outcome.numbers)), 1)
        if self._verification is not None and outcome.purpose == "verify":
            share = self._verification.settle(outcome)
        self._inventions.learn(row, checked, real, share)

    def _grow(self) -> None:
        """Give columns to partitions opened since."""
        if len(self._tree) == len(self._node):
            return
        for node in self._tree.nodes()[len(self._node) :]:
            self._column[node] = self._table.add_column()
            self._node.append(node)
            self._depth.append(min(self._tree[node].depth, DEPTHS - 1))
            self._asked.append(0.0)
            self._before.append(0.0)
            self._lengths.add_column()

    # -- telling ---------------------------------------------------------------------------------------------------

    def forecast(self) -> float:
        """Fresh attributes the best next request is expected to bring per USD (or second, or request)."""
        self._grow()
        share, _ = self._rates(np.zeros(self._table.columns))
        return float(self._index(share, None).max())

    def shares(self) -> dict[str, float]:
        """Share of the last 200 requests by model."""
        return self._shares.shown()

    def set_weights(self, weights: Mapping[str, float | None]) -> None:
        """Fix shares of models; None gives one back to the policy."""
        self._shares.set(weights)

    def snapshot(self) -> dict[str, Any]:
        """What the page shows: by model and by partition, and the best next arms."""
        self._grow()
        share, _ = self._rates(np.zeros(self._table.columns))
        index = self._index(share, None)
        cost = self._costs.per_answer()
        best = np.argsort(-index, axis=None)[:5]
        shown = self._shares.shown()
        return {
            "policy": "learned",
            "unit": self.tariff.unit,
            "forecast": float(index.max()),
            "models": {
                m: {
                    "share": shown[m],
                    "cost_per_answer": float(cost[i]),
                    "attributes_per_answer": float(self._costs.items[i]),
                    "success": float(self._costs.ok[i]),
                    "kept_to_forecast": float(self._guard.factors[i]),
                    "invented": float(self._inventions.rates[i]) if self._inventions.audited else None,
                    "forecast": float(index[i].max()),
                }
                for i, m in enumerate(self._models)
            },
            "partitions": {
                n: {
                    "answers": int(self._asked[c]),
                    "fresh_share": float(share[:, c].max()),
                    "forecast": float(index[:, c].max()),
                }
                for n, c in self._column.items()
            },
            "next": [
                {
                    "model": self._models[int(k) // self._table.columns],
                    "partition": self._node[int(k) % self._table.columns],
                    "fresh_share": float(share.flat[int(k)]),
                    "forecast": float(index.flat[int(k)]),
                }
                for k in best
            ],
        }
