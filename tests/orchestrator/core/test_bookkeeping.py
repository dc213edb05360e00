"""The small rooms of the desk: journal, roster, retries, agenda, stops, request size, gate."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from igentai.errors import FailureKind, TopicError
from igentai_orchestrator.core.agenda import Agenda, Entry
from igentai_orchestrator.core.arrangement import ProviderTerms
from igentai_orchestrator.core.discovery import Ask
from igentai_orchestrator.core.flights import Retries
from igentai_orchestrator.core.gate import Gate
from igentai_orchestrator.core.journal import Acknowledge, Journal
from igentai_orchestrator.core.records import LostRecord
from igentai_orchestrator.core.request_size import LONGEST, SHORTEST, START, RequestSize
from igentai_orchestrator.core.roster import Link, Roster
from igentai_orchestrator.core.stops import Progress, reason_to_stop
from igentai_orchestrator.core.topic import Limits, ModelChoice, TopicSpec


def test_a_commit_sets_free_what_rests_on_it_in_order_and_once() -> None:
    journal = Journal()
    for n in range(1, 4):
        assert journal.record(LostRecord(n, ""), Acknowledge("run", n, n)).ticket == n
    assert not journal.settled
    assert [c.seq for c in journal.committed(2) if isinstance(c, Acknowledge)] == [1, 2]
    assert [c.seq for c in journal.committed(3) if isinstance(c, Acknowledge)] == [3]
    assert journal.committed(3) == []
    assert journal.settled


def test_the_hungriest_producer_is_the_one_with_most_places_and_least_to_do() -> None:
    roster = Roster()
    for number, free, busy in ((1, 1, 0), (2, 2, 3), (3, 2, 1), (4, 0, 0)):
        roster.join(Link(number, None, f"run{number}", "h", number, free=free, flights=set(range(busy))))
    chosen = roster.hungriest()
    assert chosen is not None
    assert chosen.number == 3


def test_a_producer_run_has_one_connection_the_latest() -> None:
    roster = Roster()
    assert roster.join(Link(1, 0, "run", "h", 1, flights={7})) is None
    older = roster.join(Link(2, 0, "run", "h", 1))
    assert older is not None
    assert older.number == 1
    current = roster.of_run("run")
    assert current is not None
    assert (current.number, current.flights) == (2, {7})
    assert roster.leave(1) is None, "the fenced connection is gone already"
    assert roster.of_run("run") is current


@given(st.lists(st.floats(0, 100), min_size=1, max_size=20), st.floats(0, 100))
def test_retries_come_back_when_they_are_due_longest_waiting_first(dues: list[float], now: float) -> None:
    retries = Retries()
    for due in dues:
        retries.add(due, Ask("m", ""), 1, frozenset())
    taken = []
    while (retry := retries.take(now)) is not None:
        taken.append(retry.due)
    assert taken == sorted(due for due in dues if due <= now)
    assert len(retries) == len(dues) - len(taken)


def entry(name: str) -> Entry:
    return Entry(TopicSpec(name, name, (ModelChoice("simulated", "small"),)), "new")


def test_topics_run_one_after_the_other_each_once() -> None:
    agenda = Agenda()
    assert [agenda.add(entry(name), None) for name in ("a", "b", "c")] == [0, 1, 2]
    with pytest.raises(TopicError, match="queued already"):
        agenda.add(entry("b"), None)
    with pytest.raises(TopicError, match="running already"):
        agenda.add(entry("d"), "d")
    assert agenda.remove("b")
    assert not agenda.remove("b")
    taken = [agenda.next(), agenda.next(), agenda.next()]
    assert [e.spec.folder if e else None for e in taken] == ["a", "c", None]


AT = Progress(attributes=100, requests=10, elapsed_s=120.0, coverage=0.9, recent_yield=2.0)


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        (Limits(), None),
        (Limits(max_attributes=101, max_requests=11, max_minutes=2.1, until_coverage=0.91, min_yield=1.9), None),
        (Limits(max_attributes=100), "--max-attributes 100"),
        (Limits(max_requests=10), "--max-requests 10"),
        (Limits(max_minutes=2), "--max-minutes 2"),
        (Limits(until_coverage=0.9), "--until-coverage 0.9"),
        (Limits(min_yield=2.5), "--min-yield 2.5"),
    ],
)
def test_the_first_limit_to_hit_names_itself(limits: Limits, says: str | None) -> None:
    reason = reason_to_stop(limits, AT)
    assert reason is None if says is None else reason is not None and reason.startswith(says)


def test_nothing_is_concluded_from_what_cannot_be_told_yet() -> None:
    early = Progress(attributes=1, requests=1, elapsed_s=1.0, coverage=None, recent_yield=None)
    assert reason_to_stop(Limits(until_coverage=0.0, min_yield=99), early) is None


def test_request_size_grows_while_lists_come_back_whole_and_halves_when_cut_off() -> None:
    size = RequestSize(None)
    assert size.value == START
    for _ in range(4):
        size.learn(size.value, size.value, truncated=False)
    assert size.value == LONGEST
    size.learn(LONGEST, 20, truncated=True)
    assert size.value == LONGEST // 2
    for _ in range(9):
        size.learn(size.value, 1, truncated=True)
    assert size.value == SHORTEST


def test_a_fixed_request_size_never_changes() -> None:
    size = RequestSize(25)
    size.learn(25, 3, truncated=True)
    assert size.value == 25


def gate(**terms: int) -> Gate:
    return Gate("openai", ProviderTerms("openai", **terms), 0.95, Random(0))  # type: ignore[arg-type]  # fields by name


def test_a_gate_is_shut_while_a_provider_asks_for_patience() -> None:
    door = gate()
    taken = door.take(0.0, 100, 1)
    door.failed(0.0, 1, taken, FailureKind.RATE_LIMITED, 12.0)
    assert door.wait_s(0.0, "m", 100) == pytest.approx(12.0)
    assert door.state(1.0, "m")[0] == "waiting"
    assert door.wait_s(12.1, "m", 100) == 0


def test_a_model_that_is_out_leaves_the_others_of_its_provider_in() -> None:
    door = gate()
    assert door.put_out("unknown model", "wrong")
    assert not door.put_out("unknown model", "wrong"), "said once"
    assert door.wait_s(0.0, "wrong", 1) == math.inf
    assert door.wait_s(0.0, "right", 1) == 0
    door.readmit()
    assert door.wait_s(0.0, "wrong", 1) == 0


def test_faults_open_the_breaker_and_one_request_tries_again() -> None:
    door = gate()
    for call in range(10):
        door.failed(float(call), call, door.take(float(call), 1, call), FailureKind.SERVER, None)
    assert door.state(10.0, "m")[0] == "open"
    later = 10.0 + door.wait_s(10.0, "m", 1)
    assert door.state(later, "m")[0] == "half-open"
    door.take(later, 1, 99)
    assert door.wait_s(later, "m", 1) > 0, "one probe for the whole system"
    door.answered(later, 99, None, 1)
    assert door.state(later, "m")[0] == "ok"
