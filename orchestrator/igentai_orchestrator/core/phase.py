"""The life of a topic, and the daemon's own end: every transition stands in one table.

idle ──OPENED──▶ running ──ENOUGH, STOPPED──▶ finishing ──SETTLED──▶ closing ──CLOSED──▶ idle
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from igentai_orchestrator.core.orders import CloseTopic


class Phase(StrEnum):
    IDLE = "idle"
    RUNNING = "running"
    FINISHING = "finishing"  # nothing more is asked; what is under way is waited for
    CLOSING = "closing"  # all is recorded; the archive closes the files


class Event(StrEnum):
    OPENED = "opened"
    ENOUGH = "enough"  # a limit, saturation, no provider: there is time for what is under way
    STOPPED = "stopped"  # somebody waits
    SETTLED = "settled"  # nothing is under way and everything is durable
    CLOSED = "closed"


_P, _E = Phase, Event
TRANSITIONS: Final[Mapping[Phase, Mapping[Event, Phase]]] = {
    _P.IDLE: {_E.OPENED: _P.RUNNING},
    _P.RUNNING: {_E.ENOUGH: _P.FINISHING, _E.STOPPED: _P.FINISHING},
    _P.FINISHING: {_E.STOPPED: _P.FINISHING, _E.SETTLED: _P.CLOSING},
    _P.CLOSING: {_E.CLOSED: _P.IDLE},
}


@dataclass(slots=True)
class Life:
    """Where the open topic is, and whether the daemon itself is to end.

    `closing` is how the topic ends, once that is decided; `finish_by` when what is under way is waited for no longer;
    `asked_to_stop` whether somebody waits for the end.
    """

    phase: Phase = Phase.IDLE
    closing: CloseTopic | None = None
    finish_by: float = 0.0
    asked_to_stop: bool = False
    shutting_down: bool = False

    def may(self, event: Event) -> bool:
        """Whether the event means anything in this phase."""
        return event in TRANSITIONS[self.phase]

    def move(self, event: Event) -> None:
        """Follow the table."""
        assert self.may(event), f"{event} while {self.phase}"
        self.phase = TRANSITIONS[self.phase][event]
