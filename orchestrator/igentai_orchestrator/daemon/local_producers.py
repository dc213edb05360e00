"""Producers spawned by this daemon: what each is handed at its start, and whether that is still what is set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from igentai.errors import IgentaiError
from igentai.handover import Handover, encode
from igentai_orchestrator.known_providers import KNOWN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from igentai.providers.base import ProviderSpec
    from igentai_orchestrator.daemon.state import State
    from igentai_orchestrator.shell.processes import Processes


class LocalProducers:
    """Spawns and signals them through `processes`."""

    def __init__(self, state: State, processes: Processes, secret: bytes) -> None:
        self._state = state
        self._processes = processes
        self._secret = secret
        self._handed: Mapping[str, ProviderSpec] = {}  # what the producer started last was given
        self.withhold()

    def withhold(self) -> None:
        """Keep the variables that hold keys out of the environment of what is spawned from now on."""
        self._processes.withheld = self._state.settings.key_variables()

    def spawn(self, slot: int, address: str) -> None:
        handover = self._handover()
        self._handed = handover.providers
        self._processes.spawn(slot, address, encode(handover))

    def signal(self, slot: int, pid: int, how: Literal["terminate", "abort", "kill"]) -> None:
        self._processes.signal(slot, pid, how)

    @property
    def outdated(self) -> bool:
        """Whether producers hold other keys than those set now."""
        return self._handover().providers != self._handed

    def _handover(self) -> Handover:
        settings = self._state.settings
        specs: dict[str, ProviderSpec] = {}
        for name in {*KNOWN, *settings.providers, *self._state.terms}:
            try:
                specs[name] = settings.provider(name)
            except IgentaiError:
                continue  # no key: then nobody can be told to ask it
        return Handover(self._secret, specs, None, settings.log_level)
