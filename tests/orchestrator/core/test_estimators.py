"""Estimators: exact on worked examples, sane everywhere."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from igentai_orchestrator.core.estimators import (
    Frequencies,
    ace,
    chao1,
    chao1_interval,
    frequencies,
    gamma_poisson,
    ichao1,
    known_share,
    unseen,
)

counts = st.lists(st.integers(0, 40), max_size=200)


@given(counts)
def test_counting_one_by_one_is_counting_at_once(values: list[int]) -> None:
    one_by_one = Frequencies()
    for value in values:
        for times in range(1, value + 1):
            one_by_one.sighted(times)
    assert one_by_one == frequencies(values)


@given(counts)
def test_estimates_are_never_less_than_nothing(values: list[int]) -> None:
    q = frequencies(values)
    assert chao1(q) >= 0.0
    assert ichao1(q) >= chao1(q)
    assert gamma_poisson(q) >= 0.0
    assert ace(q) >= -1e-9
    assert 0.0 <= known_share(q) <= 1.0
    assert 0.0 <= unseen(q) < float("inf")
    low, high = chao1_interval(q)
    assert q.distinct <= low <= q.distinct + chao1(q) + 1e-9 <= high + 2e-9


def test_worked_example() -> None:
    """f1 = 4, f2 = 2, one attribute sighted five times."""
    q = frequencies([1, 1, 1, 1, 2, 2, 5])
    assert chao1(q) == pytest.approx(4 * 3 / (2 * 3))
    assert ichao1(q) == pytest.approx(chao1(q))
    assert ace(q) == pytest.approx(7 / (1 - 4 / 13) + 4 / (1 - 4 / 13) * max(7 / (9 / 13) * 24 / (13 * 12) - 1, 0) - 7)
    assert known_share(q) == pytest.approx(1 - 4 / 13 * (12 * 4 / (12 * 4 + 2 * 2)))


def test_equal_chances_are_estimated_well() -> None:
    """Where every attribute is as likely as any other, all methods are close."""
    draw = np.random.default_rng(3)
    q = frequencies(np.bincount(draw.integers(0, 1000, 1200), minlength=1000).tolist())
    for more in (chao1(q), ichao1(q), ace(q), gamma_poisson(q)):
        assert q.distinct + more == pytest.approx(1000, rel=0.1)


def test_a_finished_topic_has_nothing_unseen() -> None:
    q = frequencies([7] * 100)
    assert chao1(q) == ichao1(q) == 0.0
    assert ace(q) == pytest.approx(0.0)
    assert known_share(q) == 1.0


def test_nothing_is_unseen_where_nothing_was_named_only_once() -> None:
    assert unseen(frequencies([2, 3, 4, 2])) == 0.0
    assert unseen(frequencies([1, 1, 1, 2, 3])) > unseen(frequencies([1, 2, 2, 2, 3])) >= 0.0
