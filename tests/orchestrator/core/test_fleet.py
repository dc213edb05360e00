"""Slots: spawned, watched, replaced with growing patience, given up when they crash too often."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from igentai_orchestrator.core.fleet import (
    ABORT_S,
    BACKOFF_S,
    HEALTHY_S,
    HUNG_S,
    QUIET_S,
    RESTARTS_ALLOWED,
    STARTING_GRACE_S,
    TRANSITIONS,
    Event,
    Fleet,
    State,
)
from igentai_orchestrator.core.orders import Kill, Order, Spawn


def spawns(orders: list[Order]) -> list[int]:
    return [o.slot for o in orders if isinstance(o, Spawn)]


def kills(orders: list[Order]) -> list[str]:
    return [o.how for o in orders if isinstance(o, Kill)]


def up(fleet: Fleet, now: float = 0.0, pid: int = 100) -> None:
    """One producer, spawned and heard."""
    fleet.resize(1, now)
    fleet.spawned(0, pid, now)
    fleet.heard(0, now)


def test_the_table_names_every_state_and_leads_nowhere_else() -> None:
    assert set(TRANSITIONS) == set(State)
    assert {after for row in TRANSITIONS.values() for after in row.values()} <= set(State)


def test_wanted_producers_are_spawned_at_once_and_once() -> None:
    fleet = Fleet(Random(0))
    assert spawns(fleet.resize(3, 0.0)) == [0, 1, 2]
    assert spawns(fleet.tick(1.0)) == []


def test_a_dead_producer_is_replaced_within_the_first_backoff() -> None:
    fleet = Fleet(Random(0))
    up(fleet)
    fleet.exited(0, 100, -9, 10.0)
    assert fleet.slots[0].due <= 10.0 + BACKOFF_S
    assert spawns(fleet.tick(10.0 + BACKOFF_S)) == [0]


def test_silence_is_suspected_then_aborted_then_killed() -> None:
    fleet = Fleet(Random(0))
    up(fleet)
    assert kills(fleet.tick(QUIET_S - 0.1)) == []
    fleet.tick(QUIET_S)
    assert fleet.slots[0].state is State.SILENT
    assert kills(fleet.tick(HUNG_S)) == ["abort"]
    assert kills(fleet.tick(HUNG_S + ABORT_S - 0.1)) == []
    assert kills(fleet.tick(HUNG_S + ABORT_S)) == ["kill"]
    assert kills(fleet.tick(HUNG_S + ABORT_S + 5)) == [], "once"


def test_a_word_in_time_ends_the_suspicion() -> None:
    fleet = Fleet(Random(0))
    up(fleet)
    fleet.tick(QUIET_S + 1)
    fleet.heard(0, QUIET_S + 2)
    assert fleet.slots[0].state is State.UP
    assert kills(fleet.tick(QUIET_S + 3)) == []


def test_a_starting_producer_has_a_longer_grace() -> None:
    fleet = Fleet(Random(0))
    fleet.resize(1, 0.0)
    fleet.spawned(0, 100, 0.0)
    assert kills(fleet.tick(STARTING_GRACE_S - 0.1)) == []
    assert kills(fleet.tick(STARTING_GRACE_S)) == ["abort"]


def test_more_than_five_restarts_a_minute_and_the_slot_has_failed() -> None:
    fleet = Fleet(Random(0))
    fleet.resize(1, 0.0)
    now, spawned = 0.0, 0
    while fleet.slots[0].state is not State.FAILED:
        now += 0.05
        spawned += len(spawns(fleet.tick(now))) or (spawned == 0)
        if fleet.slots[0].state is State.SPAWNING:
            fleet.spawned(0, 100 + spawned, now)
            fleet.exited(0, 100 + spawned, 1, now)
    assert spawned == RESTARTS_ALLOWED + 1
    assert fleet.all_failed


def test_a_minute_of_health_forgives_earlier_crashes() -> None:
    fleet = Fleet(Random(0))
    up(fleet)
    fleet.exited(0, 100, 1, 1.0)
    fleet.exited(0, 100, 1, 1.0)
    assert fleet.slots[0].tries == 1
    fleet.tick(3.0)
    fleet.spawned(0, 101, 3.0)
    fleet.heard(0, 3.0)
    for second in range(4, 4 + int(HEALTHY_S) + 2):
        fleet.heard(0, float(second))
        fleet.tick(float(second))
    assert fleet.slots[0].tries == 0


def test_the_exit_of_a_process_that_is_not_the_slots_is_ignored() -> None:
    fleet = Fleet(Random(0))
    up(fleet)
    assert fleet.exited(0, 99, 1, 1.0) == []
    assert fleet.slots[0].state is State.UP


def test_dismissed_producers_are_asked_then_killed_and_not_replaced() -> None:
    fleet = Fleet(Random(0))
    up(fleet)
    assert kills(fleet.dismiss_all(1.0)) == ["terminate"]
    assert kills(fleet.tick(1.0 + fleet.leave_s)) == ["kill"]
    fleet.exited(0, 100, 0, 12.0)
    assert fleet.slots[0].state is State.VACANT
    assert spawns(fleet.tick(100.0)) == []


def test_a_slot_wanted_again_while_it_was_leaving_is_spawned_again() -> None:
    fleet = Fleet(Random(0))
    up(fleet)
    fleet.resize(0, 1.0)
    fleet.resize(1, 2.0)
    fleet.exited(0, 100, 0, 3.0)
    assert spawns(fleet.tick(3.0)) == [0]


def test_a_slot_wanted_again_before_its_spawn_failed_is_tried_again() -> None:
    fleet = Fleet(Random(0))
    fleet.resize(1, 0.0)
    fleet.resize(0, 0.0)
    fleet.resize(1, 0.0)
    fleet.spawn_failed(0, "no memory", 0.0)
    assert spawns(fleet.tick(BACKOFF_S)) == [0]


@given(st.integers(0, 2**32), st.integers(1, 8))
def test_restart_delays_stay_within_their_ceiling(seed: int, crashes: int) -> None:
    fleet = Fleet(Random(seed))
    fleet.resize(1, 0.0)
    now = 0.0
    for n in range(crashes):
        fleet.slots[0].recent.clear()  # the restart budget is another test's matter
        fleet.tick(now)
        fleet.spawned(0, 100 + n, now)
        fleet.exited(0, 100 + n, 1, now)
        assert now <= fleet.slots[0].due <= now + min(30.0, BACKOFF_S * 2**n)
        now = fleet.slots[0].due


class FleetMachine(RuleBasedStateMachine):
    """Anything may happen in any order; what is wanted and what lives never come apart."""

    def __init__(self) -> None:
        super().__init__()
        self.fleet = Fleet(Random(1))
        self.now = 0.0
        self.pids = iter(range(100, 10**9))
        self.living: dict[int, int] = {}
        self.pending: set[int] = set()

    def perform(self, orders: list[Order]) -> None:
        for order in orders:
            if isinstance(order, Spawn):
                assert order.slot not in self.living, "never two processes in one slot"
                assert order.slot not in self.pending
                self.pending.add(order.slot)
            elif isinstance(order, Kill):
                assert self.living.get(order.slot) == order.pid, "only the living are signalled"
                if order.how == "kill":
                    del self.living[order.slot]
                    self.perform(self.fleet.exited(order.slot, order.pid, -9, self.now))

    @rule(count=st.integers(0, 4))
    def resize(self, count: int) -> None:
        self.perform(self.fleet.resize(count, self.now))

    @rule(seconds=st.floats(0.0, 40.0))
    def tick(self, seconds: float) -> None:
        self.now += seconds
        self.perform(self.fleet.tick(self.now))

    @rule(works=st.booleans())
    def spawn(self, works: bool) -> None:
        for slot in sorted(self.pending):
            self.pending.discard(slot)
            if works:
                pid = self.living[slot] = next(self.pids)
                self.perform(self.fleet.spawned(slot, pid, self.now))
            else:
                self.perform(self.fleet.spawn_failed(slot, "no memory", self.now))

    @rule()
    def hear(self) -> None:
        for slot in self.living:
            self.fleet.heard(slot, self.now)

    @rule(code=st.sampled_from([0, 1, -9]))
    def exit_one(self, code: int) -> None:
        if self.living:
            slot = min(self.living)
            self.perform(self.fleet.exited(slot, self.living.pop(slot), code, self.now))

    @invariant()
    def pids_agree(self) -> None:
        assert {s.number: s.pid for s in self.fleet.slots if s.pid is not None} == self.living

    @invariant()
    def vacant_slots_are_unwanted(self) -> None:
        assert not [s.number for s in self.fleet.slots if s.state is State.VACANT and s.wanted]


TestFleetMachine = FleetMachine.TestCase
TestFleetMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@pytest.mark.parametrize("event", list(Event))
def test_an_event_that_means_nothing_changes_nothing(event: Event) -> None:
    fleet = Fleet(Random(0))
    fleet.resize(1, 0.0)
    for state in State:
        if event in TRANSITIONS[state]:
            continue
        fleet.slots[0].state = state
        assert fleet.slots[0].move(event, 1.0) is False
        assert fleet.slots[0].state is state
