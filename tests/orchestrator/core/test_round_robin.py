"""Every model and partition in turn."""

from __future__ import annotations

from collections import Counter
from random import Random

from igentai_orchestrator.core.discovery import Outcome, Situation
from igentai_orchestrator.core.partitions import PartitionTree
from igentai_orchestrator.core.policies import build_policy
from igentai_orchestrator.core.topic import ModelChoice

KEYS = ("p:a", "p:b")
MODELS = [ModelChoice("p", "a"), ModelChoice("p", "b")]


def test_models_and_partitions_take_turns() -> None:
    tree = PartitionTree("categories", categories=("x1", "x2", "x3"), topic="t")
    policy = build_policy("round_robin", MODELS, tree)
    asked: Counter[str] = Counter()
    for i in range(1, 41):
        ask = policy.choose(Situation(0.0, set(KEYS), set(KEYS), {}), Random(0))
        assert ask is not None
        asked.update((ask.model, ask.partition))
        policy.learn(Outcome(i, ask.model, ask.partition, "list", True, [i], 1, 0.0, 1.0))
    assert asked["p:a"] == asked["p:b"] == 20
    assert [asked[n] for n in ("", "x1", "x2", "x3")] == [10, 10, 10, 10]


def test_requests_in_flight_count_as_turns() -> None:
    policy = build_policy("round_robin", MODELS, PartitionTree("none"))
    ask = policy.choose(Situation(0.0, set(KEYS), set(KEYS), {("p:a", ""): 1}), Random(0))
    assert ask is not None
    assert ask.model == "p:b"


def test_its_forecast_is_the_recent_yield() -> None:
    policy = build_policy("round_robin", MODELS, PartitionTree("none"))
    for i in range(1, 60):
        policy.learn(Outcome(i, KEYS[i % 2], "", "list", True, list(range(10)), 10 if i < 10 else 0, 0.0, 1.0))
    assert policy.forecast() < 0.5


def test_nothing_is_asked_when_nobody_is_available() -> None:
    policy = build_policy("round_robin", MODELS, PartitionTree("none"))
    assert policy.choose(Situation(0.0, set(), set(KEYS), {}), Random(0)) is None
