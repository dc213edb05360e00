"""The slots of local producers: who is starting, up, silent or gone, and when a new one is spawned.

All transitions stand in one table. Times are monotonic seconds. Figures from RELIABILITY: heartbeat every 2 s; silent
after 5 s, asked for a traceback (SIGABRT) after 10 s, killed 2 s later; restart after 0.5·2ⁿ s up to 30 s with full
jitter, forgotten after 60 s of health; more than 5 restarts in 60 s and the slot has failed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Final

from igentai_orchestrator.core.orders import Kill, Log, Order, Spawn


class State(StrEnum):
    WAITING = "waiting"  # to be spawned at `due`
    SPAWNING = "spawning"  # ordered, no process yet
    STARTING = "starting"  # a process that has not proved itself yet
    UP = "up"
    SILENT = "silent"  # no word for 5 s
    ABORTING = "aborting"  # SIGABRT sent
    DYING = "dying"  # SIGKILL sent, or its link broke the rules
    LEAVING = "leaving"  # dismissed: finishing what it has
    FAILED = "failed"  # crashed too often
    VACANT = "vacant"  # not wanted


class Event(StrEnum):
    DUE = "due"
    SPAWNED = "spawned"
    SPAWN_FAILED = "spawn_failed"
    HEARD = "heard"
    QUIET = "quiet"
    HUNG = "hung"
    DEAF = "deaf"
    EXITED = "exited"
    DISMISSED = "dismissed"


_S, _E = State, Event
TRANSITIONS: Final[Mapping[State, Mapping[Event, State]]] = {
    _S.WAITING: {_E.DUE: _S.SPAWNING, _E.DISMISSED: _S.VACANT},
    _S.SPAWNING: {_E.SPAWNED: _S.STARTING, _E.SPAWN_FAILED: _S.WAITING, _E.DISMISSED: _S.LEAVING},
    _S.STARTING: {_E.HEARD: _S.UP, _E.HUNG: _S.ABORTING, _E.EXITED: _S.WAITING, _E.DISMISSED: _S.LEAVING},
    _S.UP: {_E.HEARD: _S.UP, _E.QUIET: _S.SILENT, _E.EXITED: _S.WAITING, _E.DISMISSED: _S.LEAVING},
    _S.SILENT: {_E.HEARD: _S.UP, _E.HUNG: _S.ABORTING, _E.EXITED: _S.WAITING, _E.DISMISSED: _S.LEAVING},
    _S.ABORTING: {_E.DEAF: _S.DYING, _E.EXITED: _S.WAITING, _E.DISMISSED: _S.DYING},
    _S.DYING: {_E.EXITED: _S.WAITING},
    _S.LEAVING: {_E.SPAWNED: _S.LEAVING, _E.SPAWN_FAILED: _S.VACANT, _E.DEAF: _S.LEAVING, _E.EXITED: _S.VACANT},
    _S.FAILED: {_E.DISMISSED: _S.VACANT},
    _S.VACANT: {},
}

QUIET_S: Final = 5.0
HUNG_S: Final = 10.0
ABORT_S: Final = 2.0
STARTING_GRACE_S: Final = 30.0
LEAVE_S: Final = 10.0
BACKOFF_S: Final = 0.5
BACKOFF_MAX_S: Final = 30.0
HEALTHY_S: Final = 60.0
RESTARTS_ALLOWED: Final = 5
RESTART_WINDOW_S: Final = 60.0


@dataclass(slots=True)
class Slot:
    """One place for a local producer. `since` is when it entered its state, `heard` when it last spoke."""

    number: int
    state: State = State.WAITING
    since: float = 0.0
    heard: float = 0.0
    due: float = 0.0
    pid: int | None = None
    tries: int = 0
    restarts: int = 0
    wanted: bool = True
    recent: deque[float] = field(default_factory=deque)

    def move(self, event: Event, now: float) -> bool:
        """Follow the table. False where the event means nothing in this state."""
        after = TRANSITIONS[self.state].get(event)
        if after is None:
            return False
        if after is not self.state:
            self.state, self.since = after, now
        return True


class Fleet:
    """All slots. Methods return the orders that follow from what happened."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self.slots: list[Slot] = []
        self.leave_s = LEAVE_S

    @property
    def alive(self) -> int:
        """Slots that have a process."""
        return sum(slot.pid is not None for slot in self.slots)

    @property
    def all_failed(self) -> bool:
        wanted = [slot for slot in self.slots if slot.wanted]
        return bool(wanted) and all(slot.state is State.FAILED for slot in wanted)

    def resize(self, count: int, now: float) -> list[Order]:
        """Want `count` producers: more are spawned at the next tick, surplus ones are let go."""
        orders: list[Order] = []
        while len(self.slots) < count:
            self.slots.append(Slot(len(self.slots), since=now, due=now))
        for slot in self.slots:
            if slot.number < count:
                self._want(slot, now)
            elif slot.wanted:
                orders += self._dismiss(slot, now)
        return orders + self.tick(now)

    def _want(self, slot: Slot, now: float) -> None:
        slot.wanted = True
        if slot.state in (State.VACANT, State.FAILED):
            slot.state, slot.since, slot.due, slot.tries = State.WAITING, now, now, 0
            slot.recent.clear()

    def _dismiss(self, slot: Slot, now: float) -> list[Order]:
        slot.wanted = False
        slot.move(Event.DISMISSED, now)
        if slot.pid is None:
            return []
        return [Kill(slot.number, slot.pid, "kill" if slot.state is State.DYING else "terminate")]

    def spawned(self, number: int, pid: int, now: float) -> list[Order]:
        slot = self.slots[number]
        slot.pid = pid
        slot.move(Event.SPAWNED, now)
        slot.heard = now
        orders: list[Order] = [Log("info", "fleet.producer_spawned", {"slot": number, "pid": pid})]
        if not slot.wanted:
            orders.append(Kill(number, pid, "terminate"))
        return orders

    def spawn_failed(self, number: int, detail: str, now: float) -> list[Order]:
        slot = self.slots[number]
        slot.move(Event.SPAWN_FAILED, now)
        return [Log("error", "fleet.spawn_failed", {"slot": number, "detail": detail}), *self._again(slot, now)]

    def heard(self, number: int, now: float) -> None:
        """A word from the producer in this slot: it lives."""
        slot = self.slots[number]
        slot.heard = now
        slot.move(Event.HEARD, now)

    def exited(self, number: int, pid: int, code: int, now: float) -> list[Order]:
        slot = self.slots[number]
        if slot.pid != pid:
            return []
        up_for = now - slot.since if slot.state is State.UP else 0.0
        slot.pid = None
        slot.move(Event.EXITED, now)
        keys = {"slot": number, "pid": pid, "code": code}
        log = Log("info" if slot.state is State.VACANT else "warning", "fleet.producer_exited", keys)
        if slot.state is State.VACANT and slot.wanted:  # wanted again while it was leaving
            slot.state, slot.due = State.WAITING, now
            return [log]
        if slot.state is not State.WAITING:
            return [log]
        if up_for >= HEALTHY_S:
            slot.tries = 0
        return [log, *self._again(slot, now)]

    def _again(self, slot: Slot, now: float) -> list[Order]:
        """Set the time of the next spawn, or give the slot up."""
        if not slot.wanted:
            slot.state = State.VACANT
            return []
        if slot.state is State.VACANT:  # wanted again while it was leaving
            slot.state, slot.since = State.WAITING, now
        while slot.recent and slot.recent[0] <= now - RESTART_WINDOW_S:
            slot.recent.popleft()
        slot.recent.append(now)
        slot.restarts += 1
        if len(slot.recent) > RESTARTS_ALLOWED:
            slot.state, slot.since = State.FAILED, now
            keys = {"slot": slot.number, "restarts": len(slot.recent), "window_s": RESTART_WINDOW_S}
            return [Log("error", "fleet.slot_failed", keys)]
        ceiling = min(BACKOFF_MAX_S, BACKOFF_S * 2.0**slot.tries)
        slot.tries += 1
        slot.due = now + self._rng.uniform(0.0, ceiling)
        return []

    def tick(self, now: float) -> list[Order]:
        orders: list[Order] = []
        for slot in self.slots:
            orders += self._tick_slot(slot, now)
        return orders

    def _tick_slot(self, slot: Slot, now: float) -> list[Order]:
        number, silence = slot.number, now - slot.heard
        if slot.state is State.WAITING and now >= slot.due:
            slot.move(Event.DUE, now)
            return [Spawn(number)]
        if slot.pid is None:
            return []
        if slot.state is State.STARTING and now - slot.since >= STARTING_GRACE_S:
            return self._abort(slot, silence, now)
        if slot.state is State.UP and silence >= QUIET_S:
            slot.move(Event.QUIET, now)
            return [Log("warning", "fleet.producer_silent", {"slot": number, "silent_s": round(silence, 1)})]
        if slot.state is State.SILENT and silence >= HUNG_S:
            return self._abort(slot, silence, now)
        if slot.state is State.ABORTING and now - slot.since >= ABORT_S:
            slot.move(Event.DEAF, now)
            return [Kill(number, slot.pid, "kill")]
        if slot.state is State.LEAVING and now - slot.since >= self.leave_s:
            slot.move(Event.DEAF, now)
            return [Kill(number, slot.pid, "kill")]
        if slot.state is State.UP and now - slot.since >= HEALTHY_S:
            slot.tries = 0
        return []

    def _abort(self, slot: Slot, silence: float, now: float) -> list[Order]:
        slot.move(Event.HUNG, now)
        assert slot.pid is not None
        keys = {"slot": slot.number, "pid": slot.pid, "silent_s": round(silence, 1)}
        return [Log("error", "fleet.producer_hung", keys), Kill(slot.number, slot.pid, "abort")]

    def dismiss_all(self, now: float) -> list[Order]:
        """Let every producer go; none is spawned again."""
        return self.resize(0, now)

    @property
    def deadline(self) -> float | None:
        """When the next spawn is due; everything else can wait for a tick."""
        return min((slot.due for slot in self.slots if slot.state is State.WAITING), default=None)
