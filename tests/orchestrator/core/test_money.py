"""The budget, in simulated time: whatever fails and whoever is killed, what is billed stays within it (bar 12)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from igentai.errors import FailureKind
from igentai.messages import Assign
from igentai_orchestrator.core import facts, orders
from igentai_orchestrator.core.arrangement import ProviderTerms
from igentai_orchestrator.core.topic import Limits, ModelChoice
from tests.orchestrator.core.clockwork import Clockwork, Said, most_in_a_window
from tests.orchestrator.core.floor import PRICES, Floor, spec

START = 100.0
ONE = (ModelChoice("openai", "cheap"),)
DEAR = (ModelChoice("openai", "cheap"), ModelChoice("anthropic", "dear"))


class Till:
    """A provider that bills: whatever it was asked and answered, received or not, and some of what failed."""

    def __init__(self, rng: Random, faulty: float = 0.2) -> None:
        self.rng = rng
        self.faulty = faulty
        self.billed: list[tuple[float, float]] = []

    @property
    def total(self) -> float:
        return sum(usd for _, usd in self.billed)

    def __call__(self, assign: Assign, at: float) -> Said:
        rng = self.rng
        tokens = sum(len(content) for _, content in assign.messages) // 3, rng.randint(0, assign.max_tokens)
        seconds = rng.uniform(0.1, 3.0)
        usd = PRICES[f"{assign.provider}:{assign.model}"].cost(*tokens)
        if rng.random() < self.faulty:
            kind = rng.choice([FailureKind.SERVER, FailureKind.TIMEOUT, FailureKind.RESET, FailureKind.RATE_LIMITED])
            if kind in (FailureKind.TIMEOUT, FailureKind.RESET):
                self.billed.append((at, usd))
            return Said(seconds, fails=kind, retry_after_s=rng.choice([None, 1.0]))
        self.billed.append((at, usd))
        return Said(seconds, [f"thing {rng.random()}"], tokens=tokens)


def life(
    budget: float, provider: Callable[[Assign, float], Said], history: list[object], seed: int, *, at_once: int = 64
) -> Clockwork:
    """A daemon that goes on from `history` with 64 requests in flight."""
    floor = Floor(seed=seed, terms=ProviderTerms("openai", concurrency=at_once))
    floor.open(spec(models=DEAR, limits=Limits(budget_usd=budget, saturation=False), request_size=10), history)  # type: ignore[arg-type]  # records
    floor.ledger[:0] = history  # type: ignore[assignment]
    work = Clockwork(floor, provider, seed=seed)
    work.begin(2, at_once // 2)
    return work


def killed_often(seed: int, budget: float, kills: int) -> tuple[Till, int, str]:
    """What was billed, how many lives were cut short, and the reason in the end."""
    rng = Random(seed)
    till = Till(rng)
    history: list[object] = []
    done = 0
    while True:
        work = life(budget, till, history, seed + done)
        work.run(START + rng.uniform(0.1, 0.8) if done < kills else START + 10_000)
        history = list(work.floor.ledger)
        closed = work.floor.of(orders.CloseTopic)
        if closed:
            return till, done, closed[0].reason
        done += 1


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 2**20), budget=st.floats(6.0, 9.0))
def test_nothing_is_billed_beyond_the_budget_whoever_is_killed(seed: int, budget: float) -> None:
    till, kills, reason = killed_often(seed, budget, kills=20)
    assert kills >= 10
    assert till.total <= budget
    assert reason.startswith("--budget")


def test_the_budget_is_spent_to_what_one_more_request_could_cost() -> None:
    till = Till(Random(1), faulty=0.0)
    work = life(0.05, till, [], 1)
    work.run(START + 1_000)
    floor = work.floor
    [close] = floor.of(orders.CloseTopic)
    assert "the next request could cost more" in close.reason
    assert work.under_way == 0, "what was in flight was finished"
    budget = floor.desk.books.campaign.budget  # type: ignore[union-attr]  # the topic is open
    assert abs(budget.settled - till.total) < 1e-9
    assert budget.left < 0.0011, "less than a request of the cheap model can cost"


def test_metrics_say_what_was_spent_what_is_promised_and_what_the_rest_will_buy() -> None:
    till = Till(Random(2), faulty=0.0)
    work = life(1.0, till, [], 2, at_once=8)
    work.run(START + 10)
    shown = work.floor.desk.snapshot(work.floor.now)["budget"]
    assert shown["limit"] == 1.0
    assert shown["settled"] > 0
    assert shown["reserved"] > 0
    assert shown["left"] == 1.0 - shown["settled"] - shown["reserved"]
    spent_each = shown["settled"] / sum(call.ended > 0 for call in work.calls)
    assert abs(shown["forecast"]["requests"] - shown["left"] / spent_each) <= 1
    assert shown["forecast"]["minutes"] > 0


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 2**20), limit=st.sampled_from([0.02, 0.05, 0.2]), faulty=st.floats(0, 0.4))
def test_no_hour_is_billed_more_than_its_budget(seed: int, limit: float, faulty: float) -> None:
    till = Till(Random(seed), faulty)
    floor = Floor(seed=seed, budget_per_hour=limit)
    floor.open(spec(models=ONE, limits=Limits(saturation=False), request_size=10))
    work = Clockwork(floor, till, seed=seed)
    work.begin(2, 4)
    work.run(START + 600)
    spent = till.total
    assert spent >= 0.5 * limit or till.faulty > 0.1
    assert work.under_way == 0 or spent < limit
    assert floor.desk.snapshot(floor.now)["budget_hour"]["limit"] == limit
    work.run(START + 3_900)
    assert till.total > spent, "the next hour has money again"
    assert most_in_a_window(sorted(till.billed), 3600.0) <= limit + 1e-9


def test_while_the_hours_money_is_spent_the_desk_waits_visibly_and_calmly() -> None:
    floor = Floor(budget_per_hour=0.01)
    floor.open(spec(models=ONE, limits=Limits(saturation=False), request_size=10))
    ticks = 0

    def watch() -> None:
        nonlocal ticks
        ticks += 1

    work = Clockwork(floor, Till(Random(3), 0.0))
    work.begin(2, 4)
    work.run(START + 60)
    work.watch = watch
    work.run(START + 160)
    assert ticks <= 100 / 0.25 + 2, "no tick more than the regular ones"
    assert any("an hour is spent" in alert["text"] for alert in floor.desk.snapshot(floor.now)["alerts"])


def test_a_request_that_no_hour_can_pay_ends_the_run_with_the_reason() -> None:
    floor = Floor(budget_per_hour=0.000001)
    floor.open(spec(models=ONE, limits=Limits(saturation=False)))
    floor.join(slot=0, free=2)
    floor.commit()
    [close] = floor.of(orders.CloseTopic)
    assert close.reason.startswith("--budget-per-hour")
    assert floor.assigned() == []


def test_the_hours_budget_holds_over_topics_and_what_is_lost_stays_spent() -> None:
    floor = Floor(budget_per_hour=0.01)
    till = Till(Random(4), 0.0)
    for topic in range(2):
        floor.open(spec(models=ONE, limits=Limits(max_requests=4, saturation=False), request_size=10))
        work = Clockwork(floor, till, seed=topic)
        if topic == 0:
            work.begin(1, 2)
        else:
            work.take(floor.happen(facts.ProducerReady(1, 2)))
        work.run(floor.now + 30)
        floor.happen(facts.TopicClosed())
    hour = floor.desk.books.hour
    assert hour is not None
    assert abs(hour.spent(floor.now) - till.total) < 1e-9
    assert hour.reserved == 0.0


def test_unreported_usage_counts_as_all_it_can_have_been_where_money_is_limited() -> None:
    for budget in (None, 1.0):
        floor = Floor()
        floor.open(spec(models=ONE, limits=Limits(budget_usd=budget, saturation=False)))
        link = floor.join(slot=0, free=1)
        floor.commit()
        [(_, assign)] = floor.assigned()
        batch = floor.batch(floor.runs[link], assign, ["Alpha"])
        meta = batch.metadata
        floor.happen(facts.AnswerArrived(link, replace(batch, metadata=replace(meta, usage_reported=False))))
        campaign = floor.desk.books.campaign
        assert campaign is not None
        reserved = floor.ledger[0].reserved_usd  # type: ignore[union-attr]  # an assignment comes first
        estimate = PRICES["openai:cheap"].cost(100, 50)
        assert campaign.budget.settled == (reserved if budget else estimate)
