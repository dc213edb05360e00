"""The desk's ticks, and whether it works: what systemd's watchdog is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from igentai_orchestrator.core import facts

if TYPE_CHECKING:
    from collections.abc import Callable

    from igentai_orchestrator.daemon.outcome import Outcome
    from igentai_orchestrator.daemon.state import State

BEAT_WITHIN_S: Final = 5.0  # the desk ticks four times a second; one silent for longer does not work


class Pulse:
    def __init__(self, state: State, dispatch: Callable[[facts.Fact], None], outcome: Outcome) -> None:
        self._state = state
        self._dispatch = dispatch
        self._outcome = outcome
        self.last = state.now()

    def beat(self) -> float | None:
        """One tick. Returns in how many seconds the desk wants the next."""
        self._dispatch(facts.Tick())
        self.last = self._state.now()
        return self._state.desk.deadline(self.last)

    def alive(self) -> bool:
        """Whether the desk works. A full disk is waited for, not restarted over."""
        return self._outcome.failure is None and self._state.now() - self.last < BEAT_WITHIN_S
