"""One topic after the other: from the agenda to its folder, and its last words when it ends."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from igentai.errors import IgentaiError
from igentai_orchestrator.core import facts
from igentai_orchestrator.core.phase import Phase
from igentai_orchestrator.daemon import documents
from igentai_orchestrator.daemon.embedded_model import start_embedded
from igentai_orchestrator.daemon.state import Ended
from igentai_orchestrator.shell import garbage

if TYPE_CHECKING:
    from collections.abc import Callable

    from igentai_orchestrator.core.agenda import Entry
    from igentai_orchestrator.core.orders import CloseTopic
    from igentai_orchestrator.daemon.spools import Spools
    from igentai_orchestrator.daemon.state import State
    from igentai_orchestrator.shell.archive import ArchiveListener
    from igentai_orchestrator.shell.processes import Processes


class Topics:
    """Opens what is next on the agenda and closes what the desk is done with.

    Args:
        commits: hears from the archive what became of records.
    """

    def __init__(
        self,
        state: State,
        dispatch: Callable[[facts.Fact], None],
        spools: Spools,
        processes: Processes,
        commits: ArchiveListener,
    ) -> None:
        self._state = state
        self._dispatch = dispatch
        self._spools = spools
        self._processes = processes
        self._commits = commits
        self._to_close: CloseTopic | None = None
        self._agenda_changed = asyncio.Event()

    def look(self) -> None:
        """The agenda has changed: see what is to be done."""
        self._agenda_changed.set()

    def close(self, order: CloseTopic) -> None:
        self._to_close = order
        self._agenda_changed.set()

    async def run(self) -> None:
        """Go through the agenda for ever."""
        state = self._state
        while True:
            self._agenda_changed.clear()
            if self._to_close is not None:
                await self._close(self._to_close)
            if state.desk.phase is Phase.IDLE and not state.desk.shutting_down:
                entry = state.agenda.next()
                if entry is not None:
                    await self._open(entry)
                elif state.until_done:
                    self._dispatch(facts.ShutdownRequested())
            await self._agenda_changed.wait()

    async def _open(self, entry: Entry) -> None:
        state, spec = self._state, entry.spec
        try:
            await start_embedded(state, self._processes, spec)
            opened = state.opened = state.archive.open(spec, entry.mode, listener=self._commits)
        except IgentaiError as error:
            state.log.error("agenda.topic_not_opened", topic=spec.topic, reason=str(error))
            if state.until_done:
                raise
            self._agenda_changed.set()
            return
        state.spec, state.latest = spec, 0
        for repair in opened.repairs:
            state.log.warning("archive.repaired", topic=spec.topic, what=repair)
        with garbage.held_off():
            self._dispatch(facts.TopicOpened(spec, opened.ledger, str(opened.spool), opened.history, opened.elapsed_s))
        campaign = state.desk.books.campaign
        state.latest = len(campaign.admission) if campaign else 0
        self._spools.take_left_over()
        documents.write_state(state, "running", None)
        state.archive.write_global(state.agenda.folders)
        state.tell_watchers()

    async def _close(self, close: CloseTopic) -> None:
        self._to_close = None
        state, spec = self._state, self._state.spec
        assert spec is not None
        document = state.document = documents.metrics(state, close.status, close.reason)
        state.archive.write_metrics(document)
        documents.write_state(state, close.status, close.reason)
        state.archive.write_global(state.agenda.folders)
        await state.archive.close()
        state.ended.append(Ended(spec, close.status, close.reason, _exit_code(close), document))
        state.log.info("topic.closed", topic=spec.topic, status=close.status, reason=close.reason)
        state.spec = state.opened = None
        self._dispatch(facts.TopicClosed())
        garbage.taken_back()
        state.tell_watchers()


def _exit_code(close: CloseTopic) -> int:
    if close.exit_code:
        return close.exit_code
    return 0 if close.status == "finished" else 4
