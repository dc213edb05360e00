"""The numbers of metrics.json, against sums made the slow way."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from igentai_orchestrator.core.overlap import MOST_MODELS, Overlap
from igentai_orchestrator.core.series import MOST_POINTS, Series
from igentai_orchestrator.core.statistics import MOST_KEYS, OTHERS, Answered, Failed, Statistics

KEYS = {
    "unique_attributes",
    "candidates",
    "duplicates",
    "requests",
    "tokens",
    "cost_usd",
    "unique_per_minute",
    "unique_per_dollar",
    "repeats_share",
    "elapsed_s",
    "windows",
    "providers",
    "producers",
    "partitions",
    "overlap",
    "series",
}
PROVIDER_KEYS = {
    "requests",
    "failed",
    "candidates",
    "unique_attributes",
    "cost_usd",
    "latency_ms",
    "latency_p95_ms",
    "unique_per_minute",
    "unique_per_dollar",
    "repeats_share",
    "success",
    "trend",
    "weight",
}
ANSWER = Answered(
    model="p:a",
    producer="1",
    partition="",
    first_number=1,
    fresh=10,
    repeats=(),
    candidates=10,
    tokens_in=100,
    tokens_out=200,
    cost_usd=0.01,
    latency_ms=900,
)
FAILURE = Failed("p:a", "1", "", "timeout")


def history(seed: int, count: int, models: int = 4) -> list[tuple[float, Answered | Failed]]:
    rng, now, number = Random(seed), 1_000.0, 1
    found: list[tuple[float, Answered | Failed]] = []
    for _ in range(count):
        now += rng.expovariate(0.2)
        where = (f"p:{rng.randrange(models)}", str(rng.randrange(3)), rng.choice(["", "a", "b"]))
        if rng.random() < 0.1:
            found.append((now, Failed(*where, rng.choice(["timeout", "server"]))))
            continue
        repeats = [rng.randrange(1, number) for _ in range(rng.randrange(6))] if number > 1 else []
        fresh = rng.randrange(6)
        answer = Answered(
            *where, number, fresh, repeats, fresh + len(repeats), 50, 70, rng.random() / 100, rng.randrange(9_000)
        )
        number += fresh
        found.append((now, answer))
    return found


def into(statistics: Statistics, events: list[tuple[float, Answered | Failed]]) -> None:
    for now, event in events:
        if isinstance(event, Answered):
            statistics.record(now, event)
        else:
            statistics.record_failure(now, event)


def folded(events: list[tuple[float, Answered | Failed]], started: float = 1_000.0) -> Statistics:
    statistics = Statistics(started)
    into(statistics, events)
    return statistics


def test_the_document_has_the_keys_that_readers_know() -> None:
    document = folded(history(1, 200)).snapshot(5_000.0)
    assert set(document) == KEYS
    assert set(document["requests"]) == {"ok", "failed"}
    assert set(document["tokens"]) == {"input", "output"}
    assert set(document["windows"]) == {"5m", "30m", "run"}
    assert set(document["overlap"]) == {"models", "matrix"}
    assert all(set(row) == PROVIDER_KEYS for row in document["providers"].values())
    assert {"id", "requests", "unique_attributes"} <= set(document["producers"][0])
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_a_run_without_anything_yet_has_a_document_too() -> None:
    document = Statistics(5.0).snapshot(5.0)
    assert set(document) == KEYS
    assert (document["unique_attributes"], document["unique_per_dollar"], document["repeats_share"]) == (0, None, None)
    assert json.dumps(document, allow_nan=False)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), count=st.integers(0, 150))
def test_sums_by_model_producer_and_partition(seed: int, count: int) -> None:
    events = history(seed, count)
    document = folded(events).snapshot(9_999.0)
    answers = [e for _, e in events if isinstance(e, Answered)]
    assert document["unique_attributes"] == sum(a.fresh for a in answers)
    assert document["duplicates"] == sum(len(a.repeats) for a in answers)
    assert document["requests"] == {"ok": len(answers), "failed": count - len(answers)}
    assert document["cost_usd"] == pytest.approx(sum(a.cost_usd for a in answers))
    for rows, name in (
        (document["providers"], "model"),
        ({row["id"]: row for row in document["producers"]}, "producer"),
        (document["partitions"], "partition"),
    ):
        for key, row in rows.items():
            own = [e for _, e in events if getattr(e, name) == key]
            answered = [e for e in own if isinstance(e, Answered)]
            assert row["requests"] == len(own)
            assert row["failed"] == len(own) - len(answered)
            assert row["unique_attributes"] == sum(a.fresh for a in answered)
            assert row["success"] == len(answered) / len(own)
            assert row["cost_usd"] == pytest.approx(sum(a.cost_usd for a in answered))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), count=st.integers(0, 150), wait=st.floats(0, 3_000))
def test_windows_hold_what_happened_in_them_to_a_slice(seed: int, count: int, wait: float) -> None:
    events = history(seed, count)
    now = max((at for at, _ in events), default=1_000.0) + wait
    windows = folded(events).snapshot(now)["windows"]
    for name, span in (("5m", 300.0), ("30m", 1_800.0)):
        covered = windows[name]["seconds"]
        assert min(span, now - 1_000.0) <= covered + 1e-6
        assert covered < span + 10.0
        inside = [e for at, e in events if at >= now - covered - 1e-6]
        assert windows[name]["requests"] == len(inside)
        fresh = sum(e.fresh for e in inside if isinstance(e, Answered))
        assert windows[name]["unique_attributes"] == fresh
        assert windows[name]["unique_per_minute"] == pytest.approx(fresh * 60 / covered if covered else 0.0)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), count=st.integers(0, 120))
def test_overlap_counts_every_attribute_once_a_pair(seed: int, count: int) -> None:
    events = history(seed, count)
    named: dict[str, set[int]] = defaultdict(set)
    for _, event in events:
        if isinstance(event, Answered):
            named[event.model] |= {*range(event.first_number, event.first_number + event.fresh), *event.repeats}
    statistics = folded(events)
    overlap = statistics.snapshot(9_999.0)["overlap"]
    assert overlap["matrix"] == [[len(named[a] & named[b]) for b in overlap["models"]] for a in overlap["models"]]
    assert set(overlap["models"]) == set(named)
    everything = set().union(*named.values())
    assert statistics.support_2 == sum(sum(n in own for own in named.values()) >= 2 for n in everything)


def test_overlap_counts_on_past_the_models_and_numbers_it_can_hold() -> None:
    overlap = Overlap()
    for model in range(MOST_MODELS + 3):
        overlap.record(f"m{model}", 1 + model, 1, [1] if model else [])
    overlap.record("m0", 500, 2, [400, 501])
    shared = overlap.shared()
    assert len(shared["models"]) == len(shared["matrix"]) == MOST_MODELS
    assert overlap.named_by("m63") == 2
    assert overlap.named_by("m65") == 0
    assert overlap.named_by("m0") == 1 + 2 + 1
    overlap.record("m1", 500, 2, [])
    assert overlap.named_by("m1") == 4
    assert overlap.support_2 == 3


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32), count=st.integers(1, 150), split=st.floats(0, 1), looks=st.booleans())
def test_rebuilt_from_its_history_it_is_the_same(seed: int, count: int, split: float, looks: bool) -> None:
    events = history(seed, count)
    live = folded(events[: int(split * count)])
    if looks:
        live.snapshot(1_000.0)
    into(live, events[int(split * count) :])
    assert live.snapshot(5_000.0) == folded(events).snapshot(5_000.0)


def test_windows_begin_anew_where_the_past_has_no_times() -> None:
    statistics = Statistics(0.0)
    for _ in range(50):
        statistics.record(3_600.0, ANSWER)
    statistics.restored(3_600.0)
    statistics.record(3_605.0, ANSWER._replace(first_number=501, fresh=2))
    document = statistics.snapshot(3_660.0)
    assert document["unique_attributes"] == 502
    assert document["windows"]["run"]["unique_attributes"] == 502
    for name in ("5m", "30m"):
        assert document["windows"][name]["unique_attributes"] == 2
        assert document["windows"][name]["seconds"] == 60.0
    assert statistics.recent(3_660.0, "p:a")[0].fresh == 2
    assert statistics.recent(3_660.0, "p:unknown")[0].requests == 0


def test_trend_and_weight_show_what_changed() -> None:
    statistics = Statistics(0.0)
    for minute in range(30):
        late = minute >= 25
        statistics.record(60.0 * minute, ANSWER._replace(first_number=1 + 10 * minute, fresh=1 if late else 10))
        if late:
            statistics.record(60.0 * minute, ANSWER._replace(model="p:b", first_number=301 + minute, fresh=3))
            statistics.record(60.0 * minute, ANSWER._replace(model="p:b", first_number=331 + minute, fresh=3))
    rows = statistics.snapshot(1_800.0)["providers"]
    assert rows["p:a"]["trend"] < -0.8
    assert rows["p:b"]["trend"] > 1.0
    assert (rows["p:a"]["weight"], rows["p:b"]["weight"]) == (pytest.approx(1 / 3), pytest.approx(2 / 3))


def test_latency_is_of_the_latest_256_answers() -> None:
    statistics = Statistics(0.0)
    for latency in [60_000] * 500 + list(range(1, 257)):
        statistics.record(1.0, ANSWER._replace(latency_ms=latency))
    row = statistics.snapshot(2.0)["providers"]["p:a"]
    assert (row["latency_ms"], row["latency_p95_ms"]) == (128, 244)


def test_failures_are_kept_by_kind() -> None:
    statistics = folded([(1_001.0, FAILURE), (1_002.0, replace(FAILURE, kind="server")), (1_003.0, FAILURE)])
    assert statistics.failures("p:a") == {"timeout": 2, "server": 1}
    assert statistics.failures("p:b") == {}
    assert statistics.totals.failed == 3


def test_too_many_keys_are_counted_together() -> None:
    statistics = Statistics(0.0)
    for n in range(MOST_KEYS + 50):
        statistics.record(1.0, ANSWER._replace(partition=str(n), first_number=1 + 10 * n))
    partitions: dict[str, Any] = statistics.snapshot(2.0)["partitions"]
    assert len(partitions) == MOST_KEYS + 1
    assert partitions[OTHERS]["requests"] == 50


@given(st.lists(st.floats(0, 20), max_size=3_000), st.integers(0, 3))
@settings(max_examples=20, deadline=None)
def test_the_curve_is_bounded_even_and_complete(steps: list[float], stretch: int) -> None:
    series, now, recorded = Series(), 0.0, []
    for n, step in enumerate(steps):
        now += step * 10**stretch
        point = (now, n, n, 0.0)
        recorded.append(list(point))
        series.record(point)
    shown = series.until((now + 1.0, len(steps), len(steps), 0.0))
    assert len(shown) <= MOST_POINTS
    assert shown[-1] == [now + 1.0, len(steps), len(steps), 0.0]
    assert all(point in recorded for point in shown[:-1])
    if recorded:
        assert shown[0] == recorded[0]


def test_a_long_steady_run_is_thinned_evenly() -> None:
    series = Series()
    for second in range(100_000):
        series.record((float(second), second, second, 0.0))
    times = [point[0] for point in series.until((100_000.0, 0, 0, 0.0))]
    gaps = {b - a for a, b in pairwise(times[:-1])}
    assert 300 <= len(times) <= MOST_POINTS
    assert max(gaps) <= 2 * min(gaps)
