"""Errors of what is said about what is left, against the truth of an outside simulator.

The truth is what any model of the world knows. Runs of the learned policy, and of equal shares on the whole topic.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from igentai_orchestrator.core.coverage import Coverage
from tests.benchmarks.simulated import ProductPolicy

if TYPE_CHECKING:
    from igentai_orchestrator.core.forecasts import Settled

FOUND: Final = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
BUDGETS: Final = 4.0
RUNS: Final[tuple[tuple[str, str, dict[str, Any]], ...]] = (
    ("learned, medium", "medium", {}),
    ("learned, small", "small", {}),
    ("learned, hivemind", "hivemind", {}),
    ("learned, badcats", "badcats", {}),
    ("learned, medium, lists", "medium", {"excl_k": 120, "excl_mode": "auto"}),
    ("learned, n=60, lists", "medium", {"n": 60, "excl_k": 120, "excl_mode": "auto"}),
    ("learned, random worlds", "random", {}),
    ("whole topic, equal shares", "static", {}),
)


class Counting(ProductPolicy):
    """Counts sightings beside the policy and notes what is said at each share of the truth."""

    def reset(self, state: Any) -> None:
        super().reset(state)
        self.coverage = Coverage()
        self.truth = float(state._s.world.reach.sum())
        self.said: dict[float, dict[str, Any]] = {}

    def update(self, action: Any, result: Any) -> None:
        outcome = self.outcome(action, result)
        self.policy.learn(outcome)
        listed = getattr(action, "listed", None)
        excluded = [] if listed is None else [self._numbers[x] for x in listed.tolist() if x in self._numbers]
        self.coverage.learn(outcome, excluded)
        share = self.state._s.n_true / self.truth
        for mark in FOUND:
            if share >= mark and mark not in self.said:
                shown = self.coverage.snapshot()
                self.said[mark] = {k: shown[k] for k in ("estimated_total", "at_least", "low", "high")}


class Equal(Counting):
    """The whole topic, models by lot: what most people do by hand."""

    def choose(self, state: Any) -> Any:
        return self._action(int(state.rng.choice(np.flatnonzero(state.avail))), 0)


class Observed(NamedTuple):
    """What one run said: at each share found, and of every doubling that came to pass."""

    truth: float
    said: dict[float, dict[str, Any]]
    settled: tuple[Settled, ...]


def observe(simulator: Any, scenario: str, seed: int, how: dict[str, Any]) -> Observed:
    policy = Equal() if scenario == "static" else Counting()
    given = simulator.random_scenario(seed) if scenario == "random" else None
    world = simulator.World(given or simulator.SCENARIOS["medium" if scenario == "static" else scenario], seed)
    simulator.run_world(world, lambda: policy, "usd", budget_mult=BUDGETS, **how)
    return Observed(policy.truth, policy.said, policy.coverage.forecasts)


def _cell(values: list[float]) -> str:
    if not values:
        return f"{'–':>10}"
    errors = np.array(values)
    return f"{f'{100 * errors.mean():+.0f}/{100 * np.sqrt((errors**2).mean()):.0f}':>10}"


def table(simulator: Any, seeds: int) -> bool:
    """Prints bias and RMSE in percent; whether the learned policy's total is within the bounds that were aimed at."""
    observed = {}
    for label, scenario, how in RUNS:
        observed[label] = [observe(simulator, scenario, seed, how) for seed in range(1, seeds + 1)]
        print(f"{label}: {seeds} runs", file=sys.stderr, flush=True)
    for figure in ("estimated_total", "at_least"):
        print(f"\n{figure}: bias/RMSE in % of the truth, by share found ({seeds} seeds)")
        print(f"{'':<28}" + "".join(f"{100 * f:>8.0f} %" for f in FOUND))
        for label, runs in observed.items():
            print(f"{label:<28}" + "".join(_cell(_errors(runs, f, figure)) for f in FOUND), flush=True)
    learned = [r for label, runs in observed.items() if label.startswith("learned") for r in runs]
    print(f"{'all learned':<28}" + "".join(_cell(_errors(learned, f, "estimated_total")) for f in FOUND))
    _intervals(observed)
    _forecasts(observed)
    half, late = (_rmse(_errors(learned, share, "estimated_total")) for share in (0.5, 0.8))
    return half <= 0.2 and late <= 0.1 and _covered(learned) >= 0.85


def _errors(runs: list[Observed], mark: float, figure: str) -> list[float]:
    said = [(r.said[mark][figure], r.truth) for r in runs if mark in r.said]
    return [value / truth - 1.0 for value, truth in said if value is not None]


def _rmse(errors: list[float]) -> float:
    return float(np.sqrt(np.mean(np.square(errors))))


def _covered(runs: list[Observed]) -> float:
    told = [(s["low"], r.truth, s["high"]) for r in runs for s in r.said.values() if s["low"] is not None]
    return float(np.mean([low <= truth <= high for low, truth, high in told])) if told else float("nan")


def _intervals(observed: dict[str, list[Observed]]) -> None:
    print("\nthe interval of the estimated total: given in % of looks, holds the truth in % of those")
    for label, runs in observed.items():
        said = [s for r in runs for s in r.said.values()]
        given = float(np.mean([s["low"] is not None for s in said]))
        print(f"{label:<28}{100 * given:>6.0f}{100 * _covered(runs):>8.0f}")


def _forecasts(observed: dict[str, list[Observed]]) -> None:
    print("\nforecast of the next doubling of the spend: bias/RMSE in % of what came, by answers so far")
    bounds = ((20, 80), (80, 320), (320, 1280))
    print(f"{'':<28}" + "".join(f"{f'{a}–{b}':>12}" for a, b in bounds))
    for label, runs in observed.items():
        errors: dict[tuple[int, int], list[float]] = defaultdict(list)
        for run in runs:
            for s in run.settled:
                for low, high in bounds:
                    if low <= s.answers < high:
                        errors[low, high].append((s.predicted - s.actual) / max(s.actual, 1.0))
        print(f"{label:<28}" + "".join(f"{_cell(errors[b]):>12}" for b in bounds), flush=True)
