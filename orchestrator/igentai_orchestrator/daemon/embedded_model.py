"""The embedded model is started for the first topic that asks it, and serves all that follow."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from igentai.errors import NoUsableProvider
from igentai.providers import embedded

if TYPE_CHECKING:
    from igentai_orchestrator.core.topic import TopicSpec
    from igentai_orchestrator.daemon.state import State
    from igentai_orchestrator.shell.processes import Processes


async def start_embedded(state: State, processes: Processes, spec: TopicSpec) -> None:
    """Start it, if this topic asks it and it does not run yet.

    Raises:
        NoUsableProvider: it is not installed here.
    """
    if "embedded" not in {model.provider for model in spec.models} or state.terms["embedded"].base_url:
        return
    path = embedded.weights_path()
    missing = embedded.available()
    if missing or path is None:
        raise NoUsableProvider(missing or "the embedded model's weights are missing: run scripts/setup --embedded")
    embedded.check_weights(path)
    port = await processes.start_embedded(embedded.command(os.getpid()))
    state.terms["embedded"] = replace(state.terms["embedded"], base_url=f"http://127.0.0.1:{port}/v1")
    state.log.info("embedded.ready", port=port, note=embedded.BANNER)
