"""Rates hold in every window, are used, and are shared in order of arrival."""

from __future__ import annotations

import heapq
import math
from bisect import bisect_left
from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from igentai.concurrency import Concurrency
from igentai.limits import LONGEST_PAUSE_S, RateHeaders, RateLimit, Reservation
from igentai.provider_limits import ProviderLimits, Reason


def most_in_a_window(events: list[tuple[float, int]], window_s: float) -> int:
    """The largest sum of amounts whose times lie within one half-open window. Brute force over windows' starts."""
    times = [at for at, _ in events]
    return max(
        (sum(n for _, n in events[i : bisect_left(times, at + window_s)]) for i, (at, _) in enumerate(events)),
        default=0,
    )


@dataclass
class Bucket:
    """A provider's bucket as providers build them: `capacity` at most, filled evenly, refuses what it does not hold."""

    rate: float
    capacity: float
    at: float = 0.0
    level: float = field(init=False)

    def __post_init__(self) -> None:
        self.level = self.capacity

    def draw(self, now: float, amount: float) -> bool:
        self.level = min(self.capacity, self.level + (now - self.at) * self.rate)
        self.at = now
        if self.level < amount - 1e-9:
            return False
        self.level -= amount
        return True


def drive(
    rate: RateLimit, seconds: float, rng: Random, latency_s: float = 2.0, late_s: float = 0.02
) -> list[tuple[float, int]]:
    """A client that always wants to send, woken a little late; (time, tokens used) of what was let through."""
    now = 0.0
    done: list[tuple[float, int, Reservation, int]] = []
    sent: list[tuple[float, int]] = []
    while now < seconds:
        tokens = rng.randrange(100, 2000)
        wait = rate.wait(now, tokens)
        if wait > 0:
            next_end = done[0][0] if done else math.inf
            if next_end <= now + wait:
                now, _, reservation, used = heapq.heappop(done)
                rate.settle(reservation, used)
            else:
                now += wait + rng.uniform(0, late_s)
            continue
        used = rng.randrange(tokens // 2, tokens + 1)
        reservation = rate.take(now, tokens)
        heapq.heappush(done, (now + rng.uniform(0.5, 1.5) * latency_s, reservation.number, reservation, used))
        sent.append((now, used))
    return sent


@settings(max_examples=60, deadline=None)
@given(
    requests=st.integers(1, 120),
    tokens=st.integers(1_000, 60_000),
    share=st.floats(0.5, 1.0),
    start=st.floats(0, 1e7),
    seed=st.integers(0, 2**32),
)
def test_no_window_holds_more_than_the_limit(requests: int, tokens: int, share: float, start: float, seed: int) -> None:
    rng = Random(seed)
    rate = RateLimit(requests, tokens, share=share)
    now, taken, tokens_of = start, [], {}
    open_: list[Reservation] = []
    for _ in range(400):
        amount = rng.randrange(1, max(2, min(tokens, 4 * tokens // requests)))
        now += rng.choice([0.0, rng.uniform(0, 0.1), rng.expovariate(requests / 60), rng.uniform(0, 30)])
        if open_ and rng.random() < 0.6:
            reservation = open_.pop(rng.randrange(len(open_)))
            tokens_of[reservation.number] = rng.randrange(0, reservation.tokens + 1)
            rate.settle(reservation, tokens_of[reservation.number])
        if rate.wait(now, amount) == 0:
            reservation = rate.take(now, amount)
            open_.append(reservation)
            taken.append(reservation)
            tokens_of[reservation.number] = amount
            spent = [(r.at, tokens_of[r.number]) for r in taken if r.at > now - 60.0]
            assert sum(n for _, n in spent) <= tokens
    assert most_in_a_window([(r.at, 1) for r in taken], 60.0) <= requests
    assert most_in_a_window([(r.at, tokens_of[r.number]) for r in taken], 60.0) <= tokens


@given(per_second=st.integers(1, 50), seed=st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_no_second_holds_more_than_the_limit_a_second(per_second: int, seed: int) -> None:
    rng, now = Random(seed), 0.0
    rate = RateLimit(requests_per_second=per_second)
    taken = []
    for _ in range(500):
        now += rng.choice([0.0, rate.wait(now, 1), rng.expovariate(per_second), rng.uniform(0, 2)])
        if rate.wait(now, 1) == 0:
            taken.append((rate.take(now, 1).at, 1))
    assert most_in_a_window(taken, 1.0) <= per_second


@pytest.mark.parametrize(
    ("requests", "tokens"), [(60, None), (600, None), (3_000, None), (None, 400_000), (300, 400_000)]
)
def test_a_hungry_client_uses_nine_tenths_and_is_never_refused(requests: int | None, tokens: int | None) -> None:
    rate = RateLimit(requests, tokens)
    sent = drive(rate, 600.0, Random(7))
    used_requests = len(sent) / (10 * requests) if requests else 0.0
    used_tokens = sum(n for _, n in sent) / (10 * tokens) if tokens else 0.0
    assert max(used_requests, used_tokens) >= 0.9
    # Buckets of one second, the tightest kind in use, met over a way of up to 20 ms
    rng = Random(8)
    of_requests = Bucket(requests / 60, max(1.0, requests / 60)) if requests else None
    of_tokens = Bucket(tokens / 60, tokens / 10) if tokens else None
    arrivals = sorted((at + rng.uniform(0, 0.02), used) for at, used in sent)
    assert all(of_requests is None or of_requests.draw(at, 1) for at, _ in arrivals)
    assert all(of_tokens is None or of_tokens.draw(at, used) for at, used in arrivals)


def test_reserving_far_too_much_costs_little_of_the_limit() -> None:
    """Only what is in flight is counted in full: the pace learns what share of a reservation is used."""
    rate, rng, now = RateLimit(tokens_per_minute=300_000), Random(1), 0.0
    used: list[tuple[float, int]] = []
    done: list[tuple[float, int, Reservation]] = []
    while now < 600:
        wait = rate.wait(now, 4_000)
        if wait > 0:
            if done and done[0][0] <= now + wait:
                now, _, reservation = heapq.heappop(done)
                rate.settle(reservation, 800)
            else:
                now += wait
            continue
        reservation = rate.take(now, 4_000)
        heapq.heappush(done, (now + rng.uniform(0.5, 1.5), reservation.number, reservation))
        used.append((now, 800))
    late = sum(n for at, n in used if at >= 60)
    assert late >= 0.9 * 300_000 * 9
    assert most_in_a_window(used, 60.0) <= 300_000


def test_a_large_request_is_not_starved_by_small_ones() -> None:
    rate = RateLimit(tokens_per_minute=10_000)
    for _ in range(18):
        now = 0.0
        while rate.wait(now, 500) > 0:
            now += 0.5
        rate.take(now, 500)
    large = rate.join(8_000)  # as the limit is nearly used up, it has to wait for most of a minute
    went, small_since, now = None, 0, 60.0
    while went is None and now < 300:
        if rate.wait(now, 100) == 0:
            rate.take(now, 100)
            small_since += 1
        if rate.wait(now, 8_000, large) == 0:
            rate.take(now, 8_000, large)
            went = now
        now += 0.1
    assert went is not None
    assert went <= 130.0
    assert small_since == 0


def test_tickets_go_in_order_and_a_place_given_up_lets_the_next_through() -> None:
    rate = RateLimit(60)
    first, second, third = (rate.join(10) for _ in range(3))
    assert rate.wait(0.0, 10, second) > 0
    with pytest.raises(ValueError, match="before its turn"):
        rate.take(0.0, 10, second)
    rate.leave(first)
    rate.take(0.0, 10, second)
    assert rate.wait(0.0, 10, third) == pytest.approx(60 / 57, abs=0.03)
    assert rate.wait(60 / 57, 10, third) == 0


def test_those_further_back_are_told_to_come_when_their_turn_may_be() -> None:
    rate = RateLimit(tokens_per_minute=60_000)
    rate.take(0.0, 950)
    tickets = [rate.join(95) for _ in range(20)]
    waits = [rate.wait(0.0, 95, ticket) for ticket in tickets]
    assert waits[:2] == [pytest.approx(0.75), pytest.approx(0.85)]
    assert waits == sorted(waits)
    assert waits[-1] == 1.0


def test_a_turn_given_back_can_be_taken_again_at_once() -> None:
    rate = RateLimit(60, 10_000, 1)
    for _ in range(5):
        assert rate.give_back(rate.take(0.0, 9_000))
    assert rate.used(0.0) == (0, 0)


def test_a_request_larger_than_the_limit_is_told_so() -> None:
    rate = RateLimit(tokens_per_minute=1_000)
    assert rate.wait(0.0, 1_001) == math.inf
    assert "1001 tokens" in (rate.too_large(1_001) or "")
    assert rate.too_large(1_000) is None
    assert rate.wait(0.0, 1_000) == 0


def test_settling_restores_what_was_not_used_and_only_once() -> None:
    rate = RateLimit(tokens_per_minute=10_000)
    one, two = rate.take(0.0, 4_000), rate.take(30.0, 4_000)
    assert rate.used(30.0) == (2, 8_000)
    assert rate.settle(one, 1_000)
    assert not rate.settle(one, 0)
    assert rate.used(30.0) == (2, 5_000)
    assert rate.give_back(two)
    assert not rate.settle(two, 3_000)
    assert rate.used(30.0) == (1, 1_000)
    assert rate.used(60.5) == (0, 0)


@given(asked=st.floats(0.001, 5_000), at=st.floats(0, 1e6))
def test_a_pause_is_never_cut_short_but_clamped(asked: float, at: float) -> None:
    rate = RateLimit()
    until = rate.throttled(rate.take(at, 1), at, asked, Random(0))
    assert until == pytest.approx(at + min(asked, LONGEST_PAUSE_S))
    assert rate.wait(at, 1) == pytest.approx(min(asked, LONGEST_PAUSE_S), abs=1e-6)
    rate.pause(at, at + asked / 2)
    assert rate.paused_s(at) == pytest.approx(min(asked, LONGEST_PAUSE_S), abs=1e-6)


def test_without_a_word_from_the_provider_pauses_double_once_a_round() -> None:
    rate, rng, now, pauses = RateLimit(), Random(3), 0.0, []
    for _ in range(9):
        together = [rate.take(now, 1) for _ in range(5)]
        ends = [rate.throttled(r, now + 0.1, None, rng) for r in together]
        pauses.append(max(ends) - now - 0.1)
        now = max(ends)
    for n, pause in enumerate(pauses):
        assert min(60.0, 2.0**n) / 2 <= pause <= min(60.0, 2.0**n)
    rate.settle(rate.take(now, 1), 1)
    assert rate.throttled(rate.take(now, 1), now, 0.0, rng) - now <= 1.0


def test_limits_are_learned_from_headers_under_those_configured() -> None:
    rate = RateLimit(requests_per_minute=100)
    rate.learn(0.0, RateHeaders(500, 499, 0.12, 200_000, 199_000, 0.3))
    assert (rate.requests_per_minute, rate.tokens_per_minute) == (100, 200_000)
    rate.learn(0.0, RateHeaders(requests_limit=50))
    assert rate.requests_per_minute == 50


def test_a_limit_a_day_is_not_taken_for_one_a_minute() -> None:
    rate = RateLimit()
    rate.learn(0.0, RateHeaders(requests_limit=14_400, requests_remaining=14_370, requests_reset_s=179.6))
    assert rate.requests_per_minute is None
    rate.learn(5.0, RateHeaders(requests_limit=14_400, requests_remaining=0, requests_reset_s=86_000.0))
    assert rate.paused_s(5.0) == LONGEST_PAUSE_S


def test_what_went_before_a_limit_was_known_counts_against_it() -> None:
    rate = RateLimit()
    sent = [(0.001 * i, rate.take(0.001 * i, 1).number) for i in range(16)]
    rate.learn(0.2, RateHeaders(requests_limit=20, requests_remaining=4, requests_reset_s=48.0))
    now = 0.2
    while now < 180:
        now += rate.wait(now, 1)
        sent.append((now, rate.take(now, 1).number))
    assert most_in_a_window([(at, 1) for at, _ in sent], 60.0) <= 20


def test_others_on_the_same_account_slow_it_down() -> None:
    rate = RateLimit(600)
    rate.take(0.0, 1)
    before = rate.wait(0.0, 1)
    rate.learn(0.0, RateHeaders(requests_limit=600, requests_remaining=580))
    assert rate.wait(0.0, 1) == before
    rate.learn(0.0, RateHeaders(requests_limit=600, requests_remaining=3))
    assert rate.wait(0.0, 1) > before


def test_provider_limits_say_why_one_waits() -> None:
    limits = ProviderLimits(RateLimit(60, 10_000), Concurrency(ceiling=2))
    one = limits.take(0.0, 100)
    assert limits.wait(0.0, 100).reason is Reason.RATE
    assert limits.wait(0.0, 10_001).reason is Reason.TOO_LARGE
    limits.take(2.0, 100)
    assert limits.wait(4.0, 100) == (full := limits.wait(3.5, 100))
    assert (full.seconds, full.reason) == (math.inf, Reason.CONCURRENCY)
    limits.throttled(one, 4.0, 7.0, Random(0))
    limits.concurrency.limit = 2
    assert limits.wait(4.0, 100).reason is Reason.PAUSED
    ticket = limits.join(100)
    assert limits.wait(12.0, 100).reason is Reason.LINE
    assert limits.wait(12.0, 100, ticket).go


def test_a_closed_reservation_frees_its_place_once() -> None:
    limits = ProviderLimits(RateLimit(), Concurrency(ceiling=8))
    one, _ = limits.take(0.0, 1), limits.take(0.0, 1)
    for _ in range(3):
        limits.answered(one, 1.0, 1)
        limits.failed(one, 1.0)
        limits.give_back(one)
        limits.throttled(one, 1.0, None, Random(0))
    assert limits.concurrency.in_flight == 1
