"""Fixed weights, and the shares all policies keep."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from igentai_orchestrator.core.discovery import Outcome, Situation
from igentai_orchestrator.core.partitions import PartitionTree
from igentai_orchestrator.core.policies import build_policy
from igentai_orchestrator.core.shares import Shares
from igentai_orchestrator.core.topic import ModelChoice

KEYS = ("p:a", "p:b", "p:c")


def run(weights: tuple[float | None, ...], steps: int = 200, available: set[str] | None = None) -> dict[str, float]:
    models = [ModelChoice("p", name, weight) for name, weight in zip("abc", weights, strict=True)]
    policy = build_policy("fixed", models, PartitionTree("none"))
    for i in range(1, steps + 1):
        ask = policy.choose(Situation(0.0, available or set(KEYS), set(KEYS), {}), Random(0))
        assert ask is not None
        policy.learn(Outcome(i, ask.model, "", "list", True, [i], 1, 0.0, 1.0))
    return policy.shares()


def test_shares_are_those_asked_for() -> None:
    assert run((0.5, 0.3, 0.2)) == pytest.approx({"p:a": 0.5, "p:b": 0.3, "p:c": 0.2}, abs=0.02)


def test_weights_are_relative_where_they_do_not_sum_to_one() -> None:
    assert run((2.0, 1.0, 1.0)) == pytest.approx({"p:a": 0.5, "p:b": 0.25, "p:c": 0.25}, abs=0.02)


def test_models_without_a_weight_share_the_rest() -> None:
    assert run((0.6, None, None)) == pytest.approx({"p:a": 0.6, "p:b": 0.2, "p:c": 0.2}, abs=0.02)


def test_what_one_cannot_take_goes_to_the_others() -> None:
    assert run((0.5, 0.3, 0.2), available={"p:b", "p:c"})["p:a"] == 0.0


def test_before_any_request_the_weights_are_shown() -> None:
    models = [ModelChoice("p", "a", 0.6), ModelChoice("p", "b"), ModelChoice("p", "c")]
    shown = build_policy("learned", models, PartitionTree("none")).shares()
    assert shown == pytest.approx({"p:a": 0.6, "p:b": 0.2, "p:c": 0.2})


@given(
    st.lists(st.one_of(st.none(), st.floats(0.0, 3.0)), min_size=3, max_size=3),
    st.sets(st.sampled_from(KEYS), min_size=1),
)
def test_someone_available_is_always_admitted_unless_all_are_set_to_nothing(
    weights: list[float | None], available: set[str]
) -> None:
    shares = Shares([ModelChoice("p", name, weight) for name, weight in zip("abc", weights, strict=True)])
    admitted = shares.admitted(Situation(0.0, available, set(KEYS), {}))
    assert admitted <= available
    fixed = shares.fixed
    open_to_free = any(m not in fixed for m in available) and sum(fixed.values()) < 1.0 - 1e-9
    if open_to_free or any(fixed.get(m, 0.0) > 0.0 for m in available):
        assert admitted
