"""Order, whatever comes first."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from igentai.batch.collector import Collector

RUNS = 100_000


def test_no_order_violation_in_100_000_randomised_runs() -> None:
    """Each run: a random number of results with random delays, a random window; what comes out counts up from 0."""
    rng = Random(20261122)
    for run in range(RUNS):
        n, window = rng.randint(1, 12), rng.randint(1, 6)
        collector = Collector[int](window)
        started = 0
        flying: list[int] = []
        out: list[int] = []
        while len(out) < n:
            while started < n and collector.admits(started) and rng.random() < 0.7:
                flying.append(started)
                started += 1
            if flying and rng.random() < 0.8:
                landed = flying.pop(rng.randrange(len(flying)))
                collector.put(landed, landed + 1000)
            while (value := collector.take()) is not None:
                out.append(value)
            assert collector.waiting <= window
        assert out == list(range(1000, 1000 + n)), f"run {run}"


@given(st.permutations(range(20)))
def test_any_order_of_arrival_comes_out_in_order(arrivals: list[int]) -> None:
    collector, out = Collector[str](window=20), []
    for index in arrivals:
        collector.put(index, str(index))
        while (value := collector.take()) is not None:
            out.append(value)
    assert out == [str(index) for index in range(20)]
    assert collector.waiting == 0


def test_a_result_is_taken_in_once_and_only_within_the_window() -> None:
    collector = Collector[str](window=2, first=5)
    collector.put(5, "a")
    with pytest.raises(ValueError, match="second"):
        collector.put(5, "b")
    with pytest.raises(ValueError, match="window"):
        collector.put(7, "c")
    assert collector.take() == "a"
    with pytest.raises(ValueError, match="second"):
        collector.put(5, "late")
    assert collector.admits(7)
    assert not collector.admits(8)
