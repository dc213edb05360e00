"""Facts go to the desk, and its orders are carried out, in the order given. Nothing but the desk decides."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from igentai_orchestrator.core import facts, orders

if TYPE_CHECKING:
    from collections.abc import Iterable

    from igentai_orchestrator.daemon.listeners import Listeners
    from igentai_orchestrator.daemon.local_producers import LocalProducers
    from igentai_orchestrator.daemon.outcome import Outcome
    from igentai_orchestrator.daemon.spools import Spools
    from igentai_orchestrator.daemon.state import State
    from igentai_orchestrator.daemon.topics import Topics


class Performer:
    """Takes facts from everywhere; `join` names those through whom it acts, who tell it facts in turn."""

    listeners: Listeners
    producers: LocalProducers
    spools: Spools
    topics: Topics

    def __init__(self, state: State, outcome: Outcome) -> None:
        self._state = state
        self._outcome = outcome
        self._facts: deque[facts.Fact] = deque()
        self._dispatching = False

    def join(self, listeners: Listeners, producers: LocalProducers, spools: Spools, topics: Topics) -> None:
        self.listeners, self.producers, self.spools, self.topics = listeners, producers, spools, topics

    def dispatch(self, fact: facts.Fact) -> None:
        """Give a fact to the desk and do what it orders. Facts that come up meanwhile wait their turn."""
        self._facts.append(fact)
        if self._dispatching:
            return
        self._dispatching = True
        try:
            while self._facts:
                self.perform_all(self._state.desk.handle(self._facts.popleft(), self._state.now()))
        finally:
            self._dispatching = False

    def perform_all(self, todo: Iterable[orders.Order]) -> None:
        for order in todo:
            self._perform(order)

    def _perform(self, order: orders.Order) -> None:
        state = self._state
        match order:
            case orders.RecordThis():
                state.archive.submit(order.ticket, order.record)
            case orders.Send():
                self.listeners.send(order.link, order.message)
            case orders.Publish():
                state.latest = order.latest
                state.tell_watchers()
            case orders.Log():
                getattr(state.log, order.level)(order.event, **order.keys)
            case orders.Spawn():
                self.producers.spawn(order.slot, self.listeners.address)
            case orders.Kill():
                self.producers.signal(order.slot, order.pid, order.how)
            case orders.Disconnect():
                self.listeners.disconnect(order.link, order.reason)
            case orders.TakeSpool():
                self.spools.take(order.run_id)
            case orders.RemoveSpool():
                self.spools.remove(order.run_id)
            case orders.CloseTopic():
                self.topics.close(order)
            case orders.Exit():
                self._outcome.exit(order.code)
