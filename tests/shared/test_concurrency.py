from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from igentai.concurrency import Concurrency


def test_it_halves_once_a_round_and_never_under_one() -> None:
    places = Concurrency(ceiling=16)
    assert places.throttled(sent_at=1.0, now=2.0)
    assert places.limit == 8
    assert not places.throttled(sent_at=1.5, now=2.1)
    assert places.limit == 8
    for at in range(3, 10):
        places.throttled(sent_at=at, now=at)
    assert places.limit == 1


def test_it_grows_by_one_a_streak_up_to_the_ceiling() -> None:
    places = Concurrency(ceiling=4, start=2)
    grown = []
    for _ in range(12):
        places.answered()
        grown.append(places.limit)
    assert grown == [2, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4]


def test_a_429_breaks_the_streak() -> None:
    places = Concurrency(ceiling=9, start=3)
    places.answered()
    places.answered()
    places.throttled(sent_at=0.0, now=0.0)
    assert places.limit == 1
    places.answered()
    assert places.limit == 2


def test_after_a_cut_those_in_flight_are_waited_for() -> None:
    places = Concurrency(ceiling=4)
    for _ in range(4):
        places.take()
    places.throttled(sent_at=0.0, now=1.0)
    free = []
    for _ in range(4):
        places.release()
        free.append(places.free)
    assert free == [0, 0, 1, 2]


@given(ceiling=st.integers(1, 64), told=st.lists(st.booleans(), max_size=300))
def test_the_limit_stays_between_one_and_the_ceiling(ceiling: int, told: list[bool]) -> None:
    places = Concurrency(ceiling)
    for at, answered in enumerate(told):
        before = places.limit
        if answered:
            places.answered()
            assert places.limit - before in (0, 1)
        else:
            places.throttled(sent_at=at, now=at)
        assert 1 <= places.limit <= ceiling


def test_a_ceiling_that_lets_nothing_through_is_refused() -> None:
    with pytest.raises(ValueError, match="lets nothing through"):
        Concurrency(ceiling=0)
