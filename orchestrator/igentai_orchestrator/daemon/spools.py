"""Left-over spools of the open topic: read as facts, and removed once the ledger has what they held."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igentai.errors import IgentaiError
from igentai.messages import AttributeBatch
from igentai.spool import left_over, read_spool, spool_path
from igentai_orchestrator.core import facts

if TYPE_CHECKING:
    from collections.abc import Callable

    from igentai_orchestrator.daemon.state import State


class Spools:
    """Those in the folder of the topic that is open; without one there are none."""

    def __init__(self, state: State, dispatch: Callable[[facts.Fact], None]) -> None:
        self._state = state
        self._dispatch = dispatch

    def take_left_over(self) -> None:
        """All that earlier daemons left, when a topic opens."""
        if self._state.opened is not None:
            for run_id in left_over(self._state.opened.spool):
                self.take(run_id)

    def take(self, run_id: str) -> None:
        """What a producer that is gone had received, as facts."""
        opened = self._state.opened
        if opened is None:
            return
        try:
            answers = read_spool(spool_path(opened.spool, run_id))
        except (OSError, IgentaiError) as error:
            self._state.log.error("archive.spool_unreadable", run=run_id, detail=str(error))
            answers = []
        for answer in answers:
            if isinstance(answer, AttributeBatch):
                self._dispatch(facts.AnswerArrived(None, answer))
            else:
                self._dispatch(facts.FailureArrived(None, answer))
        self._dispatch(facts.SpoolTaken(run_id))

    def remove(self, run_id: str) -> None:
        if self._state.opened is not None:
            spool_path(self._state.opened.spool, run_id).unlink(missing_ok=True)
