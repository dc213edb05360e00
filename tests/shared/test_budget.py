"""Billed never passes the budget, whatever is granted, settled, lost and restored."""

from __future__ import annotations

import math
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from igentai.budget import PICO, Budget, HourlyBudget
from igentai.errors import BudgetReached

MONEY = st.integers(0, 3 * PICO).map(lambda pico: pico / PICO)


class Spending(RuleBasedStateMachine):
    """A daemon that reserves, settles, dies and comes back; the model is sums of exact amounts."""

    @initialize(limit=MONEY)
    def begin(self, limit: float) -> None:
        self.limit = limit
        self.budget = Budget(limit)
        self.spent = 0
        self.open: dict[int, float] = {}
        self.gone: dict[int, float] = {}
        self.number = 0

    def _total(self) -> int:
        return self.spent + sum(map(_pico, self.open.values()))

    @rule(upper=MONEY)
    def reserve(self, upper: float) -> None:
        self.number += 1
        fits = self._total() + _pico(upper) <= _pico(self.limit)
        assert self.budget.can(upper) == fits
        if fits:
            self.budget.reserve(self.number, upper)
            self.open[self.number] = upper
        else:
            with pytest.raises(BudgetReached):
                self.budget.reserve(self.number, upper)

    @precondition(lambda self: self.open)
    @rule(share=st.floats(0, 1), pick=st.integers(0))
    def settle(self, share: float, pick: int) -> None:
        number = sorted(self.open)[pick % len(self.open)]
        actual = self.open.pop(number) * share
        self.budget.settle(number, actual)
        self.spent += _pico(actual)

    @precondition(lambda self: self.open)
    @rule(pick=st.integers(0), sent=st.booleans())
    def end_without_an_answer(self, pick: int, sent: bool) -> None:
        number = sorted(self.open)[pick % len(self.open)]
        upper = self.open.pop(number)
        if sent:
            self.budget.lost(number)
            self.spent += _pico(upper)
            self.gone[number] = upper
        else:
            self.budget.give_back(number)

    @precondition(lambda self: self.gone)
    @rule(share=st.floats(0, 1))
    def a_lost_answer_turns_up(self, share: float) -> None:
        number, upper = self.gone.popitem()
        self.budget.settle(number, upper * share)
        self.spent += _pico(upper * share) - _pico(upper)

    @rule()
    def die_and_recover(self) -> None:
        self.gone.clear()
        self.budget = Budget(self.limit, self.spent / PICO)
        for number, upper in self.open.items():
            self.budget.reserve(number, upper, check=False)

    @invariant()
    def adds_up(self) -> None:
        assert self._total() <= _pico(self.limit)
        assert self.budget.settled == self.spent / PICO


def _pico(usd: float) -> int:
    return math.ceil(Fraction(repr(usd)) * PICO)


TestSpending = Spending.TestCase
TestSpending.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)


def test_many_small_amounts_beside_a_large_one_leave_no_drift() -> None:
    rng, budget = Random(5), Budget(None, 1_000.0)
    exact = 1_000 * PICO
    for number in range(100_000):
        upper, actual = rng.random() * 1e-3, rng.random() * 1e-7
        budget.reserve(number, upper)
        budget.settle(number, actual)
        exact += _pico(actual)
    assert budget.reserved == 0.0
    assert budget.settled == exact / PICO


def test_ten_dimes_are_a_dollar() -> None:
    budget = Budget(1.0)
    for number in range(10):
        budget.reserve(number, 0.1)
    assert budget.left == 0.0
    with pytest.raises(BudgetReached, match=r"\$0\.000000 of the budget of \$1\.00 is left"):
        budget.reserve(10, 1e-9)


def test_without_a_limit_everything_is_granted_and_counted() -> None:
    budget = Budget(None)
    budget.reserve(1, 1e6)
    budget.settle(1, 2.5)
    assert (budget.left, budget.settled, budget.limit) == (math.inf, 2.5, None)


def test_a_cost_above_its_bound_or_without_reservation_is_counted_and_nothing_more_granted() -> None:
    budget = Budget(1.0)
    budget.reserve(1, 0.5)
    budget.settle(1, 0.8)
    budget.settle(77, 0.4)
    assert budget.settled == 1.2
    assert budget.left == 0.0
    assert not budget.can(0.0)


@pytest.mark.parametrize("amount", [math.nan, math.inf, -0.01])
def test_what_is_no_amount_is_refused(amount: float) -> None:
    with pytest.raises(ValueError, match="USD"):
        Budget(1.0).can(amount)
    with pytest.raises(ValueError, match="USD"):
        Budget(amount)


def test_one_request_reserves_once() -> None:
    budget, hourly = Budget(1.0), HourlyBudget(1.0)
    budget.reserve(1, 0.1)
    hourly.reserve(0.0, 1, 0.1)
    with pytest.raises(ValueError, match="already"):
        budget.reserve(1, 0.1)
    with pytest.raises(ValueError, match="already"):
        hourly.reserve(0.0, 1, 0.1)


@settings(max_examples=60, deadline=None)
@given(limit=st.floats(0.01, 5.0), seed=st.integers(0, 2**32))
def test_no_hour_is_billed_more_than_its_budget(limit: float, seed: int) -> None:
    rng, now, budget = Random(seed), 0.0, HourlyBudget(limit)
    open_: list[tuple[int, float, float]] = []
    billed: list[tuple[float, float]] = []
    for number in range(300):
        now += rng.choice([0.0, rng.uniform(0, 30), rng.uniform(0, 900)])
        while open_ and rng.random() < 0.5:
            request, since, upper = open_.pop(rng.randrange(len(open_)))
            actual = upper * rng.choice([1.0, rng.random()])
            if rng.random() < 0.2:
                budget.lost(now, request)
            else:
                budget.settle(now, request, actual)
            billed.append((rng.uniform(since, now), actual))
        upper = rng.uniform(0, limit / 3)
        if budget.can(now, upper):
            budget.reserve(now, number, upper)
            open_.append((number, now, upper))
    billed.sort()
    for at, _ in billed:
        assert sum(usd for t, usd in billed if at <= t < at + 3600.0) <= limit + 1e-9


def test_an_hour_says_when_it_has_room_again() -> None:
    budget = HourlyBudget(1.0)
    budget.reserve(0.0, 1, 0.6)
    assert budget.wait(0.0, 0.5) == math.inf
    budget.settle(100.0, 1, 0.6)
    wait = budget.wait(200.0, 0.5)
    assert 3500.0 < wait <= 3510.0
    with pytest.raises(BudgetReached, match="hour"):
        budget.reserve(200.0, 2, 0.5)
    budget.reserve(200.0 + wait, 2, 0.5)
    budget.give_back(2)
    assert budget.left(200.0 + wait) == 1.0
    assert budget.spent(200.0 + wait) == 0.0
