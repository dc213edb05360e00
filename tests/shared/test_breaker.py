"""The breaker opens when half of the calls fail, and tries again with one probe."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from igentai.breaker import PROBE_DEADLINE_S, Breaker, BreakerState

CLOSED, OPEN, HALF_OPEN = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN


def told(breaker: Breaker, now: float, outcomes: str, first: int = 0) -> None:
    """Send one call a letter, then end them: F failed, S succeeded."""
    for number, _ in enumerate(outcomes, first):
        breaker.sent(now, number)
    for number, outcome in enumerate(outcomes, first):
        (breaker.failed if outcome == "F" else breaker.succeeded)(now, number)


def opened(now: float = 0.0) -> Breaker:
    breaker = Breaker()
    told(breaker, now, "F" * 10)
    assert breaker.state(now) is OPEN
    return breaker


@pytest.mark.parametrize(
    ("outcomes", "state"),
    [
        ("F" * 9, CLOSED),
        ("F" * 10, OPEN),
        ("SSSSSFFFFF", OPEN),
        ("SSSSSSFFFF", CLOSED),
        ("S" * 11 + "F" * 10, CLOSED),
        ("S" * 11 + "F" * 11, OPEN),
    ],
)
def test_ten_calls_of_which_half_failed_open_it(outcomes: str, state: BreakerState) -> None:
    breaker = Breaker()
    told(breaker, 0.0, outcomes)
    assert breaker.state(0.0) is state


def test_failures_older_than_thirty_seconds_are_forgotten() -> None:
    breaker = Breaker()
    told(breaker, 0.0, "F" * 9)
    told(breaker, 30.0, "F" * 9, first=20)
    assert breaker.state(30.0) is CLOSED
    told(breaker, 31.0, "F", first=40)
    assert breaker.state(31.0) is OPEN


def test_it_stays_open_twice_as_long_each_time_up_to_five_minutes() -> None:
    breaker, now, lengths = opened(), 0.0, []
    for call in range(100, 109):
        length = breaker.wait(now)
        lengths.append(length)
        assert not breaker.allow(now + length - 0.001)
        now += length
        assert breaker.state(now) is HALF_OPEN
        assert breaker.sent(now, call)
        breaker.failed(now, call)
    assert lengths == [5, 10, 20, 40, 80, 160, 300, 300, 300]


def test_one_probe_for_all_who_ask() -> None:
    breaker = opened()
    with pytest.raises(ValueError, match="open breaker"):
        breaker.sent(1.0, 50)
    assert [breaker.allow(5.0) and breaker.sent(5.0, n) for n in range(100, 150)] == [True] + [False] * 49
    assert breaker.state(5.0) is HALF_OPEN
    assert breaker.wait(6.0) == PROBE_DEADLINE_S - 1.0
    breaker.succeeded(7.0, 100)
    assert breaker.state(7.0) is CLOSED
    assert breaker.allow(7.0)


def test_an_overdue_probe_counts_as_failed_and_its_late_answer_for_nothing() -> None:
    breaker = opened()
    breaker.sent(5.0, 100)
    assert breaker.state(5.0 + PROBE_DEADLINE_S) is OPEN
    assert breaker.wait(5.0 + PROBE_DEADLINE_S) == 10.0
    breaker.succeeded(36.0, 100)
    assert breaker.state(36.0) is OPEN


def test_a_probe_that_says_nothing_makes_way_for_another() -> None:
    breaker = opened()
    breaker.sent(5.0, 100)
    breaker.forget(6.0, 100)
    assert breaker.state(6.0) is HALF_OPEN
    assert breaker.sent(6.0, 101)


def test_calls_sent_before_it_opened_say_nothing_afterwards() -> None:
    breaker = Breaker()
    for call in range(50):
        breaker.sent(0.0, call)
    for call in range(10):
        breaker.failed(1.0, call)
    for call in range(10, 30):
        breaker.succeeded(2.0, call)
    assert breaker.state(2.0) is OPEN
    breaker.sent(6.0, 100)
    breaker.failed(6.0, 30)
    assert breaker.state(6.0) is HALF_OPEN
    breaker.succeeded(6.5, 100)
    for call in range(31, 50):
        breaker.failed(7.0, call)
    assert breaker.state(7.0) is CLOSED


def test_closed_again_it_judges_by_new_calls_alone() -> None:
    breaker = opened()
    breaker.sent(5.0, 100)
    breaker.succeeded(5.0, 100)
    told(breaker, 6.0, "F" * 9, first=200)
    assert breaker.state(6.0) is CLOSED
    told(breaker, 6.0, "F", first=300)
    assert breaker.state(6.0) is OPEN


@pytest.mark.parametrize(("healthy_s", "next_s"), [(59.0, 10.0), (60.0, 5.0)])
def test_only_a_minute_of_health_makes_the_next_opening_short_again(healthy_s: float, next_s: float) -> None:
    breaker = opened()
    breaker.sent(5.0, 100)
    breaker.succeeded(5.0, 100)
    told(breaker, 5.0 + healthy_s, "F" * 10, first=200)
    assert breaker.wait(5.0 + healthy_s) == next_s


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 2**32), failing=st.floats(0, 1))
def test_never_two_probes_and_never_a_call_while_open(seed: int, failing: float) -> None:
    rng, breaker, now, probe, out = Random(seed), Breaker(probe_deadline_s=8.0), 0.0, None, []
    for call in range(600):
        now += rng.choice([0.0, 0.01, rng.uniform(0, 3)])
        state = breaker.state(now)
        if state is not HALF_OPEN:
            probe = None
        assert breaker.allow(now) == (state is CLOSED or (state is HALF_OPEN and probe is None))
        if breaker.allow(now):
            is_probe = breaker.sent(now, call)
            assert is_probe == (state is HALF_OPEN)
            probe = call if is_probe else probe
            out.append(call)
        if out and rng.random() < 0.7:
            ended = out.pop(rng.randrange(len(out)))
            (breaker.failed if rng.random() < failing else breaker.succeeded)(now, ended)
            probe = None if ended == probe else probe


def test_an_outage_of_a_minute_costs_few_calls() -> None:
    """Eight callers that never rest: what reaches a provider that is down, and when they are back at work."""
    breaker, now, call, calls_while_down, back = Breaker(), 0.0, 0, 0, None
    while back is None:
        for _ in range(8):
            if breaker.allow(now):
                call += 1
                probe = breaker.sent(now, call)
                calls_while_down += now < 60.0 and (probe or breaker.state(now) is not CLOSED)
                (breaker.failed if now < 60.0 else breaker.succeeded)(now, call)
                back = now if now >= 60.0 and breaker.state(now) is CLOSED else None
        now += 0.1
    assert calls_while_down <= 10
    assert back <= 80.0
