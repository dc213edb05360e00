"""An oracle for open topics: always the arm with the most fresh attributes for the money, known from the truth.

It has every slice from the start, asks one request at a time and lists nothing. Greedy is not optimal: for rewards like
these it is at least 63 % of the best there is (Nemhauser, Wolsey, Fisher 1978), in practice nearly all of it.
"""

from __future__ import annotations

import heapq

import numpy as np
import numpy.typing as npt

from igentai_orchestrator.core.partitions import ROOT
from tests.benchmarks.open_world import Floats, Items, OpenWorld


def oracle(world: OpenWorld, usd: float, seed: int) -> list[tuple[float, int]]:
    """(USD, attributes found) after each request, until `usd` are spent."""
    rng = np.random.default_rng([seed, 32])
    unseen = np.ones(world.given.size, bool)
    arms = _arms(world)
    # An arm's worth only falls as more is found: one whose worth was just worked out and still leads is the best.
    heap = [(-_worth(arm, unseen), number, -1) for number, arm in enumerate(arms)]
    heapq.heapify(heap)
    curve, spent, request = [(0.0, 0)], 0.0, 0
    while spent < usd:
        _, number, at = heapq.heappop(heap)
        model, partition, *_ = arms[number]
        if at == request:
            named = [x for x in world.answer(model, partition, set(), rng) if x < len(unseen)]
            unseen[named] = False
            spent += world.usd(model, 0, len(named))
            request += 1
            curve.append((spent, int((~unseen).sum())))
        heapq.heappush(heap, (-_worth(arms[number], unseen), number, request))
    return curve


_Arm = tuple[int, str, Items, Floats, float]  # model, partition, what it may name, the chance of each, USD


def _arms(world: OpenWorld) -> list[_Arm]:
    slices = [ROOT, *world.slices, *(f"{s}/{part}" for s in world.slices for part in world.parts(s))]
    arms = []
    for model in range(len(world.keys)):
        for partition in slices:
            pool = world.pool(model, partition)
            if len(pool.items):
                chances = pool.chances(world.given.asked) * (1.0 - world.given.invents * (model == 0))
                usd = world.usd(model, 0, min(world.given.asked, len(pool.items)))
                arms.append((model, partition, pool.items, chances, usd))
    return arms


def _worth(arm: _Arm, unseen: npt.NDArray[np.bool_]) -> float:
    _, _, items, chances, usd = arm
    return float(chances[unseen[items]].sum()) / usd
