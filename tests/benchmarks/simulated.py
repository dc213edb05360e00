"""The learned policy behind the plug-in interface of an outside simulator.

The simulator calls `reset(state)` once, `choose(state)` for every free producer and `update(action, result)` for every
finished request. `state` has `P` models, `nodes` (objects with `id`, `parent`, `depth`, `can_split`, or None), `avail`,
`inflight`, `n` (attributes asked for), `objective` ("usd", "time" or "both"), `rng`, `list_usd` and `usd`.
"""

from __future__ import annotations

import sys
from random import Random
from typing import Any

from igentai_orchestrator.core.discovery import Outcome, Situation
from igentai_orchestrator.core.learned import LearnedPolicy
from igentai_orchestrator.core.partitions import ROOT, PartitionTree
from igentai_orchestrator.core.topic import ModelChoice, Optimise


class ProductPolicy:
    """igentai's own policy, unchanged; only ids are translated."""

    name = "igentai"

    def reset(self, state: Any) -> None:
        self.state = state
        self._action = sys.modules[type(state).__module__].Action
        self._models = [ModelChoice("simulated", str(p)) for p in range(state.P)]
        tops = [v for v in state.nodes if v is not None and v.depth == 1 and v.kind == "cat"]
        self._tree = PartitionTree("categories", categories=[f"c{v.id}" for v in tops])
        self._ids = {0: ROOT} | {v.id: f"c{v.id}" for v in tops}
        for v in tops:
            if not v.can_split:
                self._tree.seal(self._ids[v.id])
        self._nodes = {name: number for number, name in self._ids.items()}
        self._rng = Random(int(state.rng.integers(2**62)))
        self._numbers: dict[int, int] = {}
        self._count = 0
        costs = {m.key: float(c) for m, c in zip(self._models, state.list_usd, strict=True)}
        optimise: Optimise = "speed" if state.objective == "time" else "cost"
        self.policy = LearnedPolicy(
            self._models, self._tree, optimise=optimise, expected_cost=costs, items=float(state.n)
        )

    def situation(self, state: Any) -> Situation:
        keys = [m.key for m in self._models]
        both = state.objective == "both"
        return Situation(
            now=state.t,
            available={k for k, ready in zip(keys, state.avail, strict=True) if ready},
            usable=set(keys),
            in_flight={(keys[p], self._ids[q]): c for (p, q), c in state.inflight.items()},
            usd_left=max(state.budget_usd - state.usd, 1e-3 * state.budget_usd) if both else None,
            seconds_left=max(state.horizon_s - state.t, 1e-3 * state.horizon_s) if both else None,
        )

    def choose(self, state: Any) -> Any:
        ask = self.policy.choose(self.situation(state), self._rng)
        if ask is None:
            return None
        row = next(i for i, m in enumerate(self._models) if m.key == ask.model)
        return self._action(row, self._nodes[ask.partition], ask.purpose)

    def outcome(self, action: Any, result: Any) -> Outcome:
        """The outcome in the project's words; opens the children a split revealed."""
        self._count += 1
        parent = self._ids[action.node]
        children = self._tree.open(parent, [f"c{c}" for c in result.children], at_least=1) if result.children else ()
        for number, child in zip(result.children, children, strict=True):
            self._ids[number], self._nodes[child] = child, number
            self._tree.seal(child)
        numbers = [self._numbers.setdefault(x, len(self._numbers) + 1) for x in result.items.tolist()]
        return Outcome(
            self._count, self._models[action.provider].key, parent, action.kind, result.ok, numbers,
            int(result.is_new.sum()), result.usd, result.seconds, 1.0, children, result.audit, asked=int(self.state.n),
        )  # fmt: skip

    def update(self, action: Any, result: Any) -> None:
        self.policy.learn(self.outcome(action, result))
