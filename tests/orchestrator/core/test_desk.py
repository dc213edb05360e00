"""The desk by its one door: facts in, orders out, no process, no clock."""

from __future__ import annotations

from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from igentai.errors import FailureKind
from igentai_orchestrator.core import facts, orders
from igentai_orchestrator.core.arrangement import ProviderTerms
from igentai_orchestrator.core.records import AnswerRecord
from igentai_orchestrator.core.topic import Limits, ModelChoice
from tests.orchestrator.core.floor import LEDGER, Floor, acks, running, spec, starts

ONE = (ModelChoice("openai", "cheap"),)


def test_a_topic_spawns_its_producers_and_tells_each_what_to_work_on() -> None:
    floor = Floor()
    floor.open(spec(producers=3))
    assert [o.slot for o in floor.of(orders.Spawn)] == [0, 1, 2]
    link = floor.join(slot=1)
    [(told, start)] = starts(floor)
    assert (told, start.ledger, start.last_seq, start.topic) == (link, LEDGER, 0, "things")
    assert start.generation_config.spool == "/spool"


def test_no_more_is_assigned_than_a_producer_asked_for() -> None:
    floor, link = running(free=3)
    floor.commit()
    assert len(floor.assigned()) == 3
    floor.happen(facts.ProducerReady(link, 1))
    floor.commit()
    assert len(floor.assigned()) == 4


def test_fresh_and_repeated_attributes_are_told_apart_by_key() -> None:
    floor, link = running()
    floor.commit()
    (_, first), (_, second) = floor.assigned()
    floor.answer(link, first, ["Café", "Beta"], ready=False)
    floor.answer(link, second, ["BETA", "Cafe", "Gamma"], ready=False)
    one, two = [r for r in floor.ledger if isinstance(r, AnswerRecord)]
    assert (one.first_number, list(one.fresh), list(one.repeats)) == (1, ["Café", "Beta"], [])
    assert (two.first_number, list(two.fresh), list(two.repeats)) == (3, ["Gamma"], [2, 1])


def test_a_resent_answer_is_not_taken_twice_and_is_acknowledged_again() -> None:
    floor, link = running()
    floor.commit()
    (_, assign), _ = floor.assigned()
    batch = floor.batch(floor.runs[link], assign, ["Alpha"], seq=1)
    floor.happen(facts.AnswerArrived(link, batch))
    again = floor.happen(facts.AnswerArrived(link, batch))
    assert acks(floor, again) == [], "not durable yet: the commit will acknowledge it"
    floor.commit()
    assert acks(floor, floor.happen(facts.AnswerArrived(link, batch))) == [(link, 1)]
    assert len([r for r in floor.ledger if isinstance(r, AnswerRecord)]) == 1


def test_not_one_request_more_than_the_most() -> None:
    floor, link = running(Limits(max_requests=3, saturation=False))
    for round_ in range(5):
        floor.commit()
        for _, assign in floor.assigned()[round_:]:
            if floor.desk.books.flights.get(assign.assignment_id):
                floor.answer(link, assign, [f"item {assign.assignment_id}"])
                break
    floor.commit()
    assert len(floor.assigned()) == 3
    [close] = floor.of(orders.CloseTopic)
    assert (close.status, close.reason) == ("finished", "--max-requests 3 reached")


def test_failed_attempts_count_as_requests_and_are_tried_elsewhere() -> None:
    floor, link = running(free=1)
    floor.commit()
    [(_, first)] = floor.assigned()
    floor.fail(link, first, FailureKind.SERVER)
    floor.commit()
    second = floor.assigned()[-1][1]
    assert second.assignment_id == 2
    assert second.provider != first.provider
    failed = [r for r in floor.ledger if isinstance(r, AnswerRecord)]
    assert [r.status for r in failed] == ["failed:server"]


def test_a_refused_key_puts_its_provider_out_and_the_other_goes_on() -> None:
    floor, link = running(free=1)
    floor.commit()
    [(_, first)] = floor.assigned()
    floor.fail(link, first, FailureKind.KEY)
    for _ in range(4):
        floor.commit()
        floor.answer(link, floor.assigned()[-1][1], [f"x{floor.now}"])
        floor.tick()
    assert {a.provider for _, a in floor.assigned()[1:]} == {"anthropic" if first.provider == "openai" else "openai"}
    assert [o.level for o in floor.of(orders.Log) if o.event == "provider.out"] == ["error"]


def test_all_providers_out_ends_an_exploration_and_keeps_a_daemon_waiting() -> None:
    for wait_when_out in (False, True):
        floor = Floor(wait_when_out=wait_when_out)
        floor.open(spec(models=ONE))
        link = floor.join(slot=0, free=1)
        floor.commit()
        floor.fail(link, floor.assigned()[0][1], FailureKind.KEY)
        floor.commit()
        floor.tick()
        floor.commit()
        closed = floor.of(orders.CloseTopic)
        assert [c.exit_code for c in closed] == ([] if wait_when_out else [3])
        if wait_when_out:
            floor.happen(facts.ConfigurationReloaded())
            floor.commit()
            assert len(floor.assigned()) == 2, "a new configuration lets it back in"


def test_a_429_is_waited_out_to_the_second() -> None:
    floor, link = running(free=1, models=ONE)
    floor.commit()
    floor.fail(link, floor.assigned()[0][1], FailureKind.RATE_LIMITED, retry_after_s=7.0)
    floor.tick(6.9)
    floor.commit()
    assert len(floor.assigned()) == 1
    floor.tick(0.2)
    floor.commit()
    assert len(floor.assigned()) == 2


def test_the_budget_is_never_passed_by_what_is_under_way() -> None:
    floor, link = running(Limits(budget_usd=0.004, saturation=False), models=ONE, free=50)
    floor.commit()
    under_way = len(floor.assigned())
    budget = floor.desk.books.campaign.budget  # type: ignore[union-attr]  # the topic is open
    assert 0 < under_way < 50
    assert budget.reserved <= 0.004
    for _, assign in floor.assigned()[:under_way]:
        floor.answer(link, assign, [f"item {assign.assignment_id}"], ready=False)
    assert budget.settled + budget.reserved <= 0.004


def test_an_answer_for_another_ledger_is_neither_taken_nor_acknowledged() -> None:
    floor, link = running()
    floor.commit()
    batch = floor.batch(floor.runs[link], 1, ["Alpha"])
    stray = type(batch)("another", *[getattr(batch, n) for n in batch.__slots__[1:]])
    found = floor.happen(facts.AnswerArrived(link, stray))
    assert [type(o) for o in found] == [orders.Log]


def test_after_a_restart_nothing_is_forgotten() -> None:
    floor, link = running(Limits(max_requests=10, saturation=False))
    for n in range(3):
        floor.commit()
        floor.answer(link, floor.assigned()[n][1], [f"item {n}", "again"])
    floor.commit()
    before = floor.desk.books.campaign
    assert before is not None

    after = Floor(seed=1)
    after.open(before.spec, floor.ledger)
    campaign = after.desk.books.campaign
    assert campaign is not None
    assert campaign.texts == before.texts
    assert campaign.requests == before.requests
    assert campaign.last_seq == before.last_seq
    assert campaign.budget.settled == before.budget.settled
    assert campaign.budget.reserved == before.budget.reserved
    assert campaign.statistics.totals == before.statistics.totals
    again = after.join(slot=0, run_id=floor.runs[link], free=0)
    assert starts(after)[-1][1].last_seq == 3
    resent = after.happen(facts.AnswerArrived(again, floor.batch(floor.runs[link], 3, ["item 2"], seq=3)))
    assert acks(after, resent) == [(again, 3)]


def test_weights_a_person_sets_survive_a_restart() -> None:
    floor, _ = running(policy="fixed")
    floor.happen(facts.WeightsSet({"openai:cheap": 1.0, "anthropic:dear": 0.0}, "a person"))
    after = Floor()
    after.open(spec(policy="fixed"), floor.ledger)
    assert after.desk.books.campaign.weights_set["openai:cheap"] == 1.0  # type: ignore[union-attr]  # the topic is open
    after.join(slot=0, free=6)
    after.commit()
    assert {a.provider for _, a in after.assigned()} == {"openai"}


def test_a_provider_takes_no_more_at_once_than_its_terms_allow() -> None:
    floor = Floor(terms=ProviderTerms("openai", concurrency=2))
    floor.open(spec(models=ONE))
    floor.join(slot=0, free=10)
    floor.commit()
    assert len(floor.assigned()) == 2


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32), most=st.integers(1, 30), producers=st.integers(1, 4))
def test_whatever_happens_limits_hold_and_every_answer_is_kept_once(seed: int, most: int, producers: int) -> None:
    """A random floor: answers, failures, deaths, commits that lag. The invariants are those of the promises."""
    rng = Random(seed)
    floor = Floor(seed=seed)
    floor.open(spec(limits=Limits(max_requests=most, budget_usd=0.05, saturation=False), producers=producers))
    links = [floor.join(slot=n, free=2) for n in range(producers)]
    delivered: list[str] = []
    done: set[int] = set()
    for _ in range(150):
        floor.tick(rng.random())
        if rng.random() < 0.7:
            floor.commit()
        open_ones = [(link, a) for link, a in floor.assigned() if a.assignment_id not in done and link in links]
        if not open_ones:
            continue
        link, assign = rng.choice(open_ones)
        done.add(assign.assignment_id)
        if rng.random() < 0.3:
            kind = rng.choice([FailureKind.SERVER, FailureKind.RATE_LIMITED, FailureKind.RESET, FailureKind.REFUSED])
            floor.fail(link, assign, kind, retry_after_s=rng.choice([None, 0.5]))
        else:
            items = [f"thing {rng.randrange(60)}" for _ in range(5)]
            delivered += items
            floor.answer(link, assign, items)
    floor.commit()
    campaign = floor.desk.books.campaign
    assert campaign is not None
    assert len(floor.assigned()) <= most
    assert campaign.budget.settled + campaign.budget.reserved <= 0.05 + 1e-12
    assert set(campaign.texts) == set(delivered)
    assert len(campaign.texts) == len(set(campaign.texts))
    numbers = [r.first_number + n for r in floor.ledger if isinstance(r, AnswerRecord) for n in range(len(r.fresh))]
    assert numbers == list(range(1, len(numbers) + 1))
