"""The stop rule: not before 30 answers but on a drought, not in a lull, but in the end always."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from igentai_orchestrator.core.costs import Tariff
from igentai_orchestrator.core.discovery import Outcome
from igentai_orchestrator.core.saturation import Saturation

PRICES = {"p:a": 0.01}


def answer(number: int, fresh: int, usd: float = 0.01, *, ok: bool = True, purpose: str = "list") -> Outcome:
    return Outcome(number, "p:a", "", purpose, ok, range(fresh), fresh, usd, 1.0)  # type: ignore[arg-type]


def said(number: int, named: int, fresh: int = 0, *, model: str = "p:a", partition: str = "") -> Outcome:
    """An answer of `named` attributes where forty were asked for."""
    return Outcome(number, model, partition, "list", True, range(named), fresh, 0.01, 1.0, asked=40)


def told(rule: Saturation, *answers: Outcome) -> Saturation:
    for outcome in answers:
        rule.learn(outcome)
    return rule


def found_all() -> Saturation:
    """A hundred attributes in ten answers by two models."""
    rule = Saturation(Tariff("requests"))
    for number, fresh in enumerate([40, 20, 15, 8, 5, 4, 3, 2, 2, 1], 1):
        rule.learn(said(number, 40, fresh, model=f"p:{'ab'[number % 2]}"))
    return rule


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


def test_a_lull_ends_nothing_while_the_forecast_is_good() -> None:
    """3,000 a dollar at the start: x is 150. What came is just below it; the forecast decides."""
    rule = fed(Saturation(Tariff("cost", PRICES)), [30] * 60)
    told(rule, *(answer(100 + i, 14, usd=0.1) for i in range(60)))
    assert rule.reached(forecast=1.25 * 150) is not None
    assert rule.reached(forecast=1.35 * 150) is None
    poor = fed(Saturation(Tariff("cost", PRICES)), [30] * 60)
    told(poor, *(answer(100 + i, 8, usd=0.1) for i in range(60)))
    assert poor.reached(forecast=1.45 * 150) is not None
    assert poor.reached(forecast=1.55 * 150) is None


def test_ten_poor_answers_are_enough_where_no_more_is_promised_either() -> None:
    """Dear models are asked for what is left while what cheap ones gave is still among the last thirty."""
    rule = fed(Saturation(Tariff("cost", PRICES)), [30] * 50)  # 3,000 a dollar: x is 150
    told(rule, *(answer(100 + i, 6, usd=0.05) for i in range(9)))
    assert rule.reached(forecast=149.0) is None
    told(rule, answer(200, 6, usd=0.05))
    assert rule.reached(forecast=151.0) is None
    assert "the last 10 answers brought at most 120" in (rule.reached(forecast=149.0) or "")


def test_free_models_end_by_requests() -> None:
    rule = fed(Saturation(Tariff("cost", {"p:a": 0.0})), [10] * 30 + [0] * 20 + [1] + [0] * 9, usd=0.0)
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


def test_an_answer_with_room_to_spare_about_the_whole_topic_counts_twice() -> None:
    assert told(found_all(), *(said(20 + i, 12) for i in range(3))).reached(0.1) is None
    assert told(found_all(), *(said(20 + i, 12) for i in range(4))).reached(0.1) is not None


@pytest.mark.parametrize("outcome", [{"named": 21}, {"named": 12, "partition": "museums"}])
def test_a_long_answer_or_one_about_a_slice_counts_once(outcome: dict[str, Any]) -> None:
    assert told(found_all(), *(said(20 + i, **outcome) for i in range(7))).reached(0.1) is None
    assert told(found_all(), *(said(20 + i, **outcome) for i in range(8))).reached(0.1) is not None


def test_what_is_promised_counts_no_longer_once_every_model_said_it_has_no_more() -> None:
    one = told(found_all(), *(said(20 + i, 12, model="p:a") for i in range(5)))
    assert one.reached(5.0) is None
    both = told(found_all(), *(said(20 + i, 12, model=f"p:{'ab'[i % 2]}") for i in range(4)))
    assert both.reached(5.0) == "the last 4 answers brought nothing fresh"
    again = told(both, said(30, 12, fresh=1), *(said(31 + i, 40) for i in range(8)))
    assert again.reached(5.0) is None, "a fresh attribute takes back what was said"


def test_empty_answers_in_a_row_outweigh_what_is_promised() -> None:
    rule = told(found_all(), *(said(20 + i, 30) for i in range(11)))
    assert rule.reached(5.0) is None
    assert told(rule, said(40, 30)).reached(5.0) is not None


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 5), st.sampled_from("ab"), st.booleans()), max_size=29))
def test_before_thirty_answers_only_evidence_worth_eight_barren_ones_ends_it(
    answers: list[tuple[int, int, str, bool]],
) -> None:
    rule, evidence = Saturation(Tariff("requests")), 0
    for number, (named, fresh, model, whole) in enumerate(answers, 1):
        rule.learn(said(number, named, min(fresh, named), model=f"p:{model}", partition="" if whole else "slice"))
        evidence = 0 if min(fresh, named) else evidence + (2 if whole and named <= 20 else 1)
        assert rule.reached(0.0) is None or evidence >= 8


def test_models_are_heard_out_as_soon_as_their_last_words_could_settle_it() -> None:
    rule = told(found_all(), *(said(20 + i, 40) for i in range(3)))
    assert not rule.drying(5.0, coming=2, unheard=2)
    told(rule, said(30, 40))
    assert rule.drying(5.0, coming=0, unheard=2)
    assert not rule.drying(5.0, coming=0, unheard=1)
    assert rule.drying(0.1, coming=4, unheard=0), "what is on its way may settle it"


def test_a_lull_late_in_a_long_run_is_no_end() -> None:
    """Thirty answers of a cheap model are a moment of a run that spent a hundred times as much before."""
    lull = [answer(200 + i, 1, usd=0.001) for i in range(30)]
    dear = [answer(100 + i, 30, usd=0.1) for i in range(30)]
    assert told(Saturation(Tariff("cost", PRICES), share=0.5), *dear, *lull).reached(0.0) is None
    short = [answer(100 + i, 30, usd=0.001) for i in range(30)]
    assert told(Saturation(Tariff("cost", PRICES), share=0.5), *short, *lull).reached(0.0) is not None


def test_numbers_in_the_reason_are_written_as_people_write_them() -> None:
    reason = fed(Saturation(Tariff("cost", PRICES)), [40] * 30 + [1, 0] * 30, usd=0.001).reached(12.0)
    assert reason is not None
    assert "against 40,000 at the start" in reason
    assert "e+" not in reason
