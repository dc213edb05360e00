"""SIGHUP: settings, keys, limits and certificates are read again; what cannot be used is refused whole."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from igentai.errors import IgentaiError
from igentai_orchestrator.core import facts
from igentai_orchestrator.daemon.terms import provider_terms

if TYPE_CHECKING:
    from collections.abc import Callable

    from igentai_orchestrator.daemon.listeners import Listeners
    from igentai_orchestrator.daemon.local_producers import LocalProducers
    from igentai_orchestrator.daemon.state import State
    from igentai_orchestrator.settings import Settings
    from igentai_orchestrator.shell.notify import Notify


class Reload:
    """`read` reads the settings again, None where that is not possible; `reload_page` the page's certificate."""

    def __init__(
        self,
        state: State,
        dispatch: Callable[[facts.Fact], None],
        listeners: Listeners,
        producers: LocalProducers,
        notify: Notify,
        read: Callable[[], Settings] | None,
    ) -> None:
        self._state = state
        self._dispatch = dispatch
        self._listeners = listeners
        self._producers = producers
        self._notify = notify
        self._read = read
        self.reload_page: Callable[[], None] = lambda: None

    def __call__(self) -> None:
        if self._read is None:
            return
        self._notify.reloading(time.monotonic_ns() // 1000)
        try:
            self._take(self._read())
        except IgentaiError as error:
            self._state.log.error("daemon.reload_refused", reason=str(error))
        self._notify.ready(f"producers on {self._listeners.address}")

    def _take(self, settings: Settings) -> None:
        state = self._state
        self.reload_page()  # renewed certificates, in the same files
        self._listeners.reload_certificates()
        terms = {name: provider_terms(settings, name) for name in state.terms}
        if "embedded" in terms:
            terms["embedded"] = replace(terms["embedded"], base_url=state.terms["embedded"].base_url)
        state.settings = settings
        self._producers.withhold()
        state.terms.update(terms)
        self._dispatch(facts.ConfigurationReloaded(keys_changed=self._producers.outdated))
