"""The stop rule against the best stop in hindsight, on runs of the learned policy in an outside simulator.

Utility is attributes found divided by x, minus USD spent: x is how many attributes a dollar must bring.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from igentai_orchestrator.core.saturation import Saturation
from tests.benchmarks.simulated import ProductPolicy

SHARES: Final = (0.30, 0.10, 0.04)
SCENARIOS: Final = ("small", "medium", "excl")
BUDGETS: Final = 4.0
EVERY: Final = 1  # answers from one look at the rule to the next


class Stopping(ProductPolicy):
    """Notes where each rule would have stopped, and goes on."""

    def reset(self, state: Any) -> None:
        super().reset(state)
        self.rules = {share: Saturation(self.policy.tariff, share=share) for share in SHARES}
        self.stops: dict[float, int] = {}
        self.curve: list[tuple[float, float]] = []

    def update(self, action: Any, result: Any) -> None:
        outcome = self.outcome(action, result)
        self.policy.learn(outcome)
        for rule in self.rules.values():
            rule.learn(outcome)
        if action.kind != "list" or not result.ok:
            return
        self.curve.append((self.state.usd, float(self.state._s.n_true)))
        if len(self.curve) % EVERY:
            return
        forecast = self.policy.forecast()
        for share, rule in self.rules.items():
            if share not in self.stops and rule.reached(forecast) is not None:
                self.stops[share] = len(self.curve) - 1


def run(simulator: Any, scenario: str, seed: int) -> list[tuple[float, float, float]]:
    """(share, utility against the best stop, spend against it) for each rule."""
    policy = Stopping()
    world = simulator.World(simulator.SCENARIOS[scenario], seed)
    simulator.run_world(world, lambda: policy, "usd", budget_mult=BUDGETS)
    usd, found = np.array(policy.curve).T
    initial = found[29] / usd[29]
    rows = []
    for share in SHARES:
        utility = found / (share * initial) - usd
        best = int(utility.argmax())
        stop = policy.stops.get(share, len(usd) - 1)
        rows.append((share, float(utility[stop] / utility[best]), float(usd[stop] / usd[best])))
    return rows


def table(simulator: Any, seeds: int) -> bool:
    """Prints the table; whether the rule keeps 95 % on average and 85 % at worst."""
    rows = [r for s in SCENARIOS for seed in range(1, seeds // 2 + 1) for r in run(simulator, s, seed)]
    print(f"\nstop rule, utility in % of the best stop in hindsight ({', '.join(SCENARIOS)}; {seeds // 2} seeds each)")
    print(f"{'x, share of the first yield':<30}{'mean':>8}{'worst':>8}{'spend':>8}")
    kept = True
    for share in SHARES:
        utility = np.array([u for s, u, _ in rows if s == share])
        spend = np.array([c for s, _, c in rows if s == share])
        print(f"{share:<30}{100 * utility.mean():>8.1f}{100 * utility.min():>8.1f}{spend.mean():>7.2f}x", flush=True)
        kept &= bool(utility.mean() >= 0.95 and utility.min() >= 0.85)
    return kept
