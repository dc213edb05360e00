"""Open topics in the project's own worlds: what policies find for the same money, and how well the end is chosen.

    python -m tests.benchmarks.discovery open

Needs nothing but this project. The worlds are `open_world`, the oracle is `greedy`, a run is `race`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from igentai_orchestrator.core.learned import LearnedPolicy
from igentai_orchestrator.core.partitions import PartitionTree
from igentai_orchestrator.core.policies import build_policy
from igentai_orchestrator.core.saturation import Saturation
from tests.benchmarks.greedy import oracle
from tests.benchmarks.open_world import OpenWorld, Terrain
from tests.benchmarks.race import Race

if TYPE_CHECKING:
    from igentai_orchestrator.core.discovery import Outcome
    from igentai_orchestrator.core.topic import PolicyName

SMALL: Final = Terrain(size=1200, slices=12, requests=150)
MEDIUM: Final = Terrain()
TERRAINS: Final = {
    "small": SMALL,
    "medium": MEDIUM,
    "large": Terrain(size=20_000, slices=30, skew=1.1, requests=900),
    "no parts": Terrain(slices=60, parts=0),
    "alike": replace(MEDIUM, like=0.9),
    "flat": replace(MEDIUM, skew=0.6),
    "lists": replace(MEDIUM, lists=True),
    "one invents": replace(MEDIUM, invents=0.35),
}
GOAL: Final = 90.0  # % of the oracle
GOALS: Final = {"lists": 95.0, "one invents": 89.0}  # the oracle has no lists; what is checked is paid for
STOPPED: Final = (SMALL, MEDIUM)
STOP_BUDGETS: Final = 4
FIRST: Final = 30  # answers whose yield x is a share of
SHARE: Final = 0.05  # the one in use


def started(world: OpenWorld, policy: PolicyName, seed: int) -> Race:
    """A run of the learned policy as a topic has it, or of another on the whole topic."""
    tree = PartitionTree("auto" if policy == "learned" else "none", topic="an open topic")
    usd = {key: world.full_usd(row) for row, key in enumerate(world.keys)}
    verify = policy == "learned" and world.given.invents > 0.0
    chooses = build_policy(policy, world.models, tree, expected_cost=usd, seed=seed, verify=verify)
    return Race(world, chooses, tree, seed)


def table(seeds: int) -> bool:
    """Prints the tables; whether every mean reaches its goal."""
    print(f"\nopen topics, the project's own worlds: attributes found for the same money ({seeds} seeds)")
    print(f"{'':<14}{'learned, % of oracle':>22}{'worst':>8}{'goal':>6}{'equal shares':>14}{'×':>7}")
    reached = True
    for name, terrain in TERRAINS.items():
        rows = np.array([_once(terrain, seed) for seed in range(1, seeds + 1)])
        share, equal = 100.0 * rows[:, 0], 100.0 * rows[:, 1]
        goal = GOALS.get(name, GOAL)
        cells = f"{share.mean():>22.1f}{share.min():>8.1f}{goal:>6.0f}{equal.mean():>14.1f}"
        print(f"{name:<14}{cells}{(share / equal).mean():>7.2f}", flush=True)
        reached &= bool(share.mean() >= goal)
    return _ends(seeds) and reached


def _once(terrain: Terrain, seed: int) -> tuple[float, float]:
    """(found by the learned policy, found by equal shares of the whole topic), over what the oracle found."""
    world = OpenWorld(terrain, seed)
    best = oracle(world, world.budget, seed)[-1][1]
    found = [started(world, name, seed).go().curve[-1][1] for name in ("learned", "round_robin")]
    return found[0] / best, found[1] / best


def _ends(seeds: int) -> bool:
    """The stop rule: attributes found / x - USD, against the best moment to stop; runs of four budgets."""
    rows = np.array([_stopped(terrain, seed) for terrain in STOPPED for seed in range(1, seeds + 1)])
    utility, spend = 100.0 * rows[:, 0], rows[:, 1]
    print(f"\nstop rule at x = {SHARE}, utility in % of the best stop in hindsight (small, medium; {seeds} seeds each)")
    print(f"mean {utility.mean():.1f} (goal 95), worst {utility.min():.1f} (goal 85), spend {spend.mean():.2f} x")
    return bool(utility.mean() >= 95.0 and utility.min() >= 85.0)


def _stopped(terrain: Terrain, seed: int) -> tuple[float, float]:
    """(utility, spend), each over that of the best stop."""
    world = OpenWorld(replace(terrain, requests=STOP_BUDGETS * terrain.requests), seed)
    race = started(world, "learned", seed)
    assert isinstance(race.policy, LearnedPolicy)
    rule, policy = Saturation(race.policy.tariff, share=SHARE), race.policy
    stops: list[int] = []
    answers: list[int] = []

    def watch(outcome: Outcome) -> None:
        rule.learn(outcome)
        if outcome.ok and outcome.purpose == "list":
            answers.append(len(race.curve) - 1)
            if not stops and rule.reached(policy.forecast()) is not None:
                stops.append(len(race.curve) - 1)

    race.watch = watch
    usd, found = np.array(race.go().curve).T
    first = answers[FIRST - 1]
    utility = found / (SHARE * found[first] / usd[first]) - usd
    best, stop = int(utility.argmax()), stops[0] if stops else len(usd) - 1
    return float(utility[stop] / utility[best]), float(usd[stop] / usd[best])
