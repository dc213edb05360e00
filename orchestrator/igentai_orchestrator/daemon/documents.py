"""metrics.json and state.json: made from what the desk knows, every second and once more at the end of a topic."""

from __future__ import annotations

import asyncio
import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import igentai
from igentai_orchestrator.core.phase import Phase

if TYPE_CHECKING:
    from collections.abc import Callable

    from igentai_orchestrator.core.topic import TopicSpec
    from igentai_orchestrator.daemon.state import State

EVERY_S: Final = 1.0


def metrics(state: State, status: str, reason: str | None) -> dict[str, Any]:
    """metrics.json of the open topic."""
    assert state.spec is not None
    head = {"topic": state.spec.topic, "status": status, "stop_reason": reason}
    return head | state.desk.snapshot(state.now())


def write_state(state: State, status: str, reason: str | None) -> None:
    """state.json of the open topic."""
    campaign = state.desk.books.campaign
    assert state.spec is not None
    totals = campaign.statistics.totals if campaign else None
    state.archive.write_state(
        {
            "status": status,
            "stop_reason": reason,
            "unique_attributes": len(campaign.admission) if campaign else 0,
            "cost_usd": totals.cost if totals else 0.0,
            "requests": campaign.requests if campaign else 0,
            "producers": len(state.desk.books.roster),
            "weights": campaign.policy.shares() if campaign else {},
            "configuration": _configuration(state.spec),
            "version": igentai.__version__,
            "pid": os.getpid(),
        }
    )


def _configuration(spec: TopicSpec) -> dict[str, Any]:
    """What was asked for, defaults included. The topic itself stands beside it."""
    said = asdict(spec)
    return {name: value for name, value in said.items() if name not in ("topic", "folder")}


async def keep_up_to_date(state: State, told: Callable[[], None]) -> None:
    """Write both while a topic runs, keep watchers up to date, and call `told`, for ever."""
    while True:
        await asyncio.sleep(EVERY_S)
        # Not while it is being closed: the archive is busy with its last words then and takes no more.
        if state.spec is not None and state.desk.phase in (Phase.RUNNING, Phase.FINISHING):
            state.document = metrics(state, "running", None)
            state.archive.write_metrics(state.document)
            write_state(state, "running", None)
        state.tell_watchers()
        told()


def status_line(state: State) -> str:
    """What `systemctl status` shows."""
    if state.desk.storage_trouble is not None:
        return f"waiting: {state.desk.storage_trouble}"
    return f"{state.spec.topic}: {state.latest} attributes" if state.spec is not None else "no topic is running"
