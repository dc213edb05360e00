"""The learned policy: Thompson sampling of fresh attributes per unit of cost, over models × a growing partition tree.

An index is a Gamma sample around the expected share of fresh attributes (`expectations`), times attributes per answer,
over cost (`costs`). A partition that is about to be asked again is split first where its parts promise more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from igentai_orchestrator.core.calibration import InventionRates
from igentai_orchestrator.core.costs import CostModel, Tariff, filled
from igentai_orchestrator.core.discovery import Ask, Outcome, Situation
from igentai_orchestrator.core.exclusion import LIST_MAX
from igentai_orchestrator.core.expectations import Expectations
from igentai_orchestrator.core.hearing import Hearing
from igentai_orchestrator.core.named import distinct
from igentai_orchestrator.core.once import Once
from igentai_orchestrator.core.partitions import ROOT, PartitionTree
from igentai_orchestrator.core.patience import Patience
from igentai_orchestrator.core.shares import Shares
from igentai_orchestrator.core.splits import Splits
from igentai_orchestrator.core.verification import Verification

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence, Set
    from random import Random

    from igentai_orchestrator.core.discovery import Arm
    from igentai_orchestrator.core.good_turing import Floats
    from igentai_orchestrator.core.topic import ModelChoice, Optimise

PHI: Final = 4.0  # sharpness of the Thompson samples; 2 to 8 are within 1 point
PATIENCE: Final = 1.5  # how many times better a model must be to wait for it
ITEMS_PRIOR: Final = 30.0
MORE_CATEGORIES: Final = 15  # that an answer brings when some are known, about
EMPTY_PRICE: Final = 0.25  # of the mean cost, for a request where all answers are empty
EMPTY_PRICE_SMALL: Final = 2.0  # the same in a topic that fits an exclusion list: soon only requests are left to save
DEAREST: Final = 20.0  # times as dear as the cheapest: too dear to be asked only to get to know it
FEW_UNTRIED: Final = 3  # categories not asked about yet, below which more are asked for
NEXT_SHOWN: Final = 5


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
        self.seed = seed
        self.tariff = Tariff(optimise, expected_cost)
        self._costs = CostModel(self._models, expected_cost or {}, self.tariff, items)
        self._shares = Shares(models)
        self._splits = Splits(tree, self._models)
        self._hearing = Hearing()
        self._verification = Verification(self._models) if verify and len(models) > 1 else None
        self._expectations = Expectations(len(models), tree)
        self._inventions = InventionRates(self._models)
        self._taken = Once()
        self._patience = Patience()

    def choose(self, situation: Situation, rng: Random) -> Ask | None:
        """The arm with the best sample; None to wait for a model that is worth waiting for, at most 20 s."""
        self._expectations.grow()
        admitted = self._shares.admitted(situation) & self._row.keys()
        if not admitted:
            return None
        first = self._splits.first(situation, self._by_cost(admitted))
        if first is not None:
            return Ask(first, ROOT, "split")
        if self._verification is not None:
            due = self._verification.due(situation, self._by_cost(admitted))
            if due is not None:
                return due
        if self.tariff.optimise != "speed" and (found := self._introduction(situation, admitted)):
            return found
        if self.tariff.optimise != "speed" and self._splits.opening(situation.now):
            return None
        if situation.drying and (found := self._parting(situation, admitted)):
            return found
        return self._best(situation, rng, admitted)

    def _introduction(self, situation: Situation, admitted: Set[str]) -> Ask | None:
        """One answer about the whole topic from each model, before it is judged by what others left to it."""
        for model in self._by_cost(admitted & self._affordable()):
            flying = situation.in_flight.get((model, ROOT), 0) - self._splits.asking(model, situation.now)
            if flying <= 0 and not self._hearing.introduced(model):
                return Ask(model, ROOT, "list")
        return None

    def _parting(self, situation: Situation, admitted: Set[str]) -> Ask | None:
        """Little comes any more: what each model would still say of the whole topic, before that is believed."""
        unheard = admitted & self.unheard(situation.usable, situation.in_flight)
        return Ask(self._by_cost(unheard)[0], ROOT, "list") if unheard else None

    def unheard(self, usable: Set[str], in_flight: Mapping[Arm, int]) -> Set[str]:
        """Usable models that did not answer about the whole topic of late, and are not about to."""
        fixed = self._shares.fixed
        wanted = {m for m in self._affordable() & usable if fixed.get(m, 1.0) > 0.0}
        return self._hearing.unheard(wanted, in_flight)

    def _affordable(self) -> set[str]:
        """Models not so dear that one answer to get to know them costs what twenty of the cheapest do."""
        full = self._costs.per_answer() * self._costs.full_over_average
        return {m for m, row in self._row.items() if full[row] <= DEAREST * full.min()}

    def _best(self, situation: Situation, rng: Random, admitted: Set[str]) -> Ask | None:
        share, strength = self._expectations.rates(situation.in_flight, situation.kept_away)
        share = self._not_twice(share, situation.in_flight)
        draw = np.random.Generator(np.random.Philox(key=rng.getrandbits(128)))
        sample = draw.standard_gamma(np.maximum(share * strength * PHI, 1e-3)) / (strength * PHI)
        index = self._index(sample, *self._cost_now(situation))
        usable = np.array([m in situation.usable or m in admitted for m in self._models])
        ready = np.array([m in admitted for m in self._models])
        best = float(index[usable].max())
        index = np.where(ready[:, None], index, -1.0)
        row, column = divmod(int(index.argmax()), index.shape[1])
        better = best > float(index[row, column]) * PATIENCE
        early = self._expectations.awaits_first_slices(column, situation.in_flight)
        if self._waits(situation, better=better, early=early):
            return None
        node, forecast = self._expectations.nodes[column], float(share[row, column])
        if self._more_categories(situation, forecast * float(self._expectations.lengths[column])):
            return Ask(self._splits.begin(ROOT, situation.now, self._by_cost(admitted)), ROOT, "split")
        if self._expectations.worth_splitting(column, forecast) and self._splits.wanted(
            node, self._expectations.asked(node), situation.now, arms=share.size
        ):
            return Ask(self._splits.begin(node, situation.now, self._by_cost(admitted)), node, "split")
        return Ask(self._models[row], node, "list", forecast)

    def _waits(self, situation: Situation, *, better: bool, early: bool) -> bool:
        """Whether to ask nobody now: a `better` model is held back, or it is too `early` to know what slices bring."""
        better &= self.tariff.optimise == "cost" and not self._shares.fixed
        return self._patience.holds(situation.now, wanted=better or (early and self.tariff.optimise != "speed"))

    def _not_twice(self, share: Floats, in_flight: Mapping[Arm, int]) -> Floats:
        """Two answers of one arm at the same time are much alike: they are given the same list."""
        for (model, node), count in in_flight.items():
            row, column = self._row.get(model), self._expectations.column(node)
            if row is not None and column is not None:
                share[row, column] /= 1.0 + count
        return share

    def _more_categories(self, situation: Situation, promised: float) -> bool:
        """Whether further categories of the topic promise more than the best that is known."""
        few = self._expectations.untried(1, situation.in_flight) < FEW_UNTRIED
        return few and self._expectations.pays(1, promised, MORE_CATEGORIES) and self._splits.more(situation.now)

    def _cost_now(self, situation: Situation) -> tuple[Floats, float]:
        """Cost of an average answer by model, and what a request costs besides.

        Where requests are limited each of them has a price: its share of what is left, or, where money is not limited,
        the mean price of a request. So what is found within a limit costs no more than asking all models in turn.
        Answers that are nearly empty cost next to nothing in money: where most are, requests count as well, the more so
        in a topic that is small.
        """
        parallel = sum(situation.in_flight.values()) + 1
        cost = self._costs.per_answer(situation.usd_left, situation.seconds_left, parallel)
        left = situation.requests_left
        if self.tariff.optimise != "cost" or (left is None and situation.seconds_left is not None):
            return cost, 0.0
        if left is None:
            price = EMPTY_PRICE_SMALL if self._expectations.distinct <= LIST_MAX else EMPTY_PRICE
            return cost, price * (1.0 - self._costs.length) * float(cost.mean())
        if situation.usd_left is None:
            return cost, float(cost.mean())
        if situation.seconds_left is None:
            cost = cost / max(situation.usd_left, 1e-9)
        return cost, 1.0 / max(left, 1)

    def _index(self, share: Floats, cost: Floats, request: float = 0.0) -> Floats:
        """Worth of a request by arm: fresh and real attributes per unit of cost."""
        trusted = self._inventions.trusted(self._shares.shown())
        by_model = self._expectations.kept * self._costs.full * trusted
        length = self._expectations.lengths
        if self.tariff.optimise == "requests":
            price = cost[:, None]
        else:  # a short answer costs less, all but its prompt
            price = (cost * self._costs.full_over_average)[:, None] * filled(length)[None, :] + request
        by_partition = length * self._expectations.live()
        return np.asarray(self._inventions.worth(share) * by_model[:, None] * by_partition[None, :] / price)

    def _by_cost(self, models: Set[str]) -> list[str]:
        cost = self._costs.per_answer()
        return sorted(models, key=lambda m: (cost[self._row[m]], self._row[m]))

    def learn(self, outcome: Outcome) -> None:
        """Take in one outcome. Idempotent by assignment id; unknown models and partitions are ignored."""
        if outcome.model not in self._row or not self._taken.take(outcome.assignment_id):
            return
        self._expectations.grow()
        self._shares.learn(outcome)
        self._costs.learn(self._row[outcome.model], outcome, len(distinct(outcome.numbers)))
        if outcome.purpose == "list":
            self._hearing.introduce(outcome.model)
        if outcome.purpose == "split":
            self._splits.learn(outcome)
        elif outcome.purpose == "verify":
            self._learn_audit(outcome)
        elif outcome.ok and self._expectations.column(outcome.partition) is not None:
            self._learn_answer(outcome)

    def _learn_answer(self, outcome: Outcome) -> None:
        row = self._row[outcome.model]
        full = self._costs.full_of(row)
        learned = self._expectations.learn(row, outcome.partition, outcome.numbers, full, outcome.kept_away)
        self._hearing.learn(outcome.model, outcome.partition, learned.share)
        if self._verification is not None:
            self._verification.learn(outcome, learned.fresh, learned.share)
        self._learn_audit(outcome)
        self._splits.fall_back(self._expectations.distinct, self._hearing.fresh_share())

    def _learn_audit(self, outcome: Outcome) -> None:
        checked, real = outcome.audit
        row = self._row.get(outcome.subject or outcome.model)
        if checked <= 0 or row is None:
            return
        share = outcome.fresh / max(len(distinct(outcome.numbers)), 1)
        if self._verification is not None and outcome.purpose == "verify":
            share = self._verification.settle(outcome)
        self._inventions.learn(row, checked, real, share)

    def forecast(self) -> float:
        """Fresh attributes the best next request is expected to bring per USD (or second, or request)."""
        self._expectations.grow()
        share, _ = self._expectations.rates({}, hopeful=False)
        return float(self._index(share, self._costs.per_answer()).max())

    def shares(self) -> dict[str, float]:
        """Share of the last 200 requests by model."""
        return self._shares.shown()

    def set_weights(self, weights: Mapping[str, float | None]) -> None:
        """Fix shares of models; None gives one back to the policy."""
        self._shares.set(weights)

    def snapshot(self) -> dict[str, Any]:
        """What the page shows: by model and by partition, and the best next arms."""
        self._expectations.grow()
        share, _ = self._expectations.rates({})
        index = self._index(share, self._costs.per_answer())
        nodes = self._expectations.nodes
        return {
            "policy": "learned",
            "unit": self.tariff.unit,
            "forecast": float(index.max()),
            "models": {
                m: self._shown_model(i) | {"forecast": float(index[i].max())} for i, m in enumerate(self._models)
            },
            "partitions": {
                n: {
                    "answers": self._expectations.asked(n),
                    "fresh_share": float(share[:, c].max()),
                    "forecast": float(index[:, c].max()),
                }
                for c, n in enumerate(nodes)
            },
            "next": [
                {
                    "model": self._models[arm // len(nodes)],
                    "partition": nodes[arm % len(nodes)],
                    "fresh_share": float(share.flat[arm]),
                    "forecast": float(index.flat[arm]),
                }
                for arm in np.argsort(-index, axis=None)[:NEXT_SHOWN].tolist()
            ],
        }

    def _shown_model(self, row: int) -> dict[str, float | None]:
        return {
            "share": self._shares.shown()[self._models[row]],
            "cost_per_answer": float(self._costs.per_answer()[row]),
            "attributes_per_answer": float(self._costs.items[row]),
            "success": float(self._costs.ok[row]),
            "kept_to_forecast": float(self._expectations.kept[row]),
            "invented": float(self._inventions.rates[row]) if self._inventions.audited else None,
        }
