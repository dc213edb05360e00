"""What the archive says, from its own thread, brought to the event loop as facts."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from igentai_orchestrator.core import facts

if TYPE_CHECKING:
    from collections.abc import Callable

    from igentai_orchestrator.daemon.outcome import Outcome


class Commits:
    """An `ArchiveListener`. `loop` is known once the daemon runs."""

    def __init__(self, dispatch: Callable[[facts.Fact], None], outcome: Outcome) -> None:
        self._dispatch = dispatch
        self._outcome = outcome
        self.loop: asyncio.AbstractEventLoop | None = None

    def committed(self, ticket: int) -> None:
        self._tell(facts.Committed(ticket))

    def troubled(self, detail: str) -> None:
        self._tell(facts.StorageTroubled(detail))

    def mended(self) -> None:
        self._tell(facts.StorageMended())

    def broken(self, error: BaseException) -> None:
        """A failed fsync is never retried: this process ends, and the next one recovers."""
        self._outcome.fail(error)
        self._call_soon(self._outcome.give_up)

    def _tell(self, fact: facts.Fact) -> None:
        self._call_soon(lambda: self._dispatch(fact))

    def _call_soon(self, what: Callable[[], None]) -> None:
        assert self.loop is not None
        try:
            self.loop.call_soon_threadsafe(what)
        except RuntimeError:
            pass  # the loop is closed: nobody is left to tell
