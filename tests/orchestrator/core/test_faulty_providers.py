"""A provider of which a part of all requests fails, in simulated time; and what a 429 means to one key."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from igentai.errors import FailureKind
from igentai.messages import Assign
from igentai_orchestrator.core import orders
from igentai_orchestrator.core.account import IN_A_ROW, SERVED, Account
from igentai_orchestrator.core.arrangement import ProviderTerms
from igentai_orchestrator.core.records import AnswerRecord
from igentai_orchestrator.core.topic import Limits, ModelChoice
from tests.orchestrator.core.clockwork import Clockwork, Said
from tests.orchestrator.core.floor import Floor, spec

ONE = (ModelChoice("openai", "cheap"),)
START = 100.0
LATENCY_S = 0.2
AT_ONCE = 50
WANTED = 1_000
FAULTS = (
    (FailureKind.RATE_LIMITED, 0.10),
    (FailureKind.SERVER, 0.05),
    (FailureKind.RESET, 0.01),
    (FailureKind.GARBAGE, 0.01),  # HTML
)


def until_answered(seed: int, faults: tuple[tuple[FailureKind, float], ...]) -> tuple[float, Clockwork]:
    """Simulated seconds until 1,000 answers, with 50 in flight."""
    rng = Random(seed)

    def provider(assign: Assign, at: float) -> Said:
        drawn = rng.random()
        for kind, chance in faults:
            if drawn < chance:
                wait = 1.0 if kind is FailureKind.RATE_LIMITED else None
                return Said(LATENCY_S, fails=kind, retry_after_s=wait)
            drawn -= chance
        return Said(LATENCY_S, [f"thing {rng.random()}"])

    floor = Floor(seed=seed, terms=ProviderTerms("openai", concurrency=AT_ONCE))
    floor.open(spec(models=ONE, producers=8, limits=Limits(saturation=False)))
    work = Clockwork(floor, provider, seed=seed)
    work.begin(8, 7)
    while sum(call.said.fails is None and call.ended > 0 for call in work.calls) < WANTED:
        work.run(floor.now + 0.05)
    return floor.now - START, work


@pytest.mark.parametrize("seed", range(5))
def test_a_thousand_are_answered_in_little_more_than_the_faultless_time(seed: int) -> None:
    ideal = WANTED / AT_ONCE * LATENCY_S
    seconds, work = until_answered(seed, FAULTS)
    assert seconds <= 1.6 * ideal
    records = [r for r in work.floor.ledger if isinstance(r, AnswerRecord)]
    assert Counter(r.status for r in records)["ok"] >= WANTED
    assert len(records) >= len(work.calls) - AT_ONCE, "every attempt is in the ledger"
    given_up = [o for o in work.floor.of(orders.Log) if o.event == "provider.request_given_up"]
    assert len(given_up) <= 3, "three tries in a row fail once in 3,000"


def test_no_request_is_made_again_before_its_retry_after_is_over() -> None:
    _, work = until_answered(9, FAULTS)
    turned_away = [call for call in work.calls if call.said.fails is FailureKind.RATE_LIMITED]
    assert len(turned_away) >= 80
    waiting = [retry for retry in work.floor.desk.books.retries._heap if retry.attempt == 1]  # a 429 is no try
    assert waiting
    ends = {round(call.ended + 1.0, 6) for call in turned_away}
    assert all(round(retry.due, 6) in ends for retry in waiting)


def account(concurrency: int = 16) -> Account:
    return Account(0, None, ProviderTerms("openai", concurrency=concurrency), 0.95, Random(0))


def turn_away(key: Account, now: float, number: int, seconds: float = 5.0) -> None:
    taken = key.take(now, 10, number)
    key.failed(now, number, taken, FailureKind.RATE_LIMITED, seconds, None)


def answer(key: Account, now: float, number: int) -> None:
    key.answered(now, number, key.take(now, 10, number), 10, None)


def test_a_429_to_a_key_that_has_shown_nothing_pauses_it_and_halves_what_is_in_flight() -> None:
    key = account()
    turn_away(key, 0.0, 1)
    assert key.wait_s(0.1, 1) == pytest.approx(4.9)
    assert key.limits.concurrency.limit == 8


def test_a_429_to_a_key_that_goes_on_answering_holds_back_its_request_alone() -> None:
    key = account()
    for number in range(SERVED):
        answer(key, 0.0, number)
    turn_away(key, 0.1, 99)
    assert key.wait_s(0.1, 1) == 0
    assert key.limits.concurrency.limit == 16
    assert key.limits.concurrency.in_flight == 0
    assert key.turned_away == 1


def test_several_in_a_row_pause_it_whatever_it_did_before() -> None:
    key = account()
    for number in range(100):
        answer(key, 0.0, number)
    for number in range(IN_A_ROW):
        assert key.wait_s(1.0, 1) == 0
        turn_away(key, 1.0, 200 + number)
    assert key.wait_s(1.1, 1) == pytest.approx(4.9)
    assert key.limits.concurrency.limit == 8


def test_a_pause_is_ended_when_requests_sent_no_earlier_were_answered() -> None:
    key = account(concurrency=20)
    taken = [key.take(0.0, 10, number) for number in range(12)]
    key.failed(0.2, 0, taken[0], FailureKind.RATE_LIMITED, 5.0, None)
    assert key.wait_s(0.2, 1) > 0
    for number in range(1, 1 + SERVED):
        key.answered(0.2, number, taken[number], 10, None)
    assert key.wait_s(0.2, 1) == 0
    assert key.limits.concurrency.limit == 20


def test_answers_to_requests_sent_before_do_not_end_a_pause() -> None:
    key = account(concurrency=20)
    early = [key.take(0.0, 10, number) for number in range(12)]
    late = key.take(0.1, 10, 50)
    key.failed(0.2, 50, late, FailureKind.RATE_LIMITED, 5.0, None)
    for number in range(12):
        key.answered(0.3, number, early[number], 10, None)
    assert key.wait_s(0.3, 1) == pytest.approx(4.9)
