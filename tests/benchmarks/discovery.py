"""How well the learned policy spends and stops, and how good the estimates are; prints tables.

    python -m tests.benchmarks.discovery --simulator FILE [--seeds 20] [SECTION ...]

Sections: open closed decide main time both random producers stop estimates; all that can run if none is named.

`open`, `closed` and `decide` need no simulator: they use the project's own worlds. The others take an outside simulator
with worlds, an oracle and a plug-in interface (see `tests.benchmarks.simulated` and docs/discovery.md), which can also
load `tests.benchmarks.discovery:ProductPolicy` itself.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from igentai_orchestrator.core.discovery import Outcome, Situation
from igentai_orchestrator.core.learned import LearnedPolicy
from igentai_orchestrator.core.partitions import PartitionTree
from igentai_orchestrator.core.topic import ModelChoice
from tests.benchmarks import estimates, open_topics, stops
from tests.benchmarks.simulated import ProductPolicy
from tests.benchmarks.world import Assumptions, Run, World, choices, oracle_requests

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ProductPolicy", "main"]

# Final share of the oracle's finds that must be reached, in percent; measured figures are in docs/discovery.md.
GOALS: Final = {
    "small": 92, "tiny": 86, "medium": 93, "large": 93, "hivemind": 92, "drift": 91, "mute": 92, "badcats": 91,
    "excl": 92, "junky": 89, "product": 88,
}  # fmt: skip
GOALS_TIME: Final = {"medium": 92, "drift": 89, "excl": 91}
PRODUCERS: Final = (1, 4, 16, 64)
PRODUCERS_GOAL: Final = 97.0  # % of what one producer finds, sixteen of them
OWN: Final = ("open", "closed", "decide")  # need no simulator
SECTIONS: Final = (*OWN, "main", "time", "both", "random", "producers", "stop", "estimates")


def load(path: Path) -> Any:
    """The simulator as a module."""
    spec = importlib.util.spec_from_file_location("discovery_simulator", path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def against_oracle(simulator: Any, world: Any, objective: str) -> float:
    """Attributes found at the end of the budget, in percent of the oracle's."""
    ends = [
        simulator.run_world(world, policy, objective).curve_at(simulator.GRID)[-1]
        for policy in (simulator.Oracle, ProductPolicy)
    ]
    return 100.0 * float(ends[1]) / max(float(ends[0]), 1.0)


def scored(simulator: Any, seeds: int, objective: str, goals: dict[str, int]) -> bool:
    print(f"\n{objective}: found at the end of the budget, % of the oracle ({seeds} seeds)")
    print(f"{'scenario':<12}{'mean':>8}{'±95 %':>8}{'worst':>8}{'goal':>6}")
    reached = True
    for name, goal in goals.items():
        worlds = [simulator.World(simulator.SCENARIOS[name], seed) for seed in range(1, seeds + 1)]
        found = np.array([against_oracle(simulator, w, objective) for w in worlds])
        spread = 1.96 * found.std() / len(found) ** 0.5
        print(f"{name:<12}{found.mean():>8.1f}{spread:>8.1f}{found.min():>8.1f}{goal:>6}", flush=True)
        reached &= bool(found.mean() >= goal)
    return reached


def random_worlds(simulator: Any, seeds: int) -> bool:
    count = seeds * 3 // 2
    found = np.array(
        [
            against_oracle(simulator, simulator.World(simulator.random_scenario(s), s), "usd")
            for s in range(1, count + 1)
        ]
    )
    print(f"\n{count} random worlds: mean {found.mean():.1f} (goal 91), worst {found.min():.1f} (goal 78)")
    return bool(found.mean() >= 91.0 and found.min() >= 78.0)


def producers(simulator: Any, seeds: int) -> bool:
    """Found for the same money by more producers, each with one request on its way: answers come late to a choice."""
    count = max(3, seeds // 4)
    worlds = [simulator.World(simulator.SCENARIOS["medium"], seed) for seed in range(1, count + 1)]
    print(f"\nproducers: found for the same money, % of what one finds; times as fast (medium, {count} seeds)")
    alone: list[tuple[float, float]] = []
    reached = True
    for number in PRODUCERS:
        runs = [simulator.run_world(w, ProductPolicy, "usd", producers=number) for w in worlds]
        ends = [(float(run.curve_at(simulator.GRID)[-1]), float(run.t)) for run in runs]
        alone = alone or ends
        found = 100.0 * float(np.mean([e[0] / one[0] for e, one in zip(ends, alone, strict=True)]))
        quick = float(np.mean([one[1] / e[1] for e, one in zip(ends, alone, strict=True)]))
        print(f"{number:>4}{found:>8.1f}{quick:>8.1f}x", flush=True)
        reached &= number != 16 or found >= PRODUCERS_GOAL
    return reached


def closed(seeds: int) -> bool:
    """Topics of about 100 attributes: do they end by themselves, with everything?"""
    print(f"\nclosed topics of about 100 attributes ({seeds} seeds), ended by saturation")
    heads = (
        ("requests", 9),
        ("oracle", 8),
        ("×", 6),
        ("found %", 9),
        ("worst", 7),
        ("within 10 %", 13),
        ("inside", 8),
    )
    print(f"{'':<30}" + "".join(f"{text:>{width}}" for text, width in heads))
    reached = True
    for free in (True, False):
        for splits in (True, False):
            rows = np.array([_closed_once(seed, free=free, splits=splits) for seed in range(1, seeds + 1)])
            label = f"{'free' if free else 'paid'}, {'categories' if splits else 'no categories'}"
            requests, oracle, found, off, inside = rows.T
            close = abs(off) <= 0.10
            figures = (
                requests.mean(), oracle.mean(), (requests / oracle).mean(), 100 * found.mean(), 100 * found.min(),
                100 * close.mean(), 100 * inside.mean(),
            )  # fmt: skip
            cells = (f"{v:>{width}.1f}" for v, (_, width) in zip(figures, heads, strict=True))
            print(f"{label:<30}" + "".join(cells), flush=True)
            reached &= bool((requests / oracle).mean() <= 3.0 and found.mean() >= 0.98 and close.mean() >= 0.95)
    return reached


def _closed_once(seed: int, *, free: bool, splits: bool) -> tuple[float, float, float, float, float]:
    world = World(Assumptions(splits=splits), seed)
    if free:
        world.price = dict.fromkeys(world.models, 0.0)
    tree = PartitionTree("auto", topic="a closed topic")
    policy = LearnedPolicy(choices(world), tree, expected_cost=world.price)
    run = Run(world, policy, tree, policy.tariff, seed=seed).go()
    shown = run.coverage.snapshot()
    total = shown["estimated_total"] or 0
    inside = total and shown["low"] <= world.reachable <= shown["high"]
    oracle = oracle_requests(world, 0.98, seed, with_lists=False)
    found, off = run.found_after[-1] / world.reachable, total / world.reachable - 1.0
    return run.requests, oracle, found, off, float(inside)


def decide(models: int = 10, partitions: int = 300, rounds: int = 400) -> bool:
    """Time of one decision and of learning one answer."""
    keys = [f"p:m{i}" for i in range(models)]
    tree = PartitionTree("categories", categories=[f"part number {i} x" for i in range(partitions - 1)], topic="t")
    policy = LearnedPolicy(
        [ModelChoice("p", k.removeprefix("p:")) for k in keys],
        tree,
        expected_cost={k: 0.01 * (i + 1) for i, k in enumerate(keys)},
    )
    rng, nodes, number = Random(0), tree.nodes(), 0
    choosing, learning = [], []
    for i in range(rounds):
        situation = Situation(1000.0 * i, set(keys), set(keys), {(keys[i % models], nodes[i % partitions]): 1})
        start = time.perf_counter()
        policy.choose(situation, rng)
        choosing.append(time.perf_counter() - start)
        named = [rng.randrange(1, number + 30) for _ in range(20)] + list(range(number + 30, number + 40))
        number += 40
        outcome = Outcome(
            i, rng.choice(keys), rng.choice(nodes), "list", True, named, 20, 0.01, 1.0
        )  # fmt: skip
        start = time.perf_counter()
        policy.learn(outcome)
        learning.append(time.perf_counter() - start)
    choice, lesson = 1e3 * float(np.median(choosing)), 1e3 * float(np.median(learning))
    print(f"\n{models} models × {partitions} partitions: a decision {choice:.3f} ms (goal 1), learning {lesson:.3f} ms")
    return choice <= 1.0


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Scores the learned policy, its stops and its estimates.")
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=" ".join(SECTIONS))
    parser.add_argument("--simulator", type=Path, help="a Python file with worlds, an oracle and a plug-in interface")
    parser.add_argument("--seeds", type=int, default=20)
    given = parser.parse_args(arguments)
    wanted = given.sections or [s for s in SECTIONS if given.simulator or s in OWN]
    if not set(wanted) <= set(SECTIONS):
        parser.error(f"sections are {' '.join(SECTIONS)}")
    if given.simulator is None and not set(wanted) <= set(OWN):
        parser.error("these sections need --simulator FILE")
    simulator = load(given.simulator) if given.simulator else None
    runs: dict[str, Callable[[], bool]] = {
        "main": lambda: scored(simulator, given.seeds, "usd", GOALS),
        "time": lambda: scored(simulator, given.seeds, "time", GOALS_TIME),
        "both": lambda: scored(simulator, given.seeds, "both", {"medium": 92}),
        "random": lambda: random_worlds(simulator, given.seeds),
        "producers": lambda: producers(simulator, given.seeds),
        "stop": lambda: stops.table(simulator, given.seeds),
        "estimates": lambda: estimates.table(simulator, given.seeds),
        "open": lambda: open_topics.table(given.seeds),
        "closed": lambda: closed(given.seeds),
        "decide": decide,
    }
    missed = [section for section in wanted if not runs[section]()]
    print(f"\nbelow the goal: {', '.join(missed)}" if missed else "\nall goals reached")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
