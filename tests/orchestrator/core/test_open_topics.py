"""Open topics in worlds whose content is known: the learned policy against an oracle, and against equal shares."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from igentai_orchestrator.core.discovery import Outcome
from igentai_orchestrator.core.learned import LearnedPolicy
from igentai_orchestrator.core.partitions import ROOT
from tests.benchmarks.greedy import oracle
from tests.benchmarks.open_topics import started
from tests.benchmarks.open_world import OpenWorld, Terrain

SMALL = Terrain(size=1200, slices=12, requests=100)


@pytest.mark.parametrize("seed", [1, 2])
def test_it_finds_most_of_what_an_oracle_does_and_more_than_equal_shares(seed: int) -> None:
    world = OpenWorld(SMALL, seed)
    best = oracle(world, world.budget, seed)[-1][1]
    learned, equal = (started(world, name, seed).go().curve[-1][1] for name in ("learned", "round_robin"))
    assert 0.85 * best <= learned <= 1.02 * best
    assert learned >= 1.1 * equal


def test_spot_checks_keep_a_model_that_invents_from_looking_like_the_best() -> None:
    world = OpenWorld(replace(SMALL, invents=0.5), 3)
    checked, judged = started(world, "learned", 3), list[Outcome]()
    checked.watch = lambda outcome: judged.append(outcome) if outcome.purpose == "verify" else None
    honest = OpenWorld(SMALL, 3)
    with_all = started(honest, "learned", 3).go().curve[-1][1]
    assert checked.go().curve[-1][1] >= 0.85 * with_all  # without checks 62 % here
    assert judged
    assert isinstance(checked.policy, LearnedPolicy)
    assert checked.policy.snapshot()["models"]["simulated:m0"]["invented"] > 0.2


def test_the_same_seed_runs_the_same_race() -> None:
    curves = [started(OpenWorld(replace(SMALL, lists=True), 4), "learned", 4).go().curve for _ in range(2)]
    assert curves[0] == curves[1]


def test_the_chances_of_a_pool_add_up_to_an_answer_and_are_what_draws_show() -> None:
    pool, rng = OpenWorld(SMALL, 5).pool(1, ROOT), np.random.default_rng(6)
    chances = pool.chances(30)
    assert chances.sum() == pytest.approx(30.0, rel=1e-3)
    drawn = np.zeros(SMALL.size)
    for _ in range(400):
        drawn[pool.draw(30, rng)] += 1
    famous = np.argsort(-chances)[:20]
    assert drawn[pool.items[famous]].mean() / 400 == pytest.approx(chances[famous].mean(), abs=0.06)
