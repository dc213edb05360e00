"""What goes next, what is asked again, what is final: decided with time as an argument."""

from __future__ import annotations

import math
from random import Random
from typing import Any

import pytest
from tests.shared.batch.made_up import fault, options, reply, route

from igentai.batch.flight import Flight
from igentai.batch.options import Rate
from igentai.batch.request import Query
from igentai.batch.result import Result
from igentai.batch.schedule import Schedule
from igentai.errors import FailureKind
from igentai.prices import Price


def schedule(*routes: Any, **said: Any) -> Schedule:
    return Schedule(routes or (route(),), options(**said), Random(1))


def sent(plan: Schedule, now: float) -> list[Flight]:
    flights = []
    while (flight := plan.next(now)) is not None:
        flights.append(flight)
    return flights


def admit(plan: Schedule, n: int) -> None:
    for index in range(n):
        plan.admit(index, Query(f"p{index}"))


def test_no_more_fly_than_the_concurrency_and_the_rest_waits_for_an_answer() -> None:
    plan = schedule(max_concurrency=3)
    admit(plan, 5)
    flights = sent(plan, 0.0)
    assert [f.asking.index for f in flights] == [0, 1, 2]
    assert plan.wait_s(0.0) == math.inf
    result = plan.answered(flights[1], reply("b"), 0.2)
    assert (result.index, result.text, result.attempts, result.ok) == (1, "b", 1, True)
    assert [f.asking.index for f in sent(plan, 0.2)] == [3]


def test_reading_is_held_back_by_what_is_unresolved() -> None:
    plan = schedule(max_concurrency=2)
    index = 0
    for _ in range(50):
        while plan.wants:
            plan.admit(index, Query("p"))
            index += 1
            for flight in sent(plan, 0.0):
                plan.failed(flight, fault(FailureKind.RATE_LIMITED, 429, 5.0), 0.0)
    assert plan.unresolved <= 2 * 2


def test_a_fault_is_asked_again_after_a_delay_that_doubles_and_then_given_up() -> None:
    plan = schedule(max_concurrency=1, max_retries=3, retry_delay=1.0)
    admit(plan, 1)
    now, longest = 0.0, [1.0, 2.0, 4.0]
    for most in longest:
        (flight,) = sent(plan, now)
        assert plan.failed(flight, fault(), now) is None
        wait = plan.wait_s(now)
        assert 0.0 <= wait <= most
        assert not sent(plan, now + wait - 0.001) or wait < 0.001
        now += wait
    (flight,) = sent(plan, now)
    result = plan.failed(flight, fault(), now)
    assert result is not None
    assert result.error is not None
    assert (result.error.kind, result.error.status, result.attempts) == ("server", 500, 4)
    assert plan.unresolved == 0


def test_retry_after_is_never_undercut_and_a_429_is_no_try() -> None:
    plan = schedule(max_concurrency=8, max_retries=1)
    admit(plan, 1)
    now = 0.0
    for _ in range(10):
        (flight,) = sent(plan, now)
        assert plan.failed(flight, fault(FailureKind.RATE_LIMITED, 429, 7.0), now) is None
        assert plan.wait_s(now) >= 7.0 - 1e-9
        assert not sent(plan, now + 6.99)
        now += 7.0
    (flight,) = sent(plan, now)
    assert plan.answered(flight, reply(), now).attempts == 11


def test_one_429_makes_one_request_wait_and_six_in_a_row_the_key() -> None:
    plan = schedule(max_concurrency=8)
    admit(plan, 12)
    flights = sent(plan, 0.0)
    plan.failed(flights[0], fault(FailureKind.RATE_LIMITED, 429, 3.0), 0.1)
    assert [f.asking.index for f in sent(plan, 0.1)] == [8], "the others go on"
    for flight in flights[1:6]:
        plan.failed(flight, fault(FailureKind.RATE_LIMITED, 429, 3.0), 0.2)
    assert not sent(plan, 0.2)
    assert not sent(plan, 3.1), "paused as long as was asked"
    for flight in flights[6:8]:
        plan.answered(flight, reply(), 3.15)
    assert sent(plan, 3.25)
    assert plan.running == 4, "half as many at once"


def test_a_retry_list_replaces_the_rule() -> None:
    plan = schedule(max_concurrency=4, retry_on=frozenset({503, 400}))
    admit(plan, 3)
    first, second, third = sent(plan, 0.0)
    final = plan.failed(first, fault(FailureKind.SERVER, 500), 0.0)
    assert final is not None, "500 is not on the list"
    assert plan.failed(second, fault(FailureKind.SERVER, 503), 0.0) is None
    assert plan.failed(third, fault(FailureKind.REFUSED, 400), 0.0) is None, "the list names a refusal"


def test_a_bad_key_is_asked_no_more_and_every_prompt_says_why() -> None:
    plan = schedule(max_concurrency=2)
    admit(plan, 4)
    first, second = sent(plan, 0.0)
    result = plan.failed(first, fault(FailureKind.KEY, 401), 0.1)
    assert result is not None
    assert sent(plan, 0.1) == []
    finals = plan.take_finals()
    assert [f.error.kind for f in finals if f.error] == ["key", "key"]
    assert all(f.attempts == 0 for f in finals)
    assert plan.failed(second, fault(FailureKind.KEY, 401), 0.2) is not None
    assert plan.all_out is not None
    assert plan.unresolved == 0


def test_another_route_takes_over_at_once() -> None:
    plan = schedule(route(name="made-up"), route(name="other"), max_concurrency=1)
    admit(plan, 1)
    (flight,) = sent(plan, 0.0)
    assert plan.failed(flight, fault(FailureKind.SERVER, 500, 9.0), 0.0) is None
    (again,) = sent(plan, 0.0)
    assert {flight.place, again.place} == {0, 1}
    assert plan.answered(again, reply(), 0.1).provider == "other"


def test_a_prompt_that_waits_for_one_route_holds_up_nobody_and_goes_back_after_its_rest() -> None:
    plan = schedule(route(name="made-up"), route(name="other", concurrency=1), max_concurrency=3)
    admit(plan, 3)
    flights = sent(plan, 0.0)
    places = [f.place for f in flights]
    assert sorted(places) == [0, 0, 1]
    failing = flights[places.index(0)]
    assert plan.failed(failing, fault(FailureKind.RATE_LIMITED, 429, 4.0), 0.1) is None
    plan.admit(3, Query("p3"))
    (behind,) = sent(plan, 0.1)
    assert (behind.asking.index, behind.place) == (3, 0), "it may not be asked there yet, others may"
    plan.answered(behind, reply(), 0.2)
    assert not sent(plan, 4.0)
    assert 0 < plan.wait_s(4.0) <= 0.1 + 1e-9, "no spinning while the other route is busy"
    (again,) = sent(plan, 4.1)
    assert (again.asking.index, again.place) == (failing.asking.index, 0)


def test_weights_share_the_calls() -> None:
    plan = schedule(route(weight=3.0), route(name="other", weight=1.0), max_concurrency=40)
    admit(plan, 40)
    places = [f.place for f in sent(plan, 0.0)]
    assert (places.count(0), places.count(1)) == (30, 10)


def test_a_rate_limit_spreads_calls_and_a_burst_lets_some_go_at_once() -> None:
    plan = schedule(max_concurrency=100, rate=Rate(per_minute=60), limit_share=1.0)
    admit(plan, 3)
    assert len(sent(plan, 0.0)) == 1
    assert 0.9 < plan.wait_s(0.0) <= 1.0
    assert len(sent(plan, 1.0)) == 1
    burst = schedule(max_concurrency=100, rate=Rate(per_minute=60), limit_share=1.0, burst=20)
    admit(burst, 30)
    assert len(sent(burst, 0.0)) == 20
    assert 0.9 < burst.wait_s(0.0) <= 1.0


def test_tokens_a_minute_hold_and_a_prompt_larger_than_the_limit_fails_by_itself() -> None:
    plan = schedule(max_concurrency=10, tokens_per_minute=3000, max_tokens=1000)
    plan.admit(0, Query("word " * 4000))
    plan.admit(1, Query("small"))
    plan.admit(2, Query("small"))
    plan.admit(3, Query("small"))
    flights = sent(plan, 0.0)
    (final,) = plan.take_finals()
    assert final.error is not None
    assert final.index == 0
    assert "tokens" in final.error.message
    assert len(flights) == 1, "paced evenly"
    assert plan.wait_s(0.0) > 1


def test_the_budget_is_never_passed_and_what_it_does_not_reach_says_so() -> None:
    plan = schedule(
        max_concurrency=10, budget_usd=0.005, max_tokens=1000, prices={"made-up:m": Price(input=0.0, output=2.0)}
    )
    admit(plan, 4)
    flights = sent(plan, 0.0)
    assert len(flights) == 2, "each could cost $0.002"
    assert plan.wait_s(0.0) == math.inf, "what flies may cost less"
    plan.answered(flights[0], reply(tokens_out=10), 1.0)
    assert len(sent(plan, 1.0)) == 1
    plan.answered(flights[1], reply(tokens_out=1000), 1.0)
    assert not sent(plan, 1.0)
    assert not plan.take_finals()
    plan.answered(plan.flights[max(plan.flights)], reply(tokens_out=1000), 1.0)
    assert not sent(plan, 1.0)
    (final,) = plan.take_finals()
    assert final.error is not None
    assert (final.error.kind, final.attempts) == ("budget", 0)
    assert plan.budget.settled <= 0.005


def test_a_timeout_counts_as_spent_and_a_refusal_does_not() -> None:
    plan = schedule(max_concurrency=2, budget_usd=1.0, max_retries=0)
    admit(plan, 2)
    first, second = sent(plan, 0.0)
    plan.failed(first, fault(FailureKind.SERVER, 500), 0.0)
    assert plan.budget.settled == 0
    plan.failed(second, fault(FailureKind.TIMEOUT, None), 0.0)
    assert plan.budget.settled == pytest.approx(second.bound_usd)


def test_fail_fast_marks_what_ran_what_waited_and_what_comes() -> None:
    plan = schedule(max_concurrency=2, fail_fast=True, max_retries=0)
    admit(plan, 4)
    first, _ = sent(plan, 0.0)
    result = plan.failed(first, fault(FailureKind.REFUSED, 400), 0.1)
    assert result is not None
    assert plan.stopped is not None
    marked = plan.stop(plan.stopped, 0.1)
    assert sorted(r.index for r in marked) == [1, 2, 3]
    assert {r.error.kind for r in marked if r.error} == {"cancelled"}
    plan.admit(4, Query("late"))
    (late,) = plan.take_finals()
    assert late.error is not None
    assert late.error.kind == "cancelled"


def test_a_reply_that_broke_off_is_final_and_keeps_its_text() -> None:
    plan = schedule(max_concurrency=1)
    admit(plan, 1)
    (flight,) = sent(plan, 0.0)
    result = plan.answered(flight, reply("half", finish="cut"), 0.1)
    assert result.error is not None
    assert (result.error.kind, result.text) == ("cut", "half")
    assert plan.unresolved == 0


def test_a_dead_provider_is_given_up_after_a_while_and_asked_little() -> None:
    plan = schedule(max_concurrency=1, retry_delay=0.5)
    now, calls, finals, index = 0.0, 0, list[Result](), 0
    while plan.all_out is None and now < 200:
        while plan.wants:
            plan.admit(index, Query("p"))
            index += 1
            flight = plan.next(now)
            if flight is not None:
                calls += 1
                now += 0.01
                final = plan.failed(flight, fault(FailureKind.RESET, None), now)
                finals += [final] if final else []
        wait = plan.wait_s(now)
        now += min(wait, 1.0) + 1e-6
        flight = plan.next(now)
        if flight is not None:
            calls += 1
            plan.failed(flight, fault(FailureKind.RESET, None), now)
    assert plan.all_out is not None
    assert "has not answered" in plan.all_out[1]
    assert now < 60
    assert calls < 25


def test_prompts_that_meet_429s_alone_are_given_up_in_the_end() -> None:
    plan = schedule(max_concurrency=8)
    admit(plan, 1)
    now, result = 0.0, None
    while result is None:
        (flight,) = sent(plan, now)
        result = plan.failed(flight, fault(FailureKind.RATE_LIMITED, 429, 60.0), now)
        now += 60.0
    assert 600 < now < 800
    assert result.error is not None
    assert result.error.kind == "rate_limited"
