"""The exclusion list: what is listed and what is not worth its tokens."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from igentai_orchestrator.core.exclusion import ExclusionLists, theta
from igentai_orchestrator.core.named import Named

answers = st.lists(
    st.tuples(st.lists(st.integers(1, 40), max_size=15), st.lists(st.integers(1, 40), max_size=10)), max_size=30
)


@given(answers, st.integers(0, 20), st.floats(0.03, 0.5))
def test_listed_attributes_pay_for_themselves(
    rows: list[tuple[list[int], list[int]]], limit: int, threshold: float
) -> None:
    lists = ExclusionLists()
    for named, listed in rows:
        lists.record("x", named, listed)
    chosen = lists.choose("x", limit=limit, theta=threshold)
    chance = {
        n: sum(n in named for named, _ in rows) / (len(rows) - sum(n in listed for _, listed in rows) + 1)
        for n in range(1, 41)
    }
    assert len(chosen) == len(set(chosen)) <= limit
    assert all(chance[n] >= threshold for n in chosen)
    assert [chance[n] for n in chosen] == sorted((chance[n] for n in chosen), reverse=True)
    if len(chosen) < limit:
        assert set(chosen) == {n for n in chance if chance[n] >= threshold and any(n in named for named, _ in rows)}


def test_an_attribute_that_listing_keeps_away_stays_listed() -> None:
    lists = ExclusionLists()
    lists.record("x", [1, 2])
    for i in range(50):
        lists.record("x", [100 + i], [1])
    assert lists.choose("x", theta=0.3) == [1]


def test_a_large_topic_lists_only_what_its_own_partition_named() -> None:
    lists = ExclusionLists()
    for i in range(20):
        lists.record("x", range(30 * i, 30 * i + 30))
    assert lists.choose("y") == []


def test_a_small_topic_lists_everything_everywhere() -> None:
    lists = ExclusionLists()
    lists.record("x", [1, 2, 3])
    lists.record("", [3, 4])
    assert lists.choose("y") == [1, 2, 3, 4]
    assert lists.choose("x", limit=3) == [1, 2, 3]
    assert lists.choose("", theta=0.0) == [3, 4]


def test_the_threshold_follows_prices() -> None:
    assert theta(1e-6, 36e-6) == pytest.approx(6 / (0.85 * 36))
    assert theta(1e-7, 36e-6) == 0.03
    assert theta(1e-5, 36e-6) == 0.3
    assert theta(0.0, 0.0) == 0.03


def test_how_well_answers_keep_to_a_slice() -> None:
    lists = ExclusionLists()
    assert lists.coherence("parks") is None
    lists.record("", Named(1, 2))
    lists.record("museums", Named(3, 3, [2]))
    lists.record("parks", Named(6, 2, [1, 4]))  # 4 is a museum; 1 was named of the whole topic
    lists.record("parks/old", Named(8, 1, [6, 7, 5]))
    assert lists.coherence("") == 1.0
    assert lists.coherence("museums") == 1.0
    assert lists.coherence("parks") == 0.75
    assert lists.coherence("parks/old") == 0.75, "what its parent named is its own"
    lists.record("parks", Named(9, 0, [4]))
    assert lists.coherence("parks") == 0.75, "an attribute counts once"
