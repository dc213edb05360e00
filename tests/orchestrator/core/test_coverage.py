"""What is said about what is left."""

from __future__ import annotations

from random import Random
from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from igentai_orchestrator.core.coverage import Coverage
from igentai_orchestrator.core.discovery import Outcome
from igentai_orchestrator.core.estimators import frequencies, ichao1
from igentai_orchestrator.core.forecasts import DiscoveryCurve, ForecastRecord

Rows: TypeAlias = list[tuple[str, str, list[int]]]  # model, partition, numbers
MODELS, PARTITIONS = ("p:a", "p:b", "p:c"), ("", "x", "x/y")
rows = st.lists(
    st.tuples(st.sampled_from(MODELS), st.sampled_from(PARTITIONS), st.lists(st.integers(1, 40), max_size=20)),
    max_size=40,
)


def fed(coverage: Coverage, outcomes: Rows, usd: float = 0.01) -> Coverage:
    seen: set[int] = set()
    for i, (model, partition, numbers) in enumerate(outcomes, 1):
        fresh = len(set(numbers) - seen)
        seen |= set(numbers)
        coverage.learn(Outcome(i, model, partition, "list", True, numbers, fresh, usd, 1.0))
    return coverage


@given(rows)
def test_counts_equal_a_recount_of_the_log(outcomes: Rows) -> None:
    shown = fed(Coverage(), outcomes).snapshot()
    times = [sum(n in numbers for _, _, numbers in outcomes) for n in range(1, 41)]
    by = [{m for m, _, numbers in outcomes if n in numbers} for n in range(1, 41)]
    assert shown["found"] == sum(t > 0 for t in times)
    assert shown["support_2"] == sum(len(b) >= 2 for b in by)
    assert shown["at_least"] == round(shown["found"] + ichao1(frequencies(times)))
    assert sum(p["found"] for p in shown["partitions"].values()) == shown["found"]


@given(rows)
def test_what_is_shown_is_in_order(outcomes: Rows) -> None:
    shown = fed(Coverage(), outcomes).snapshot()
    for part in (shown, *shown["partitions"].values()):
        assert part["found"] <= part["at_least"]
        assert 0.0 <= part["good_turing"] <= 1.0
        if part["estimated_total"] is None:
            assert part["low"] is part["high"] is None
            assert part["confidence"] != "methods agree"
        else:
            assert part["found"] <= part["low"] <= part["estimated_total"] <= part["high"]
    assert shown["gain_next_double"] >= 0.0


def test_no_total_from_few_answers() -> None:
    shown = fed(Coverage(), [("p:a", "", [i, i + 1]) for i in range(1, 20)]).snapshot()
    assert shown["estimated_total"] is None
    assert "20 answers" in shown["confidence"]


def closed_topic(size: int = 100, answers: int = 40) -> Rows:
    rng = Random(1)
    return [(MODELS[i % 3], "", rng.sample(range(1, size + 1), 30)) for i in range(answers)]


def test_a_closed_topic_is_estimated_with_an_interval() -> None:
    shown = fed(Coverage(), closed_topic()).snapshot()
    assert shown["estimated_total"] == pytest.approx(100, rel=0.1)
    assert shown["low"] <= 100 <= shown["high"]


def test_no_total_where_models_invent() -> None:
    coverage = fed(Coverage(), closed_topic())
    coverage.learn(Outcome(900, "p:a", "", "verify", True, (), 0, 0.0, 1.0, audit=(20, 15), subject="p:b"))
    shown = coverage.snapshot()
    assert shown["estimated_total"] is None
    assert "invent" in shown["confidence"]


def test_few_answers_will_do_once_a_topic_has_dried_up() -> None:
    shown = fed(Coverage(), [("p:a", "", list(range(1, 31)))] * 9).snapshot()
    assert shown["estimated_total"] == 30


def test_fewer_still_where_they_had_room_to_spare() -> None:
    coverage = fed(Coverage(), [("p:a", "", list(range(1, 31)))] * 2)
    for number in range(10, 13):
        coverage.learn(Outcome(number, "p:a", "", "list", True, [1, 2], 0, 0.01, 1.0, asked=30))
    assert coverage.snapshot()["estimated_total"] is None, "the second answer brought nothing either: worth seven"
    coverage.learn(Outcome(13, "p:a", "", "list", True, [1, 2], 0, 0.01, 1.0, asked=30))
    assert coverage.snapshot()["estimated_total"] == 30


def test_an_attribute_kept_away_by_lists_does_not_look_rare() -> None:
    told, untold = Coverage(), Coverage()
    for i in range(1, 31):
        outcome = Outcome(i, "p:a", "", "list", True, [100 + i], 1, 0.01, 1.0)
        told.learn(outcome, listed=range(101, 100 + i))
        untold.learn(outcome)
    assert told.snapshot()["at_least"] < untold.snapshot()["at_least"]
    assert told.snapshot()["found"] == untold.snapshot()["found"]


def test_splits_failures_and_repeated_outcomes_are_no_sightings() -> None:
    coverage = fed(Coverage(), closed_topic())
    before = coverage.snapshot()
    coverage.learn(Outcome(1, "p:a", "", "list", True, [1, 2, 3], 0, 0.01, 1.0))
    coverage.learn(Outcome(901, "p:a", "", "split", True, (), 0, 0.0, 1.0))
    coverage.learn(Outcome(902, "p:a", "", "list", False, (), 0, 0.0, 1.0))
    after = coverage.snapshot()
    assert {k: after[k] for k in ("found", "at_least", "good_turing", "support_2")} == {
        k: before[k] for k in ("found", "at_least", "good_turing", "support_2")
    }


def test_heaps_law_is_continued() -> None:
    """found = 100 · spend^0.5: the next doubling brings 41 %."""
    curve = DiscoveryCurve()
    for i in range(1, 4001):
        curve.add(i / 10.0, 100.0 * (i / 10.0) ** 0.5)
    assert curve.gain(curve.spend) == pytest.approx(curve.found * (2**0.5 - 1), rel=0.02)
    assert curve.at(100.0) == pytest.approx(1000.0, rel=0.01)


def test_the_record_tells_how_forecasts_turned_out() -> None:
    curve, record = DiscoveryCurve(), ForecastRecord()
    for i in range(1, 401):
        curve.add(float(i), 100.0 * i**0.5 if i < 200 else 100.0 * 199**0.5)
        record.follow(curve, i)
    shown = record.snapshot()
    assert shown["count"] == len(record.settled) > 5
    assert shown["bias"] > 0.0
    last = record.settled[-1]
    assert last.predicted > last.actual
    assert record.settled[0].predicted == pytest.approx(record.settled[0].actual, rel=0.05)


def test_forecasts_are_per_request_where_nothing_costs_money() -> None:
    shown = fed(Coverage(), closed_topic(), usd=0.0).snapshot()
    assert shown["forecast_next_usd"] is None
    assert shown["forecast_next_request"] >= 0.0


def test_the_next_dollar_brings_no_more_than_there_can_be() -> None:
    """A dollar that is thousands of times the spend so far: the curve alone promises more than the topic holds."""
    coverage = fed(Coverage(), closed_topic(), usd=1e-6)
    shown = coverage.snapshot()
    assert shown["high"] is not None
    assert coverage._curve.gain(1.0) > shown["forecast_next_usd"]
    assert shown["forecast_next_usd"] == shown["high"] - shown["found"]
