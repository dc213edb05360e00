"""The stop rule: not before 30 answers, not in a lull, but in the end always."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from igentai_orchestrator.core.costs import Tariff
from igentai_orchestrator.core.discovery import Outcome
from igentai_orchestrator.core.saturation import Saturation

PRICES = {"p:a": 0.01}


def answer(number: int, fresh: int, usd: float = 0.01, *, ok: bool = True, purpose: str = "list") -> Outcome:
    return Outcome(number, "p:a", "", purpose, ok, range(fresh), fresh, usd, 1.0)  # type: ignore[arg-type]


def fed(rule: Saturation, fresh: list[int], usd: float = 0.01) -> Saturation:
    for i, f in enumerate(fresh, 1):
        rule.learn(answer(i, f, usd))
    return rule


@given(st.lists(st.integers(0, 40), max_size=21), st.integers(1, 40), st.integers(0, 7), st.floats(0.0, 1e6))
def test_never_before_thirty_answers_while_anything_comes(
    fresh: list[int], latest: int, barren: int, forecast: float
) -> None:
    assert fed(Saturation(), [*fresh, latest, *[0] * barren]).reached(forecast) is None


def test_a_closed_topic_ends_early() -> None:
    """All of a hundred in thirteen answers, then eight with nothing."""
    found = [40, 20, 15, 8, 5, 4, 3, 2, 1, 1, 0, 0, 1]
    assert fed(Saturation(Tariff("requests")), [*found, *[0] * 7]).reached(0.1) is None
    assert fed(Saturation(Tariff("requests")), [*found, *[0] * 8]).reached(0.1) is not None
    assert fed(Saturation(Tariff("requests")), [*found, *[0] * 8]).reached(5.0) is None


@given(st.lists(st.integers(0, 40), max_size=100), st.floats(0.0, 1e9))
def test_forty_barren_answers_always_end_it(fresh: list[int], forecast: float) -> None:
    assert fed(Saturation(Tariff("cost", PRICES)), fresh + [0] * 40).reached(forecast) is not None


def test_both_what_came_and_what_is_promised_must_be_too_little() -> None:
    falling = [30] * 30 + [1] * 30
    rule = fed(Saturation(Tariff("cost", PRICES)), falling)
    assert rule.initial == pytest.approx(3000.0)
    assert rule.reached(forecast=100.0) is not None
    assert rule.reached(forecast=1000.0) is None
    rich = fed(Saturation(Tariff("cost", PRICES)), [30] * 30 + [10] * 30)
    assert rich.reached(forecast=0.0) is None


def test_free_models_end_by_requests() -> None:
    rule = fed(Saturation(Tariff("cost", {"p:a": 0.0})), [10] * 30 + [0] * 10 + [1] + [0] * 29, usd=0.0)
    reason = rule.reached(forecast=0.1)
    assert reason is not None
    assert "per request" in reason


def test_a_closed_topic_ends_before_its_finds_leave_the_window() -> None:
    rule = fed(Saturation(Tariff("requests")), [30, 25, 20, 10, 5, 3, 2, 1, 1, 1, 1] + [0] * 25)
    assert rule.reached(forecast=0.1) is not None


def test_failures_and_splits_cost_but_are_no_answers() -> None:
    rule = Saturation(Tariff("cost", PRICES))
    for i in range(1, 40):
        rule.learn(answer(i, 0, ok=False))
        rule.learn(answer(100 + i, 0, purpose="split"))
    assert rule.reached(0.0) is None
    dear, cheap = Saturation(Tariff("cost", PRICES)), Saturation(Tariff("cost", PRICES))
    for i in range(1, 31):
        dear.learn(answer(1000 + i, 0, ok=False))
        dear.learn(answer(i, 10))
        cheap.learn(answer(i, 10))
    assert dear.recent < cheap.recent


def test_the_same_outcome_twice_counts_once() -> None:
    rule = Saturation()
    for _ in range(60):
        rule.learn(answer(1, 0))
    assert rule.reached(0.0) is None
