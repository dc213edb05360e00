from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from igentai.rolling import Rolling

EVENTS = st.lists(st.tuples(st.floats(0, 20), st.integers(0, 100)), max_size=60)


def counted(events: list[tuple[float, int]], start: float) -> tuple[Rolling, list[tuple[float, int]], float]:
    rolling, now, added = Rolling(60.0, slices=30), start, []
    for step, amount in events:
        now += step
        rolling.add(now, amount)
        added.append((now, amount))
    return rolling, added, now


@given(EVENTS, st.floats(-100, 1e7))
def test_it_never_forgets_early_and_soon_after(events: list[tuple[float, int]], start: float) -> None:
    rolling, added, last = counted(events, start)
    moments = sorted(at + age for at, _ in added for age in (59.999, 60.001, 62.001))
    for now in (moment for moment in moments if moment >= last):
        total = rolling.total(now)
        assert sum(n for at, n in added if at > now - 60.0) <= total
        assert total <= sum(n for at, n in added if at > now - 62.001)


@given(EVENTS, st.floats(0, 1e6), st.integers(-5, 3_000))
def test_it_says_when_there_will_be_room(events: list[tuple[float, int]], start: float, most: int) -> None:
    rolling, _, now = counted(events, start)
    wait = rolling.until(now, most)
    if wait == 0:
        assert rolling.total(now) <= most
    elif wait == math.inf:
        assert most < 0
    else:
        assert rolling.total(now + wait - 0.001) > most
        assert rolling.total(now + wait + 0.001) <= most


def test_corrections_reach_what_is_still_counted() -> None:
    rolling = Rolling(60.0)
    rolling.add(0.0, 10)
    rolling.add(50.0, 5)
    rolling.correct(0.0, -4)
    assert rolling.total(50.0) == 11
    assert rolling.total(61.0) == 5
    rolling.correct(0.0, -6)
    assert rolling.total(61.0) == 5
