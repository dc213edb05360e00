"""Ctrl-C, SIGTERM and SIGHUP."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

from igentai_orchestrator.core import facts
from igentai_orchestrator.daemon.outcome import INTERRUPTED

if TYPE_CHECKING:
    from collections.abc import Callable

    from igentai_orchestrator.daemon.outcome import Outcome
    from igentai_orchestrator.daemon.state import State


class Signals:
    """Signals become facts; `hang_up` answers SIGHUP."""

    def __init__(
        self, state: State, dispatch: Callable[[facts.Fact], None], outcome: Outcome, hang_up: Callable[[], None]
    ) -> None:
        self._until_done = state.until_done
        self._dispatch = dispatch
        self._outcome = outcome
        self._hang_up = hang_up

    def take(self) -> None:
        """From now on, on the running event loop."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self.interrupt)
        loop.add_signal_handler(signal.SIGTERM, self._terminate)
        loop.add_signal_handler(signal.SIGHUP, self._hang_up)

    def drop(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.remove_signal_handler(number)

    def interrupt(self) -> None:
        """Ctrl-C: end in good order, and at the second one at once."""
        if self._outcome.interrupted:
            self._outcome.exit(INTERRUPTED)
            return
        self._outcome.interrupted = True
        self._dispatch(facts.ShutdownRequested())

    def _terminate(self) -> None:
        if self._until_done:
            self._outcome.interrupted = True
        self._dispatch(facts.ShutdownRequested())
